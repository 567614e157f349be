"""Components of a parsed design: the kind and size of each operator, register and memory."""

from collections.abc import Iterator
from typing import Final

from hwmodels.components import Part, compared_with, crossed, muxed, plain, shifted, shifter_stages, sized
from hwmodels.costs import ComponentCost
from hwmodels.parsing import Design, Operand, Operator
from hwmodels.technologies import Technology

_ADDERS: Final = ("add", "sub", "neg")
_COMPARISONS: Final = ("lt", "le", "gt", "ge")
_EQUALITIES: Final = ("eq", "ne", "eqx", "nex")
_LOGIC: Final = ("and", "or", "xor", "xnor", "not")
_REDUCTIONS: Final = ("reduce_and", "reduce_or", "reduce_xor", "reduce_xnor", "reduce_bool", "logic_not")
_SHIFTS: Final = ("shl", "shr", "sshl", "sshr")


def design_costs(design: Design, technology: Technology) -> tuple[ComponentCost, ...]:
    """Returns the cost of every part of a design."""
    return tuple(part.cost(technology) for part in design_parts(design))


def design_parts(design: Design) -> Iterator[Part]:
    """Yields every operator, register and memory of a design that is not mere wiring."""
    parts = map(operator_part, design.operators)
    yield from (part for part in parts if part is not None)
    for register in design.registers:
        yield Part("register", f"register {register.name}", {"bits": register.width})
    for memory in design.memories:
        yield Part("memory", f"memory {memory.name}", {"bits": memory.width * memory.words})


def operator_part(operator: Operator) -> Part | None:
    """Returns one operator as a component, or None if it is wiring (a shift by a constant).

    Widths are those that carry information. A constant operand leaves an adder its carries, and halves a comparator.
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
        return Part("comparator", name, sized(_compared_bits(operator), operator.depth))
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
        constant = any(side.constant is not None for side in operands[:2])
        return Part("mux", name, muxed(operator.active, operator.depth, constant=constant))
    if kind == "pmux":  # one multiplexer per select
        return Part("mux", name, muxed(operator.active * operands[2].width, operator.depth))
    if kind in ("shiftx", "demux"):  # a tree of as many two-way multiplexers as there are bits to choose from
        return Part("mux", name, muxed(max(operands[0].width - operator.width, operator.width), operator.depth))
    if kind in ("memrd", "memwr"):
        return None  # counted by the memory's bits
    return Part(None, name, reason=f"{operator.where}: no model of the operator {kind}")


def _adder(operator: Operator, name: str) -> Part:
    bits = max(operator.active - operator.free_bits, 1)
    subtracted = 0 if operator.kind == "add" or operator.operands[-1].constant is not None else bits
    if operator.kind == "neg" or any(operand.constant is not None for operand in operator.operands):
        return Part("adder", name, sized(bits, operator.depth, subtracted=subtracted, halves=bits))
    left, right = operator.operands
    both = min(left.active, right.active) - max(left.low_zeros, right.low_zeros)
    overlap = min(max(both, 0), bits)
    narrow = min(operator.operands, key=lambda operand: operand.active)
    halves = 0 if narrow.signed else bits - overlap  # above an operand without a sign are zeros
    return Part("adder", name, sized(bits, operator.depth, overlap=overlap, subtracted=subtracted, halves=halves))


def _compared_bits(operator: Operator) -> int:
    """Returns the bits of a comparator of two signals that costs as much as a comparison, perhaps with a constant."""
    bits, (left, right) = _widest(operator), operator.operands
    constant = right.constant if left.constant is None else left.constant
    if constant is None:
        return bits
    # a > c, a <= c and their mirror images c < a, c >= a: low ones of the constant make no difference
    ones = (operator.kind in ("gt", "le")) == (left.constant is None)
    return compared_with(bits, constant, ones=ones)


def _multiplier(operator: Operator, name: str) -> Part:
    """Returns a multiplier; its side that is never negative is the rescaler's multiplier, the other the operand."""
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
    stages = shifter_stages(operator.width, by.active)
    bits = value.active if operator.kind in ("shr", "sshr") else operator.width
    return Part("shifter", name, shifted(bits, stages, operator.depth))


def _widest(operator: Operator) -> int:
    return max(operand.active for operand in operator.operands)
