"""Elaborated designs to graphs of gates."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from hwmodels.errors import HardwareError
from hwmodels.gates import arithmetic as words
from hwmodels.gates.graph import FALSE, TRUE, Graph, Kind, Literal, Word
from hwmodels.parsing import UNKNOWN, Design, Operator, Register

_SUMS: Final = ("add", "sub")
_TABLE_BITS: Final = 12  # of the address of a table that is built as one
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
        rule = self._rules.get(operator.kind)
        if rule is None:
            raise HardwareError(f"{operator.where}: no model of the operator {operator.kind}")
        for wire, literal in zip(operator.outputs, rule(self, operator), strict=True):
            self._literals[wire] = literal
        if len(self.graph.kinds) > _MOST_NODES:
            raise HardwareError(f"{operator.where}: over {_MOST_NODES} gates; cost a smaller part of the design")

    def _word(self, operator: Operator, place: int, width: int = 0) -> Word:
        """Returns an operand, extended to a width by the rules of the language."""
        word = tuple([self._ready(wire) for wire in operator.inputs[place]])
        if len(word) >= width:
            return word[:width] if width else word
        return word + (word[-1] if operator.operands[place].signed else FALSE,) * (width - len(word))

    # sums, with the sums and products that are only terms of them

    def _count_users(self) -> dict[int, set[int]]:
        """Returns the operators that read each driven wire; -1 stands for registers, ports and bits of any other use."""
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
            self.graph, zero, words.inverted(self._word(operator, 0, operator.width)), operator.width, TRUE
        )

    # the other operators

    def _quotient(self, operator: Operator) -> Word:
        a, b = self._word(operator, 0, operator.width), self._word(operator, 1, operator.width)
        signs = (a[-1], b[-1])
        if operator.signed:
            a, b = words.absolute(self.graph, a), words.absolute(self.graph, b)
        quotient, rest = words.divided(self.graph, a, b)
        result, negative = (quotient, self.graph.xor(*signs)) if operator.kind == "div" else (rest, signs[0])
        if not operator.signed:
            return result
        opposite = words.add(self.graph, words.inverted(result), (FALSE,), operator.width, TRUE)
        return tuple([self.graph.mux(negative, x, y) for x, y in zip(opposite, result, strict=True)])

    def _bitwise(self, operator: Operator) -> Word:
        a, b = self._word(operator, 0, operator.width), self._word(operator, 1, operator.width)
        match operator.kind:
            case "and":
                return tuple(map(self.graph.land, a, b))
            case "or":
                return tuple(map(self.graph.lor, a, b))
            case _:
                exclusive = tuple(map(self.graph.xor, a, b))
                return exclusive if operator.kind == "xor" else words.inverted(exclusive)

    def _inversion(self, operator: Operator) -> Word:
        return words.inverted(self._word(operator, 0, operator.width))

    def _reduction(self, operator: Operator) -> Word:
        bits = self._word(operator, 0)
        match operator.kind:
            case "reduce_and":
                return (words.tree(self.graph, bits, conjunction=True),)
            case "reduce_xor" | "reduce_xnor":
                return (words.parity(self.graph, bits) ^ int(operator.kind == "reduce_xnor"),)
            case _:
                any_ = words.tree(self.graph, bits, conjunction=False)
                return (any_ ^ int(operator.kind == "logic_not"),)

    def _truths(self, operator: Operator) -> Word:
        a, b = (words.tree(self.graph, self._word(operator, place), conjunction=False) for place in (0, 1))
        return (self.graph.land(a, b) if operator.kind == "logic_and" else self.graph.lor(a, b),)

    def _comparison(self, operator: Operator) -> Word:
        width = max(operand.width for operand in operator.operands)
        a, b = self._word(operator, 0, width), self._word(operator, 1, width)
        match operator.kind:
            case "eq" | "eqx":
                return (words.equal(self.graph, a, b),)
            case "ne" | "nex":
                return (words.equal(self.graph, a, b) ^ 1,)
            case "gt" | "ge":
                a, b = b, a
        or_equal = operator.kind in ("le", "ge")
        return (words.less(self.graph, a, b, signed=operator.signed, or_equal=or_equal),)

    def _shift(self, operator: Operator) -> Word:
        width = max(operator.width, operator.operands[0].width)
        value, by = self._word(operator, 0, operator.width), self._word(operator, 1)
        if operator.kind in ("shl", "sshl"):
            return words.shifted_right(self.graph, value[::-1], by, FALSE)[::-1]
        arithmetic = operator.kind == "sshr" and operator.signed
        return words.shifted_right(self.graph, value, by, value[-1] if arithmetic else FALSE)[:width]

    def _multiplexer(self, operator: Operator) -> Word:
        no, yes = self._word(operator, 0, operator.width), self._word(operator, 1, operator.width)
        select = words.tree(self.graph, self._word(operator, 2), conjunction=False)
        no, yes = self._given(select ^ 1, no), self._given(select, yes)
        either = [self._unknown(operator, place) for place in (0, 1)]
        result = []
        for place, (x, y) in enumerate(zip(yes, no, strict=True)):
            free = [place < len(flags) and flags[place] for flags in either]
            result.append(x if free[0] else y if free[1] else self.graph.mux(select, x, y))
        return tuple(result)

    def _given(self, condition: Literal, word: Word) -> Word:
        """Returns a word in which the bits that a condition fixes are constants."""
        implied = self.graph.implied(condition)
        return tuple([TRUE if bit in implied else FALSE if bit ^ 1 in implied else bit for bit in word])

    def _unknown(self, operator: Operator, place: int) -> list[bool]:
        return [self._root(wire) == UNKNOWN for wire in operator.inputs[place]]

    def _parallel_multiplexer(self, operator: Operator) -> Word:
        table = self._table(operator)
        if table is not None:
            return table
        base, selects = self._word(operator, 0, operator.width), self._word(operator, 2)
        every = self._word(operator, 1)
        options = [every[start : start + operator.width] for start in range(0, len(every), operator.width)]
        unknown = self._unknown(operator, 0)
        some = words.tree(self.graph, selects, conjunction=False)
        result = []
        for place in range(operator.width):
            taken = [self.graph.land(select, option[place]) for select, option in zip(selects, options, strict=True)]
            joined = words.tree(self.graph, taken, conjunction=False)
            result.append(joined if unknown[place] else self.graph.mux(some, joined, base[place]))
        return tuple(result)

    def _table(self, operator: Operator) -> Word | None:
        """Returns the word of a table of constants, None if the operator is no such table."""
        base, every, selects = ([self._root(wire) for wire in word] for word in operator.inputs)
        if any(wire > UNKNOWN for wire in (*base, *every)):
            return None
        addresses = [self._matched(wire) for wire in selects]
        subjects = {address[0] for address in addresses if address is not None}
        if None in addresses or len(subjects) != 1:
            return None
        (subject,) = subjects
        if len(subject) > _TABLE_BITS:
            return None
        width = operator.width
        options = [every[start : start + width] for start in range(0, len(every), width)]
        entries = {
            address[1]: option for address, option in zip(addresses, options, strict=True) if address is not None
        }
        rows = [tuple([int(wire == TRUE) for wire in entries.get(place, base)]) for place in range(1 << len(subject))]
        return words.chosen(self.graph, rows, tuple([self._ready(wire) for wire in subject]))

    def _matched(self, wire: int) -> tuple[tuple[int, ...], int] | None:
        """Returns the word and the number whose equality a wire is, None if it is none."""
        number = self._producers.get(wire)
        operator = self.design.operators[number] if number is not None else None
        if operator is None or operator.kind != "eq" or operator.operands[1].constant is None:
            return None
        return tuple([self._root(each) for each in operator.inputs[0]]), operator.operands[1].constant

    def _index(self, operator: Operator, place: int) -> Word:
        index = self._word(operator, place)
        if operator.first == 0:
            return index
        bits = -operator.first & ((1 << len(index)) - 1)
        constant = tuple([bits >> bit & 1 for bit in range(len(index))])
        return words.add(self.graph, index, constant, len(index))

    def _indexed(self, operator: Operator) -> Word:
        vector, index = self._word(operator, 0), self._index(operator, 1)
        if operator.width > 1 and operator.stride == 1:
            return words.stretched((*words.shifted_right(self.graph, vector, index, FALSE), FALSE), operator.width)
        step = operator.width
        options = [vector[start : start + step] for start in range(0, len(vector), step)]
        return words.chosen(self.graph, options, index[: max(len(options) - 1, 0).bit_length()])

    def _written(self, operator: Operator) -> Word:
        now, written, index = self._word(operator, 0), self._word(operator, 1), self._index(operator, 2)
        wide, padding = operator.width, (FALSE,) * (operator.width - len(written))
        place = words.shifted_right(self.graph, ((TRUE,) * len(written) + padding)[::-1], index, FALSE)[::-1]
        moved = words.shifted_right(self.graph, (written + padding)[::-1], index, FALSE)[::-1]
        if len(written) == 1:
            moved = written * wide
        return tuple([self.graph.mux(here, x, y) for here, x, y in zip(place, moved, now, strict=True)])

    def _memory_word(self, operator: Operator) -> Word:
        return tuple([self.graph.leaf() for _ in operator.outputs])

    _rules: ClassVar[Mapping[str, Callable[["_Lowering", Operator], Word]]] = {
        **dict.fromkeys(_SUMS, _sum),
        "mul": _product,
        "neg": _negative,
        **dict.fromkeys(("div", "mod"), _quotient),
        **dict.fromkeys(("and", "or", "xor", "xnor"), _bitwise),
        "not": _inversion,
        **dict.fromkeys(
            ("reduce_and", "reduce_or", "reduce_xor", "reduce_xnor", "reduce_bool", "logic_not"), _reduction
        ),
        **dict.fromkeys(("logic_and", "logic_or"), _truths),
        **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne", "eqx", "nex"), _comparison),
        **dict.fromkeys(("shl", "shr", "sshl", "sshr"), _shift),
        "mux": _multiplexer,
        "pmux": _parallel_multiplexer,
        "shiftx": _indexed,
        "demux": _written,
        "memrd": _memory_word,
        "memwr": _memory_word,
    }


@dataclass(frozen=True, slots=True)
class _Term:
    """A term of a sum: a word, or two that are multiplied."""

    words: tuple[tuple[int, ...], ...]
    signed: bool
    negative: bool
