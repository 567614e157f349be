"""Cost of a design that is no shipped rescaler: by its gates, or by components if the table has no gate figures."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from hwmodels.costs import UnitCost, unit_cost
from hwmodels.models.gate_costs import GateCost, class_errors, gate_cost
from hwmodels.models.parsed_delay import design_delay_ns
from hwmodels.models.parsed_parts import design_costs
from hwmodels.parsing import Design
from hwmodels.technologies import DesignClass, Technology
from hwmodels.timing import period_ns

_CLASSES: Final[Mapping[DesignClass, str]] = {
    "operator": "single operators",
    "datapath": "random datapaths",
    "redundant": "datapaths of which, as of this one, over a tenth never switches,",
}


@dataclass(frozen=True, slots=True)
class DesignCost:
    """Cost of a design.

    Attributes:
        unit: its figures, with a result in every clock cycle.
        by_gates: its gates' figures; None if the table has none, and components were priced.
        errors: what the errors were measured on, in words; '' without gate figures.
    """

    unit: UnitCost
    by_gates: GateCost | None
    errors: str


def design_cost(design: Design, technology: Technology) -> DesignCost:
    """Returns the cost of a design by the gate figures of a table, or by its components if it has none.

    Raises:
        HardwareError: by gates, if a net has two drivers, logic forms a loop or a latch, or an operator has no gates.
    """
    if technology.gates is None:
        unit, delay = unit_cost(design_costs(design, technology)), design_delay_ns(design, technology)
        return DesignCost(_timed(unit, delay, design, technology), None, "")
    cost = gate_cost(design, technology, technology.gates)
    unit = _timed(unit_cost(cost.components), cost.delay_ns, design, technology)
    return DesignCost(unit, cost, _errors(cost, technology))


def _timed(unit: UnitCost, delay: float | None, design: Design, technology: Technology) -> UnitCost:
    period = period_ns(delay, technology)
    return replace(unit, delay_ns=delay, period_ns=period, register_bits=design.register_bits)


def _errors(cost: GateCost, technology: Technology) -> str:
    """Returns what the errors were measured on."""
    found = technology.gates and class_errors(technology.gates, "area_um2", cost.design_class)
    if not found:
        return ""
    name = _CLASSES[cost.design_class]
    scope = "" if cost.inside else "; this design is unlike them, so the worst is stated"
    return f"{found.points} {name} left out of the fit: area {found.mean:.1%} off, {found.worst:.0%} at worst{scope}"
