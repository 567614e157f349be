"""Words as exact polynomials in bits, by which a product is recognised however a design computes it.

A word of a sum, a product by parts or a shift-and-add is an integer polynomial of the bits of its operands, as long as
its value fits the word; intervals prove that it does. The part of a word above its lowest bits is the polynomial less
these bits, divided by a power of two. Polynomials that are linear in every bit are unique: two words are equal for all
inputs if and only if theirs are. A word that is a product ``p``, or the upper part of one, is replaced by the bits of
``p``, and so are the low bits that were split off on the way: of ``p == 2**d * word + low`` with ``0 <= low < 2**d``
follows ``word == p >> d``, and that ``low`` are the lowest bits of ``p``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from hwmodels.proof._words import Bit, Bits, Words, extended, trimmed

Monomial = frozenset[Bit]
_MOST_TERMS: Final = 4096  # of a polynomial; 32 x 32 bits have 1,024


@dataclass(frozen=True)
class Exact:
    """An integer as a polynomial in bits.

    Attributes:
        terms: coefficient of every monomial, times ``2**scale``.
        scale: power of two that divides their sum.
        low: the integer is at least this.
        high: it is at most this.
    """

    terms: Mapping[Monomial, int]
    scale: int
    low: int
    high: int

    def fits(self, width: int, *, signed: bool) -> bool:
        """Returns whether a word of that width holds its every value."""
        if signed:
            return -(1 << (width - 1)) <= self.low and self.high < 1 << (width - 1)
        return self.low >= 0 and self.high < 1 << width

    def scaled(self, scale: int) -> dict[Monomial, int]:
        """Returns the coefficients times ``2**scale``, which is at least the own scale."""
        return {monomial: value << (scale - self.scale) for monomial, value in self.terms.items()}

    def plus(self, other: "Exact", sign: int = 1) -> "Exact":
        """Returns the sum, or the difference, with another one."""
        scale = max(self.scale, other.scale)
        low, high = (other.low, other.high) if sign > 0 else (-other.high, -other.low)
        terms = _summed([(self.scaled(scale), 1), (other.scaled(scale), sign)])
        return _tightened(terms, scale, self.low + low, self.high + high)

    def times(self, other: "Exact") -> "Exact | None":
        """Returns the product with another one, or None if it has too many terms."""
        if len(self.terms) * len(other.terms) > _MOST_TERMS:
            return None
        terms: dict[Monomial, int] = {}
        for mine, a in self.terms.items():
            for its, b in other.terms.items():
                terms[mine | its] = terms.get(mine | its, 0) + a * b
        corners = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        nonzero = {monomial: value for monomial, value in terms.items() if value}
        return _tightened(nonzero, self.scale + other.scale, min(corners), max(corners))

    def raised(self, bits: int) -> "Exact":
        """Returns it times a power of two."""
        terms = {monomial: value << bits for monomial, value in self.terms.items()}
        return Exact(terms, self.scale, self.low << bits, self.high << bits)

    def above(self, low_bits: Bits) -> "Exact":
        """Returns what is left of it without its lowest bits, and divided by their power of two."""
        rest = self.plus(_of_atoms(low_bits, signed=False), -1) if low_bits else self
        steps = len(low_bits)
        return _tightened(rest.terms, rest.scale + steps, self.low >> steps, self.high >> steps)


class ExactWords:
    """The polynomials of words, and the products that they are compared with."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._known: dict[int, Exact] = {}
        self._products: list[tuple[Exact, Bits]] = []
        self._aliases: dict[Bit, Bit | int] = {}

    def current(self, bits: Bits) -> Bits:
        """Returns a row in which bits that are known to be a product's are these."""
        return tuple(self._aliases.get(bit, bit) if isinstance(bit, Bit) else bit for bit in bits)

    def of(self, bits: Bits, *, signed: bool) -> Exact | None:
        """Returns the polynomial of a row of bits as an integer; None if it has too many terms."""
        bits, signed = trimmed(bits, signed=signed)
        total, place = Exact({}, 0, 0, 0), 0
        for run in _runs(bits):
            last = place + len(run) == len(bits)
            total = total.plus(self._of_run(run, signed=signed and last).raised(place))
            place += len(run)
            if len(total.terms) > _MOST_TERMS:
                return None
        return total

    def _of_run(self, run: Bits, *, signed: bool) -> Exact:
        first = run[0]
        if isinstance(first, Bit) and first.word in self._known:
            known = self._known[first.word]
            if known.fits(first.place + len(run), signed=signed):  # the bits above are copies of the sign, or zeros
                return known.above(tuple(Bit(first.word, index) for index in range(first.place)))
        return _of_atoms(run, signed=signed)

    def note_product(self, bits: Bits, first: Exact | None, second: Exact | None) -> None:
        """Notes that a word is the product of two others, with which sums are compared from now on."""
        exact = None if first is None or second is None else first.times(second)
        if exact is not None and exact.terms and isinstance(bits[0], Bit):
            self._known[bits[0].word] = exact
            self._products.append((exact, bits))

    def noted(self, bits: Bits, exact: Exact | None) -> Bits:
        """Notes the polynomial of a result if its value fits; returns the result, or the product that it is."""
        first, width = bits[0], len(bits)
        if exact is None or not isinstance(first, Bit) or bits != tuple(Bit(first.word, i) for i in range(width)):
            return bits
        if self._words.width(first.word) != width or not exact.fits(width, signed=exact.low < 0):
            return bits
        for product, its_bits in self._products:
            dropped = _low_bits(product, exact)
            if dropped is not None:
                self._aliases.update(zip(dropped, its_bits, strict=False))
                return extended(its_bits[len(dropped) :], width, signed=product.low < 0)
        self._known.setdefault(first.word, exact)
        return bits


