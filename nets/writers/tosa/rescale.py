"""Rescalers as TOSA states them: a multiplier of 31 or 15 bits, a right shift of 2 to 62, single or double rounding.

``(acc * m + 2**(r-1)) >> r`` does not change if ``m`` is doubled and ``r`` raised by one, nor does gemmlowp's double
rounding, which multiplies by 31 bits anyway. RESCALE asks ``-2**(r-1) <= acc < 2**(r-1)`` of a 32-bit multiplier
(``apply_scale_32``), and a result within int32 of both; docs/numerics.md has the derivation.
"""

from dataclasses import dataclass

import numpy as np

from nets.errors import NetworkError
from nets.importers import tosa_schema
from nets.network import FULL_MULTIPLIER_BITS, INT32_MAX, INT32_MIN, IntArray, Rescaler

SHIFT_MIN, SHIFT_MAX = 2, 62
NARROW_BITS = 15  # of a multiplier of RESCALE's 16-bit form
_ROUNDING = {"half_up": tosa_schema.Rounding.SINGLE_ROUND, "tflite_double": tosa_schema.Rounding.DOUBLE_ROUND}
Range = tuple[int | IntArray, int | IntArray]


@dataclass(frozen=True, eq=False, slots=True)
class StatedRescale:
    """The constants of one RESCALE.

    Attributes:
        multiplier: int32 ``[channels]`` or ``[1]``; int16 if not ``scale32``.
        right_shift: int8, same shape.
        scale32: whether multipliers have 32 bits.
        rounding: the rounding mode.
    """

    multiplier: np.ndarray
    right_shift: np.ndarray
    scale32: bool
    rounding: tosa_schema.Rounding


def stated(name: str, rescaler: Rescaler, operand: Range) -> StatedRescale:
    """Returns a rescaler as a RESCALE of the same integers.

    Multipliers of up to 15 bits that round once are written as they are; others fill 31 bits.

    Args:
        name: of the operator, for messages.
        rescaler: the integers.
        operand: lowest and highest operand that can reach it, per channel.

    Raises:
        NetworkError: TOSA has no such rounding, or no such shift for these operands.
    """
    rounding = _ROUNDING.get(rescaler.contract.name)
    if rounding is None:
        raise NetworkError(
            f"{name} rounds by contract {rescaler.contract.name}; TOSA states {' and '.join(_ROUNDING)} only"
        )
    k, multiplier, shift = rescaler.stored_bits, rescaler.multiplier, rescaler.right_shift
    narrow = rounding is tosa_schema.Rounding.SINGLE_ROUND and k <= NARROW_BITS
    if narrow and shift.min() >= SHIFT_MIN and shift.max() <= SHIFT_MAX and _fits(multiplier, shift, operand):
        return StatedRescale(multiplier.astype(np.int16), shift.astype(np.int8), False, rounding)
    wider = np.minimum(FULL_MULTIPLIER_BITS - k, SHIFT_MAX - shift)
    multiplier, shift = multiplier << np.maximum(wider, 0), shift + wider
    reach = np.left_shift(1, np.maximum(shift, 1) - 1)
    low, high = operand
    if shift.min() < SHIFT_MIN or wider.min() < 0 or (low < -reach).any() or (high >= reach).any():
        raise NetworkError(
            f"{name}: right shifts from {int(rescaler.right_shift.min())} to {int(rescaler.right_shift.max())} with "
            f"multipliers of {k} bits are beyond what TOSA's RESCALE takes for its accumulators"
        )
    return StatedRescale(multiplier.astype(np.int32), shift.astype(np.int8), True, rounding)


def _fits(multiplier: IntArray, shift: IntArray, operand: Range) -> bool:
    """Returns whether every result is within int32."""
    half = np.left_shift(1, shift - 1)
    low, high = ((bound * multiplier + half) >> shift for bound in operand)
    return bool((low >= INT32_MIN).all() and (high <= INT32_MAX).all())
