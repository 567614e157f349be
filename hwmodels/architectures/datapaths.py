"""Which shipped architecture serves a workload, and what its cycles make of a unit's cost."""

from dataclasses import replace
from typing import Final, Literal, get_args

from hwmodels.architectures.geometry import check_workload
from hwmodels.architectures.registry import ARCHITECTURES, Architecture
from hwmodels.costs import ComponentCost, UnitCost
from hwmodels.errors import HardwareError
from hwmodels.workload import RescalerWorkload

Datapath = Literal["array", "serial", "fractured"]
DATAPATHS: Final[tuple[Datapath, ...]] = get_args(Datapath)
# What the array is called that rounds by a contract.
ARRAY_OF_CONTRACT: Final = {
    "half_up": "array",
    "floor": "floor",
    "half_away": "half_away",
    "tflite_double": "tflite_double",
}


def check_datapath(datapath: str) -> None:
    """Raise HardwareError if there is no such datapath."""
    if datapath not in DATAPATHS:
        raise HardwareError(f"datapath is {datapath!r}; use one of {', '.join(DATAPATHS)}")


def architecture_of(workload: RescalerWorkload, datapath: Datapath) -> Architecture:
    """Return the architecture that serves a workload where rescalers are built as ``datapath``.

    An ADD takes the one unit that there is for it (of contract ``half_up``, which stands in for the others), and a pure
    shift (k = 1), which has nothing to serialise, the array.

    Raises:
        HardwareError: if the workload cannot be built so.
    """
    check_workload(workload)
    if workload.contract not in ARRAY_OF_CONTRACT:
        raise HardwareError(
            f"rescaler {workload.name!r}: no rescaler is built for contract {workload.contract!r}; "
            f"use one of {', '.join(ARRAY_OF_CONTRACT)}"
        )
    if len(workload.stages) == 2:
        return ARCHITECTURES["add"]
    if datapath == "array" or (datapath == "serial" and workload.multiplier_bits == 1):
        return ARCHITECTURES[ARRAY_OF_CONTRACT[workload.contract]]
    if workload.contract != "half_up":
        raise HardwareError(
            f"rescaler {workload.name!r}: the {datapath} datapath rounds by half_up, not by {workload.contract}; "
            "use the array"
        )
    architecture = ARCHITECTURES[datapath]
    low, high = architecture.multipliers
    if not low <= workload.multiplier_bits <= high:
        raise HardwareError(
            f"rescaler {workload.name!r}: the {datapath} datapath takes multipliers of {low} to {high} bits, "
            f"not {workload.multiplier_bits}"
        )
    return architecture


def in_use(unit: UnitCost, architecture: Architecture, multiplier_bits: int, activity: float) -> UnitCost:
    """Return a unit whose energies are of one clock cycle with energies of one rescale, and its timing.

    Every part is taken to work in every cycle, idle bits of a mode included; ``activity`` is how much it then switches
    over what the energies of its components hold for.
    """
    cycles, results = architecture.interval(multiplier_bits), architecture.lanes(multiplier_bits)
    narrows = architecture.name not in ("serial", "fractured")
    factor = cycles / results * activity
    if (cycles, results, activity) == (1, 1, 1.0):
        return replace(unit, narrows=narrows)
    return replace(
        unit,
        energy_pj=None if unit.energy_pj is None else unit.energy_pj * factor,
        components=tuple(_times(part, factor) for part in unit.components),
        cycles=cycles,
        results=results,
        narrows=narrows,
    )


def _times(part: ComponentCost, factor: float) -> ComponentCost:
    return replace(part, energy_pj=None if part.energy_pj is None else part.energy_pj * factor)
