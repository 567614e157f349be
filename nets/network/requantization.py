"""The integer arithmetic of the requantization contracts, in torch. docs/numerics.md is normative."""

from collections.abc import Callable

import torch
from torch import Tensor

from nets.network.contracts import FULL_MULTIPLIER_BITS, INT32_MAX, INT32_MIN, Contract
from nets.network.rescaler import Rescaler

# A left-shifted product beyond this saturates every output of at most 16 bits, so clamping first loses nothing.
_LEFT_SHIFT_GUARD = 2**31
_LOW_BITS = 20  # of a wide accumulator that are multiplied apart, so that no product of 31 bits leaves int64
_LARGEST_PRODUCT = 2**62

Rule = Callable[[Tensor, Tensor, Tensor, int], Tensor]


def rescaling(rescaler: Rescaler) -> Callable[[Tensor], Tensor]:
    """Prepares a rescaler's arithmetic: int64 accumulators ``[..., channels]`` to scaled and rounded int64."""
    multiplier, right_shift = torch.tensor(rescaler.multiplier), torch.tensor(rescaler.right_shift)
    return lambda acc: requantize(acc, multiplier, right_shift, rescaler.stored_bits, rescaler.contract)


def requantize(
    acc: Tensor, multiplier: Tensor, right_shift: Tensor, multiplier_bits: int, contract: Contract
) -> Tensor:
    """Scales and rounds integer accumulators under a contract; applies neither zero point nor clamp.

    Args:
        acc: int64 accumulators below 2**51 in magnitude, shape ``[..., channels]``.
        multiplier: int64 ``[channels]`` or ``[1]``; normalised, ``2**(k-1) <= m < 2**k``, or 0 if flushed.
        right_shift: int64, same shape, in bits; positive is right.
        multiplier_bits: ``k``, in bits.
        contract: the rule.

    Returns:
        int64, shape of ``acc``.
    """
    return _RULES[contract.name](acc, multiplier, right_shift, multiplier_bits)


def _shift_left_saturating(product: Tensor, left_shift: Tensor) -> Tensor:
    guarded = product.clamp(-_LEFT_SHIFT_GUARD, _LEFT_SHIFT_GUARD)
    return torch.bitwise_left_shift(guarded, left_shift.clamp(0, 31))


def _shifted(acc: Tensor, multiplier: Tensor, right_shift: Tensor, half: Tensor) -> Tensor:
    """Computes ``(acc * multiplier + half) >> right_shift``, shifts to the left saturating and without ``half``."""
    rounded = _shifted_right(acc, multiplier, right_shift.clamp(min=0), half)
    if bool((right_shift > 0).all()):
        return rounded
    return torch.where(
        right_shift > 0, rounded, _shift_left_saturating(_guarded(acc, multiplier) * multiplier, -right_shift)
    )


def _shifted_right(acc: Tensor, multiplier: Tensor, shift: Tensor, half: Tensor) -> Tensor:
    """Computes ``(acc * multiplier + half) >> shift``, exact also if the product leaves int64."""
    if acc.numel() == 0 or int(acc.abs().max()) <= -INT32_MIN:
        return torch.bitwise_right_shift(acc * multiplier + half, shift)
    low = (acc & ((1 << _LOW_BITS) - 1)) * multiplier + (half & ((1 << _LOW_BITS) - 1))
    high = (acc >> _LOW_BITS) * multiplier + (half >> _LOW_BITS) + (low >> _LOW_BITS)
    wide = torch.bitwise_right_shift(high, (shift - _LOW_BITS).clamp(min=0))
    # After a smaller shift, a product beyond the guard saturates every output.
    narrow = torch.bitwise_right_shift(_guarded(acc, multiplier) * multiplier + half, shift)
    return torch.where(shift >= _LOW_BITS, wide, narrow)


def _guarded(acc: Tensor, multiplier: Tensor) -> Tensor:
    limit = _LARGEST_PRODUCT // multiplier.clamp(min=1)
    return torch.minimum(torch.maximum(acc, -limit), limit)


def _half_up(acc: Tensor, multiplier: Tensor, right_shift: Tensor, _multiplier_bits: int) -> Tensor:
    half = torch.bitwise_left_shift(torch.ones_like(right_shift), (right_shift - 1).clamp(min=0))
    return _shifted(acc, multiplier, right_shift, half)


