"""Rescaler cost from a calibrated table: parsed RTL, corrected by the ratio that synthesis showed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hwmodels.architectures import ARCHITECTURES, DEFAULT_CHOICE, Architecture, architecture_for, offered
from hwmodels.costs import UnitCost, scaled
from hwmodels.errors import HardwareError
from hwmodels.models.rtl import RtlRescalerModel
from hwmodels.technologies import Correction, Technology
from hwmodels.workload import RescalerWorkload


@dataclass(frozen=True)
class CalibratedRescalerModel:
    """Prices the shipped RTL, and scales it to what synthesis measured at its operand width and near its ``k``.

    The ratio is smoothed over ``k``, so that a cost does not depend on one run of the mapper. Between the measured
    operand widths it is interpolated, beyond them the nearest holds. An ADD is looked up by its widest multiplier. The
    table, which must have corrections of the calibrated architectures, states their errors on points left out.
    """

    name = "calibrated"
    technology: Technology

    def __post_init__(self) -> None:
        needed = [each.name for each in ARCHITECTURES.values() if each.calibrated]
        missing = [name for name in needed if name not in self.technology.corrections]
        if missing:
            raise HardwareError(
                f"technology {self.technology.name!r} is not calibrated (no corrections of {', '.join(missing)})"
            )

    def unit_cost(self, workload: RescalerWorkload) -> UnitCost:
        """Returns the cost of one lane that serves ``workload``.

        Raises:
            HardwareError: if no shipped architecture serves it.
        """
        unit = RtlRescalerModel(self.technology).unit_cost(workload)
        correction = self._correction(architecture_for(workload))
        k, acc_bits = workload.multiplier_bits, workload.stages[-1].operand_bits
        area = interpolate(correction, correction.area_um2, k, acc_bits)
        energy = interpolate(correction, correction.energy_pj, k, acc_bits)
        return replace(scaled(unit, area, energy), delay_ns=interpolate(correction, correction.delay_ns, k, acc_bits))

    def corrections_for(self, contract: str) -> dict[str, Correction]:
        """Returns the table's corrections, by architecture, of the rescalers and the ADD of a rounding contract."""
        used = [each for each in offered(DEFAULT_CHOICE, 1) if each.contract == contract]
        names = [each.name for each in (*used, *offered(DEFAULT_CHOICE, 2))]
        return {name: self.technology.corrections[name] for name in names if name in self.technology.corrections}

    def _correction(self, architecture: Architecture) -> Correction:
        """Returns an architecture's correction; one that the table lacks takes that of the default choice."""
        corrections = self.technology.corrections
        return corrections[architecture.name if architecture.name in corrections else DEFAULT_CHOICE]


def interpolate(correction: Correction, table: Sequence[Sequence[float]], k: int, acc_bits: int) -> float:
    """Returns a table's value between its widths, bilinear; the nearest edge's beyond them."""
    column = [np.interp(k, correction.multiplier_bits, row) for row in table]
    return float(np.interp(acc_bits, correction.acc_bits, column))
