"""Expressions to operators: context-determined widths, constants folded, every remaining operator recorded."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

from pyverilog.vparser import ast

from hwmodels.parsing._design import Operand, Operator
from hwmodels.parsing._flow import gate_levels, low_bits
from hwmodels.parsing._operators import BINARY, COMPARISONS, LOGICAL, REDUCTIONS, SHIFTS, UNARY
from hwmodels.parsing._scope import Net, Scope
from hwmodels.parsing._types import Shapes, wider
from hwmodels.parsing._values import ARITHMETIC, REDUCED, TRUTH, Value, clog2, constant
from hwmodels.parsing._wiring import UNKNOWN, Wires, Wiring, extended

Record = Callable[[Operator], None]


class FunctionCaller(Protocol):
    """Evaluates or inlines a call of a Verilog function."""

    def __call__(
        self, function: ast.Function, arguments: list[Value], caller: "Expressions", call: ast.FunctionCall
    ) -> Value:
        """Returns the value of the call; constant if all arguments are."""
        ...


class Expressions:
    """Lowers the expressions of one scope, in the instance of hierarchical name ``path``.

    ``record`` receives each operator; ``call`` lowers calls of functions.

    Attributes:
        visible: in a process, the wires that now hold what a variable's wire stands for (blocking assignments).
        assigned: in a process, the wires that will drive a variable's wire, nonblocking assignments included.
    """

    def __init__(self, scope: Scope, record: Record, call: FunctionCaller, path: str = "") -> None:
        self.scope = scope
        self.shapes = Shapes(scope, self.evaluate)
        self._numbers = scope.numbers
        self._record = record
        self.call = call
        self.path = path
        self.visible: Mapping[int, int] = {}
        self.assigned: Mapping[int, int] = {}

    @property
    def wiring(self) -> Wiring:
        """The wires of the design."""
        return self.scope.wiring

    def wires(self, net: Net) -> Wires:
        """Returns the wires that hold a net or variable here."""
        own = self.wiring.named(net.name, net.width)
        return tuple([self.visible.get(wire, wire) for wire in own]) if self.visible else own

    def evaluate(self, node: ast.Node) -> int:
        """Returns the number that a constant expression stands for."""
        key = self.scope.facts.equal.get(id(node), id(node))
        number = self._numbers.get(key)
        if number is None:
            value = self.lower(node)
            if value.constant is None:
                raise self.scope.source.error(node.lineno, "a constant is needed here, and this is a signal")
            number = self._numbers[key] = value.number
        return number

    def lower(self, node: ast.Node, width: int = 0) -> Value:
        """Lowers an expression in a context of at least ``width`` bits (0: self-determined)."""
        own_width, signed = self.shapes.of(node)
        return self.in_context(node, max(width, own_width), signed)

    def condition(self, node: ast.Node) -> Value:
        """Lowers an expression used as a truth value to one bit."""
        value = self.lower(node)
        return value if value.width == 1 else self._reduce("reduce_bool", value, node)

    def emit(
        self,
        kind: str,
        inputs: tuple[Value, ...],
        width: int,
        signed: bool,
        line: int,
        filled: int | None = None,
        stride: int = 1,
        first: int = 0,
    ) -> Value:
        """Records one operator and returns its result, of which ``filled`` bits (None: all) carry information."""
        operands = tuple([_operand(value) for value in inputs])
        bits = self.wiring.fresh(width)
        wires = tuple([value.wires for value in inputs])
        active = width if filled is None else min(filled, width)
        depth = max([value.depth for value in inputs])
        known, free = low_bits(kind, inputs)
        where = self.scope.source.where(line)
        self._record(
            Operator(kind, operands, width, active, signed, where, self.path, free, depth, wires, bits, stride, first)
        )
        levels = gate_levels(kind, inputs, active)
        return Value(width, signed, filled=active, known=known, depth=depth + levels, bits=bits)

    def _truth(self, kind: str, inputs: tuple[Value, ...], signed: bool, line: int) -> Value:
        """Records an operator whose result is one bit."""
        return Value(1, False, bits=self.emit(kind, inputs, 1, signed, line).bits)

    def in_context(self, node: ast.Node, width: int, signed: bool) -> Value:
        """Lowers a context-determined expression of ``width`` bits that is read as ``signed``."""
        self.scope.spend(1 + (width >> 10), node.lineno)
        return self._rules[type(node)](self, node, width, signed)

    def _binary(self, node: ast.Operator, width: int, signed: bool) -> Value:
        kind = BINARY[type(node)]
        left, right = self.in_context(node.left, width, signed), self.in_context(node.right, width, signed)
        if left.constant is None or right.constant is None:
            filled = _filled(kind, left, right, width, signed)
            return self.emit(kind, (left, right), width, signed, node.lineno, filled)
        try:
            number = ARITHMETIC[kind](left.extended(width, signed).number, right.extended(width, signed).number)
        except ValueError as error:
            raise self.scope.source.error(node.lineno, str(error)) from None
        return constant(number, width, signed)

    def _shift(self, node: ast.Operator, width: int, signed: bool) -> Value:
        kind = SHIFTS[type(node)]
        left = self.in_context(node.left, width, signed)
        right = self.lower(node.right)
        if left.constant is None or right.constant is None:
            filled = left.active if kind in ("shr", "sshr") else None
            return self.emit(kind, (left, right), width, signed, node.lineno, filled)
        number, by = left.extended(width, signed).number, right.number
        if by < 0 or (kind != "pow" and by > 1 << 16):
            raise self.scope.source.error(node.lineno, f"constant shift or power by {by}")
        if kind == "pow":
            self.scope.spend(width >> 5, node.lineno)
            return constant(pow(number, by, 1 << max(width + 1, 64)), width, signed)
        if kind in ("shl", "sshl"):
            return constant(number << by, width, signed)
        logical = kind == "shr"
        return constant((number & ((1 << width) - 1) if logical else number) >> by, width, signed)

    def _compare(self, node: ast.Operator, _width: int, _signed: bool) -> Value:
        kind = COMPARISONS[type(node)]
        width, signed = wider(self.shapes.of(node.left), self.shapes.of(node.right))
        left, right = self.in_context(node.left, width, signed), self.in_context(node.right, width, signed)
        if left.constant is not None and right.constant is not None:
            truth = TRUTH[kind](left.extended(width, signed).number, right.extended(width, signed).number)
            return constant(truth, 1, False)
        return self._truth(kind, (left, right), signed, node.lineno)

    def _logical(self, node: ast.Operator, _width: int, _signed: bool) -> Value:
        kind = LOGICAL[type(node)]
        left, right = self.lower(node.left), self.lower(node.right)
        if left.constant is not None and right.constant is not None:
            both = (left.constant != 0, right.constant != 0)
            return constant(all(both) if kind == "logic_and" else any(both), 1, False)
        return self._truth(kind, (left, right), False, node.lineno)

    def _reduction(self, node: ast.UnaryOperator, _width: int, _signed: bool) -> Value:
        value = self._reduce(REDUCTIONS[type(node)], self.lower(node.right), node)
        return self._reduce("logic_not", value, node) if isinstance(node, ast.Unand | ast.Unor) else value

    def _reduce(self, kind: str, value: Value, node: ast.Node) -> Value:
        if value.constant is not None:
            return constant(REDUCED[kind](value.constant.bit_count(), value.width), 1, False)
        return self._truth(kind, (value,), value.signed, node.lineno)

    def _unary(self, node: ast.UnaryOperator, width: int, signed: bool) -> Value:
        kind = UNARY[type(node)]
        value = self.in_context(node.right, width, signed)
        if kind == "pos":
            return value
        if value.constant is not None:
            number = value.extended(width, signed).number
            return constant(-number if kind == "neg" else ~number, width, signed)
        filled = value.active + (kind == "neg") if signed else None
        bits = extended(value.bits, width, signed)  # the operand takes part at the width of its context
        operand = Value(width, signed, filled=value.active, bits=bits)
        return self.emit(kind, (operand,), width, signed, node.lineno, filled)

    def _choose(self, node: ast.Cond, width: int, signed: bool) -> Value:
        select = self.condition(node.cond)
        if select.constant is not None:
            return self.in_context(node.true_value if select.constant else node.false_value, width, signed)
        when_true = self.in_context(node.true_value, width, signed)
        when_false = self.in_context(node.false_value, width, signed)
        own, filled = max(when_true.width, when_false.width), max(when_true.active, when_false.active)
        return self.emit("mux", (when_false, when_true, select), own, signed, node.lineno, filled)

    def _literal(self, node: ast.IntConst, _width: int, signed: bool) -> Value:
        value = self.shapes.literal(node)
        return value if value.signed == signed else value._replace(signed=signed)

    def _string(self, node: ast.StringConst, _width: int, _signed: bool) -> Value:
        return constant(int.from_bytes(node.value.encode() or b"\0"), self.shapes.of(node)[0], False)

    def _identifier(self, node: ast.Identifier, _width: int, signed: bool) -> Value:
        symbol = self.shapes.symbol(node)
        if isinstance(symbol, Value):
            return symbol if symbol.signed == signed else symbol._replace(signed=signed)
        if symbol.words:
            raise self.scope.source.error(node.lineno, f"memory {node.name!r} is used without an address")
        return symbol.value(signed, self.wires(symbol))

    def _concatenation(self, node: ast.Concat, _width: int, _signed: bool) -> Value:
        return self._concatenate([self.lower(part) for part in node.list if self.shapes.of(part)[0]], node)

    def _repetition(self, node: ast.Repeat, _width: int, _signed: bool) -> Value:
        return self._concatenate([self.lower(node.value)] * self.shapes.repeat_count(node), node)

    def _concatenate(self, parts: list[Value], node: ast.Node) -> Value:
        width = sum([part.width for part in parts])
        if width == 0:
            raise self.scope.source.error(node.lineno, "a concatenation has no bits: its replication count is 0")
        bits = 0
        for part in parts:
            if part.constant is None:
                depth = max([part.depth for part in parts])
                filled, known = _without_leading_zeros(parts), _low_of(parts)
                joined = tuple([wire for part in reversed(parts) for wire in part.wires])
                return Value(width, False, filled=filled, known=known, depth=depth, bits=joined)
            bits = bits << part.width | part.constant
        return Value(width, False, bits)

    def _pointer(self, node: ast.Pointer, _width: int, signed: bool) -> Value:
        if isinstance(node.var, ast.Pointer):  # a bit of a word of a memory
            return self._part_of_word(node.var, self.lower(node.ptr), 1, node)
        symbol, index = self.shapes.symbol(node.var), self.lower(node.ptr)
        if isinstance(symbol, Value):
            return self._constant_bits(symbol, index, 1, node)
        if symbol.apart:
            return self._word(symbol, index, signed, node)
        if symbol.words:
            read = self.emit("memrd", (index,), symbol.width, False, node.lineno)
            return Value(symbol.width, signed, bits=read.bits)
        if index.constant is not None:
            self._check_index(symbol, index.number, node)
            offset = symbol.offset(index.number)
            return Value(1, False, depth=symbol.depth, bits=self.wires(symbol)[offset : offset + 1])
        return self._select(symbol, self.wires(symbol), index, 1, node)

    def _select(self, net: Net, wires: Wires, index: Value, width: int, node: ast.Node, *, down: bool = False) -> Value:
        """Records the choice of some bits of a vector by a declared index, upwards from it or ``down``."""
        first = net.lowest_index + (width - 1 if down else 0)
        vector = Value(net.width, False, bits=wires if net.descending else wires[::-1])
        result = self.emit("shiftx", (vector, index), width, False, node.lineno, first=first)
        return result if net.descending else result._replace(bits=result.bits[::-1])

    def _part_of_word(self, word: ast.Pointer, base: Value, width: int, node: ast.Node) -> Value:
        """Returns bits of a word of an array."""
        value, symbol = self.lower(word), self.shapes.symbol(word.var)
        if not isinstance(symbol, Net):
            raise self.scope.source.error(node.lineno, "a bit of a bit cannot be taken")
        if base.constant is None:
            return self._select(symbol, value.wires, base, width, node)
        self._check_index(symbol, base.number, node)
        low = symbol.offset(base.number) - (0 if symbol.descending else width - 1)
        return Value(width, False, depth=value.depth, bits=value.wires[low : low + width])

    def _word(self, array: Net, index: Value, signed: bool, node: ast.Pointer) -> Value:
        """Returns a word of an array of variables: that variable, or a choice among all of them."""
        if index.constant is None:
            words = [array.word(array.first + place) for place in range(array.words)]
            bits = tuple([wire for word in words if word is not None for wire in self.wires(word)])
            every = Value(array.words * array.width, False, bits=bits)
            stride, first = array.width, array.first
            return self.emit("shiftx", (every, index), array.width, signed, node.lineno, stride=stride, first=first)
        word = self.word(array, index.number, node)
        return word.value(signed, self.wires(word))

    def word(self, array: Net, index: int, node: ast.Pointer) -> Net:
        """Returns the variable that ``array[index]`` is; an index outside of the array is an error."""
        word = array.word(index)
        if word is None:
            raise self.scope.source.error(
                node.lineno,
                f"index {index} lies outside {array.name!r}, which has {array.words} words from {array.first}",
            )
        return word

    def _part(self, node: ast.Partselect, _width: int, _signed: bool) -> Value:
        width = self.shapes.part_width(node)
        indexed = self.shapes.indexed(node)
        base = self.lower(node.msb if indexed else node.lsb)
        down = indexed and isinstance(node.lsb, ast.Minus)
        if not isinstance(node.var, ast.Identifier):
            return self._part_of_word(node.var, base, width, node)
        symbol = self.shapes.symbol(node.var)
        if isinstance(symbol, Value):
            lowest = constant(base.number - width + 1) if down else base
            return self._constant_bits(symbol, lowest, width, node)
        if base.constant is None:
            return self._select(symbol, self.wires(symbol), base, width, node, down=down)
        self._check_index(symbol, base.number, node)
        if not indexed:
            self._check_index(symbol, self.evaluate(node.msb), node)
        downwards = indexed and symbol.descending == down  # the base is the highest position
        low = symbol.offset(base.number) - (width - 1 if downwards else 0)
        return self._bits_from(symbol, low, width)

    def _bits_from(self, net: Net, low: int, width: int) -> Value:
        """Returns bits of a vector from a position on; those outside of it are unknown."""
        wires = self.wires(net)
        count, bits = net.known
        known = (max(min(count - max(low, 0), width), 0), bits >> max(low, 0) & ((1 << width) - 1))
        inside = range(low, low + width)
        taken = tuple([wires[place] if 0 <= place < net.width else UNKNOWN for place in inside])
        return Value(width, False, known=known, depth=net.depth, bits=taken)

    def _constant_bits(self, value: Value, index: Value, width: int, node: ast.Node) -> Value:
        if index.constant is None:
            return self.emit("shiftx", (value, index), width, False, node.lineno)
        return Value(width, False, (value.constant or 0) >> max(index.number, 0) & ((1 << width) - 1))

    def _check_index(self, net: Net, index: int, node: ast.Node) -> None:
        if not 0 <= net.offset(index) < net.width:
            raise self.scope.source.error(
                node.lineno, f"index {index} lies outside {net.name!r}, which has {net.width} bits from {net.lsb}"
            )

    def _system_call(self, node: ast.SystemCall, _width: int, signed: bool) -> Value:
        if node.syscall == "clog2":
            return constant(clog2(self.evaluate(node.args[0])))
        if node.syscall == "bits":
            return constant(self.shapes.of(node.args[0])[0])
        value = self.lower(node.args[0])
        return value if signed == value.signed else value._replace(signed=signed, filled=None)

    def _function(self, node: ast.FunctionCall, _width: int, signed: bool) -> Value:
        function = self.scope.find(node.name.name)
        if not isinstance(function, ast.Function):
            raise self.scope.source.error(node.lineno, f"function {node.name.name!r} is not declared")
        value = self.call(function, [self.lower(argument) for argument in node.args], self, node)
        return value if value.signed == signed else value._replace(signed=signed)

    _rules: ClassVar[Mapping[type[ast.Node], Callable[[Any, ast.Node, int, bool], Value]]] = {
        **dict.fromkeys(BINARY, _binary),
        **dict.fromkeys(SHIFTS, _shift),
        **dict.fromkeys(COMPARISONS, _compare),
        **dict.fromkeys(LOGICAL, _logical),
        **dict.fromkeys(REDUCTIONS, _reduction),
        **dict.fromkeys(UNARY, _unary),
        ast.Cond: _choose,
        ast.Identifier: _identifier,
        ast.IntConst: _literal,
        ast.StringConst: _string,
        **dict.fromkeys((ast.Concat, ast.LConcat), _concatenation),
        ast.Repeat: _repetition,
        ast.Pointer: _pointer,
        ast.Partselect: _part,
        ast.SystemCall: _system_call,
        ast.FunctionCall: _function,
    }


def _operand(value: Value) -> Operand:
    return Operand(value.width, value.signed, value.constant, value.active, value.low_zeros, value.lowest)


def _filled(kind: str, left: Value, right: Value, width: int, signed: bool) -> int:
    """Returns the bits that the result of a binary operator can fill."""
    own = max(left.active, right.active)
    match kind:
        case "and" | "or" | "xor":
            return own
        case "xnor":
            return own if signed else width  # the inversion sets the zeros above
        case "mul":
            return left.active + right.active
        case "mod":
            return left.active
        case "sub" if not signed:
            return width  # a borrow runs through every bit
        case _:
            return own + 1


def _low_of(parts: list[Value]) -> tuple[int, int]:
    """Returns the constant low bits of a concatenation."""
    count = bits = 0
    for part in reversed(parts):
        fixed, value = part.fixed
        bits |= (value & ((1 << fixed) - 1)) << count
        count += fixed
        if fixed < part.width:
            break
    return count, bits


def _without_leading_zeros(parts: list[Value]) -> int:
    """Returns the bits of a concatenation below its leading constant zeros."""
    bits = sum(part.width for part in parts)
    for part in parts:
        if part.constant != 0:
            break
        bits -= part.width
    return bits
