"""Kinds of gates whose cost differs: what a mapper makes of a gate depends on what reads it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from hwmodels.gates.graph import Kind
from hwmodels.gates.lowering import GateDesign
from hwmodels.technologies import GateKind

_PLAIN: Mapping[Kind, GateKind] = {Kind.SUM: "sum", Kind.CARRY: "carry"}


def gate_kinds(design: GateDesign, nodes: Sequence[int]) -> Iterator[tuple[int, GateKind, float]]:
    """Yields (node, kind, count) of the gates among nodes that are alive; each bit of a full adder is half of it."""
    readers = _readers(design, nodes)
    graph = design.graph
    pairs: dict[tuple[int, ...], int] = defaultdict(int)
    for node in nodes:
        if graph.kinds[node] in _PLAIN:
            pairs[_adder(design, node)] += 1
    for node in nodes:
        match graph.kinds[node]:
            case Kind.AND:
                yield node, _conjunction(readers[node]), 1.0
            case Kind.XOR:
                yield node, _exclusive(design, node, readers), 1.0
            case Kind.MUX:
                yield node, "mux_into_mux" if readers[node] == [(Kind.MUX, 0)] else "mux", 1.0
            case Kind.SUM | Kind.CARRY as kind if pairs[_adder(design, node)] < 2:
                yield node, _PLAIN[kind], 1.0
            case Kind.SUM | Kind.CARRY:
                yield node, "full_adder", 0.5
            case Kind.FLOP:
                yield node, "flip_flop" if design.flops[node].reset is None else "flip_flop_with_reset", 1.0


def _adder(design: GateDesign, node: int) -> tuple[int, ...]:
    """Returns the nodes that a full adder adds up, whichever of its outputs a node is."""
    return tuple(literal >> 1 for literal in design.graph.inputs[node])


def _readers(design: GateDesign, nodes: Sequence[int]) -> dict[int, list[tuple[Kind, int]]]:
    """Returns the kinds of gates that read each node, and whether inverted; an output port reads like a leaf."""
    readers: dict[int, list[tuple[Kind, int]]] = defaultdict(list)
    for node in nodes:
        kind = design.graph.kinds[node]
        for place, literal in enumerate(design.graph.inputs[node]):
            inverted = 0 if kind is Kind.MUX and place > 0 else literal & 1
            readers[literal >> 1].append((kind, inverted))
    for word in design.outputs.values():
        for literal in word:
            readers[literal >> 1].append((Kind.LEAF, literal & 1))
    return readers


def _conjunction(readers: Sequence[tuple[Kind, int]]) -> GateKind:
    if len(readers) == 1:
        (kind, inverted), *_ = readers
        match kind:
            case Kind.AND:
                return "and_into_or" if inverted else "and_into_and"
            case Kind.MUX:
                return "and_into_mux"
            case Kind.FLOP:
                return "and_into_flop"
    return "and_shared" if all(kind is Kind.AND for kind, _ in readers) else "and"


def _exclusive(design: GateDesign, node: int, readers: Mapping[int, Sequence[tuple[Kind, int]]]) -> GateKind:
    for literal in design.graph.inputs[node]:
        if design.graph.kinds[literal >> 1] is Kind.XOR and len(readers[literal >> 1]) == 1:
            return "xor_of_xor"
    if len(readers[node]) > 1:
        return "xor_shared"
    kind = readers[node][0][0] if readers[node] else Kind.LEAF
    return "xor_into_and" if kind is Kind.AND else "xor_into_flop" if kind is Kind.FLOP else "xor"
