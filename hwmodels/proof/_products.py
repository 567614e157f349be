"""Exact products of a proof, each of which is one unknown word until a proof needs to know more.

A product of the same two operands is the same word on both sides, in the design and in its contract: that is how the
multiplier is split from shift, rounding and clamp. Operands are rows of bits without extension, so that their widths do
not matter.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bitwuzla import Kind, Term

from hwmodels.proof._exact import ExactWords
from hwmodels.proof._words import Bits, Words, constant, extended, is_constant, number, trimmed


@dataclass(frozen=True)
class Product:
    """The exact product of two operands, in bits that hold every value of it.

    Attributes:
        first: first operand, without extension.
        second: second operand, without extension.
        signs: whether the highest bit of each operand is a sign.
        bits: the product; signed unless both operands are not.
        wired: whether its bits are known from its operands without a multiplication.
        where: place of the multiplication in the design; empty for one of the contract.
    """

    first: Bits
    second: Bits
    signs: tuple[bool, bool]
    bits: Bits
    wired: bool
    where: str

    @property
    def signed(self) -> bool:
        """Whether the highest bit of the product is a sign."""
        return any(self.signs)

    @property
    def factors(self) -> tuple[tuple[Bits, bool], tuple[Bits, bool]]:
        """Both operands, each with whether its highest bit is a sign."""
        return (self.first, self.signs[0]), (self.second, self.signs[1])

    @property
    def whole(self) -> tuple[Bits, bool]:
        """The product, with whether its highest bit is a sign."""
        return self.bits, self.signed

    def ends(self, place: int) -> tuple[int, int]:
        """Returns the smallest and the largest value of a factor."""
        bits, signed = self.factors[place]
        if is_constant(bits):
            return (number(bits, signed=signed),) * 2
        half = 1 << (len(bits) - 1)
        return (-half, half - 1) if signed else (0, 2 * half - 1)


class Products:
    """All products of a proof.

    Attributes:
        exact: the polynomials of its words, by which products are found that a design makes of parts.
    """

    def __init__(self, words: Words) -> None:
        self._words, self.exact = words, ExactWords(words)
        self._made: dict[tuple[Bits, Bits, tuple[bool, bool]], Product] = {}

    def __iter__(self) -> Iterator[Product]:
        return iter(self._made.values())

    def product(self, first: Bits, second: Bits, *, signed: bool, where: str = "") -> Product:
        """Returns the exact product of two operands that are both signed or both unsigned."""
        pair = sorted((trimmed(first, signed=signed), trimmed(second, signed=signed)), key=_place)
        (a, a_signed), (b, b_signed) = pair
        key = (a, b, (a_signed, b_signed))
        if key not in self._made:
            wired = _wired(a, b, (a_signed, b_signed))
            bits = self._words.unknown(f"product{len(self._made)}", len(a) + len(b)) if wired is None else wired
            if wired is None:
                factors = self.exact.of(a, signed=a_signed), self.exact.of(b, signed=b_signed)
                self.exact.note_product(bits, *factors)
            self._made[key] = Product(a, b, (a_signed, b_signed), bits, wired is not None, where)
        return self._made[key]

    @property
    def key(self) -> tuple[object, ...]:
        """What the products are of, for two proofs that are alike but for their names."""
        return tuple(self._made)

    def definition(self, product: Product) -> Term:
        """Returns the statement that a product is one."""
        width = len(product.bits)
        factors = [
            self._words.term(extended(bits, width, signed=signed))
            for bits, signed in zip((product.first, product.second), product.signs, strict=True)
        ]
        made = self._words.manager.mk_term(Kind.BV_MUL, factors)
        return self._words.manager.mk_term(Kind.EQUAL, [self._words.term(product.bits), made])


def _wired(first: Bits, second: Bits, signs: tuple[bool, bool]) -> Bits | None:
    """Returns the bits of a product that is a constant, or a shift by wiring; None if it is neither."""
    width = len(first) + len(second)
    if is_constant(first) and is_constant(second):
        return constant(number(first, signed=signs[0]) * number(second, signed=signs[1]), width)
    operands = ((first, signs[0]), (second, signs[1]))
    for (fixed, fixed_signed), (other, other_signed) in (operands, operands[::-1]):
        if is_constant(fixed) and not fixed_signed and (value := number(fixed, signed=False)).bit_count() <= 1:
            low = value.bit_length() - 1
            return extended((*((0,) * low), *other), width, signed=other_signed) if value else constant(0, width)
    return None


def _place(operand: tuple[Bits, bool]) -> tuple[object, ...]:
    """Returns what orders the operands of a product, which commute."""
    bits, signed = operand
    return (len(bits), signed, tuple((-1, bit) if isinstance(bit, int) else tuple(bit) for bit in bits))
