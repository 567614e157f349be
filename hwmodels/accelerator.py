"""Accelerator templates: MAC array, rescalers, parameter memory and buffers around a network, in two styles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hwmodels.banks import built_workloads, memory_formats
from hwmodels.clock import ClockedModel, clock_energy_nj, slowest_ns
from hwmodels.components import crossed, sized
from hwmodels.costs import NetworkCost, Style, component_cost, reasons, times, total
from hwmodels.dataflow import Dataflow, MemoryCost, memory_cost
from hwmodels.errors import HardwareError
from hwmodels.models import CostModel
from hwmodels.network import PJ_PER_NJ, network_cost, parameter_memory
from hwmodels.orders import OutputOrder
from hwmodels.technologies import Technology
from hwmodels.workload import RescalerWorkload

# A layer that works at the same time as the next one gives all channels of a position before the next position, as the
# windows of a convolution need them (FINN, Umuroglu et al., FPGA 2017: interleaved channels). An array whose weights
# stay while positions pass, as NVDLA's do (nvdla.org, Unit Description, Convolution Pipeline), gives a lane all
# positions of a channel.
NATURAL_ORDERS: Final[Mapping[Style, OutputOrder]] = {
    "streaming": "channel_innermost",
    "shared": "channel_outermost",
}
_NJ_OF_UW_NS: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """A template of an accelerator.

    Attributes:
        style: ``shared`` (one MAC array and one bank of rescalers serve the layers in turn) or ``streaming`` (each
            layer has its own, and all layers work at once).
        mac_lanes: multiply-accumulates per cycle, of the array or of each layer.
        rescaler_lanes: rescaler units side by side, of the bank or of each layer; a single-cycle one does a rescale
            per cycle.
        dataflow: buffers of weights and activations, and how often they are accessed; None to leave them out.
    """

    style: Style
    mac_lanes: int
    rescaler_lanes: int
    dataflow: Dataflow | None = None

    def __post_init__(self) -> None:
        for name in ("mac_lanes", "rescaler_lanes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise HardwareError(f"{name} is {value!r}; use a whole number of at least 1")


@dataclass(frozen=True, slots=True)
class LayerTime:
    """Clock cycles of one layer: of its multiply-accumulates, of its rescales, and of both overlapped.

    ``drain_cycles`` follow, in which the last rescales of each inference leave the pipeline.
    """

    name: str
    mac_cycles: int
    rescale_cycles: int
    cycles: int
    drain_cycles: int = 0


@dataclass(frozen=True, slots=True)
class AcceleratorCost:
    """Cost of a network on an accelerator. Buffers of weights and activations stand beside it, not in it.

    Attributes:
        area_um2: area of MAC arrays, rescalers, and memory for parameters and biases.
        energy_nj: energy of one inference: multiply-accumulates, rescales, and reads of parameters and biases.
        latency_cycles: clock cycles. Shared: those of one inference, the sum over the layers, each with the cycles in
            which its last results leave the rescalers. Streaming: those between two inferences, the slowest layer's.
        period_ns: shortest clock period of the rescalers; None if the table gives no delays.
        latency_ns: time of those cycles at the target clock; None without one.
        rescalers: the rescalers' part.
        missing: why figures are None.
        memories: cost of the buffers of weights and activations; None if the accelerator has none.
    """

    area_um2: float | None
    energy_nj: float | None
    latency_cycles: int
    rescalers: NetworkCost
    missing: tuple[str, ...]
    memories: MemoryCost | None = None
    period_ns: float | None = None
    latency_ns: float | None = None


def accelerator_cost(
    workloads: Sequence[RescalerWorkload], model: CostModel, accelerator: Accelerator
) -> AcceleratorCost:
    """Returns area, energy and latency of a network on an accelerator.

    Raises:
        HardwareError: if a workload cannot be built.
    """
    technology = model.technology
    rescalers = network_cost(workloads, model, style=accelerator.style, lanes=accelerator.rescaler_lanes)
    mac_area, mac_energy = array_cost(workloads, technology, accelerator)
    biases = parameter_memory(technology, rescalers.bias_bits).area_um2
    each = layer_times(workloads, rescalers, accelerator)
    shared, period = accelerator.style == "shared", slowest_ns(rescalers.layers)
    cycles = sum(time.cycles + time.drain_cycles for time in each) if shared else max(time.cycles for time in each)
    clocks = clock_energy_nj(
        rescalers.layers, [time.rescale_cycles for time in each], model,
        style=accelerator.style, lanes=accelerator.rescaler_lanes, cycles=cycles,
    )  # fmt: skip
    rescalers = replace(rescalers, rescaler_energy_nj=total([rescalers.rescaler_energy_nj, clocks]))
    reads = parameter_energy_nj(workloads, model, accelerator)
    time_ns = latency_ns(cycles, period, model)
    return AcceleratorCost(
        area_um2=total([mac_area, biases, rescalers.rescaler_area_um2]),
        energy_nj=total([mac_energy, rescalers.rescaler_energy_nj, reads]),
        latency_cycles=cycles,
        period_ns=period,
        latency_ns=time_ns,
        rescalers=rescalers,
        missing=reasons((rescalers.missing, parameter_memory(technology).missing)),
        memories=_memories(workloads, technology, accelerator, time_ns),
    )


def _memories(
    workloads: Sequence[RescalerWorkload], technology: Technology, accelerator: Accelerator, time_ns: float | None
) -> MemoryCost | None:
    """Returns the cost of the buffers, which leak for the time of an inference if a clock says how long that is."""
    if accelerator.dataflow is None:
        return None
    cost = memory_cost(workloads, accelerator.dataflow, technology, accelerator.style)
    leaked = None if time_ns is None else times(cost.leakage_uw, time_ns * _NJ_OF_UW_NS)
    return cost if leaked is None else replace(cost, energy_nj=total([cost.energy_nj, leaked]))


def latency_ns(cycles: int, period_ns: float | None, model: CostModel) -> float | None:
    """Returns the time of clock cycles at the model's clock, or a slower one that the lanes meet; None without one."""
    if not isinstance(model, ClockedModel) or period_ns is None:
        return None
    return cycles * max(model.clock.period_ns, period_ns)


