"""Contract lint: how a design multiplies, shifts, rounds and saturates, as far as its operators show."""

from collections.abc import Iterator
from dataclasses import dataclass

from hwmodels.parsing._design import Design, Operator


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation. ``topic``: multiplier, shift, rounding, saturation or widths."""

    topic: str
    where: str
    text: str


def lint(design: Design) -> Iterator[Finding]:
    """Yields what the operators of a design show of its contract, and how it departs from the named ones.

    The named contracts shift arithmetically, round by a half (``half_up``, ``half_away``, ``tflite_double``) or not at
    all (``floor``), and saturate after the zero point has been added.
    """
    multipliers = [operator for operator in design.operators if operator.kind == "mul"]
    shifts = [operator for operator in design.operators if operator.kind in ("shr", "sshr")]
    yield from _multipliers(multipliers)
    yield from _shifts(shifts)
    yield from _rounding(design, shifts)
    yield from _saturation(design)


def _multipliers(multipliers: list[Operator]) -> Iterator[Finding]:
    if not multipliers:
        yield Finding("multiplier", "", "no multiplier: a pure shift (k = 1), or constants as shift-and-add")
    for operator in multipliers:
        widths = " x ".join(str(operand.active) for operand in operator.operands)
        sign = "signed" if operator.signed else "unsigned"
        yield Finding("multiplier", operator.where, f"{widths} bits, {sign}, {operator.width}-bit result")
        needed = sum(operand.active for operand in operator.operands)
        if operator.width < needed - 1:
            yield Finding("widths", operator.where, f"the product needs {needed} bits and keeps {operator.width}")


def _shifts(shifts: list[Operator]) -> Iterator[Finding]:
    for operator in shifts:
        value, amount = operator.operands
        fixed = amount.constant
        least, reach = (0, (1 << amount.width) - 1) if fixed is None else (fixed, fixed)
        kind = "arithmetic" if operator.kind == "sshr" and operator.signed else "logical"
        yield Finding("shift", operator.where, f"{kind} right shift of {value.width} bits by {least} to {reach}")
        if kind == "logical" and value.width > 1:
            text = "departs from all named contracts: a negative value is shifted as unsigned"
            yield Finding("shift", operator.where, text)


def _rounding(design: Design, shifts: list[Operator]) -> Iterator[Finding]:
    """Yields the adders that round: those with a constant part in an operand, before or behind the last shift."""
    constants = [
        (operator, operand.constant)
        for operator in design.operators
        if operator.kind == "add"
        for operand in operator.operands
        if operand.constant
    ]
    for operator, value in constants:
        power = value & (value - 1) == 0
        what = f"= 2^{value.bit_length() - 1} is added" if power else "is added; a half would be a power of two"
        yield Finding("rounding", operator.where, f"constant {value} {what}")
    variable = [o for o in design.operators if o.kind in ("shl", "sshl") and o.operands[0].constant == 1]
    for operator in variable:
        yield Finding("rounding", operator.where, "2^n is made by a shifter: rounding by a variable half")
    odd = [
        o for o in design.operators if o.kind == "add" and any(x.lowest == 1 and x.constant is None for x in o.operands)
    ]
    for operator in odd:
        yield Finding("rounding", operator.where, "constant 1 in the lowest bit of an operand: a half behind the shift")
    if shifts and not (constants or variable or odd):
        yield Finding("rounding", shifts[-1].where, "nothing is added around the shift: contract floor")


def _saturation(design: Design) -> Iterator[Finding]:
    clamps = [o for o in design.operators if o.kind in ("lt", "gt", "le", "ge")]
    sums = [o for o in design.operators if o.kind in ("add", "sub")]
    if not clamps:
        yield Finding("saturation", "", "no comparison: the result wraps unless upper bits are tested")
        return
    for operator in clamps:
        widths = " with ".join(str(operand.width) for operand in operator.operands)
        yield Finding("saturation", operator.where, f"comparison of {widths} bits")
        if not operator.signed:
            yield Finding("saturation", operator.where, "departs from all named contracts: the comparison is unsigned")
    if sums and design.operators.index(clamps[-1]) < design.operators.index(sums[-1]):
        yield Finding("saturation", clamps[-1].where, "an addition follows the last clamp: its result can wrap")
