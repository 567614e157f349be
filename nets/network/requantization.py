"""The integer arithmetic of the requantization contracts, in torch. docs/numerics.md is normative."""

from collections.abc import Callable

import torch
from torch import Tensor

from nets.network.contracts import FULL_MULTIPLIER_BITS, INT32_MAX, INT32_MIN, Contract
from nets.network.rescaler import Rescaler

# A left-shifted product beyond this saturates every output of at most 16 bits, so clamping first loses nothing.
_LEFT_SHIFT_GUARD = 2**31

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
        acc: int64 accumulators within int32, shape ``[..., channels]``.
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


def _rounded(product: Tensor, right_shift: Tensor, rounded_right: Tensor) -> Tensor:
    if bool((right_shift > 0).all()):
        return rounded_right
    return torch.where(right_shift > 0, rounded_right, _shift_left_saturating(product, -right_shift))


def _half_up(acc: Tensor, multiplier: Tensor, right_shift: Tensor, _multiplier_bits: int) -> Tensor:
    product = acc * multiplier
    shift = right_shift.clamp(min=1)
    half = torch.bitwise_left_shift(torch.ones_like(shift), shift - 1)
    return _rounded(product, right_shift, torch.bitwise_right_shift(product + half, shift))


def _floor(acc: Tensor, multiplier: Tensor, right_shift: Tensor, _multiplier_bits: int) -> Tensor:
    product = acc * multiplier
    return _rounded(product, right_shift, torch.bitwise_right_shift(product, right_shift.clamp(min=0)))


def _half_away(acc: Tensor, multiplier: Tensor, right_shift: Tensor, multiplier_bits: int) -> Tensor:
    magnitude = _half_up(acc.abs(), multiplier, right_shift, multiplier_bits)
    return torch.where(acc < 0, -magnitude, magnitude)


def _tflite_double(acc: Tensor, multiplier: Tensor, right_shift: Tensor, multiplier_bits: int) -> Tensor:
    q31 = torch.bitwise_left_shift(multiplier, torch.full_like(multiplier, FULL_MULTIPLIER_BITS - multiplier_bits))
    left_shift = multiplier_bits - right_shift  # TFLite's own `shift`: positive is left
    operand = torch.bitwise_left_shift(acc, left_shift.clamp(0, 31)).clamp(INT32_MIN, INT32_MAX)
    return _rounding_divide_by_pot(_doubling_high_mul(operand, q31), (-left_shift).clamp(0, 31))


def _doubling_high_mul(operand: Tensor, q31: Tensor) -> Tensor:
    """Computes gemmlowp's SaturatingRoundingDoublingHighMul; q31 is never INT32_MIN, so nothing saturates."""
    product = operand * q31
    nudged = product + torch.where(product >= 0, 2**30, 1 - 2**30)
    return torch.div(nudged, 2**31, rounding_mode="trunc")


def _rounding_divide_by_pot(value: Tensor, exponent: Tensor) -> Tensor:
    """Computes gemmlowp's RoundingDivideByPOT: half away from zero."""
    mask = torch.bitwise_left_shift(torch.ones_like(exponent), exponent) - 1
    threshold = torch.bitwise_right_shift(mask, torch.ones_like(mask)) + (value < 0)
    return torch.bitwise_right_shift(value, exponent) + ((value & mask) > threshold)


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
}
