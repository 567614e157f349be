"""Parsed operators and registers as components: what each is, and how large."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from hwmodels.costs import ComponentCost, component_cost
from hwmodels.parsing import Design, Operand, Operator
from hwmodels.technologies.technology import ComponentKind, Technology

_ADDERS: Final = ("add", "sub", "neg")
_COMPARISONS: Final = ("lt", "le", "gt", "ge")
_EQUALITIES: Final = ("eq", "ne", "eqx", "nex")
_LOGIC: Final = ("and", "or", "xor", "xnor", "not")
_REDUCTIONS: Final = ("reduce_and", "reduce_or", "reduce_xor", "reduce_xnor", "reduce_bool", "logic_not")
_SHIFTS: Final = ("shl", "shr", "sshl", "sshr")


@dataclass(frozen=True, slots=True)
class Part:
    """A component of a design.

    Attributes:
        kind: kind of component, None if no table knows such a thing.
        name: what it is.
        quantities: value of each term of the kind (see ``hwmodels.technologies.technology.TERMS``).
        reason: why there is no kind.
    """

    kind: ComponentKind | None
    name: str
    quantities: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""

    def cost(self, technology: Technology) -> ComponentCost:
        """Return what the part costs in a technology."""
        if self.kind is None:
            return ComponentCost(self.name, None, None, missing=(self.reason,))
        return component_cost(technology, self.kind, self.name, **self.quantities)


def design_costs(design: Design, technology: Technology) -> tuple[ComponentCost, ...]:
    """Return the cost of every part of a design."""
    return tuple(part.cost(technology) for part in design_parts(design))


def design_parts(design: Design) -> Iterator[Part]:
    """Yield every operator, register and memory of a design that is not mere wiring."""
    yield from operator_parts(design.operators)
    for register in design.registers:
        yield Part("register", f"register {register.name}", {"bits": register.width})
    for memory in design.memories:
        yield Part("memory", f"memory {memory.name}", {"bits": memory.width * memory.words})


def operator_parts(operators: Iterable[Operator]) -> Iterator[Part]:
    """Yield operators as components; those that are wiring (shifts by constants) are left out."""
    for operator in operators:
        part = operator_part(operator)
        if part is not None:
            yield part


def operator_part(operator: Operator) -> Part | None:
    """Return one operator as a component, or None if it is wiring.

    Widths are those that carry information. A constant operand of an adder or a comparator saves nothing here.
    """
    name = f"{operator.kind} {'x'.join(str(operand.active) for operand in operator.operands)} at {operator.where}"
    kind = operator.kind
    if kind == "mul":
        return _multiplier(operator, name)
    if kind in ("div", "mod", "pow"):
        return Part(None, name, reason=f"{operator.where}: no table gives the cost of a {kind}")
    if kind in _ADDERS:
        return _adder(operator, name)
    if kind in _COMPARISONS:
        return Part("comparator", name, sized(_widest(operator), operator.depth))
    if kind in _EQUALITIES:  # an XOR per bit, and a tree over them
        return Part("logic", name, plain(2 * _widest(operator) - 1, operator.depth))
    if kind in _LOGIC:
        return Part("logic", name, plain(operator.active, operator.depth))
    if kind in _REDUCTIONS:
        return Part("logic", name, plain(_widest(operator) - 1, operator.depth))
    if kind in ("logic_and", "logic_or"):
        return Part("logic", name, plain(sum(operand.active for operand in operator.operands) - 1, operator.depth))
    if kind in _SHIFTS:
        return _shifter(operator, name)
    return _selection(operator, name)


def _selection(operator: Operator, name: str) -> Part | None:
    kind, operands = operator.kind, operator.operands
    if kind == "mux":
        return Part("mux", name, plain(operator.active, operator.depth))
    if kind == "pmux":  # one multiplexer per select
        return Part("mux", name, plain(operator.active * operands[2].width, operator.depth))
    if kind in ("shiftx", "demux"):  # a tree of as many two-way multiplexers as there are bits to choose from
        return Part("mux", name, plain(max(operands[0].width - operator.width, operator.width), operator.depth))
    if kind in ("memrd", "memwr"):
        return None  # counted by the memory's bits
    return Part(None, name, reason=f"{operator.where}: no model of the operator {kind}")


def _adder(operator: Operator, name: str) -> Part:
    bits = max(operator.active - operator.free_bits, 1)
    both = 0
    if len(operator.operands) == 2 and all(operand.constant is None for operand in operator.operands):
        left, right = operator.operands
        both = min(left.active, right.active) - max(left.low_zeros, right.low_zeros)
    subtracted = 0 if operator.kind == "add" else bits
    return Part("adder", name, sized(bits, operator.depth, overlap=min(max(both, 0), bits), subtracted=subtracted))


def _multiplier(operator: Operator, name: str) -> Part:
    """The side that is never negative is the rescaler's multiplier, the other its operand."""
    left, right = operator.operands
    a, b = (right, left) if _never_negative(left) and not _never_negative(right) else (left, right)
    operand, multiplier = (max(side.active - side.low_zeros, 1) for side in (a, b))
    return Part("multiplier", name, crossed(operand, multiplier, operator.depth))