def parameter_energy_nj(
    workloads: Sequence[RescalerWorkload], model: CostModel, accelerator: Accelerator
) -> float | None:
    """Returns the energy of reading parameters and biases in one inference, None without a memory energy.

    A bias is read with the parameters of its channel, as often as the order of outputs says, for which the table's
    energies are read, too.
    """
    bit, style = parameter_memory(model.technology), accelerator.style
    words = memory_formats(built_workloads(workloads, style=style), model.architecture_of, style=style)
    bits = sum(
        (word.parameter_bits + word.bias_bits) * parameter_reads(workload, model.technology.output_order)
        for word, workload in zip(words, workloads, strict=True)
    )
    return None if bit.energy_pj is None else bit.energy_pj * bits / PJ_PER_NJ


def parameter_reads(workload: RescalerWorkload, order: OutputOrder) -> int:
    """Returns how many sets of parameters are read; what all outputs of an inference share is read once in each."""
    if order == "channel_outermost" or workload.channels == 1:
        return workload.channels * workload.inferences
    return workload.rescales_per_inference


def layer_times(
    workloads: Sequence[RescalerWorkload], rescalers: NetworkCost, accelerator: Accelerator
) -> tuple[LayerTime, ...]:
    """Returns the cycles of each layer."""
    times = []
    for workload, layer in zip(workloads, rescalers.layers, strict=True):
        macs = -(-workload.macs_per_inference // accelerator.mac_lanes)
        results = accelerator.rescaler_lanes * layer.results
        rescales = -(-workload.rescales_per_inference // results) * layer.cycles
        drain = (layer.lane.latency - layer.lane.cycles) * workload.inferences
        times.append(LayerTime(workload.name, macs, rescales, max(macs, rescales), drain))
    return tuple(times)


def array_cost(
    workloads: Sequence[RescalerWorkload], technology: Technology, accelerator: Accelerator
) -> tuple[float | None, float | None]:
    """Returns area in um2 and energy in nJ per inference of the MAC arrays; a shared one is as wide as any layer."""
    layers = [workload for workload in workloads if workload.macs_per_inference]
    if not layers:
        return 0.0, 0.0
    widths = [(layer.activation_bits, layer.weight_bits, layer.stages[0].operand_bits) for layer in layers]
    costs = [mac_cost(technology, *each) for each in widths]
    energies = [
        None if energy is None else energy * layer.macs_per_inference / PJ_PER_NJ
        for layer, (_, energy) in zip(layers, costs, strict=True)
    ]
    areas = [area for area, _ in costs]
    if accelerator.style == "shared":
        activation, weight, accumulator = (max(column) for column in zip(*widths, strict=True))
        areas = [mac_cost(technology, activation, weight, accumulator)[0]]
    return times(total(areas), accelerator.mac_lanes), total(energies)


def mac_cost(
    technology: Technology, activation_bits: int, weight_bits: int, accumulator_bits: int
) -> tuple[float | None, float | None]:
    """Returns (area in um2, energy per operation in pJ) of one multiply-accumulate: multiplier, adder, register."""
    parts = (
        component_cost(technology, "multiplier", "MAC multiplier", **crossed(activation_bits, weight_bits)),
        component_cost(technology, "adder", "MAC adder", **sized(accumulator_bits)),
        component_cost(technology, "register", "MAC accumulator", bits=accumulator_bits),
    )
    return total([part.area_um2 for part in parts]), total([part.energy_pj for part in parts])
