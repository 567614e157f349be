"""The choice of representable scales for absorption: nearest neighbours, or a window of right shifts."""

import math
from collections.abc import Callable

import numpy as np

from nets.errors import NetworkError
from nets.network import Contract, FloatArray, IntArray, neighbouring_scales

# A candidate's error: effective scales [channels] or [1] to errors of the same shape, comparable between channels.
ErrorOf = Callable[[FloatArray], FloatArray]
# Shifts beyond the smallest natural one that a window may begin at: 2**16 times finer weights than the coarsest
# channel's all round to 0, whatever the shift.
_LARGEST_SPREAD = 16


def check_window(shift_bits: int, contract: Contract) -> None:
    """Raises a NetworkError if a window of ``2**shift_bits`` shifts is not one of the contract's."""
    shifts = contract.right_shift_max - contract.right_shift_min + 1
    if not 0 <= shift_bits < shifts.bit_length():
        raise NetworkError(
            f"shift_bits = {shift_bits} is out of range; use 0 (one constant shift) to {shifts.bit_length() - 1}, "
            f"since {contract.name} has {shifts} shifts"
        )


def nearest_scales(scale: FloatArray, bits: int, error_of: ErrorOf) -> FloatArray:
    """Returns per channel the ``bits``-bit representable scale beside the effective one that has the smaller error."""
    low, high = neighbouring_scales(scale, bits)
    nearest: FloatArray = np.where(error_of(high) < error_of(low), high, low)
    return nearest


def window_scales(scale: FloatArray, bits: int, shift_bits: int, live: FloatArray, error_of: ErrorOf) -> FloatArray:
    """Returns representable scales whose right shifts lie in one window of ``2**shift_bits``.

    The window begins where the sum of the channels' errors is smallest; in it, each channel takes the scale with the
    smallest error. Channels without weights follow the others.

    Args:
        scale: effective scales, ``[channels]`` or ``[1]``.
        bits: width of the multiplier, in bits.
        shift_bits: width of the shift, in bits.
        live: the scales of the channels that have weights; at least one.
        error_of: the error of candidate scales.
    """
    shifts = _shifts_between(float(live.min()), float(live.max()), bits)
    candidates = [_best_at(shift, scale, bits, error_of) for shift in shifts]
    errors = np.stack([error for _, error in candidates])
    size = min(2**shift_bits, len(shifts))
    starts = range(len(shifts) - size + 1)
    totals = [math.fsum(errors[start : start + size].min(axis=0)) for start in starts]
    start = int(np.argmin(totals))
    best = start + errors[start : start + size].argmin(axis=0)
    scales = np.stack([values for values, _ in candidates])
    chosen: FloatArray = np.take_along_axis(scales, best[None], axis=0)[0]
    return chosen


def right_shifts(scale: FloatArray, bits: int) -> IntArray:
    """Returns the right shift of each representable scale with a normalised multiplier of ``bits`` bits."""
    return (bits - np.frexp(scale)[1]).astype(np.int64)


def _shifts_between(smallest: float, largest: float, bits: int) -> range:
    """Returns the right shifts of the scales, and one less for a scale that rounds up."""
    first = int(right_shifts(np.array([largest]), bits)[0]) - 1
    last = int(right_shifts(np.array([smallest]), bits)[0])
    return range(first, min(last, first + _LARGEST_SPREAD) + 1)


def _best_at(shift: int, scale: FloatArray, bits: int, error_of: ErrorOf) -> tuple[FloatArray, FloatArray]:
    """Returns each channel's best scale with this right shift, and its error."""
    exact = np.ldexp(scale, shift)
    low, high = (
        np.ldexp(np.clip(bound, 2 ** (bits - 1), 2**bits - 1), -shift) for bound in (np.floor(exact), np.ceil(exact))
    )
    below = error_of(low)
    if np.array_equal(low, high):
        return low, below
    above = error_of(high)
    return np.where(below <= above, low, high), np.minimum(below, above)
