"""Constants of the native requantization: which rule runs, and the proof that float64 computes it exactly."""

import ctypes
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nets.network import FULL_MULTIPLIER_BITS, INT32_MAX, FloatArray, IntArray, Rescaler

LANES = 16  # output channels of one block, as in requantize.h
PATH_PLAIN, PATH_SSE2, PATH_AVX2, PATH_VNNI = range(-1, 3)  # as best_path_here() in paths.h numbers them

_SHIFT, _SHIFT_MAGNITUDE, _DOUBLE, _DOUBLE_LEFT, _FLOAT32_EVEN, _FLOAT64_AWAY, _FLOOR64, _FLOOR64_AWAY = range(8)
_FLOAT64_BITS = 53
_SATURATED = 2.0**10  # a rounded output, before the zero point is added, that is certainly beyond int8

AnyArray = npt.NDArray[np.generic]


class RequantStruct(ctypes.Structure):
    """Mirrors ``Requant`` of requantize.h, and keeps the arrays that it points to alive."""

    arrays: tuple[AnyArray, ...]
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("rule", "zero", "q_min", "q_max")),
        *((name, ctypes.c_void_p) for name in ("multiplier", "half", "shift", "offset", "left", "nudge")),
        *((name, ctypes.c_void_p) for name in ("scale32", "scale64", "half64", "away64")),
    )


@dataclass(frozen=True, eq=False)
class FloorForm:
    """An integer rule as ``floor(acc * scale + half + away)``, ``away`` with the sign of the accumulator.

    Attributes:
        scale, half, away: float64 ``[channels]``, all of them exact.
        fraction_bits: bits behind the point that every term fits, ``[channels]``.
        constant_bits: bits behind the point that ``half`` and ``away`` fit.
    """

    scale: FloatArray
    half: FloatArray
    away: FloatArray
    fraction_bits: IntArray
    constant_bits: IntArray


