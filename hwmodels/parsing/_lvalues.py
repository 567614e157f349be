"""Left-hand sides: which bits of which variable an assignment writes."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from pyverilog.vparser import ast

from hwmodels.parsing._expressions import Expressions
from hwmodels.parsing._scope import Net
from hwmodels.parsing._values import Value
from hwmodels.parsing._wiring import Wires


@dataclass(frozen=True, slots=True)
class Target:
    """Bits ``low`` to ``low + width - 1`` of a variable, or a word of a memory.

    Attributes:
        wires: wires of these bits.
        written: if the index varies, wires that must be driven by what is assigned.
        result: if the index varies, wires of the whole variable behind the assignment.
    """

    name: str
    low: int
    width: int
    memory: bool = False
    wires: Wires = field(default=(), compare=False)
    written: Wires = field(default=(), compare=False)
    result: Wires = field(default=(), compare=False)


class Lvalues:
    """Resolves left-hand sides in one scope."""

    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions

    def targets(self, node: ast.Node, emit: bool = False) -> Iterator[Target]:
        """Yields the written pieces, the most significant first; ``emit`` records the hardware of a variable index."""
        match node:
            case ast.LConcat() | ast.Concat():
                for part in node.list:
                    yield from self.targets(part, emit)
            case ast.Identifier():
                net = self._net(node)
                yield self._bits(net, 0, net.width)
            case ast.Pointer():
                yield self._pointer(node, emit)
            case ast.Partselect():
                yield self._part(node, emit)
            case _:
                raise self._error(node, f"{type(node).__name__} cannot be assigned")

    def _net(self, node: ast.Node) -> Net:
        if not isinstance(node, ast.Identifier):
            raise self._error(node, "this left-hand side is not supported")
        symbol = self._expressions.shapes.symbol(node)
        if isinstance(symbol, Value):
            raise self._error(node, f"{node.name!r} is a constant and cannot be assigned")
        return symbol

    def _pointer(self, node: ast.Pointer, emit: bool) -> Target:
        net = self._net(node.var)
        index = self._expressions.lower(node.ptr) if emit else self._quiet(node.ptr)
        if net.apart and index is not None and index.constant is not None:
            return self._bits(self._expressions.word(net, index.number, node), 0, net.width)
        if net.words:
            if emit and index is not None:
                unread = Value(net.width, False, bits=self._expressions.wiring.fresh(net.width))
                self._expressions.emit("memwr", (index, unread), net.width, False, node.lineno)
            wires = self._expressions.wiring.named(f"{net.name}[]", net.width)
            return Target(f"{net.name}[]", 0, net.width, memory=True, wires=wires)
        if index is None or index.constant is None:
            return self._variable_index(net, 1, index, node, emit)
        return self._checked(net, net.offset(index.number), 1, node)

    def _part(self, node: ast.Partselect, emit: bool) -> Target:
        net, shapes = self._net(node.var), self._expressions.shapes
        width = shapes.part_width(node)
        down = shapes.indexed(node) and isinstance(node.lsb, ast.Minus)
        base_node = node.msb if shapes.indexed(node) else node.lsb
        base = self._expressions.lower(base_node) if emit else self._quiet(base_node)
        if base is None or base.constant is None:
            return self._variable_index(net, width, base, node, emit, down=down)
        low = net.offset(base.number)
        if down if net.descending else not down and shapes.indexed(node):
            low -= width - 1
        return self._checked(net, low, width, node)

    def _bits(self, net: Net, low: int, width: int) -> Target:
        wires = self._expressions.wiring.named(net.name, net.width)
        return Target(net.name, low, width, wires=wires[low : low + width])

    def _quiet(self, node: ast.Node) -> Value | None:
        """Returns the value of an index if it is constant, without recording operators."""
        probe = Expressions(self._expressions.scope, lambda _: None, self._expressions.call)
        value = probe.lower(node)
        return value if value.constant is not None else None

    def _variable_index(
        self, net: Net, width: int, index: Value | None, node: ast.Node, emit: bool, *, down: bool = False
    ) -> Target:
        """Records a write at a variable index: a decoder, and a multiplexer per bit of the whole variable."""
        target = self._bits(net, 0, net.width)
        if not emit or index is None:
            return target
        order = 1 if net.descending else -1
        now = tuple([self._expressions.assigned.get(wire, wire) for wire in target.wires])
        written = self._expressions.wiring.fresh(width)
        inputs = (Value(net.width, False, bits=now[::order]), Value(width, False, bits=written[::order]), index)
        first = net.lowest_index + (width - 1 if down else 0)
        result = self._expressions.emit("demux", inputs, net.width, False, node.lineno, first=first)
        return replace(target, written=written, result=result.bits[::order])

    def _checked(self, net: Net, low: int, width: int, node: ast.Node) -> Target:
        if low < 0 or low + width > net.width:
            raise self._error(node, f"bits {low} to {low + width - 1} lie outside {net.name!r} ({net.width} bits)")
        return self._bits(net, low, width)

    def _error(self, node: ast.Node, message: str) -> Exception:
        return self._expressions.scope.source.error(node.lineno, message)
