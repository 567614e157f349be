"""Delay of a parsed design: its deepest operator in gate levels, at the time that a level takes in its operators."""

from hwmodels.components import (
    LOGIC_LEVELS,
    MUX_LEVELS,
    Part,
    adder_levels,
    comparator_levels,
    multiplier_levels,
    shifter_levels,
)
from hwmodels.costs import total
from hwmodels.models.parsed_parts import operator_part
from hwmodels.parsing import Design
from hwmodels.technologies import Technology


def design_delay_ns(design: Design, technology: Technology) -> float | None:
    """Returns the longest path between inputs, registers and outputs, without the registers' own delays, in ns.

    The parser counts gate levels along paths; a level takes what it does in the mean of the design's operators by the
    table. None if the table lacks a delay, or a component has no model; 0 without operators.
    """
    deepest, spent, levels = 0.0, list[float | None](), 0.0
    for operator in design.operators:
        part = operator_part(operator)
        if part is None:
            continue
        if part.kind is None:
            return None
        own = _levels(part)
        deepest, levels = max(deepest, operator.depth + own), levels + own
        spent.append(technology.evaluate(part.kind, "delay_ns", part.quantities))
    time = total(spent)
    return None if time is None else deepest * time / levels if levels else 0.0


def _levels(part: Part) -> float:
    sizes = part.quantities
    match part.kind:
        case "multiplier":
            narrow, wide = sorted((int(sizes["a"]), int(sizes["b"])))
            return multiplier_levels(narrow, narrow + wide)
        case "adder":
            return adder_levels(int(sizes["bits"]))
        case "comparator":
            return comparator_levels(int(sizes["bits"]))
        case "shifter":
            return shifter_levels(int(sizes["stages"]))
        case "mux":
            return MUX_LEVELS
    return LOGIC_LEVELS