def _never_negative(operand: Operand) -> bool:
    return not operand.signed or operand.active < operand.width


def _shifter(operator: Operator, name: str) -> Part | None:
    value, by = operator.operands
    if by.constant is not None:
        return None
    useful = max(operator.width - 1, 1).bit_length()  # a bit beyond it shifts everything out: one gate per bit
    stages = min(by.active, useful)
    bits = value.active if operator.kind in ("shr", "sshr") else operator.width
    return Part("shifter", name, shifted(bits, stages, operator.depth))


def crossed(a: int, b: int, depth: float = 0.0) -> dict[str, float]:
    """Return the terms of a multiplier of ``a`` signed and ``b`` unsigned bits, ``depth`` gate levels deep.

    The narrower of the two selects the rows of the partial product; the unsigned one has a sign bit of its own there.
    """
    wide = a > b
    return {
        "a": a,
        "b": b,
        "ab": a * b,
        "rows": a * max(b - 2, 0) if wide else b * max(a - 2, 0),
        "signed_ab": a * b if wide else 0,
        "extension": b * (b + 1) / 2 if wide else 0,
        "a_log2_b": a * math.log2(max(b, 1)),
        "ab_depth": a * b * depth,
    }


def sized(bits: int, depth: float = 0.0, *, overlap: int | None = None, subtracted: int = 0) -> dict[str, float]:
    """Return the terms of an adder or comparator of ``bits`` bits, ``depth`` gate levels behind a register.

    Args:
        bits: bits of the result that need logic.
        depth: gate levels in front of it.
        overlap: bits at which both operands carry information, the rest being carries (default: all).
        subtracted: bits of the operand that is subtracted or negated, which are inverted.
    """
    return {
        "bits": bits,
        "overlap": bits if overlap is None else overlap,
        "subtracted": subtracted,
        "log2_bits": float(max(bits - 1, 0).bit_length()),
        "bits_depth": bits * depth,
    }


def plain(bits: int, depth: float = 0.0) -> dict[str, float]:
    """Return the terms of logic or multiplexers of ``bits`` bits, ``depth`` gate levels behind a register."""
    return {"bits": bits, "bits_depth": bits * depth}


def shifted(bits: int, stages: int, depth: float = 0.0) -> dict[str, float]:
    """Return the terms of a barrel shifter of ``bits`` bits and ``stages`` stages of two-way multiplexers."""
    return {"mux_bits": bits * stages, "stages": stages, "bits": bits, "bits_depth": bits * stages * depth}


def _widest(operator: Operator) -> int:
    return max(operand.active for operand in operator.operands)
