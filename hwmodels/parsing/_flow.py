"""What flows through operators besides widths: low bits that are constant, and gate levels."""

from hwmodels.levels import (
    LOGIC_LEVELS,
    MUX_LEVELS,
    adder_levels,
    comparator_levels,
    multiplier_levels,
    shifter_levels,
    tree_levels,
)
from hwmodels.parsing._values import Value


def low_bits(kind: str, inputs: tuple[Value, ...]) -> tuple[tuple[int, int], int]:
    """Return the constant low bits (count, value) of an operator's result, and its low bits that need no logic."""
    if kind in ("add", "sub"):
        return _sum(kind, *inputs)
    if kind == "mul":
        left, right = inputs
        count = min(left.fixed[0] + right.low_zeros, right.fixed[0] + left.low_zeros)
        return (count, left.fixed[1] * right.fixed[1] & ((1 << count) - 1)), count
    if kind in ("shl", "sshl") and inputs[1].constant is not None:
        count, bits = inputs[0].fixed
        return (count + inputs[1].constant, bits << inputs[1].constant), 0
    return (0, 0), 0


def _sum(kind: str, left: Value, right: Value) -> tuple[tuple[int, int], int]:
    count = min(left.fixed[0], right.fixed[0])
    bits = left.fixed[1] + right.fixed[1] if kind == "add" else left.fixed[1] - right.fixed[1]
    passing = max(right.low_zeros, left.low_zeros if kind == "add" else 0)
    return (count, bits & ((1 << count) - 1)), max(count, passing)


def gate_levels(kind: str, inputs: tuple[Value, ...], active: int) -> float:
    """Return an estimate of an operator's depth in gate levels."""
    widest = max((value.active for value in inputs), default=1)
    match kind:
        case "mul":
            return multiplier_levels(min(value.active for value in inputs), active)
        case "add" | "sub" | "neg":
            return adder_levels(active)
        case "lt" | "le" | "gt" | "ge" | "eq" | "ne" | "eqx" | "nex":
            return comparator_levels(widest)
        case "shl" | "shr" | "sshl" | "sshr":
            return 0.0 if inputs[1].constant is not None else shifter_levels(inputs[1].active)
        case "mux" | "pmux" | "shiftx" | "demux":
            return MUX_LEVELS
        case "reduce_and" | "reduce_or" | "reduce_xor" | "reduce_xnor" | "reduce_bool" | "logic_not":
            return tree_levels(widest)
        case _:
            return LOGIC_LEVELS