def _floor(acc: Tensor, multiplier: Tensor, right_shift: Tensor, _multiplier_bits: int) -> Tensor:
    return _shifted(acc, multiplier, right_shift, torch.zeros_like(right_shift))


def _half_away(acc: Tensor, multiplier: Tensor, right_shift: Tensor, multiplier_bits: int) -> Tensor:
    magnitude = _half_up(acc.abs(), multiplier, right_shift, multiplier_bits)
    return torch.where(acc < 0, -magnitude, magnitude)


def _tflite_double(acc: Tensor, multiplier: Tensor, right_shift: Tensor, multiplier_bits: int) -> Tensor:
    return _doubly_rounded(acc, multiplier, right_shift, multiplier_bits, _rounding_divide_by_pot)


def _ruy_double(acc: Tensor, multiplier: Tensor, right_shift: Tensor, multiplier_bits: int) -> Tensor:
    return _doubly_rounded(acc, multiplier, right_shift, multiplier_bits, _divide_half_up)


def _doubly_rounded(
    acc: Tensor,
    multiplier: Tensor,
    right_shift: Tensor,
    multiplier_bits: int,
    divide: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    q31 = torch.bitwise_left_shift(multiplier, torch.full_like(multiplier, FULL_MULTIPLIER_BITS - multiplier_bits))
    left_shift = multiplier_bits - right_shift  # TFLite's own `shift`: positive is left
    operand = acc
    if bool((left_shift > 0).any()):
        raised = torch.bitwise_left_shift(acc.clamp(INT32_MIN, INT32_MAX), left_shift.clamp(0, 31))
        operand = torch.where(left_shift > 0, raised.clamp(INT32_MIN, INT32_MAX), acc)
    # gemmlowp's SaturatingRoundingDoublingHighMul; q31 is never INT32_MIN, so nothing saturates.
    doubled = _shifted_right(operand, q31, torch.full_like(q31, 31), torch.full_like(q31, 2**30))
    return divide(doubled, (-left_shift).clamp(0, 31))


def _rounding_divide_by_pot(value: Tensor, exponent: Tensor) -> Tensor:
    """Computes gemmlowp's RoundingDivideByPOT: half away from zero."""
    mask = torch.bitwise_left_shift(torch.ones_like(exponent), exponent) - 1
    threshold = torch.bitwise_right_shift(mask, torch.ones_like(mask)) + (value < 0)
    return torch.bitwise_right_shift(value, exponent) + ((value & mask) > threshold)


def _divide_half_up(value: Tensor, exponent: Tensor) -> Tensor:
    half = torch.bitwise_left_shift(torch.ones_like(exponent), (exponent - 1).clamp(min=0))
    return torch.bitwise_right_shift(value + torch.where(exponent > 0, half, 0), exponent)


def _float32_half_even(acc: Tensor, multiplier: Tensor, right_shift: Tensor, _multiplier_bits: int) -> Tensor:
    scale = torch.ldexp(multiplier.to(torch.float32), -right_shift)
    # Outputs have at most 16 bits: clamping far outside keeps the conversion to int64 defined.
    return torch.round(acc.to(torch.float32) * scale).clamp(-(2.0**31), 2.0**31).to(torch.int64)


def _float64_half_away(acc: Tensor, multiplier: Tensor, right_shift: Tensor, _multiplier_bits: int) -> Tensor:
    scaled = acc.to(torch.float64) * torch.ldexp(multiplier.to(torch.float64), -right_shift)
    whole = torch.trunc(scaled)
    away = torch.where((scaled - whole).abs() >= 0.5, torch.sign(scaled), torch.zeros_like(scaled))
    return (whole + away).clamp(-(2.0**31), 2.0**31).to(torch.int64)


_RULES: dict[str, Rule] = {
    "half_up": _half_up,
    "tflite_double": _tflite_double,
    "floor": _floor,
    "half_away": _half_away,
    "xnnpack_fp32": _float32_half_even,
    "float64_half_away": _float64_half_away,
    "ruy_double": _ruy_double,
    "tflite_int64": _half_up,
}