def _low_bits(product: Exact, exact: Exact) -> tuple[Bit, ...] | None:
    """Returns the bits that a product has below a word which is its upper part; None if the word is none."""
    leading = max(product.terms, key=lambda monomial: abs(product.terms[monomial]))
    if leading not in exact.terms:
        return None
    scale = max(product.scale, exact.scale)
    whole, part = product.scaled(scale), exact.scaled(scale)
    ratio, rest = divmod(whole[leading], part[leading])
    if rest or ratio < 1 or ratio & (ratio - 1):
        return None
    left = _summed([(whole, 1), (part, -ratio)])
    bits: dict[int, Bit] = {}
    for monomial, value in left.items():
        if len(monomial) != 1 or value < 1 << scale or value & (value - 1):
            return None
        bits[value.bit_length() - 1 - scale] = next(iter(monomial))
    if sorted(bits) != list(range(ratio.bit_length() - 1)) or len(bits) != len(left):
        return None
    return tuple(bits[place] for place in range(len(bits)))


def _of_atoms(bits: Bits, *, signed: bool) -> Exact:
    """Returns the polynomial of a row whose bits are variables."""
    terms: dict[Monomial, int] = {}
    for place, bit in enumerate(bits):
        weight = -(1 << place) if signed and place == len(bits) - 1 else 1 << place
        monomial = frozenset() if isinstance(bit, int) else frozenset([bit])
        value = terms.pop(monomial, 0) + (weight if not isinstance(bit, int) else weight * bit)
        if value:
            terms[monomial] = value
    half = 1 << (len(bits) - 1)
    return _tightened(terms, 0, -half if signed else 0, half - 1 if signed else 2 * half - 1)


def _summed(parts: Iterable[tuple[Mapping[Monomial, int], int]]) -> dict[Monomial, int]:
    total: dict[Monomial, int] = {}
    for terms, factor in parts:
        for monomial, value in terms.items():
            total[monomial] = total.get(monomial, 0) + factor * value
    return {monomial: value for monomial, value in total.items() if value}


def _tightened(terms: Mapping[Monomial, int], scale: int, low: int, high: int) -> Exact:
    """Returns a polynomial with the narrower of the bounds given and those of its terms."""
    fixed = terms.get(frozenset(), 0)
    negative = sum(value for monomial, value in terms.items() if monomial and value < 0)
    positive = sum(value for monomial, value in terms.items() if monomial and value > 0)
    return Exact(terms, scale, max(low, -(-(fixed + negative) >> scale)), min(high, (fixed + positive) >> scale))


def _runs(bits: Bits) -> list[Bits]:
    """Returns the longest rows of consecutive bits of one word, or of constants."""
    keys = [("", 0) if isinstance(bit, int) else (str(bit.word), bit.place - place) for place, bit in enumerate(bits)]
    return [
        tuple(bit for _, bit in group) for _, group in groupby(zip(keys, bits, strict=True), key=lambda pair: pair[0])
    ]
