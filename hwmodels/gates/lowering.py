"""Elaborated designs to graphs of gates."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hwmodels.errors import HardwareError
from hwmodels.gates import arithmetic as words
from hwmodels.gates.graph import FALSE, TRUE, Graph, Kind, Literal, Word
from hwmodels.gates.rules import Rules
from hwmodels.parsing import UNKNOWN, Design, Operator, Register

_SUMS: Final = ("add", "sub")
_MOST_NODES: Final = 2_000_000  # a minute of work; a 64-bit multiplier has 20,000


@dataclass(frozen=True, slots=True)
class Flop:
    """A bit of a register: its node, and the literal after an asynchronous reset, None without one."""

    node: int
    reset: Literal | None


@dataclass(frozen=True, slots=True)
class GateDesign:
    """A design as a graph of gates; owners count operators first, then registers.

    Attributes:
        graph: its gates, dead ones included.
        inputs: literals of the input ports.
        outputs: literals of the output ports.
        flops: the flip-flops by their node.
    """

    graph: Graph
    inputs: Mapping[str, Word]
    outputs: Mapping[str, Word]
    flops: Mapping[int, Flop]

    def alive(self) -> list[int]:
        """Returns the nodes that an output depends on, in topological order."""
        seen = set[int]()
        waiting = [literal >> 1 for word in self.outputs.values() for literal in word]
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting.extend(literal >> 1 for literal in self.graph.inputs[node])
        return sorted(seen)


def lower(design: Design) -> GateDesign:
    """Returns the gates of a design.

    Raises:
        HardwareError: if a net has two drivers, logic forms a loop or a latch, or an operator has no gates.
    """
    known: dict[int, Literal] = {}
    while True:
        lowering = _Lowering(design, known)
        result = lowering.run()
        found = lowering.redundant_registers()
        if not found:
            return result
        known = known | found


@dataclass
class _Lowering:
    """One pass; ``same`` maps wires of register bits to a constant, or to the wire of an equal register bit."""

    design: Design
    same: Mapping[int, int]
    graph: Graph = field(default_factory=Graph)

    def __post_init__(self) -> None:
        self._literals: dict[int, Literal] = {0: FALSE, 1: TRUE, UNKNOWN: FALSE}
        self._producers = {
            wire: number for number, operator in enumerate(self.design.operators) for wire in operator.outputs
        }
        self._rules = Rules(self.graph, self._ready, self._root, self._producer)
        self._done = [False] * len(self.design.operators)
        self._users = self._count_users()
        self._flops: dict[int, Flop] = {}
        self._wires: dict[int, int] = {}  # register bit to its node

    def run(self) -> GateDesign:
        inputs = {port.name: self._leaves(port.wires) for port in self.design.ports if port.direction != "output"}
        first = len(self.design.operators)
        for number, register in enumerate(self.design.registers):
            self.graph.owner = first + number
            self._declare(register)
        for register in self.design.registers:
            for wire, following in zip(register.state, register.following, strict=True):
                node = self._wires.get(wire)
                if node is not None:
                    self.graph.inputs[node] = (self.literal(following),)
        outputs = {
            port.name: tuple([self.literal(wire) for wire in port.wires])
            for port in self.design.ports
            if port.direction == "output"
        }
        return GateDesign(self.graph, inputs, outputs, self._flops)

    def redundant_registers(self) -> dict[int, int]:
        """Returns register bits that never change, or that equal another one."""
        first = dict[tuple[Literal, Literal | None], int]()
        found = {}
        for wire, node in self._wires.items():
            reset, (following,) = self._flops[node].reset, self.graph.inputs[node]
            settled = self._stuck(2 * node, following)
            if settled is not None and reset in (None, settled):
                found[wire] = settled
            elif first.setdefault((following, reset), wire) != wire:
                found[wire] = first[following, reset]
        return found

    def _stuck(self, state: Literal, following: Literal) -> Literal | None:
        """Returns the value that a register bit keeps once it has it, if no other can follow; None if it may change."""
        if following in (FALSE, TRUE):
            return following
        if state in self.graph.implied(following):
            return FALSE
        return TRUE if state ^ 1 in self.graph.implied(following ^ 1) else None

    def _leaves(self, wires: Sequence[int]) -> Word:
        for wire in wires:
            self._literals[wire] = self.graph.leaf()
        return tuple([self._literals[wire] for wire in wires])

    def _declare(self, register: Register) -> None:
        for place, wire in enumerate(register.state):
            if wire in self.same or wire == UNKNOWN:
                continue
            reset = register.reset_value[place] if register.reset_value else None
            literal = self._literals[wire] = self.graph.leaf(Kind.FLOP)
            self._wires[wire] = literal >> 1
            # A bit that the reset branch leaves alone has no reset; one that it loads from a signal has both kinds.
            self._flops[literal >> 1] = Flop(literal >> 1, None if reset == wire else reset)

    def _root(self, wire: int) -> int:
        """Returns the wire at the end of a chain of connections."""
        drivers, path = self.design.drivers, list[int]()
        while wire not in self._literals and wire in drivers:
            if wire in self.design.driven_twice:
                raise HardwareError(f"{self.design.top}: a net has two drivers")
            path.append(wire)
            wire = drivers[wire]
            if len(path) > len(drivers):
                raise HardwareError(f"{self.design.top}: a net drives itself, so that it is a latch or a loop")
        return wire

    def literal(self, wire: int) -> Literal:
        """Returns the literal of a wire, lowering what drives it."""
        self._lower_all([wire])
        return self._ready(wire)

    def _ready(self, wire: int) -> Literal:
        root = self._root(wire)
        while root in self.same and root not in self._literals:
            root = self._root(self.same[root])
        if root not in self._literals:
            self._literals[root] = FALSE  # nothing drives it: any value will do
        literal = self._literals[wire] = self._literals[root]
        return literal

    def _producer(self, wire: int) -> Operator | None:
        number = self._producers.get(wire)
        return None if number is None else self.design.operators[number]

    def _needs(self, wires: Sequence[int]) -> set[int]:
        """Returns the numbers of the operators that drive wires and are not lowered yet."""
        needs = set[int]()
        for wire in wires:
            if wire not in self._literals:
                root = self._root(wire)
                while root in self.same and root not in self._literals:
                    root = self._root(self.same[root])
                number = self._producers.get(root)
                if number is not None and not self._done[number]:
                    needs.add(number)
        return needs

    def _lower_all(self, wires: Sequence[int]) -> None:
        waiting, open_ = sorted(self._needs(wires)), set[int]()
        while waiting:
            number = waiting[-1]
            operator = self.design.operators[number]
            if self._done[number]:
                waiting.pop()
                continue
            needs = self._needs(self._read(operator))
            if not needs:
                waiting.pop()
                self._lower(number)
                continue
            if number in open_:
                raise HardwareError(f"{operator.where}: a combinational loop, or a latch, passes through this line")
            open_.add(number)
            waiting += sorted(needs)

    def _read(self, operator: Operator) -> list[int]:
        """Returns the wires that the gates of an operator read: those of the terms, if it is a sum of several."""
        if operator.kind in _SUMS:
            return [wire for term in self._terms(operator) for word in term.words for wire in word]
        return [wire for word in operator.inputs for wire in word]

    def _lower(self, number: int) -> None:
        operator = self.design.operators[number]
        self.graph.owner = number
        self._done[number] = True
        match operator.kind:
            case "add" | "sub":
                result = self._sum(operator)
            case "mul":
                result = self._product(operator)
            case "neg":
                result = self._negative(operator)
            case _:
                result = self._rules.lower(operator)
        for wire, literal in zip(operator.outputs, result, strict=True):
            self._literals[wire] = literal
        if len(self.graph.kinds) > _MOST_NODES:
            raise HardwareError(f"{operator.where}: over {_MOST_NODES} gates; cost a smaller part of the design")

    # sums, with the sums and products that are only terms of them

    def _count_users(self) -> dict[int, set[int]]:
        """Returns the operators that read each driven wire; -1 stands for registers and ports."""
        users: dict[int, set[int]] = defaultdict(set)
        for number, operator in enumerate(self.design.operators):
            for word in operator.inputs:
                for wire in word:
                    users[self._root(wire)].add(number)
        for register in self.design.registers:
            for wire in register.following:
                users[self._root(wire)].add(-1)
        for port in self.design.ports:
            if port.direction == "output":
                for wire in port.wires:
                    users[self._root(wire)].add(-1)
        return users

    def _terms(self, operator: Operator, negative: bool = False, width: int = 0) -> Iterator["_Term"]:
        width = width or operator.width
        for place, signed in enumerate(each.signed for each in operator.operands):
            minus = negative != (place == 1 and operator.kind == "sub")
            inner = self._inner(operator, place, width)
            if inner is None:
                yield _Term((operator.inputs[place],), signed, minus)
            elif inner.kind == "mul":
                yield _Term(inner.inputs, inner.signed, minus)
            else:
                yield from self._terms(inner, minus, width)

    def _inner(self, operator: Operator, place: int, width: int) -> Operator | None:
        """Returns the sum or product that is an operand and nothing else, and that its width does not cut."""
        roots = [self._root(wire) for wire in operator.inputs[place]]
        number = self._producers.get(roots[0]) if roots else None
        if number is None or self._done[number]:
            return None
        inner = self.design.operators[number]
        if inner.kind not in ("add", "sub", "mul") or tuple(roots[: inner.width]) != inner.outputs[: len(roots)]:
            return None
        if len(roots) < min(inner.width, width):
            return None
        if len(roots) > inner.width:
            return None
        if any(len(self._users[wire]) != 1 or -1 in self._users[wire] for wire in roots):
            return None
        sizes = [operand.active for operand in inner.operands]
        needed = sum(sizes) if inner.kind == "mul" else max(sizes) + 1
        signed = operator.operands[place].signed
        whole = needed <= inner.width and inner.signed == signed and (inner.kind != "sub" or signed)
        return inner if inner.width >= width or whole else None

    def _sum(self, operator: Operator) -> Word:
        terms = list(self._terms(operator))
        width = operator.width
        if len(terms) == 2 and all(len(term.words) == 1 for term in terms):
            left, right = (self._term_word(term, width) for term in terms)
            if terms[0].negative:
                left, right = right, left
            minus = terms[0].negative or terms[1].negative
            if not (terms[0].negative and terms[1].negative):
                return words.add(
                    self.graph, left, words.inverted(right) if minus else right, width, TRUE if minus else FALSE
                )
        rows: list[Word] = []
        for term in terms:
            if len(term.words) == 2:
                rows += self._product_rows(term, width)
            else:
                rows += words.plain_rows(self._term_word(term, width), width, negative=term.negative)
        return words.total(self.graph, rows, width)

    def _term_word(self, term: "_Term", width: int) -> Word:
        word = tuple([self._ready(wire) for wire in term.words[0]])
        return word[:width] + (word[-1] if term.signed else FALSE,) * (width - len(word))

    def _product_rows(self, term: "_Term", width: int) -> list[Word]:
        a, b = (tuple([self._ready(wire) for wire in word])[:width] for word in term.words)
        return words.product_rows(self.graph, a, b, width, signed=term.signed, negative=term.negative)

    def _product(self, operator: Operator) -> Word:
        rows = self._product_rows(_Term(operator.inputs, operator.signed, False), operator.width)
        return words.total(self.graph, rows, operator.width)

    def _negative(self, operator: Operator) -> Word:
        zero = (FALSE,) * operator.width
        return words.add(
            self.graph, zero, words.inverted(self._rules.word(operator, 0, operator.width)), operator.width, TRUE
        )


@dataclass(frozen=True, slots=True)
class _Term:
    """A term of a sum: a word, or two that are multiplied."""

    words: tuple[tuple[int, ...], ...]
    signed: bool
    negative: bool
