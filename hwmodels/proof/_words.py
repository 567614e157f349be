"""Bits and words of a proof: every bit is a constant, or a bit of a term of the solver.

A net of a design is a row of bits, the lowest first. Registers, extensions and slices only move bits, so that an
operand that reaches a multiplier through them is still the same row of bits: that is how equal operands are recognised.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bitwuzla import Bitwuzla, Kind, Options, Term, TermManager


class Bit(NamedTuple):
    """One bit of a word. ``word``: number of the word; ``place``: that of the bit, 0 for the lowest."""

    word: int
    place: int


Bits = tuple[Bit | int, ...]  # 0 and 1 are constants


class Words:
    """The words of a proof, and the solver's terms behind them."""

    def __init__(self) -> None:
        self.manager = TermManager()
        self._simplifier = Bitwuzla(self.manager, Options())
        self._terms: list[Term] = []
        self._numbers: dict[Term, int] = {}
        self._unknowns: dict[tuple[str, int], Bits] = {}

    def unknown(self, name: str, width: int) -> Bits:
        """Returns a word of which nothing is known; the same name and width are the same word."""
        key = name, width
        if key not in self._unknowns:
            self._unknowns[key] = self.bits(self.manager.mk_const(self.manager.mk_bv_sort(width), name))
        return self._unknowns[key]

    def bits(self, term: Term) -> Bits:
        """Returns the bits of a term of bit-vectors."""
        width = term.sort().bv_size()
        if term.is_value():
            return constant(int(term.value(10)), width)
        number = self._numbers.get(term)
        if number is None:
            number = self._numbers[term] = len(self._terms)
            self._terms.append(term)
        return tuple(Bit(number, index) for index in range(width))

    def settled(self, term: Term) -> Bits:
        """Returns the bits of a term of constants, which is evaluated."""
        return self.bits(self._simplifier.simplify_term(term))

    def term(self, bits: Sequence[Bit | int]) -> Term:
        """Returns the term of a row of at least one bit."""
        parts = [self._part(run) for run in _runs(bits)]
        made = parts[0]
        for part in parts[1:]:
            made = self.manager.mk_term(Kind.BV_CONCAT, [part, made])
        return made

    def _part(self, run: Sequence[Bit | int]) -> Term:
        first = run[0]
        if isinstance(first, int):
            value = sum(int(bit) << place for place, bit in enumerate(run) if isinstance(bit, int))
            return self.value(value, len(run))
        whole = self._terms[first.word]
        if len(run) == whole.sort().bv_size():
            return whole
        return self.manager.mk_term(Kind.BV_EXTRACT, [whole], [first.place + len(run) - 1, first.place])

    def width(self, word: int) -> int:
        """Returns the width of a word in bits."""
        width: int = self._terms[word].sort().bv_size()
        return width

    def value(self, value: int, width: int) -> Term:
        """Returns a constant term; a negative one as its two's complement."""
        return self.manager.mk_bv_value(self.manager.mk_bv_sort(width), value & ((1 << width) - 1))


def _runs(bits: Sequence[Bit | int]) -> Iterator[list[Bit | int]]:
    """Yields the longest rows of constants, or of consecutive bits of one word."""
    run: list[Bit | int] = []
    for bit in bits:
        if run and not _follows(run[-1], bit):
            yield run
            run = []
        run.append(bit)
    yield run


def _follows(last: Bit | int, bit: Bit | int) -> bool:
    if isinstance(last, int) or isinstance(bit, int):
        return isinstance(last, int) and isinstance(bit, int)
    return bit.word == last.word and bit.place == last.place + 1


def constant(value: int, width: int) -> Bits:
    """Returns the bits of a constant; of a negative one, of its two's complement."""
    return tuple(value >> place & 1 for place in range(width))


def is_constant(bits: Sequence[Bit | int]) -> bool:
    """Returns whether every bit is known."""
    return all(isinstance(bit, int) for bit in bits)


def number(bits: Sequence[Bit | int], *, signed: bool) -> int:
    """Returns the integer that a row of constants means.

    Raises:
        ValueError: a bit is not known.
    """
    if not is_constant(bits):
        raise ValueError(f"{bits} is not constant")
    value = sum(int(bit) << place for place, bit in enumerate(bits) if isinstance(bit, int))
    return value - (1 << len(bits)) if signed and bits[-1] == 1 else value


def extended(bits: Bits, width: int, *, signed: bool) -> Bits:
    """Returns a row extended by its sign or by zeros, or cut, to a width."""
    fill: Bit | int = bits[-1] if signed and bits else 0
    return bits[:width] + (fill,) * (width - len(bits))


def trimmed(bits: Bits, *, signed: bool) -> tuple[Bits, bool]:
    """Returns the shortest row of the same integer, and whether its highest bit is a sign."""
    if not signed:
        while len(bits) > 1 and bits[-1] == 0:
            bits = bits[:-1]
        return bits, False
    while len(bits) > 1 and bits[-1] == bits[-2]:
        bits = bits[:-1]
    if len(bits) > 1 and bits[-1] == 0:
        return trimmed(bits[:-1], signed=False)
    return bits, True
