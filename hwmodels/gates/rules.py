"""Operators, but for sums and products, to gates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from hwmodels.errors import HardwareError
from hwmodels.gates import arithmetic as words
from hwmodels.gates.graph import FALSE, TRUE, Graph, Literal, Word
from hwmodels.parsing import UNKNOWN, Operator

_TABLE_BITS: Final = 12  # of the address of a table that is built as one


@dataclass
class Rules:
    """Builds the gates of one operator at a time.

    Attributes:
        graph: receives the gates.
        ready: returns the literal of a wire, whose driver has gates already.
        root: returns the wire at the end of a chain of connections.
        producer: returns the operator that drives a wire, None if none does.
    """

    graph: Graph
    ready: Callable[[int], Literal]
    root: Callable[[int], int]
    producer: Callable[[int], Operator | None]

    def lower(self, operator: Operator) -> Word:
        """Returns the literals of an operator's result.

        Raises:
            HardwareError: if the operator has no gates.
        """
        rule = self._rules.get(operator.kind)
        if rule is None:
            raise HardwareError(f"{operator.where}: no model of the operator {operator.kind}")
        return rule(self, operator)

    def word(self, operator: Operator, place: int, width: int = 0) -> Word:
        """Returns an operand, extended to a width by the rules of the language."""
        word = tuple([self.ready(wire) for wire in operator.inputs[place]])
        if len(word) >= width:
            return word[:width] if width else word
        return word + (word[-1] if operator.operands[place].signed else FALSE,) * (width - len(word))

    def _quotient(self, operator: Operator) -> Word:
        a, b = self.word(operator, 0, operator.width), self.word(operator, 1, operator.width)
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
        a, b = self.word(operator, 0, operator.width), self.word(operator, 1, operator.width)
        match operator.kind:
            case "and":
                return tuple(map(self.graph.land, a, b))
            case "or":
                return tuple(map(self.graph.lor, a, b))
            case _:
                exclusive = tuple(map(self.graph.xor, a, b))
                return exclusive if operator.kind == "xor" else words.inverted(exclusive)

    def _inversion(self, operator: Operator) -> Word:
        return words.inverted(self.word(operator, 0, operator.width))

    def _reduction(self, operator: Operator) -> Word:
        bits = self.word(operator, 0)
        match operator.kind:
            case "reduce_and":
                return (words.tree(self.graph, bits, conjunction=True),)
            case "reduce_xor" | "reduce_xnor":
                return (words.parity(self.graph, bits) ^ int(operator.kind == "reduce_xnor"),)
            case _:
                any_ = words.tree(self.graph, bits, conjunction=False)
                return (any_ ^ int(operator.kind == "logic_not"),)

    def _truths(self, operator: Operator) -> Word:
        a, b = (words.tree(self.graph, self.word(operator, place), conjunction=False) for place in (0, 1))
        return (self.graph.land(a, b) if operator.kind == "logic_and" else self.graph.lor(a, b),)

    def _comparison(self, operator: Operator) -> Word:
        width = max(operand.width for operand in operator.operands)
        a, b = self.word(operator, 0, width), self.word(operator, 1, width)
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
        value, by = self.word(operator, 0, operator.width), self.word(operator, 1)
        if operator.kind in ("shl", "sshl"):
            return words.shifted_right(self.graph, value[::-1], by, FALSE)[::-1]
        arithmetic = operator.kind == "sshr" and operator.signed
        return words.shifted_right(self.graph, value, by, value[-1] if arithmetic else FALSE)[:width]

    def _multiplexer(self, operator: Operator) -> Word:
        no, yes = self.word(operator, 0, operator.width), self.word(operator, 1, operator.width)
        select = words.tree(self.graph, self.word(operator, 2), conjunction=False)
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
        return [self.root(wire) == UNKNOWN for wire in operator.inputs[place]]

    def _parallel_multiplexer(self, operator: Operator) -> Word:
        table = self._table(operator)
        if table is not None:
            return table
        base, selects = self.word(operator, 0, operator.width), self.word(operator, 2)
        every = self.word(operator, 1)
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
        base, every, selects = ([self.root(wire) for wire in word] for word in operator.inputs)
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
        return words.chosen(self.graph, rows, tuple([self.ready(wire) for wire in subject]))

    def _matched(self, wire: int) -> tuple[tuple[int, ...], int] | None:
        """Returns the word and the number whose equality a wire is, None if it is none."""
        operator = self.producer(wire)
        if operator is None or operator.kind != "eq" or operator.operands[1].constant is None:
            return None
        return tuple([self.root(each) for each in operator.inputs[0]]), operator.operands[1].constant

    def _index(self, operator: Operator, place: int) -> Word:
        index = self.word(operator, place)
        if operator.first == 0:
            return index
        bits = -operator.first & ((1 << len(index)) - 1)
        constant = tuple([bits >> bit & 1 for bit in range(len(index))])
        return words.add(self.graph, index, constant, len(index))

    def _indexed(self, operator: Operator) -> Word:
        vector, index = self.word(operator, 0), self._index(operator, 1)
        if operator.width > 1 and operator.stride == 1:
            return words.stretched((*words.shifted_right(self.graph, vector, index, FALSE), FALSE), operator.width)
        step = operator.width
        options = [vector[start : start + step] for start in range(0, len(vector), step)]
        return words.chosen(self.graph, options, index[: max(len(options) - 1, 0).bit_length()])

    def _written(self, operator: Operator) -> Word:
        now, written, index = self.word(operator, 0), self.word(operator, 1), self._index(operator, 2)
        wide, padding = operator.width, (FALSE,) * (operator.width - len(written))
        place = words.shifted_right(self.graph, ((TRUE,) * len(written) + padding)[::-1], index, FALSE)[::-1]
        moved = words.shifted_right(self.graph, (written + padding)[::-1], index, FALSE)[::-1]
        if len(written) == 1:
            moved = written * wide
        return tuple([self.graph.mux(here, x, y) for here, x, y in zip(place, moved, now, strict=True)])

    def _memory_word(self, operator: Operator) -> Word:
        return tuple([self.graph.leaf() for _ in operator.outputs])

    _rules: ClassVar[Mapping[str, Callable[["Rules", Operator], Word]]] = {
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
