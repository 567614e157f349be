"""Integer multipliers and shifts of a rescaler, and how narrow ones are made from effective scales."""

from dataclasses import dataclass

import numpy as np

from nets.errors import NetworkError
from nets.network.contracts import FULL_MULTIPLIER_BITS, Contract
from nets.network.tensors import FloatArray, IntArray


@dataclass(frozen=True, eq=False, slots=True)
class Rescaler:
    """The integers of one rescaler: ``round(acc * multiplier * 2**-right_shift)`` under a contract.

    Attributes:
        contract: the rounding rule.
        multiplier_bits: ``k``, the width in bits of the unsigned, normalised multiplier; 31 is the full width of
            the contract (24 bits under xnnpack_fp32, 53 under float64_half_away).
        multiplier: int64 ``[channels]`` or ``[1]``; ``2**(k-1) <= m < 2**k``, or 0 if the contract flushes.
        right_shift: int64, same shape, in bits; positive is right.
    """

    contract: Contract
    multiplier_bits: int
    multiplier: IntArray
    right_shift: IntArray

    @property
    def stored_bits(self) -> int:
        """The width of the stored multiplier, in bits."""
        return stored_bits(self.multiplier_bits, self.contract)

    @property
    def scale(self) -> FloatArray:
        """The represented scale ``multiplier * 2**-right_shift``, float64, exact."""
        return np.ldexp(self.multiplier.astype(np.float64), -self.right_shift)


def stored_bits(multiplier_bits: int, contract: Contract) -> int:
    """Returns the width in bits that a design's ``multiplier_bits`` has under a contract."""
    if multiplier_bits >= FULL_MULTIPLIER_BITS:
        return contract.full_multiplier_bits
    return min(multiplier_bits, contract.full_multiplier_bits)


def rescaler_from_scale(scale: FloatArray, multiplier_bits: int, contract: Contract) -> Rescaler:
    """Rounds effective scales to normalised ``multiplier_bits``-bit multipliers and right shifts.

    ``frexp(M) = (f, e)``; ``multiplier = round(f * 2**k)`` (half away from zero, as TFLite's QuantizeMultiplier),
    ``right_shift = k - e``; a multiplier that became ``2**k`` is halved and its shift lowered by one.

    Args:
        scale: positive finite float64 effective scales, shape ``[channels]`` or ``[1]``.
        multiplier_bits: ``k`` from 1 to 31, in bits.
        contract: the rounding rule, which sets the edge rules.

    Raises:
        NetworkError: the width is out of range, or a scale is not positive and finite.
    """
    if not 1 <= multiplier_bits <= FULL_MULTIPLIER_BITS:
        raise NetworkError(f"multiplier_bits = {multiplier_bits} is out of range; use 1 to {FULL_MULTIPLIER_BITS}")
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise NetworkError(f"effective scales must be positive and finite, got {scale.min()} to {scale.max()}")
    k = stored_bits(multiplier_bits, contract)
    if k == contract.full_multiplier_bits and contract.reduced_from_bits:
        multiplier, right_shift = _reduced(*_normalised(scale, contract.reduced_from_bits), contract)
    else:
        multiplier, right_shift = _normalised(scale, k)
    return _within_shift_range(multiplier, right_shift, multiplier_bits, contract)


def _normalised(scale: FloatArray, k: int) -> tuple[IntArray, IntArray]:
    fraction, exponent = np.frexp(scale)
    mantissa = np.ldexp(fraction, k)
    whole = np.floor(mantissa)
    multiplier = (whole + (mantissa - whole >= 0.5)).astype(np.int64)  # exact even if mantissa + 0.5 is not
    right_shift = (k - exponent).astype(np.int64)
    overflowed = multiplier == 2**k
    return np.where(overflowed, multiplier // 2, multiplier), np.where(overflowed, right_shift - 1, right_shift)


def _reduced(multiplier: IntArray, right_shift: IntArray, contract: Contract) -> tuple[IntArray, IntArray]:
    """Rounds multipliers half up to the contract's full width; the largest ones stay within it."""
    k = contract.full_multiplier_bits
    dropped = contract.reduced_from_bits - k
    return np.minimum((multiplier + (1 << (dropped - 1))) >> dropped, 2**k - 1), right_shift - dropped


def _within_shift_range(
    multiplier: IntArray, right_shift: IntArray, multiplier_bits: int, contract: Contract
) -> Rescaler:
    k = stored_bits(multiplier_bits, contract)
    # LiteRT flushes if its own shift, k - right_shift, would be below -31.
    largest = k + 31 if contract.flushes_to_zero else contract.right_shift_max
    emptied, saturated = right_shift > largest, right_shift < contract.right_shift_min
    empty_multiplier = 0 if contract.flushes_to_zero else 2 ** (k - 1)
    multiplier = np.select([emptied, saturated], [empty_multiplier, 2**k - 1], multiplier)
    right_shift = np.clip(right_shift, contract.right_shift_min, largest)
    return Rescaler(contract, multiplier_bits, _frozen(multiplier), _frozen(right_shift))


def _frozen(values: IntArray) -> IntArray:
    values = np.ascontiguousarray(values, dtype=np.int64)
    values.flags.writeable = False
    return values


def neighbouring_scales(scale: FloatArray, multiplier_bits: int) -> tuple[FloatArray, FloatArray]:
    """Returns the ``k``-bit representable scales at or below and at or above each effective scale, float64, exact."""
    fraction, exponent = np.frexp(scale)
    mantissa = np.ldexp(fraction, multiplier_bits)
    below = np.ldexp(np.floor(mantissa), exponent - multiplier_bits)
    above = np.ldexp(np.ceil(mantissa), exponent - multiplier_bits)
    return below, above
