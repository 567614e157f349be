"""Accelerator templates: MAC array, rescalers and parameter memory around a network, in two styles."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from hwmodels.costs import CostModel, LayerCost, NetworkCost, Style, component_cost, reasons, total
from hwmodels.errors import HardwareError
from hwmodels.models.operators import crossed, sized
from hwmodels.network import network_cost, parameter_word_bits
from hwmodels.technologies.technology import Technology
from hwmodels.workload import RescalerWorkload

_PJ_PER_NJ = 1000.0
OutputOrder = Literal["channel_outermost", "channel_innermost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """A template.

    Attributes:
        style: ``shared`` (one MAC array and one bank of rescalers serve the layers in turn) or ``streaming`` (each
            layer has its own, and all work at once).
        mac_lanes: multiply-accumulates per cycle, of the array or of each layer.
        rescaler_lanes: rescaler units side by side, of the bank or of each layer; a single-cycle one does a rescale
            per cycle.
        clock_mhz: clock frequency, for times.
        output_order: the order in which a lane sees outputs. ``channel_outermost``: all positions of a channel, then
            the next channel, so that a channel's parameters are read once an inference and held; the order in which
            NVDLA finishes one group of kernels after the other (nvdla.org, Unit Description, Convolution Pipeline:
            group operation), and that of the traces behind the calibrated energies. ``channel_innermost``: all
            channels of a position, then the next position, so that every rescale reads its parameters.
    """

    style: Style
    mac_lanes: int
    rescaler_lanes: int
    clock_mhz: float
    output_order: OutputOrder = "channel_outermost"

    def __post_init__(self) -> None:
        if self.output_order not in get_args(OutputOrder):
            raise HardwareError(f"output_order is {self.output_order!r}; use one of {', '.join(get_args(OutputOrder))}")
        for name in ("mac_lanes", "rescaler_lanes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise HardwareError(f"{name} is {value!r}; use a whole number of at least 1")
        if not (math.isfinite(self.clock_mhz) and self.clock_mhz > 0):
            raise HardwareError(f"clock_mhz is {self.clock_mhz!r}; use a positive number")


@dataclass(frozen=True, slots=True)
class LayerTime:
    """Cycles of one layer: of its multiply-accumulates, of its rescales, and of both overlapped."""

    name: str
    mac_cycles: int
    rescale_cycles: int
    cycles: int


@dataclass(frozen=True, slots=True)
class AcceleratorCost:
    """Cost of a network on an accelerator.

    Attributes:
        area_um2: MAC array, rescalers and parameter memory. Weights and activations are not in it.
        energy_nj: multiply-accumulates, rescales and reads of the rescalers' parameters of one inference. Accesses to
            weights and activations are not in it.
        latency_cycles: shared: sum of the layers' cycles; streaming: the slowest layer's, which is the time between
            two inferences.
        latency_us: the same in microseconds.
        rescaler_area_share: rescalers' part of the area, parameter memory included.
        rescaler_energy_share: rescales' part of the energy, reads of their parameters left out.
        rescaler_bound_layers: names of layers that wait for their rescalers.
        mac_area_um2: area of the MAC arrays.
        mac_energy_nj: energy of the multiply-accumulates of one inference.
        parameter_energy_nj: energy of reading the rescalers' parameters from their memory in one inference, None where
            the table has no memory energy.
        rescalers: cost of the rescalers.
        layers: times per layer.
        missing: a reason for each figure that is None.
    """

    area_um2: float | None
    energy_nj: float | None
    latency_cycles: int
    latency_us: float
    rescaler_area_share: float | None
    rescaler_energy_share: float | None
    rescaler_bound_layers: tuple[str, ...]
    mac_area_um2: float | None
    mac_energy_nj: float | None
    parameter_energy_nj: float | None
    rescalers: NetworkCost
    layers: tuple[LayerTime, ...]
    missing: tuple[str, ...]


def accelerator_cost(
    workloads: Sequence[RescalerWorkload], model: CostModel, accelerator: Accelerator
) -> AcceleratorCost:
    """Return area, energy and latency of a network on an accelerator, and the rescalers' share.

    Raises:
        HardwareError: if a workload cannot be built.
    """
    rescalers = network_cost(workloads, model, style=accelerator.style, lanes=accelerator.rescaler_lanes)
    mac_area, mac_energy = _macs(workloads, model.technology, accelerator)
    layers = zip(workloads, rescalers.layers, strict=True)
    times = tuple(_layer_time(workload, layer, accelerator) for workload, layer in layers)
    cycles = [time.cycles for time in times]
    latency = sum(cycles) if accelerator.style == "shared" else max(cycles)
    area = total([mac_area, rescalers.rescaler_area_um2])
    bit = component_cost(model.technology, "memory", "parameters", bits=1)
    parameter_energy = (
        None if bit.energy_pj is None else bit.energy_pj * _bits_read(workloads, accelerator) / _PJ_PER_NJ
    )
    energy = total([mac_energy, rescalers.rescaler_energy_nj, parameter_energy])
    return AcceleratorCost(
        area_um2=area,
        energy_nj=energy,
        latency_cycles=latency,
        latency_us=latency / accelerator.clock_mhz,
        rescaler_area_share=_share(rescalers.rescaler_area_um2, area),
        rescaler_energy_share=_share(rescalers.rescaler_energy_nj, energy),
        rescaler_bound_layers=tuple(time.name for time in times if time.rescale_cycles > time.mac_cycles),
        mac_area_um2=mac_area,
        mac_energy_nj=mac_energy,
        parameter_energy_nj=parameter_energy,
        rescalers=rescalers,
        layers=times,
        missing=reasons((rescalers.missing, bit.missing)),
    )


def _bits_read(workloads: Sequence[RescalerWorkload], accelerator: Accelerator) -> int:
    """Return the bits of parameters that one inference reads."""
    words = parameter_word_bits(workloads, style=accelerator.style)
    reads = (parameter_reads(workload, accelerator.output_order) for workload in workloads)
    return sum(bits * count for bits, count in zip(words, reads, strict=True))


def parameter_reads(workload: RescalerWorkload, order: OutputOrder) -> int:
    """Return how often one inference reads a channel's parameters; what all outputs share is read once."""
    if order == "channel_outermost" or workload.channels == 1:
        return workload.channels
    return workload.rescales_per_inference


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _layer_time(workload: RescalerWorkload, layer: LayerCost, accelerator: Accelerator) -> LayerTime:
    macs = -(-workload.macs_per_inference // accelerator.mac_lanes)
    rescales = -(-workload.rescales_per_inference // (accelerator.rescaler_lanes * layer.results)) * layer.cycles
    return LayerTime(workload.name, macs, rescales, max(macs, rescales))


def _macs(
    workloads: Sequence[RescalerWorkload], technology: Technology, accelerator: Accelerator
) -> tuple[float | None, float | None]:
    """Return area and energy (nJ per inference) of the MAC arrays; a shared one is as wide as the widest layer."""
    layers = [workload for workload in workloads if workload.macs_per_inference]
    if not layers:
        return 0.0, 0.0
    energies = []
    for layer in layers:
        _, energy = mac_cost(technology, layer.activation_bits, layer.weight_bits, layer.stages[0].operand_bits)
        energies.append(None if energy is None else energy * layer.macs_per_inference / _PJ_PER_NJ)
    if accelerator.style == "shared":
        widest = (
            max(layer.activation_bits for layer in layers),
            max(layer.weight_bits for layer in layers),
            max(layer.stages[0].operand_bits for layer in layers),
        )
        areas = [mac_cost(technology, *widest)[0]]
    else:
        areas = [mac_cost(technology, w.activation_bits, w.weight_bits, w.stages[0].operand_bits)[0] for w in layers]
    area = total(areas)
    return None if area is None else area * accelerator.mac_lanes, total(energies)


def mac_cost(
    technology: Technology, activation_bits: int, weight_bits: int, accumulator_bits: int
) -> tuple[float | None, float | None]:
    """Return (area in um2, energy per operation in pJ) of one multiply-accumulate: multiplier, adder, register."""
    parts = (
        component_cost(technology, "multiplier", "MAC multiplier", **crossed(activation_bits, weight_bits)),
        component_cost(technology, "adder", "MAC adder", **sized(accumulator_bits)),
        component_cost(technology, "register", "MAC accumulator", bits=accumulator_bits),
    )
    return total([part.area_um2 for part in parts]), total([part.energy_pj for part in parts])
