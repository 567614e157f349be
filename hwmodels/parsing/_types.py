"""Self-determined width and signedness of expressions (IEEE 1364-2005, 5.4 and 5.5)."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from pyverilog.vparser import ast

from hwmodels.parsing._facts import BIT_SHAPE, Shape
from hwmodels.parsing._operators import BINARY, SHIFTS, UNARY
from hwmodels.parsing._scope import Net, Scope
from hwmodels.parsing._values import MAX_WIDTH, Value, parse_literal

_VALUED = (Net, Value)
_INDEXED = (ast.Plus, ast.Minus)  # how pyverilog writes [base +: width] and [base -: width]


class Shapes:
    """Self-determined shapes of the expressions of one scope; ``evaluate`` gives the values of constant ones."""

    def __init__(self, scope: Scope, evaluate: Callable[[ast.Node], int]) -> None:
        self._scope = scope
        self._evaluate = evaluate
        self._known = scope.shapes

    def of(self, node: ast.Node) -> Shape:
        """Returns (width, signed) of an expression on its own."""
        shape = self._known.get(id(node))
        if shape is None:
            rule = self._rules.get(type(node))
            if rule is None:
                raise self._scope.source.error(node.lineno, f"{type(node).__name__} is not a supported expression")
            shape = rule(self, node)
            if shape[0] > MAX_WIDTH:
                raise self._scope.source.error(
                    node.lineno, f"an expression has {shape[0]} bits; at most {MAX_WIDTH} are read"
                )
            self._known[id(node)] = shape
        return shape

    def _of_identifier(self, node: ast.Identifier) -> Shape:
        symbol = self.symbol(node)
        return symbol.width, symbol.signed

    def _of_literal(self, node: ast.IntConst) -> Shape:
        value = self.literal(node)
        return value.width, value.signed

    def _of_repetition(self, node: ast.Repeat) -> Shape:
        width = self.repeat_count(node) * self.of(node.value)[0]
        if width > MAX_WIDTH:
            raise self._scope.source.error(node.lineno, f"a replication has {width} bits; at most {MAX_WIDTH} are read")
        return width, False

    def symbol(self, node: ast.Identifier) -> Net | Value:
        """Returns the net or constant that an identifier means."""
        if node.scope is not None:
            labels = ".".join(label.name for label in node.scope.labellist)
            raise self._scope.source.error(node.lineno, f"hierarchical name {labels}.{node.name} is not supported")
        symbol = self._scope.names.get(node.name) or self._scope.find(node.name)
        if symbol is None:
            raise self._scope.source.error(node.lineno, f"{node.name!r} is not declared")
        if type(symbol) not in _VALUED:
            raise self._scope.source.error(node.lineno, f"function {node.name!r} is used without arguments")
        return symbol

    def literal(self, node: ast.IntConst) -> Value:
        """Returns the value of a number."""
        try:
            return parse_literal(node.value)
        except ValueError as error:
            raise self._scope.source.error(node.lineno, str(error)) from None

    def repeat_count(self, node: ast.Repeat) -> int:
        """Returns how often a replication repeats; 0 is allowed inside a concatenation (IEEE 1364-2005, 5.1.14)."""
        count = self._evaluate(node.times)
        if count < 0:
            raise self._scope.source.error(node.lineno, f"replication count is {count}; it must not be negative")
        return count

    def _of_pointer(self, node: ast.Pointer) -> Shape:
        """Returns the shape of ``name[index]``: a bit of a vector, or a word of a memory."""
        if isinstance(node.var, ast.Identifier):
            symbol = self.symbol(node.var)
            if isinstance(symbol, Net) and symbol.words:
                return symbol.width, symbol.signed
        return BIT_SHAPE

    def indexed(self, node: ast.Partselect) -> bool:
        """Returns whether a part-select is ``[base +: width]`` or ``[base -: width]``.

        pyverilog stores these as [base : base + width]; only there is the base one shared node.
        """
        return type(node.lsb) in _INDEXED and node.lsb.left is node.msb

    def part_width(self, node: ast.Partselect) -> int:
        """Returns the bits of a part-select."""
        if self.indexed(node):
            width = self._evaluate(node.lsb.right)
        else:
            width = abs(self._evaluate(node.msb) - self._evaluate(node.lsb)) + 1
        if width < 1:
            raise self._scope.source.error(node.lineno, f"part-select has a width of {width} bits")
        return width

    def _of_system_call(self, node: ast.SystemCall) -> Shape:
        if node.syscall in ("signed", "unsigned"):
            if len(node.args) != 1:
                raise self._scope.source.error(node.lineno, f"${node.syscall} takes one argument")
            return self.of(node.args[0])[0], node.syscall == "signed"
        if node.syscall in ("clog2", "bits"):
            return 32, True
        raise self._scope.source.error(node.lineno, f"${node.syscall} is not supported in synthesizable code")

    def _of_function(self, node: ast.FunctionCall) -> Shape:
        symbol = self._scope.find(node.name.name)
        if not isinstance(symbol, ast.Function):
            raise self._scope.source.error(node.lineno, f"function {node.name.name!r} is not declared")
        width = symbol.retwidth
        signed = bool(getattr(symbol, "signed", False))
        return abs(self._evaluate(width.msb) - self._evaluate(width.lsb)) + 1, signed

    _rules: ClassVar[Mapping[type[ast.Node], Callable[[Any, ast.Node], Shape]]] = {
        **dict.fromkeys(BINARY, lambda self, node: wider(self.of(node.left), self.of(node.right))),
        **dict.fromkeys(SHIFTS, lambda self, node: self.of(node.left)),
        **dict.fromkeys(UNARY, lambda self, node: self.of(node.right)),
        ast.Cond: lambda self, node: wider(self.of(node.true_value), self.of(node.false_value)),
        ast.Identifier: _of_identifier,
        ast.IntConst: _of_literal,
        ast.StringConst: lambda _, node: (max(8 * len(node.value), 8), False),
        **dict.fromkeys(
            (ast.Concat, ast.LConcat), lambda self, node: (sum(self.of(part)[0] for part in node.list), False)
        ),
        ast.Repeat: _of_repetition,
        ast.Pointer: _of_pointer,
        ast.Partselect: lambda self, node: (self.part_width(node), False),
        ast.SystemCall: _of_system_call,
        ast.FunctionCall: _of_function,
    }


def wider(left: Shape, right: Shape) -> Shape:
    """Returns the shape in which two operands meet: the wider's bits, signed if both are."""
    return max(left[0], right[0]), left[1] and right[1]
