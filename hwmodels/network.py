"""Cost of a network's rescalers in an accelerator, by the composition rules of its style."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, get_args

import numpy as np

from hwmodels.banks import banks, built_workloads, memory_formats
from hwmodels.costs import ComponentCost, LayerCost, NetworkCost, Style, UnitCost, component_cost, reasons, times, total
from hwmodels.errors import HardwareError
from hwmodels.models import CostModel
from hwmodels.technologies import Technology
from hwmodels.workload import RescalerWorkload

PJ_PER_NJ: Final = 1000.0
# Part of what a wide unit adds to a narrow layer's energy that the layer pays, by its share k / K of the unit's width.
# Gate simulation of a synthesized 31-bit array rescaler (OSU 0.18 um, 20-bit accumulator, the multiplier aligned left
# or right, whichever is better at its width; docs/results/hardware/sharing_osu018.csv):
# (E(k in 31) - E(k)) / (E(31 in 31) - E(k)); E(31 in 31) includes the shared unit's longer shifter.
_SHARED_WIDTHS: Final = tuple(k / 31 for k in (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 31))
_SHARED_PARTS: Final = (0.264, 0.284, 0.301, 0.301, 0.309, 0.33, 0.379, 0.418, 0.572, 0.673, 0.793, 1.0)


def network_cost(workloads: Sequence[RescalerWorkload], model: CostModel, *, style: Style, lanes: int) -> NetworkCost:
    """Returns the cost of all rescalers of a network.

    ``streaming``: every layer has lanes and parameter memory of its own; areas add up. ``shared``: one bank of lanes
    serves all layers (a second one the ADDs, which are another unit); it is as wide as the widest layer, its
    parameter memory holds the layer with the most parameters, and a narrow layer pays part of the wide unit's energy.
    Zero points and bounds of a bank are programmable, and its accumulators hold the rounding only if those of all of
    its layers do.

    Args:
        workloads: the rescalers, in network order.
        model: gives the cost of one lane.
        style: how the layers share hardware.
        lanes: rescaler lanes per layer or per bank.

    Raises:
        HardwareError: if the style is unknown, there is no lane, or a workload cannot be built.
    """
    _check(workloads, style, lanes)
    workloads = built_workloads(workloads, style=style)
    layers = tuple(_layer(workload, model, lanes) for workload in workloads)
    if style == "streaming":
        area = total([layer.area_um2 for layer in layers])
        bits, bias_bits = (sum(sizes) for sizes in _memory_bits(workloads, model, style))
    else:
        bits, bias_bits = (max(sizes) for sizes in _memory_bits(workloads, model, style))
        layers, datapaths = _share(workloads, layers, model, lanes)
        area = total([datapaths, parameter_memory(model.technology, bits).area_um2])
    return NetworkCost(
        rescaler_area_um2=area,
        rescaler_energy_nj=total([layer.energy_nj for layer in layers]),
        parameter_bits=bits,
        layers=layers,
        missing=reasons((*(layer.unit.missing for layer in layers), parameter_memory(model.technology).missing)),
        bias_bits=bias_bits,
    )


def _check(workloads: Sequence[RescalerWorkload], style: str, lanes: int) -> None:
    if style not in get_args(Style):
        raise HardwareError(f"style is {style!r}; use one of {', '.join(get_args(Style))}")
    if isinstance(lanes, bool) or not isinstance(lanes, int) or lanes < 1:
        raise HardwareError(f"lanes is {lanes!r}; use a whole number of at least 1")
    names = [workload.name for workload in workloads]
    if not names:
        raise HardwareError("a network needs at least one rescaler")
    shifts = {workload.left_shift for workload in workloads if len(workload.stages) > 1}
    if style == "shared" and len(shifts) > 1:
        raise HardwareError(
            f"ADDs shift their inputs by {sorted(shifts)} bits, which no shared bank does; use streaming"
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise HardwareError(f"two rescalers are named {twice!r}")


def _layer(workload: RescalerWorkload, model: CostModel, lanes: int) -> LayerCost:
    unit = model.unit_cost(workload)
    bits, bias_bits = workload.channels * workload.parameter_bits, workload.channels * workload.bias_bits
    datapath = times(unit.area_um2, lanes)
    memory, biases = (parameter_memory(model.technology, size).area_um2 for size in (bits, bias_bits))
    return LayerCost(
        name=workload.name,
        area_um2=total([datapath, memory]),
        datapath_area_um2=datapath,
        parameter_area_um2=memory,
        energy_nj=_energy_nj(unit.energy_pj, workload),
        parameter_bits=bits,
        unit=unit,
        cycles=unit.cycles,
        results=unit.results,
        bias_bits=bias_bits,
        bias_area_um2=biases,
    )


def parameter_memory(technology: Technology, bits: int = 1) -> ComponentCost:
    """Returns the cost of memory for parameters or biases; its energy is that of reading it."""
    return component_cost(technology, "memory", "parameters", bits=bits)


def _energy_nj(energy_pj: float | None, workload: RescalerWorkload) -> float | None:
    return None if energy_pj is None else energy_pj * workload.rescales_per_inference / PJ_PER_NJ


def _share(
    workloads: Sequence[RescalerWorkload], layers: Sequence[LayerCost], model: CostModel, lanes: int
) -> tuple[tuple[LayerCost, ...], float | None]:
    """Returns the layers with their energies in the banks that serve them, and the area of the banks' lanes."""
    served = banks(workloads, model.architecture_of)
    units = {count: model.unit_cost(bank) for count, bank in served.items()}
    shared = []
    for layer, workload in zip(layers, workloads, strict=True):
        stages = len(workload.stages)
        share = workload.multiplier_bits / served[stages].multiplier_bits
        energy_pj = _energy_in(layer.unit, units[stages], share)
        lane = units[stages]
        shared.append(replace(layer, energy_nj=_energy_nj(energy_pj, workload), cycles=lane.cycles, serving=lane))
    datapaths = total([unit.area_um2 for unit in units.values()])
    return tuple(shared), times(datapaths, lanes)


def _memory_bits(workloads: Sequence[RescalerWorkload], model: CostModel, style: Style) -> tuple[list[int], list[int]]:
    """Returns the bits of parameters, and of biases, that each layer needs in the memories of a style."""
    pairs = list(zip(workloads, memory_formats(workloads, model.architecture_of, style=style), strict=True))
    return [layer.channels * word.parameter_bits for layer, word in pairs], [
        layer.channels * word.bias_bits for layer, word in pairs
    ]


def shared_part(share: float) -> float:
    """Returns the part of a wide unit's additional energy that a layer of ``share`` of its width pays."""
    return float(np.interp(share, _SHARED_WIDTHS, _SHARED_PARTS))


def _energy_in(own: UnitCost, wide: UnitCost, share: float) -> float | None:
    """Returns the energy of a narrow rescale in a wider unit: its own, and part of what the wider unit adds.

    A unit whose energy does not fall with the multiplier spends its energy per cycle, divided by the rescales of it.
    """
    if own.energy_pj is None or wide.energy_pj is None:
        return None
    if not wide.narrows:
        return wide.energy_pj * wide.results / own.results
    return own.energy_pj + shared_part(share) * max(wide.energy_pj - own.energy_pj, 0.0)
