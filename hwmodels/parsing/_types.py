"""Self-determined width and signedness of expressions (IEEE 1364-2005, 5.4 and 5.5)."""

from collections.abc import Callable

from pyverilog.vparser import ast

from hwmodels.parsing._scope import Net, Scope
from hwmodels.parsing._values import Value, parse_literal

BINARY = {
    ast.Plus: "add", ast.Minus: "sub", ast.Times: "mul", ast.Divide: "div", ast.Mod: "mod",
    ast.And: "and", ast.Or: "or", ast.Xor: "xor", ast.Xnor: "xnor",
}  # fmt: skip
SHIFTS = {ast.Sll: "shl", ast.Srl: "shr", ast.Sla: "sshl", ast.Sra: "sshr", ast.Power: "pow"}
COMPARISONS = {
    ast.LessThan: "lt", ast.LessEq: "le", ast.GreaterThan: "gt", ast.GreaterEq: "ge",
    ast.Eq: "eq", ast.NotEq: "ne", ast.Eql: "eqx", ast.NotEql: "nex",
}  # fmt: skip
LOGICAL = {ast.Land: "logic_and", ast.Lor: "logic_or"}
# ~& and ~| are a reduction followed by an inversion.
REDUCTIONS = {
    ast.Uand: "reduce_and", ast.Uor: "reduce_or", ast.Uxor: "reduce_xor", ast.Uxnor: "reduce_xnor",
    ast.Ulnot: "logic_not", ast.Unand: "reduce_and", ast.Unor: "reduce_or",
}  # fmt: skip
UNARY = {ast.Uminus: "neg", ast.Unot: "not", ast.Uplus: "pos"}

Shape = tuple[int, bool]  # width in bits, signed
_BIT: Shape = (1, False)


class Shapes:
    """Self-determined shapes of the expressions of one scope.

    Args:
        scope: names that the expressions use.
        evaluate: gives the value of an expression that must be constant.
    """

    def __init__(self, scope: Scope, evaluate: Callable[[ast.Node], int]) -> None:
        self._scope = scope
        self._evaluate = evaluate

    def of(self, node: ast.Node) -> Shape:
        """Return (width, signed) of an expression on its own."""
        kind = type(node)
        if kind in BINARY:
            return _wider(self.of(node.left), self.of(node.right))
        if kind in SHIFTS:
            return self.of(node.left)
        if kind in COMPARISONS or kind in LOGICAL or kind in REDUCTIONS:
            return _BIT
        if kind in UNARY:
            return self.of(node.right)
        if kind is ast.Cond:
            return _wider(self.of(node.true_value), self.of(node.false_value))
        return self._of_primary(node)

    def _of_primary(self, node: ast.Node) -> Shape:
        match node:
            case ast.Identifier():
                symbol = self.symbol(node)
                return symbol.width, symbol.signed
            case ast.IntConst():
                value = self.literal(node)
                return value.width, value.signed
            case ast.StringConst():
                return max(8 * len(node.value), 8), False
            case ast.Concat():
                return sum(self.of(part)[0] for part in node.list), False
            case ast.Repeat():
                return self.repeat_count(node) * self.of(node.value)[0], False
            case ast.Pointer():
                return self.of_pointer(node)
            case ast.Partselect():
                return self.part_width(node), False
            case ast.SystemCall():
                return self._of_system_call(node)
            case ast.FunctionCall():
                return self._of_function(node)
            case _:
                raise self._scope.source.error(node.lineno, f"{type(node).__name__} is not a supported expression")

    def symbol(self, node: ast.Identifier) -> Net | Value:
        """Return the net or constant that an identifier means."""
        if node.scope is not None:
            labels = ".".join(label.name for label in node.scope.labellist)
            raise self._scope.source.error(node.lineno, f"hierarchical name {labels}.{node.name} is not supported")
        symbol = self._scope.find(node.name)
        if symbol is None:
            raise self._scope.source.error(node.lineno, f"{node.name!r} is not declared")
        if not isinstance(symbol, Net | Value):
            raise self._scope.source.error(node.lineno, f"function {node.name!r} is used without arguments")
        return symbol

    def literal(self, node: ast.IntConst) -> Value:
        """Return the value of a number."""
        try:
            return parse_literal(node.value)
        except ValueError as error:
            raise self._scope.source.error(node.lineno, str(error)) from None

    def repeat_count(self, node: ast.Repeat) -> int:
        """Return how often a replication repeats; 0 is allowed inside a concatenation (IEEE 1364-2005, 5.1.14)."""
        count = self._evaluate(node.times)
        if count < 0:
            raise self._scope.source.error(node.lineno, f"replication count is {count}; it must not be negative")
        return count

    def of_pointer(self, node: ast.Pointer) -> Shape:
        """Return the shape of ``name[index]``: a bit of a vector, or a word of a memory."""
        if isinstance(node.var, ast.Identifier):
            symbol = self.symbol(node.var)
            if isinstance(symbol, Net) and symbol.words:
                return symbol.width, symbol.signed
        return _BIT

    def indexed(self, node: ast.Partselect) -> bool:
        """Return whether a part-select is ``[base +: width]`` or ``[base -: width]``.

        pyverilog stores these as [base : base + width]; only there is the base one shared node.
        """
        return isinstance(node.lsb, ast.Plus | ast.Minus) and node.lsb.left is node.msb

    def part_width(self, node: ast.Partselect) -> int:
        """Return the bits of a part-select."""
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


def _wider(left: Shape, right: Shape) -> Shape:
    return max(left[0], right[0]), left[1] and right[1]
