"""The interface of the cost models, and what an architecture's timing does to a unit's energy."""

from dataclasses import replace
from typing import Protocol

from hwmodels.architectures import Architecture, correction_names
from hwmodels.costs import UnitCost, scaled
from hwmodels.technologies import Technology
from hwmodels.timing import longest_path_ns, period_ns
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

    def delay_ns(self, workload: RescalerWorkload) -> float | None:
        """Returns the ``delay_ns`` of that cost without the rest of it, which takes longer."""
        ...

    def architecture_of(self, workload: RescalerWorkload) -> Architecture | None:
        """Returns the shipped architecture that serves a workload, None for a module of the user's own."""
        ...


def per_rescale(
    unit: UnitCost, architecture: Architecture, workload: RescalerWorkload, technology: Technology
) -> UnitCost:
    """Returns a shipped unit with its timing, and with energies of one rescale instead of one clock cycle.

    Every component counts as working in every cycle, idle bits of a mode included, and as switching by the
    activity of the architecture's form in the table.
    """
    cycles, results = (timing(workload.multiplier_bits) for timing in (architecture.interval, architecture.lanes))
    factor = cycles / results * technology.activity_of(correction_names(architecture, workload))
    if factor != 1:
        unit = scaled(unit, 1.0, factor)
    parts = tuple(architecture.parts(workload))
    delay = longest_path_ns(parts, technology)
    return replace(
        unit,
        cycles=cycles,
        results=results,
        narrows=architecture.narrows,
        delay_ns=delay,
        period_ns=period_ns(delay, technology),
        latency=architecture.latency(workload.multiplier_bits) + workload.pipeline.depth,
        register_bits=sum(int(part.quantities["bits"]) for part in parts if part.kind == "register"),
    )
