"""Left-hand sides: which bits of which variable an assignment writes."""

from collections.abc import Iterator
from dataclasses import dataclass

from pyverilog.vparser import ast

from hwmodels.parsing._expressions import Expressions
from hwmodels.parsing._scope import Net
from hwmodels.parsing._values import Value


@dataclass(frozen=True, slots=True)
class Target:
    """Bits ``low`` to ``low + width - 1`` of a variable, or a word of a memory."""

    name: str
    low: int
    width: int
    memory: bool = False


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
                yield Target(net.name, 0, net.width)
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
            return Target(self._expressions.word(net, index.number, node).name, 0, net.width)
        if net.words:
            if emit and index is not None:
                self._expressions.emit("memwr", (index, Value(net.width, False)), net.width, False, node.lineno)
            return Target(f"{net.name}[]", 0, net.width, memory=True)
        if index is None or index.constant is None:
            return self._variable_index(net, 1, index, node, emit)
        return self._checked(net, net.offset(index.number), 1, node)

    def _part(self, node: ast.Partselect, emit: bool) -> Target:
        net, shapes = self._net(node.var), self._expressions.shapes
        width = shapes.part_width(node)
        base_node = node.msb if shapes.indexed(node) else node.lsb
        base = self._expressions.lower(base_node) if emit else self._quiet(base_node)
        if base is None or base.constant is None:
            return self._variable_index(net, width, base, node, emit)
        low = net.offset(base.number)
        if shapes.indexed(node) and isinstance(node.lsb, ast.Minus):
            low -= width - 1
        return self._checked(net, low, width, node)

    def _quiet(self, node: ast.Node) -> Value | None:
        """Returns the value of an index if it is constant, without recording operators."""
        probe = Expressions(self._expressions.scope, lambda _: None, self._expressions.call)
        value = probe.lower(node)
        return value if value.constant is not None else None

    def _variable_index(self, net: Net, width: int, index: Value | None, node: ast.Node, emit: bool) -> Target:
        """Records a write at a variable index: a decoder, and a multiplexer per bit of the whole variable."""
        if emit and index is not None:
            inputs = (Value(net.width, False), Value(width, False), index)
            self._expressions.emit("demux", inputs, net.width, False, node.lineno)
        return Target(net.name, 0, net.width)

    def _checked(self, net: Net, low: int, width: int, node: ast.Node) -> Target:
        if low < 0 or low + width > net.width:
            raise self._error(node, f"bits {low} to {low + width - 1} lie outside {net.name!r} ({net.width} bits)")
        return Target(net.name, low, width)

    def _error(self, node: ast.Node, message: str) -> Exception:
        return self._expressions.scope.source.error(node.lineno, message)
