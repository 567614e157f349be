"""The interface of the cost models, and what an architecture's timing does to a unit's energy."""

from dataclasses import replace
from typing import Protocol

from hwmodels.architectures import Architecture, correction_names
from hwmodels.costs import UnitCost, scaled
from hwmodels.technologies import Technology
from hwmodels.workload import RescalerWorkload


class CostModel(Protocol):
    """Prices one rescaler lane.

    Every implementation is deterministic, returns sums of its components, and raises ``HardwareError`` on a workload
    that it cannot build. The formulas and parsed RTL never become cheaper with a wider multiplier, operand or shift
    range; the calibrated model repeats what synthesis gave, including its scatter of a few per cent.

    Attributes:
        name: ``analytic``, ``rtl`` or ``calibrated``.
        technology: the table that its figures come from.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def technology(self) -> Technology: ...  # noqa: D102

    def unit_cost(self, workload: RescalerWorkload) -> UnitCost:
        """Returns the cost of one lane that serves ``workload``."""
        ...


def per_rescale(
    unit: UnitCost, architecture: Architecture, workload: RescalerWorkload, technology: Technology
) -> UnitCost:
    """Returns a unit with its timing, and with energies of one rescale instead of one clock cycle.

    Every component counts as working in every cycle, idle bits of a mode included, and as switching by the
    activity of the architecture's form in the table.
    """
    cycles, results = (timing(workload.multiplier_bits) for timing in (architecture.interval, architecture.lanes))
    factor = cycles / results * technology.activity_of(correction_names(architecture, workload))
    if factor != 1:
        unit = scaled(unit, 1.0, factor)
    return replace(unit, cycles=cycles, results=results, narrows=architecture.narrows)
