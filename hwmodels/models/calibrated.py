"""Rescaler cost from a calibrated table: parsed RTL, corrected by what synthesis of the architecture gave."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hwmodels.architectures.datapaths import architecture_of
from hwmodels.costs import ComponentCost, UnitCost
from hwmodels.errors import HardwareError
from hwmodels.models.rtl import RtlRescalerModel
from hwmodels.technologies.technology import Correction, Technology
from hwmodels.workload import RescalerWorkload


@dataclass(frozen=True)
class CalibratedRescalerModel:
    """Costs the shipped RTL, and scales it to what synthesis measured at its operand width and near its ``k``.

    The ratio is smoothed over ``k``, so that a cost is not the luck of one run of the mapper. Between the measured
    operand widths it is interpolated, beyond them the nearest holds. An ADD is looked up by its output multiplier. The
    errors on points left out stand in the table's corrections.

    Attributes:
        technology: a calibrated table, with corrections of the architectures ``array`` and ``add``.
    """

    technology: Technology

    def __post_init__(self) -> None:
        missing = [name for name in ("array", "add") if name not in self.technology.corrections]
        if missing:
            raise HardwareError(
                f"technology {self.technology.name!r} is not calibrated (no corrections of {', '.join(missing)})"
            )

    @property
    def name(self) -> str:
        """Name of the model in a study."""
        return "calibrated"

    def unit_cost(self, workload: RescalerWorkload) -> UnitCost:
        """Return the cost of one lane that serves ``workload``.

        Raises:
            HardwareError: if no shipped architecture serves it.
        """
        unit = RtlRescalerModel(self.technology).unit_cost(workload)
        corrections, architecture = self.technology.corrections, architecture_of(workload, "array").name
        correction = corrections.get(architecture, corrections["array"])
        k, acc_bits = workload.multiplier_bits, workload.stages[-1].operand_bits
        area = interpolate(correction, correction.area_um2, k, acc_bits)
        energy = interpolate(correction, correction.energy_pj, k, acc_bits)
        return replace(
            unit,
            area_um2=_times(unit.area_um2, area),
            energy_pj=_times(unit.energy_pj, energy),
            delay_ns=interpolate(correction, correction.delay_ns, k, acc_bits),
            components=tuple(_scaled(part, area, energy) for part in unit.components),
        )


def interpolate(correction: Correction, table: Sequence[Sequence[float]], k: int, acc_bits: int) -> float:
    """Return a table's value between its widths, bilinear; the nearest edge's beyond them."""
    column = [np.interp(k, correction.multiplier_bits, row) for row in table]
    return float(np.interp(acc_bits, correction.acc_bits, column))


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _scaled(part: ComponentCost, area: float, energy: float) -> ComponentCost:
    return replace(part, area_um2=_times(part.area_um2, area), energy_pj=_times(part.energy_pj, energy))
