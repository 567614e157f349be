"""Facts of a module's expressions that no parameter changes: computed once, looked up for each design."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pyverilog.vparser import ast

from hwmodels.parsing._operators import COMPARISONS, LOGICAL, REDUCTIONS
from hwmodels.parsing._values import parse_literal

Shape = tuple[int, bool]  # width in bits, signed
BIT_SHAPE: Shape = (1, False)
_SIGNALS = (ast.Input, ast.Output, ast.Inout, ast.Wire, ast.Reg, ast.Tri)
_TRUTHS = frozenset((*COMPARISONS, *LOGICAL, *REDUCTIONS))


@dataclass(frozen=True, slots=True)
class ExpressionFacts:
    """Facts of expressions, by the identity of their node.

    Attributes:
        shapes: (width, signed) of literals and truth values.
        numbers: values of literals.
        equal: from an index, width or count to the first one in the module with the same text.
        words_apart: names of arrays that are written at constant indices only, so that each word is a variable.
    """

    shapes: Mapping[int, Shape] = field(default_factory=dict)
    numbers: Mapping[int, int] = field(default_factory=dict)
    equal: Mapping[int, int] = field(default_factory=dict)
    words_apart: frozenset[str] = frozenset()


def expression_facts(definition: ast.ModuleDef) -> ExpressionFacts:
    """Returns the facts of a module's expressions that hold for all parameters."""
    shapes, numbers = dict[int, Shape](), dict[int, int]()
    for node in _nodes(definition):
        if type(node) in _TRUTHS:
            shapes[id(node)] = BIT_SHAPE
        elif type(node) is ast.IntConst:
            try:
                value = parse_literal(node.value)
            except ValueError:
                continue  # reported, with its place, when the number is needed
            shapes[id(node)], numbers[id(node)] = (value.width, value.signed), value.number
    first = dict[ast.Node, int]()
    equal = {id(node): first.setdefault(node, id(node)) for node in _bounds(definition) if id(node) not in numbers}
    return ExpressionFacts(shapes, numbers, equal, _words_apart(definition))


def _words_apart(definition: ast.ModuleDef) -> frozenset[str]:
    signals = {node.name for node in _nodes(definition) if type(node) in _SIGNALS}
    constant, variable = set[str](), set[str]()
    targets = (node for node in _nodes(definition, ast.Initial) if type(node) is ast.Lvalue)
    for pointer in (node for target in targets for node in _nodes(target) if type(node) is ast.Pointer):
        indices = {node.name for node in _nodes(pointer.ptr) if type(node) is ast.Identifier}
        names = {node.name for node in _nodes(pointer.var) if type(node) is ast.Identifier}
        (variable if indices & signals else constant).update(names)
    return frozenset(constant - variable)


def _nodes(root: ast.Node, left_out: type[ast.Node] | None = None) -> Iterator[ast.Node]:
    """Yields a node and all below it, each before what it holds; without recursion, which long sums would exhaust."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if type(node) is not left_out:
            yield node
            waiting.extend(reversed(node.children()))


def _bounds(definition: ast.ModuleDef) -> Iterator[ast.Node]:
    """Yields the expressions in ranges and part-selects, and replication counts."""
    for node in _nodes(definition):
        match node:
            case ast.Width() | ast.Partselect():
                yield from (node.msb, node.lsb)
                if isinstance(node.lsb, ast.Operator):  # the width of [base +: width]
                    yield node.lsb.right
            case ast.Repeat():
                yield node.times
