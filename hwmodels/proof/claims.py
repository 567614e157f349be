"""What is claimed of a unit: its output as a function of integers at its ports."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from bitwuzla import Term

from hwmodels.errors import HardwareError
from hwmodels.proof._products import Products
from hwmodels.proof._words import Words, is_constant, number
from hwmodels.proof.contracts import CONTRACTS, DOUBLE, Arithmetic, Integer, Operands, rescaled

Integers = Mapping[str, Integer]
Ranges = Mapping[str, tuple[int, int]]
_LONGEST_SHIFT: Final = 512  # bits
_BOUNDS: Final = ("zero_point", "q_min", "q_max")


class Claim(ABC):
    """A function of the integers that stand at a unit's ports, or are built into it.

    Attributes:
        roles: what the integers are, in the order in which they are printed.
        contract: name of the rounding contract.
    """

    roles: tuple[str, ...]
    contract: str

    @abstractmethod
    def expected(self, integers: Integers, ranges: Ranges, words: Words, products: Products) -> Term:
        """Returns the output: a signed word in which no step wraps.

        Args:
            integers: every role's integer.
            ranges: the smallest and the largest value of roles that do not take all that their bits can hold.
            words: the words of the proof.
            products: its products.

        Raises:
            HardwareError: the contract is not defined for them.
        """

    @abstractmethod
    def under(self, contract: str) -> "Claim":
        """Returns the same claim under another rounding contract."""


@dataclass(frozen=True, kw_only=True)
class Rescale(Claim):
    """``clamp(zero_point + round((acc - folded) * multiplier * 2**-right_shift), q_min, q_max)``.

    Attributes:
        contract: how it rounds.
        shift_offset: what is added to the integer of the role ``shift`` to make the right shift.
        multiplier_bits: ``k`` of the contracts that round twice.
        folded: what the accumulator already holds: rounding constant and zero point.
    """

    contract: str
    multiplier_bits: int
    shift_offset: int = 0
    folded: int = 0
    roles = ("acc", "multiplier", "shift", *_BOUNDS)

    def __post_init__(self) -> None:
        if self.contract not in CONTRACTS:
            raise HardwareError(f"contract is {self.contract!r}; use one of {', '.join(CONTRACTS)}")

    def under(self, contract: str) -> "Rescale":
        """Returns the same claim under another rounding contract."""
        return replace(self, contract=contract)

    def expected(self, integers: Integers, ranges: Ranges, words: Words, products: Products) -> Term:
        """Returns the output."""
        low, high = _range(integers["shift"], ranges.get("shift"))
        low, high = low + self.shift_offset, high + self.shift_offset
        if max(-low, high) > _LONGEST_SHIFT:
            raise HardwareError(f"the right shift may be {low} to {high}; give the range that it has")
        if self.contract in DOUBLE and low < self.multiplier_bits:
            raise HardwareError(
                f"{self.contract} is defined for right shifts of at least {self.multiplier_bits}, the bits of its "
                f"multiplier, and the shift may be {low}: give the range that it has"
            )
        if self.contract in DOUBLE and self.multiplier_bits > 31:
            raise HardwareError(f"{self.contract} takes multipliers of at most 31 bits, not {self.multiplier_bits}")
        operands = Operands(
            acc=_less(integers["acc"], self.folded, words),
            multiplier=integers["multiplier"],
            shift=integers["shift"],
            shift_offset=self.shift_offset,
            shift_range=(low, high),
            multiplier_bits=self.multiplier_bits,
        )
        width = max(operands.width(), *(len(integers[role].bits) + 3 for role in _BOUNDS))
        return _bounded(rescaled(self.contract, operands, words, products, width), integers, words)


@dataclass(frozen=True, kw_only=True)
class Sum(Claim):
    """An elementwise ADD: ``clamp(zero_point + round(total * multiplier_out * 2**-shift_out))``.

    ``total`` is ``round(a * multiplier_in * 2**-shift_in) + (b << left_shift - 1)``, with the inputs less their zero
    points, each times its sign, as ``a`` and ``b``; ``shift_in`` holds the left shift of the scaled input, and may be
    negative.

    Attributes:
        contract: how both stages round.
        left_shift: bits by which both inputs are shifted to the left.
        multiplier_bits: ``k`` of both stages.
        signs: 1 or -1 of both inputs; that of a scaled input stands before the rounding.
    """

    contract: str
    left_shift: int
    multiplier_bits: tuple[int, int]
    signs: tuple[int, int] = (1, 1)
    roles = (
        "scaled_input", "halved_input", "scaled_zero", "halved_zero", "multiplier_in", "shift_in", "multiplier_out",
        "shift_out", *_BOUNDS,
    )  # fmt: skip

    def under(self, contract: str) -> "Sum":
        """Returns the same claim under another rounding contract."""
        return replace(self, contract=contract)

    def expected(self, integers: Integers, ranges: Ranges, words: Words, products: Products) -> Term:
        """Returns the output."""
        scaled, halved = (
            _difference(integers[f"{side}_input"], integers[f"{side}_zero"], sign, words)
            for side, sign in zip(("scaled", "halved"), self.signs, strict=True)
        )
        first = Operands(
            acc=scaled,
            multiplier=integers["multiplier_in"],
            shift=integers["shift_in"],
            shift_offset=0,
            shift_range=_range(integers["shift_in"], ranges.get("shift_in")),
            multiplier_bits=self.multiplier_bits[0],
        )
        width = max(first.width(), len(halved.bits) + self.left_shift + 2)
        a = Arithmetic(words, width)
        raised = a.left(a.of(halved), a.value(self.left_shift - 1))
        total = a.add(rescaled(self.contract, first, words, products, width), raised)
        last = Operands(
            acc=Integer(words.bits(total), signed=True),
            multiplier=integers["multiplier_out"],
            shift=integers["shift_out"],
            shift_offset=0,
            shift_range=_range(integers["shift_out"], ranges.get("shift_out")),
            multiplier_bits=self.multiplier_bits[1],
        )
        return _bounded(rescaled(self.contract, last, words, products, last.width()), integers, words)


def _bounded(rounded: Term, integers: Integers, words: Words) -> Term:
    """Returns a rounded word with the zero point added, clamped."""
    width = rounded.sort().bv_size() + 1
    a = Arithmetic(words, width)
    wide = a.of(Integer(words.bits(rounded), signed=True))
    zero_point, low, high = (a.of(integers[role]) for role in _BOUNDS)
    return a.clamped(a.add(zero_point, wide), low, high)


def _less(integer: Integer, constant: int, words: Words) -> Integer:
    """Returns an integer less a constant."""
    if not constant:
        return integer
    a = Arithmetic(words, max(len(integer.bits), abs(constant).bit_length() + 1) + 2)
    return Integer(words.bits(a.add(a.of(integer), a.value(-constant))), signed=True)


def _difference(first: Integer, second: Integer, sign: int, words: Words) -> Integer:
    """Returns the difference of two integers, or its negative."""
    if sign < 0:
        first, second = second, first
    width = max(len(first.bits) + (not first.signed), len(second.bits) + (not second.signed)) + 1
    a = Arithmetic(words, width)
    return Integer(words.bits(a.add(a.of(first), a.negated(a.of(second)))), signed=True)


def _range(integer: Integer, given: tuple[int, int] | None) -> tuple[int, int]:
    """Returns the values that an integer can have."""
    bits, count = integer.bits, len(integer.bits)
    if is_constant(bits):
        low = high = number(bits, signed=integer.signed)
    else:
        low, high = (-(1 << (count - 1)), (1 << (count - 1)) - 1) if integer.signed else (0, (1 << count) - 1)
    return (low, high) if given is None else (max(low, given[0]), min(high, given[1]))
