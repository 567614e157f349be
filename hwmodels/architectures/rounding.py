"""The rounding contracts in exact integers: the reference that every Verilog module must equal.

A product ``p`` is shifted right by ``r`` bits; a negative ``r`` shifts to the left. docs/numerics.md is normative.
"""

from collections.abc import Callable, Mapping
from typing import Final

from hwmodels.errors import HardwareError


def half_up(p: int, r: int) -> int:
    """Returns ``p / 2**r`` rounded to nearest, ties upwards (TOSA 1.0 RESCALE, SINGLE_ROUND)."""
    return (p + (1 << (r - 1))) >> r if r >= 1 else p << -r


def floor(p: int, r: int) -> int:
    """Returns ``p / 2**r`` rounded downwards (NE16, PULP)."""
    return p >> r if r >= 0 else p << -r


def half_away(p: int, r: int) -> int:
    """Returns ``p / 2**r`` rounded to nearest, ties away from zero (NVDLA)."""
    if r < 1:
        return p << -r
    magnitude = (abs(p) + (1 << (r - 1))) >> r
    return -magnitude if p < 0 else magnitude


def tflite_double(acc: int, multiplier: int, k: int, exponent: int) -> int:
    """Returns ``acc * multiplier / 2**(k + exponent)``, rounded twice as gemmlowp does (TFLite).

    Raises:
        HardwareError: if the exponent is negative, which the contract does not define.
    """
    if exponent < 0:
        raise HardwareError(f"exponent is {exponent}; tflite_double serves real scales below 1 only")
    return _rounding_divide_by_pot(_saturating_rounding_doubling_high_mul(acc, multiplier << (31 - k)), exponent)


def _saturating_rounding_doubling_high_mul(a: int, b: int) -> int:
    """Returns gemmlowp's product on int32: (2ab + nudge) / 2^32, with division that truncates."""
    product = a * b
    nudged = product + (1 << 30 if product >= 0 else 1 - (1 << 30))
    return abs(nudged) // (1 << 31) * (1 if nudged >= 0 else -1)


def _rounding_divide_by_pot(x: int, exponent: int) -> int:
    """Returns gemmlowp's quotient: ties away from zero, by remainder and threshold."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (1 if x < 0 else 0)
    return (x >> exponent) + (1 if (x & mask) > threshold else 0)


ROUNDED_SHIFTS: Final[Mapping[str, Callable[[int, int], int]]] = {
    "half_up": half_up,
    "floor": floor,
    "half_away": half_away,
}
