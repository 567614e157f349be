"""Declarations of nets, variables, memories and parameters."""

import math
from collections.abc import Mapping

from pyverilog.vparser import ast

from hwmodels.parsing._expressions import Expressions
from hwmodels.parsing._scope import Net
from hwmodels.parsing._values import MAX_WIDTH, Value, constant

MAX_WORDS = 1 << 32  # of an array; a larger one is a wrong parameter, not a memory
_VARIABLES = (ast.Input, ast.Output, ast.Inout, ast.Wire, ast.Reg, ast.Integer, ast.Tri)


def vector_range(width: ast.Width | None, expressions: Expressions) -> tuple[int, int]:
    """Returns (lowest index, bits) of a range, (0, 1) without one."""
    low, bits, _ = _range(width, expressions)
    return low, bits


def _range(width: ast.Width | None, expressions: Expressions) -> tuple[int, int, bool]:
    if width is None:
        return 0, 1, True
    msb, lsb = expressions.evaluate(width.msb), expressions.evaluate(width.lsb)
    bits = abs(msb - lsb) + 1
    if msb < 0 or lsb < 0:
        raise expressions.scope.source.error(
            width.lineno, f"the range [{msb}:{lsb}] has no bits; a width parameter must be at least 1"
        )
    if bits > MAX_WIDTH:
        raise expressions.scope.source.error(width.lineno, f"the range [{msb}:{lsb}] has {bits} bits")
    # An ascending range [0:7] has its lowest bit at index 7.
    return lsb, bits, msb >= lsb


def declare(item: ast.Node, expressions: Expressions) -> Net | None:
    """Adds a declared name to the scope; `output q; reg q;` is one variable. Returns the net or variable."""
    scope, kind = expressions.scope, type(item)
    if kind in _VARIABLES:
        return _declare_variable(item, expressions)
    if kind is ast.Supply:
        scope.declare(item.name, constant(int(item.value.value), 1, signed=False), item.lineno)
    elif isinstance(item, ast.Parameter):
        scope.declare(item.name, parameter_value(item, expressions, {}), item.lineno)
    elif kind is not ast.Genvar:
        raise scope.source.error(item.lineno, f"{kind.__name__.lower()} is not synthesizable")
    return None


def _declare_variable(item: ast.Variable, expressions: Expressions) -> Net:
    scope = expressions.scope
    low, bits, descending = _range(item.width, expressions)
    net = Net(f"{scope.prefix}{item.name}", bits, bool(item.signed), low, descending)
    if item.dimensions is not None:
        net = _array(net, item, expressions)
    known = scope.names.get(item.name)
    if isinstance(known, Net) and known.words == 0 and type(item) is not ast.Integer:
        wider = known if item.width is None else net
        net = wider._replace(signed=known.signed or net.signed, words=net.words, first=net.first, apart=net.apart)
        if net != known:
            scope.assign(item.name, net)
    else:
        scope.declare(item.name, net, item.lineno)
    return net


def _array(net: Net, item: ast.Variable, expressions: Expressions) -> Net:
    ends = [
        sorted((expressions.evaluate(length.msb), expressions.evaluate(length.lsb)))
        for length in item.dimensions.lengths
    ]
    words = math.prod(last - first + 1 for first, last in ends)
    if words > MAX_WORDS:
        raise expressions.scope.source.error(
            item.lineno, f"the array {item.name!r} has more than {MAX_WORDS} words; is a parameter wrong?"
        )
    apart = len(ends) == 1 and item.name in expressions.scope.facts.words_apart
    return net._replace(words=words, first=ends[0][0], apart=apart)


def parameter_value(item: ast.Parameter, expressions: Expressions, overrides: Mapping[str, Value]) -> Value:
    """Returns the value of a parameter: the override, or its default, converted to its declared type."""
    value = overrides.get(item.name)
    if value is None:
        value = expressions.lower(item.value.var)
    if value.constant is None:
        raise expressions.scope.source.error(item.lineno, f"parameter {item.name!r} is not constant")
    if item.width is not None:
        _, bits = vector_range(item.width, expressions)
        return constant(value.number, bits, bool(item.signed))
    return constant(value.number, value.width, value.signed or bool(item.signed))
