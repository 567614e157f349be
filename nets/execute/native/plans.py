"""Arguments of the native kernels: ctypes mirrors of their structures, and the constants that they need."""

import ctypes
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nets.network import FULL_MULTIPLIER_BITS, INT32_MAX, Convolution, Int8Array, IntArray, Rescaler

LANES = 16  # output channels of one block, as in convolution.h
PATH_AVX2 = 1  # as best_path() in convolution.h numbers it
_ENTRIES = 256  # constants of a narrow layer are repeated to about as many, for long inner loops

_SHIFT, _SHIFT_MAGNITUDE, _DOUBLE, _DOUBLE_LEFT, _FLOAT32_EVEN, _FLOAT64_AWAY = range(6)

AnyArray = npt.NDArray[np.generic]


class RequantStruct(ctypes.Structure):
    """Mirrors ``Requant`` of requantize.h, and keeps the arrays that it points to alive."""

    arrays: tuple[AnyArray, ...]
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("rule", "repeat", "zero", "q_min", "q_max")),
        *((name, ctypes.c_void_p) for name in ("multiplier", "half", "shift", "offset", "left", "nudge")),
        ("scale32", ctypes.c_void_p),
        ("scale64", ctypes.c_void_p),
    )


class WindowStruct(ctypes.Structure):
    """Mirrors ``Window`` of convolution.h."""

    _fields_ = tuple(
        (name, ctypes.c_int32)
        for name in (
            *("height", "width", "channels", "top", "bottom", "left", "right"),
            *("out_height", "out_width", "out_channels", "stride_y", "stride_x", "dilation_y", "dilation_x"),
            *("kernel_y", "kernel_x", "zero", "groups_of_four"),
        )
    )


def requant_struct(rescaler: Rescaler, channels: int, zero: int, q_min: int, q_max: int) -> RequantStruct:
    """Prepares the per-channel constants of one rescaler; see requantize.h for their meaning."""
    multiplier, right_shift = (
        np.broadcast_to(values, (channels,)).astype(np.int64) for values in (rescaler.multiplier, rescaler.right_shift)
    )
    repeat = max(1, _ENTRIES // channels)
    multiplier, right_shift = np.tile(multiplier, repeat), np.tile(right_shift, repeat)
    rule, arrays = _rule(rescaler, multiplier, right_shift)
    scale = np.ldexp(multiplier.astype(np.float64), -right_shift)
    held = tuple(np.ascontiguousarray(a) for a in (*arrays, scale.astype(np.float32), scale))
    struct = RequantStruct(rule, repeat, zero, q_min, q_max, *(a.ctypes.data for a in held))
    struct.arrays = held
    return struct


def _rule(rescaler: Rescaler, multiplier: IntArray, right_shift: IntArray) -> tuple[int, list[IntArray]]:
    """Returns the native rule, and the constants multiplier, half, shift, offset, left and nudge."""
    nothing = np.zeros_like(multiplier)
    name = rescaler.contract.name
    if name == "tflite_double":
        left = rescaler.stored_bits - right_shift
        q31 = multiplier << (FULL_MULTIPLIER_BITS - rescaler.stored_bits)
        exponent = np.clip(-left, 0, 31)
        half = np.where(exponent > 0, 1 << np.maximum(exponent - 1, 0), 0)
        rule = _DOUBLE_LEFT if (left > 0).any() else _DOUBLE
        return rule, [q31, half, exponent, _offset(exponent), np.clip(left, 0, 31), (exponent > 0).astype(np.int64)]
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


def window_struct(
    operator: Convolution, source: tuple[int, ...], target: tuple[int, ...], zero: int, groups_of_four: int
) -> WindowStruct:
    """Makes the structure of a convolution; shapes are (height, width, channels)."""
    (top, bottom), (left, right) = operator.padding
    sizes = (*source, top, bottom, left, right, *target, *operator.stride, *operator.dilation)
    return WindowStruct(*sizes, *operator.weights.shape[1:3], zero, groups_of_four)


@dataclass(frozen=True, eq=False)
class PackedWeights:
    """Weights and byte offsets in the order in which the kernel reads them.

    Attributes:
        steps: int32; offset of each group of four inputs, in elements of the padded image.
        weights: zero beyond the kernel's elements; int8 ``[step, lanes, 4]``, or int16 ``[step, block, pair, 16, 2]``
            for AVX2.
        bias: int32 ``[lanes]``; the contribution of the zero point and of the input's offset to unsigned is subtracted,
            modulo 2**32.
    """

    steps: npt.NDArray[np.int32]
    weights: AnyArray
    bias: npt.NDArray[np.int32]


def pack_convolution(operator: Convolution, row: int, zero: int, path: int) -> PackedWeights:
    """Packs a convolution of one group.

    ``row`` is the number of elements of one padded input row, ``zero`` the input's zero point, and ``path`` the
    instruction path, as numbered by the library's ``best_path``.
    """
    weights = operator.weights.astype(np.int8)
    out, height, width, inner = weights.shape
    if operator.dilation[1] == 1:
        runs, length, starts = weights.reshape(out, height, width * inner), width * inner, [0]
    else:
        runs, length = weights.reshape(out, height * width, inner), inner
        starts = [x * operator.dilation[1] * inner for x in range(width)]
    lines = [y * operator.dilation[0] * row + start for y in range(height) for start in starts]
    return _packed(runs, np.array(lines), length, operator.bias, zero, path)


def pack_matrix(weights: Int8Array, bias: IntArray, zero: int, path: int) -> PackedWeights:
    """Packs a fully connected layer's ``[out, in]``."""
    return _packed(weights[:, np.newaxis, :], np.zeros(1, np.int64), weights.shape[1], bias, zero, path)


def _packed(runs: Int8Array, starts: IntArray, length: int, bias: IntArray, zero: int, path: int) -> PackedWeights:
    out, lines, _ = runs.shape
    fours = -(-length // 4)
    lanes = -(-out // LANES) * LANES
    filled = np.zeros((lanes, lines, fours * 4), np.int8)
    filled[:out, :, :length] = runs
    if path == PATH_AVX2:
        halves = filled.astype(np.int16).reshape(lanes // LANES, LANES, lines * fours, 2, 2)
        weights: AnyArray = halves.transpose(2, 0, 3, 1, 4)
    else:
        weights = filled.reshape(lanes, lines * fours, 4).transpose(1, 0, 2)
    steps = (starts[:, np.newaxis] + 4 * np.arange(fours)).reshape(-1)
    full_bias = np.zeros(lanes, np.int64)
    full_bias[:out] = bias - (zero + 128) * runs.astype(np.int64).sum(axis=(1, 2))
    return PackedWeights(
        steps.astype(np.int32),
        np.ascontiguousarray(weights),
        modulo_int32(full_bias),
    )


def modulo_int32(values: IntArray) -> npt.NDArray[np.int32]:
    """Reduces int64 values to int32, modulo 2**32."""
    return values.astype(np.uint64).astype(np.uint32).view(np.int32)
