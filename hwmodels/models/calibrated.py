"""Rescaler cost from a calibrated table: parsed RTL, corrected by the ratio that synthesis showed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hwmodels.architectures import DEFAULT_CHOICE, FORMS, Architecture, architecture_for, correction_names, offered
from hwmodels.costs import UnitCost, scaled
from hwmodels.errors import HardwareError
from hwmodels.models.analytic import AnalyticRescalerModel
from hwmodels.models.rtl import RtlRescalerModel
from hwmodels.technologies import Correction, EnergyCorrection, Technology
from hwmodels.timing import period_ns
from hwmodels.workload import Pipeline, RescalerWorkload


@dataclass(frozen=True)
class CalibratedRescalerModel:
    """Prices the shipped RTL, and scales it to what synthesis measured at its operand width and near its ``k``.

    The ratio is smoothed over ``k`` (of a folded pure shift: over its window), so that a cost does not depend on one
    run of the mapper. Between the measured operand widths it is interpolated, beyond them the nearest holds. An ADD is
    looked up by its widest multiplier. The table, which must have corrections of all forms of the calibrated
    architectures, states their errors on points left out.
    """

    name = "calibrated"
    technology: Technology

    def __post_init__(self) -> None:
        needed = [name for name, form in FORMS.items() if form.architecture.calibrated]
        missing = [name for name in needed if name not in self.technology.corrections]
        if missing:
            raise HardwareError(
                f"technology {self.technology.name!r} is not calibrated (no corrections of {', '.join(missing)})"
            )
        order = self.technology.output_order
        without = [name for name, each in self.technology.corrections.items() if order not in each.energy_of_order]
        if without:
            raise HardwareError(
                f"technology {self.technology.name!r} has no energies of {', '.join(without)} with outputs in {order} "
                "order"
            )

    def unit_cost(self, workload: RescalerWorkload) -> UnitCost:
        """Returns the cost of one lane that serves ``workload``.

        Raises:
            HardwareError: if no shipped architecture serves it.
        """
        unit, correction = RtlRescalerModel(self.technology).unit_cost(workload), self._correction(workload)
        at = self._at(workload)
        tables = (correction.area_um2, self._energy(correction).ratios)
        area, energy = (interpolate(correction, table, *at) for table in tables)
        delay = self.delay_ns(workload)
        return replace(scaled(unit, area, energy), delay_ns=delay, period_ns=period_ns(delay, self.technology))

    def delay_ns(self, workload: RescalerWorkload) -> float | None:
        """Returns the longest path between the registers of that lane, in ns.

        That of a pipeline is the sum of its components' delays, times what synthesis measured without a pipeline over
        their sum there.
        """
        whole = interpolate(self._correction(workload), self._correction(workload).delay_ns, *self._at(workload))
        if workload.pipeline == Pipeline():
            return whole
        formula = AnalyticRescalerModel(self.technology)
        stage, chain = (formula.delay_ns(each) for each in (workload, replace(workload, pipeline=Pipeline())))
        return None if stage is None or not chain else stage * whole / chain

    def architecture_of(self, workload: RescalerWorkload) -> Architecture:
        """Returns the shipped architecture that serves a workload."""
        return architecture_for(workload)

    def _correction(self, workload: RescalerWorkload) -> Correction:
        corrections = self.technology.corrections
        names = correction_names(self.architecture_of(workload), workload)
        return next(corrections[name] for name in names if name in corrections)

    def _at(self, workload: RescalerWorkload) -> tuple[int, int]:
        return self.architecture_of(workload).swept_bits(workload), workload.stages[-1].operand_bits

    def _energy(self, correction: Correction) -> EnergyCorrection:
        return correction.energy_of_order[self.technology.output_order]

    def corrections_for(self, contract: str) -> dict[str, Correction]:
        """Returns the table's corrections, by form, of the rescalers and the ADDs of a rounding contract."""
        used = [each for stages in (1, 2) for each in offered(DEFAULT_CHOICE, stages) if each.obeys(contract)]
        corrections = self.technology.corrections
        return {
            name: corrections[name] for name, form in FORMS.items() if form.architecture in used and name in corrections
        }


def interpolate(correction: Correction, table: Sequence[Sequence[float]], swept_bits: int, acc_bits: int) -> float:
    """Returns a table's value between its widths, bilinear; the nearest edge's beyond them."""
    column = [np.interp(swept_bits, correction.swept, row) for row in table]
    return float(np.interp(acc_bits, correction.acc_bits, column))
