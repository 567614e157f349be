"""The rounding contracts as statements about bit-vectors, written from docs/numerics.md and from nothing else.

Every intermediate value is as wide as its largest magnitude needs, so that nothing wraps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bitwuzla import Kind, Term

from hwmodels.proof._products import Products
from hwmodels.proof._words import Bits, Words, extended

_Q31_BITS: Final = 31  # of the multiplier of gemmlowp's high multiply


@dataclass(frozen=True)
class Integer:
    """An integer of a proof: its bits, and whether the highest one is a sign."""

    bits: Bits
    signed: bool


class Arithmetic:
    """Arithmetic on signed words of one width, which the caller chooses wide enough."""

    def __init__(self, words: Words, width: int) -> None:
        self._words, self.width = words, width

    def of(self, integer: Integer) -> Term:
        """Returns an integer as a signed word."""
        if len(integer.bits) > self.width or (len(integer.bits) == self.width and not integer.signed):
            raise ValueError(f"{len(integer.bits)} bits do not fit a signed word of {self.width}")
        return self._words.term(extended(integer.bits, self.width, signed=integer.signed))

    def value(self, value: int) -> Term:
        """Returns a constant."""
        if not -(1 << (self.width - 1)) <= value < 1 << (self.width - 1):
            raise ValueError(f"{value} does not fit a signed word of {self.width} bits")
        return self._words.value(value, self.width)

    def apply(self, kind: Kind, *terms: Term) -> Term:
        """Returns an operation of the solver on terms."""
        return self._words.manager.mk_term(kind, list(terms))

    def add(self, first: Term, second: Term) -> Term:
        """Returns a sum."""
        return self.apply(Kind.BV_ADD, first, second)

    def negated(self, term: Term) -> Term:
        """Returns the negative of a word."""
        return self.apply(Kind.BV_NEG, term)

    def left(self, term: Term, steps: Term) -> Term:
        """Returns a left shift."""
        return self.apply(Kind.BV_SHL, term, steps)

    def right(self, term: Term, steps: Term) -> Term:
        """Returns an arithmetic right shift, which rounds downwards."""
        return self.apply(Kind.BV_ASHR, term, steps)

    def less(self, first: Term, second: Term) -> Term:
        """Returns whether one word is less than another."""
        return self.apply(Kind.BV_SLT, first, second)

    def either(self, condition: Term, yes: Term, no: Term) -> Term:
        """Returns one of two words."""
        return self.apply(Kind.ITE, condition, yes, no)

    def clamped(self, term: Term, low: Term, high: Term) -> Term:
        """Returns a word brought into bounds."""
        raised = self.either(self.less(term, low), low, term)
        return self.either(self.less(high, raised), high, raised)


Rounding = Callable[[Arithmetic, Term, Term, int], Term]


def _half_up(a: Arithmetic, product: Term, shift: Term, _k: int) -> Term:
    # (p + 2^(r-1)) >> r for r >= 1, p << -r otherwise
    one = a.value(1)
    half = a.left(one, a.add(shift, a.value(-1)))
    rounded = a.right(a.add(product, half), shift)
    return a.either(a.less(shift, one), a.left(product, a.negated(shift)), rounded)


def _floor(a: Arithmetic, product: Term, shift: Term, _k: int) -> Term:
    # p >> r for r >= 0, p << -r otherwise
    return a.either(a.less(shift, a.value(0)), a.left(product, a.negated(shift)), a.right(product, shift))


def _half_away(a: Arithmetic, product: Term, shift: Term, k: int) -> Term:
    # sign(p) * ((|p| + 2^(r-1)) >> r)
    negative = a.less(product, a.value(0))
    magnitude = _half_up(a, a.either(negative, a.negated(product), product), shift, k)
    return a.either(negative, a.negated(magnitude), magnitude)


def _high_multiply(a: Arithmetic, product: Term, k: int) -> Term:
    # gemmlowp, SaturatingRoundingDoublingHighMul on m << (31 - k): (2ab + nudge) / 2^32 by a division that truncates;
    # in halves, (ab + nudge) / 2^31. b is positive, so nothing saturates.
    scaled, zero = a.left(product, a.value(_Q31_BITS - k)), a.value(0)
    nudge = a.either(a.less(scaled, zero), a.value(1 - (1 << 30)), a.value(1 << 30))
    nudged = a.add(scaled, nudge)
    negative = a.less(nudged, zero)
    magnitude = a.right(a.either(negative, a.negated(nudged), nudged), a.value(_Q31_BITS))
    return a.either(negative, a.negated(magnitude), magnitude)


def _tflite_double(a: Arithmetic, product: Term, shift: Term, k: int) -> Term:
    # RoundingDivideByPOT: x >> e, plus 1 if the remainder exceeds a threshold; e = r - k >= 0
    high, exponent = _high_multiply(a, product, k), a.add(shift, a.value(-k))
    zero, one = a.value(0), a.value(1)
    mask = a.add(a.left(one, exponent), a.value(-1))
    remainder = a.apply(Kind.BV_AND, high, mask)
    threshold = a.add(a.right(mask, one), a.either(a.less(high, zero), one, zero))
    return a.add(a.right(high, exponent), a.either(a.less(threshold, remainder), one, zero))


def _ruy_double(a: Arithmetic, product: Term, shift: Term, k: int) -> Term:
    # the same high multiply, then (x + 2^(e-1)) >> e
    return _half_up(a, _high_multiply(a, product, k), a.add(shift, a.value(-k)), k)


CONTRACTS: Final[Mapping[str, Rounding]] = {
    "half_up": _half_up,
    "floor": _floor,
    "half_away": _half_away,
    "tflite_double": _tflite_double,
    "ruy_double": _ruy_double,
}
DOUBLE: Final = ("tflite_double", "ruy_double")  # defined for k <= 31 and right shifts of at least k


@dataclass(frozen=True, kw_only=True)
class Operands:
    """What enters a rescaler.

    Attributes:
        acc: accumulator.
        multiplier: multiplier, not negative.
        shift: right shift less ``shift_offset``.
        shift_offset: what is added to ``shift``.
        shift_range: the smallest and the largest right shift; others are not asked for.
        multiplier_bits: ``k`` of the contracts that round twice, whose multiplier is ``m << (31 - k)``.
    """

    acc: Integer
    multiplier: Integer
    shift: Integer
    shift_offset: int
    shift_range: tuple[int, int]
    multiplier_bits: int

    def width(self) -> int:
        """Returns the bits in which no step of any contract wraps."""
        low, high = self.shift_range
        product = len(self.acc.bits) + len(self.multiplier.bits) + 1
        shift = max(len(self.shift.bits), abs(self.shift_offset).bit_length()) + 2
        return max(product + max(-low, 0), product + _Q31_BITS, high, shift) + 3


def rescaled(contract: str, operands: Operands, words: Words, products: Products, width: int) -> Term:
    """Returns what a contract makes of an accumulator, a multiplier and a right shift: a signed word of ``width``."""
    a = Arithmetic(words, width)
    acc, multiplier = (_signed(each) for each in (operands.acc, operands.multiplier))
    product = products.product(acc, multiplier, signed=True)
    shift = a.add(a.of(operands.shift), a.value(operands.shift_offset))
    return CONTRACTS[contract](a, a.of(Integer(product.bits, product.signed)), shift, operands.multiplier_bits)


def _signed(integer: Integer) -> Bits:
    return integer.bits if integer.signed else (*integer.bits, 0)
