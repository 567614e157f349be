"""A graph of gates in which equal gates are one, constants are folded, and every gate knows the operator it is of.

A literal is twice the number of a node, plus 1 if it is inverted; 0 and 1 are the constants.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

FALSE: Final = 0
TRUE: Final = 1
_MOST_IMPLIED: Final = 256
Literal = int
Word = tuple[Literal, ...]  # the lowest bit first


class Kind(IntEnum):
    """Kinds of nodes: a constant, a leaf (input port or word of a memory), gates, a flip-flop."""

    CONSTANT = 0
    LEAF = 1
    AND = 2
    XOR = 3
    MUX = 4  # select, value if true, value if false
    SUM = 5  # of three bits
    CARRY = 6  # of three bits
    FLOP = 7


@dataclass
class Graph:
    """Nodes in topological order, but for what follows a flip-flop.

    Attributes:
        kinds: kind of each node.
        inputs: literals that each node reads; of a flip-flop, its next value once it is known.
        owners: number of the operator or register that each node belongs to, -1 for none.
        owner: owner of the nodes that are added next.
    """

    kinds: list[Kind] = field(default_factory=lambda: [Kind.CONSTANT])
    inputs: list[tuple[Literal, ...]] = field(default_factory=lambda: [()])
    owners: list[int] = field(default_factory=lambda: [-1])
    owner: int = -1
    _known: dict[tuple[Kind, Literal, Literal, Literal], Literal] = field(default_factory=dict)

    def leaf(self, kind: Kind = Kind.LEAF) -> Literal:
        """Adds a leaf or flip-flop."""
        return self._add(kind, ())

    def land(self, a: Literal, b: Literal) -> Literal:
        """Returns a and b."""
        if a > b:
            a, b = b, a
        if a == FALSE or a == b ^ 1:
            return FALSE
        if a in (TRUE, b):
            return b
        return self._absorbed(a, b) or self._node(Kind.AND, a, b)

    def _absorbed(self, a: Literal, b: Literal) -> Literal | None:
        """Returns a simpler form of a and b if one of them reads the other."""
        for one, other in ((a, b), (b, a)):
            if self.kinds[other >> 1] is not Kind.AND:
                continue
            reads = self.inputs[other >> 1]
            if one in reads:
                return self.land(one, self._other(reads, one) ^ 1) if other & 1 else other
            if one ^ 1 in reads:
                return one if other & 1 else FALSE
        return None

    @staticmethod
    def _other(reads: tuple[Literal, ...], one: Literal) -> Literal:
        return reads[1] if reads[0] == one else reads[0]

    def lor(self, a: Literal, b: Literal) -> Literal:
        """Returns a or b."""
        return self.land(a ^ 1, b ^ 1) ^ 1

    def xor(self, a: Literal, b: Literal) -> Literal:
        """Returns a exclusive-or b."""
        inverted = (a ^ b) & 1
        a, b = (a & ~1, b & ~1) if a < b else (b & ~1, a & ~1)
        if a == b:
            return inverted
        return (b if a == FALSE else self._node(Kind.XOR, a, b)) ^ inverted

    def mux(self, select: Literal, yes: Literal, no: Literal) -> Literal:
        """Returns ``yes`` if the select is true, else ``no``."""
        if select & 1:
            select, yes, no = select ^ 1, no, yes
        if select == FALSE:
            return no
        yes, no = self._below(yes, select, value=True), self._below(no, select, value=False)
        if yes == no:
            return yes
        if yes == no ^ 1:
            return self.xor(select, no)
        if no in (FALSE, TRUE):
            return self.land(select, yes) if no == FALSE else self.lor(select ^ 1, yes)
        if yes in (FALSE, TRUE):
            return self.land(select ^ 1, no) if yes == FALSE else self.lor(select, no)
        inverted = no & 1
        return self._node(Kind.MUX, select, yes ^ inverted, no ^ inverted) ^ inverted

    def _below(self, side: Literal, select: Literal, *, value: bool) -> Literal:
        """Returns a side of a multiplexer, given what its select is there."""
        if side & ~1 == select:
            return value ^ (side & 1)
        if self.kinds[side >> 1] is Kind.MUX and self.inputs[side >> 1][0] == select:
            return self.inputs[side >> 1][1 if value else 2] ^ (side & 1)
        return side

    def implied(self, literal: Literal) -> frozenset[Literal]:
        """Returns literals that are true whenever one is: what a conjunction joins, as far as it is a tree."""
        found, waiting = set[Literal](), [literal]
        while waiting and len(found) < _MOST_IMPLIED:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                if not one & 1 and self.kinds[one >> 1] is Kind.AND:
                    waiting.extend(self.inputs[one >> 1])
        return frozenset(found)

    def add3(self, a: Literal, b: Literal, c: Literal) -> tuple[Literal, Literal]:
        """Returns sum and carry of three bits: of a full adder, or of what constants leave of it."""
        a, b, c = sorted((a, b, c))
        if a == FALSE:
            return self.xor(b, c), self.land(b, c)
        if a == TRUE:
            return self.xor(b, c) ^ 1, self.lor(b, c)
        for one, other, third in ((a, b, c), (b, c, a)):
            if one >> 1 == other >> 1:
                return (third, one) if one == other else (third ^ 1, third)
        total = self._node(Kind.SUM, a & ~1, b & ~1, c & ~1) ^ ((a ^ b ^ c) & 1)
        inverted = int((a & 1) + (b & 1) + (c & 1) >= 2)
        carry = self._node(Kind.CARRY, a ^ inverted, b ^ inverted, c ^ inverted) ^ inverted
        return total, carry

    def _node(self, kind: Kind, a: Literal, b: Literal, c: Literal = 0) -> Literal:
        key = (kind, a, b, c)
        literal = self._known.get(key)
        if literal is None:
            reads = (a, b, c) if kind in (Kind.MUX, Kind.SUM, Kind.CARRY) else (a, b)
            literal = self._known[key] = self._add(kind, reads)
        return literal

    def _add(self, kind: Kind, reads: tuple[Literal, ...]) -> Literal:
        self.kinds.append(kind)
        self.inputs.append(reads)
        self.owners.append(self.owner)
        return 2 * (len(self.kinds) - 1)