def requant_struct(
    rescaler: Rescaler, channels: int, zero: int, q_min: int, q_max: int, bounds: IntArray, *, path: int
) -> RequantStruct:
    """Prepares the per-channel constants of one rescaler; see requantize.h for their meaning.

    Args:
        rescaler: with one multiplier, or one for each channel.
        channels: the number of output channels; arrays are filled up to a multiple of LANES.
        zero: the output's zero point.
        q_min: the smallest output integer.
        q_max: the largest output integer.
        bounds: int64 ``[channels]`` or ``[1]``: absolute values that no accumulator exceeds.
        path: the instruction path, as numbered by the library's ``best_path``.
    """
    filled = -(-channels // LANES) * LANES
    multiplier, right_shift, bound = (
        np.pad(np.broadcast_to(values, (channels,)).astype(np.int64), (0, filled - channels), "edge")
        for values in (rescaler.multiplier, rescaler.right_shift, bounds)
    )
    form = floor_form(rescaler, multiplier, right_shift)
    if form is not None and is_exact(form, bound, path):
        rule = _FLOOR64_AWAY if form.away.any() else _FLOOR64
        whole = [np.zeros(filled, np.int64)] * 6
        real = [form.scale, form.half, form.away]
    else:
        rule, whole = _whole_rule(rescaler, multiplier, right_shift)
        scale = np.ldexp(multiplier.astype(np.float64), -right_shift)
        real = [scale, np.zeros(filled), np.zeros(filled)]
    held = tuple(np.ascontiguousarray(a) for a in (*whole, real[0].astype(np.float32), *real))
    struct = RequantStruct(rule, zero, q_min, q_max, *(a.ctypes.data for a in held))
    struct.arrays = held
    return struct


def floor_form(rescaler: Rescaler, multiplier: IntArray, right_shift: IntArray) -> FloorForm | None:
    """Writes an integer rule as one floor; returns None for the floating-point rules and for left shifts that saturate.

    ``tflite_double`` rounds ``v * 2**s`` half up, ``s`` the second shift, and that half away from zero. Since
    ``floor((floor(y) + n) / m) = floor((y + n) / m)``, the result is ``floor(v + 1/2 + 2**-(s+1))`` for positive ``v``
    and ``floor(v + 1/2 - 2**-(s+1))`` for negative. Half away from zero differs from half up at negative ties alone,
    which any nudge of less than one unit of the last bit decides.
    """
    name, shift = rescaler.contract.name, right_shift
    half, away = np.where(shift > 0, 0.5, 0.0), np.zeros(len(shift))
    constant_bits = np.ones_like(shift)
    if name == "tflite_double":
        second = np.clip(right_shift - rescaler.stored_bits, 0, 31)
        if (right_shift < rescaler.stored_bits).any():
            return None
        shift = rescaler.stored_bits + second
        half, away = np.full(len(shift), 0.5), np.where(second > 0, np.ldexp(0.5, -second), 0.0)
        constant_bits = second + 1
    elif name == "half_away":
        away = np.where(shift > 0, np.ldexp(0.5, -shift), 0.0)
        constant_bits = np.maximum(shift + 1, 1)
    elif name == "floor":
        half = np.zeros(len(shift))
    elif name != "half_up":
        return None
    scale = np.ldexp(multiplier.astype(np.float64), -shift)
    return FloorForm(scale, half, away, np.maximum(shift, constant_bits), constant_bits)


def is_exact(form: FloorForm, bounds: IntArray, path: int) -> bool:
    """Returns whether a path computes every floor exactly, for accumulators within the bounds.

    The floor has to fit int32. Sums that are fused and rounded down then need exact constants alone: rounding down
    keeps a floor. Others are exact up to 53 bits; those of larger products than the output can show may be rounded:
    rounding is monotone, so they still saturate.
    """
    largest = bounds.astype(np.float64) * form.scale
    if (largest >= 2.0**30).any():
        return False
    if path in (PATH_AVX2, PATH_VNNI):
        return bool((form.constant_bits <= _FLOAT64_BITS).all())
    span = np.minimum(largest, _SATURATED) + 1  # half and away are less than 1 together
    return bool((np.ldexp(span, form.fraction_bits) <= 2.0**_FLOAT64_BITS).all())


def _whole_rule(rescaler: Rescaler, multiplier: IntArray, right_shift: IntArray) -> tuple[int, list[IntArray]]:
    """Returns the native rule, and the constants multiplier, half, shift, offset, left and nudge."""
    nothing = np.zeros_like(multiplier)
    name = rescaler.contract.name
    if name in ("tflite_double", "ruy_double"):
        left = rescaler.stored_bits - right_shift
        q31 = multiplier << (FULL_MULTIPLIER_BITS - rescaler.stored_bits)
        exponent = np.clip(-left, 0, 31)
        half = np.where(exponent > 0, 1 << np.maximum(exponent - 1, 0), 0)
        rule = _DOUBLE_LEFT if (left > 0).any() else _DOUBLE
        away = nothing if name == "ruy_double" else (exponent > 0).astype(np.int64)
        return rule, [q31, half, exponent, _offset(exponent), np.clip(left, 0, 31), away]
    if name in ("xnnpack_fp32", "float64_half_away"):
        rule = _FLOAT32_EVEN if name == "xnnpack_fp32" else _FLOAT64_AWAY
        return rule, [nothing] * 6
    # A left shift goes into the multiplier; one that leaves int32 saturates every output either way.
    shifted_left = np.minimum(multiplier << np.clip(-right_shift, 0, 31), INT32_MAX)
    raised = np.where(right_shift < 0, shifted_left, multiplier)
    shift = np.maximum(right_shift, 0)
    half = np.where(shift > 0, 1 << np.maximum(shift - 1, 0), 0)
    rule = _SHIFT_MAGNITUDE if name == "half_away" else _SHIFT
    return rule, [raised, nothing if name == "floor" else half, shift, _offset(shift), nothing, nothing]


def _offset(shift: IntArray) -> IntArray:
    offset: IntArray = (np.uint64(2**63) >> shift.astype(np.uint64)).view(np.int64)
    return offset
