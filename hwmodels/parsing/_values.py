"""Bit vectors of known width: literals, constant folding and the operands that hardware operators see."""

import functools
import operator
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from hwmodels.parsing._wiring import Wires, constant_wires

_LITERAL = re.compile(r"(?P<size>\d*)'(?P<sign>[sS]?)(?P<base>[bBoOdDhH])(?P<digits>[0-9a-fA-FxXzZ?_]+)")
_DECIMAL = re.compile(r"[\d_]+(?:$|'[sS]?[dD])|'[sS]?[dD]")
_BITS_PER_DIGIT = {"b": 1, "o": 3, "h": 4}
MAX_WIDTH = 1 << 16  # a wider vector is a wrong parameter, not hardware
MAX_DECIMALS = 4000  # Python converts 4300
INTEGER_WIDTH = 32  # IEEE 1364-2001, 3.9: an integer has at least 32 bits; every tool uses 32


class Value(NamedTuple):
    """A bit vector in an expression.

    Attributes:
        width: number of bits.
        signed: whether it is read as two's complement.
        constant: its bits as an unsigned number, or None for a signal. Unknown bits (x, z) count as 0.
        care: mask of the bits that are not x, z or ? (None: all of them).
        filled: bits that carry information if fewer than ``width``; those above repeat the sign or are zero.
        known: low bits that are constant, as (count, their value).
        depth: estimate of the gate levels in front of it since the last register or input.
        bits: wires of a signal, the lowest first.
    """

    width: int
    signed: bool
    constant: int | None = None
    care: int | None = None
    filled: int | None = None
    known: tuple[int, int] = (0, 0)
    depth: float = 0.0
    bits: Wires = ()

    @property
    def active(self) -> int:
        """Bits that carry information, at least 1."""
        if self.constant is not None:
            number = self.number
            return max((number if number >= 0 else ~number).bit_length() + self.signed, 1)
        return self.width if self.filled is None else min(self.filled, self.width)

    @property
    def wires(self) -> Wires:
        """Its wires, the lowest first."""
        return self.bits if self.constant is None else constant_wires(self.constant, self.width, self.care)

    @property
    def number(self) -> int:
        """The constant as a number, negative if its sign bit is set."""
        if self.constant is None:
            raise TypeError("a signal has no number")
        negative = self.signed and self.constant >> (self.width - 1) & 1
        return self.constant - (1 << self.width) if negative else self.constant

    @property
    def fixed(self) -> tuple[int, int]:
        """Low bits that are constant, as (count, their value)."""
        return self.known if self.constant is None else (self.width, self.constant)

    @property
    def low_zeros(self) -> int:
        """Low bits that are constant zeros."""
        count, bits = self.fixed
        return count if bits == 0 else (bits & -bits).bit_length() - 1

    @property
    def lowest(self) -> int | None:
        """The lowest bit, if it is constant."""
        count, bits = self.fixed
        return bits & 1 if count else None

    def extended(self, width: int, signed: bool) -> "Value":
        """Returns a constant brought to ``width`` bits, read as ``signed`` while doing so."""
        if width == self.width and signed == self.signed:
            return self
        return constant(Value(self.width, signed, self.constant).number, width, signed)


@functools.lru_cache(maxsize=4096)  # widths and small numbers recur all the time
def constant(number: int, width: int = INTEGER_WIDTH, signed: bool = True) -> Value:
    """Returns a number as a bit vector, wrapped to its width."""
    return Value(width, signed, number & ((1 << width) - 1))


@functools.lru_cache(maxsize=4096)
def parse_literal(text: str) -> Value:
    """Returns the value of a Verilog number.

    Raises:
        ValueError: if the text is not a number of a known form.
    """
    if len(text) > (MAX_DECIMALS if _DECIMAL.match(text) else MAX_WIDTH):
        raise ValueError(f"a number of {len(text)} digits is too long")
    if text.replace("_", "").isdigit():
        number = int(text.replace("_", ""))
        return constant(number, max(INTEGER_WIDTH, number.bit_length() + 1))
    match = _LITERAL.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a Verilog number")
    digits, care = _digits(match["digits"].replace("_", "").lower(), match["base"].lower())
    width = int(match["size"]) if match["size"] else max(INTEGER_WIDTH, digits.bit_length())
    if not 1 <= width <= MAX_WIDTH:
        raise ValueError(f"{text[:40]!r} has {width} bits; 1 to {MAX_WIDTH} are possible")
    mask = (1 << width) - 1
    return Value(width, bool(match["sign"]), digits & mask, None if care is None else care & mask)


def _digits(digits: str, base: str) -> tuple[int, int | None]:
    unknown = re.search("[xz?]", digits)
    if base == "d":
        return (0, 0) if unknown else (int(digits), None)
    step = _BITS_PER_DIGIT[base]
    bits = int(re.sub("[xz?]", "0", digits), 1 << step)
    if not unknown:
        return bits, None
    full = (1 << step) - 1
    care = -1  # a literal wider than its digits is padded with zeros, which are known
    for position, digit in enumerate(reversed(digits)):
        if digit in "xz?":
            care &= ~(full << position * step)
    return bits, care


def _quotient(left: int, right: int) -> int:
    if right == 0:
        raise ValueError("division by zero in a constant expression")
    return abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)


def _remainder(left: int, right: int) -> int:
    return left - _quotient(left, right) * right


# Operators on exact integers; division truncates towards zero, as in Verilog.
ARITHMETIC: Final[Mapping[str, Callable[[int, int], int]]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": _quotient, "mod": _remainder,
    "and": operator.and_, "or": operator.or_, "xor": operator.xor, "xnor": lambda left, right: ~(left ^ right),
}  # fmt: skip
TRUTH: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
    "eq": operator.eq, "eqx": operator.eq, "ne": operator.ne, "nex": operator.ne,
}  # fmt: skip


# Reductions to one bit, from the number of ones and the number of bits.
REDUCED: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "reduce_and": operator.eq,
    **dict.fromkeys(("reduce_or", "reduce_bool"), lambda ones, _: ones > 0),
    "reduce_xor": lambda ones, _: ones % 2 == 1,
    "reduce_xnor": lambda ones, _: ones % 2 == 0,
    "logic_not": lambda ones, _: ones == 0,
}


def clog2(number: int) -> int:
    """Returns the smallest n with 2**n >= number (IEEE 1364-2005, 17.11.1); 0 for 0 and 1."""
    return max(number - 1, 0).bit_length()
