"""Properties that pass through operators besides widths: constant low bits, and gate levels."""

import functools
from collections.abc import Callable, Mapping
from typing import Final

from hwmodels.components import (
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
    """Returns the constant low bits (count, value) of an operator's result, and its low bits that need no logic."""
    rule = _LOW_BITS.get(kind)
    return _NOTHING if rule is None else rule(*inputs)


def _product(left: Value, right: Value) -> tuple[tuple[int, int], int]:
    count = min(left.fixed[0] + right.low_zeros, right.fixed[0] + left.low_zeros)
    return (count, left.fixed[1] * right.fixed[1] & ((1 << count) - 1)), count


def _shifted(value: Value, by: Value) -> tuple[tuple[int, int], int]:
    if by.constant is None:
        return _NOTHING
    count, bits = value.fixed
    return (count + by.constant, bits << by.constant), 0


def _sum(kind: str, left: Value, right: Value) -> tuple[tuple[int, int], int]:
    count = min(left.fixed[0], right.fixed[0])
    bits = left.fixed[1] + right.fixed[1] if kind == "add" else left.fixed[1] - right.fixed[1]
    passing = max(right.low_zeros, left.low_zeros if kind == "add" else 0)
    return (count, bits & ((1 << count) - 1)), max(count, passing)


_NOTHING: Final = ((0, 0), 0)
_LOW_BITS: Final[Mapping[str, Callable[[Value, Value], tuple[tuple[int, int], int]]]] = {
    "add": functools.partial(_sum, "add"), "sub": functools.partial(_sum, "sub"), "mul": _product,
    "shl": _shifted, "sshl": _shifted,
}  # fmt: skip


def gate_levels(kind: str, inputs: tuple[Value, ...], active: int) -> float:
    """Returns an estimate of an operator's depth in gate levels."""
    rule = _LEVELS.get(kind)
    return LOGIC_LEVELS if rule is None else rule(inputs, active)


def _shifter(inputs: tuple[Value, ...], _active: int) -> float:
    return 0.0 if inputs[1].constant is not None else shifter_levels(inputs[1].active)


_LEVELS: Final[Mapping[str, Callable[[tuple[Value, ...], int], float]]] = {
    "mul": lambda inputs, active: multiplier_levels(min(value.active for value in inputs), active),
    **dict.fromkeys(("add", "sub", "neg"), lambda _, active: adder_levels(active)),
    **dict.fromkeys(
        ("lt", "le", "gt", "ge", "eq", "ne", "eqx", "nex"),
        lambda inputs, _: comparator_levels(max(value.active for value in inputs)),
    ),
    **dict.fromkeys(("shl", "shr", "sshl", "sshr"), _shifter),
    **dict.fromkeys(("mux", "pmux", "shiftx", "demux"), lambda *_: MUX_LEVELS),
    **dict.fromkeys(
        ("reduce_and", "reduce_or", "reduce_xor", "reduce_xnor", "reduce_bool", "logic_not"),
        lambda inputs, _: tree_levels(inputs[0].active),
    ),
}
