"""Costs of parsed operators and registers, from the same component figures as the closed formulas."""

from collections.abc import Iterable

from hwmodels.costs import ComponentCost, component_cost
from hwmodels.parsing import Design, Operand, Operator
from hwmodels.technology import Technology

_ADDERS = ("add", "sub", "neg")
_COMPARISONS = ("lt", "le", "gt", "ge")
_EQUALITIES = ("eq", "ne", "eqx", "nex")
_LOGIC = ("and", "or", "xor", "xnor", "not")
_REDUCTIONS = ("reduce_and", "reduce_or", "reduce_xor", "reduce_xnor", "reduce_bool", "logic_not")
_SHIFTS = ("shl", "shr", "sshl", "sshr")


def design_costs(design: Design, technology: Technology) -> tuple[ComponentCost, ...]:
    """Return the cost of every operator, register and memory of a design that is not mere wiring."""
    return (
        *operator_costs(design.operators, technology),
        *(component_cost(technology, "register", f"register {r.name}", bits=r.width) for r in design.registers),
        *(component_cost(technology, "memory", f"memory {m.name}", bits=m.width * m.words) for m in design.memories),
    )


def operator_costs(operators: Iterable[Operator], technology: Technology) -> tuple[ComponentCost, ...]:
    """Return the cost of operators; those that are wiring (shifts by constants) are left out."""
    costs = (operator_cost(operator, technology) for operator in operators)
    return tuple(cost for cost in costs if cost is not None)


def operator_cost(operator: Operator, technology: Technology) -> ComponentCost | None:
    """Return the cost of one operator, or None if it is wiring.

    Widths are those that carry information. A constant operand of an adder or a comparator saves nothing here.
    """
    name = f"{operator.kind} {'x'.join(str(operand.active) for operand in operator.operands)} at {operator.where}"
    kind = operator.kind
    if kind == "mul":
        return _multiplier(operator, name, technology)
    if kind in ("div", "mod", "pow"):
        return ComponentCost(name, None, None, missing=(f"{operator.where}: no table gives the cost of a {kind}",))
    if kind in _ADDERS:
        return component_cost(technology, "adder", name, **_bits(operator.active))
    if kind in _COMPARISONS:
        return component_cost(technology, "comparator", name, **_bits(_widest(operator)))
    if kind in _EQUALITIES:  # an XOR per bit, and a tree over them
        return component_cost(technology, "logic", name, bits=2 * _widest(operator) - 1)
    if kind in _LOGIC:
        return component_cost(technology, "logic", name, bits=operator.active)
    if kind in _REDUCTIONS:
        return component_cost(technology, "logic", name, bits=_widest(operator) - 1)
    if kind in ("logic_and", "logic_or"):
        return component_cost(technology, "logic", name, bits=sum(operand.active for operand in operator.operands) - 1)
    if kind in _SHIFTS:
        return _shifter(operator, name, technology)
    return _selection(operator, name, technology)


def _selection(operator: Operator, name: str, technology: Technology) -> ComponentCost | None:
    kind, operands = operator.kind, operator.operands
    if kind == "mux":
        return component_cost(technology, "mux", name, bits=operator.active)
    if kind == "pmux":  # one multiplexer per select
        return component_cost(technology, "mux", name, bits=operator.active * operands[2].width)
    if kind in ("shiftx", "demux"):  # a tree of as many two-way multiplexers as there are bits to choose from
        return component_cost(technology, "mux", name, bits=max(operands[0].width - operator.width, operator.width))
    if kind in ("memrd", "memwr"):
        return None  # counted by the memory's bits
    return ComponentCost(name, None, None, missing=(f"{operator.where}: no model of the operator {kind}",))


def _multiplier(operator: Operator, name: str, technology: Technology) -> ComponentCost:
    """Cost a multiplier; the side that is never negative is the rescaler's multiplier, the other its operand."""
    left, right = operator.operands
    a, b = (right, left) if _never_negative(left) and not _never_negative(right) else (left, right)
    return component_cost(technology, "multiplier", name, a=a.active, b=b.active, ab=a.active * b.active)


def _never_negative(operand: Operand) -> bool:
    return not operand.signed or operand.active < operand.width


def _shifter(operator: Operator, name: str, technology: Technology) -> ComponentCost | None:
    value, by = operator.operands
    if by.constant is not None:
        return None
    useful = max(operator.width - 1, 1).bit_length()  # a bit beyond it shifts everything out: one gate per bit
    stages = min(by.active, useful)
    return component_cost(technology, "shifter", name, mux_bits=_shifted_bits(operator, value) * stages, stages=stages)


def _shifted_bits(operator: Operator, value: Operand) -> int:
    return value.active if operator.kind in ("shr", "sshr") else operator.width


def _widest(operator: Operator) -> int:
    return max(operand.active for operand in operator.operands)


def _bits(bits: int) -> dict[str, float]:
    return {"bits": bits, "log2_bits": float(max(bits - 1, 0).bit_length())}
