"""Plans of the native kernels: ctypes mirrors of their structures, and weights in the order in which they are read."""

import ctypes
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from nets.execute.native.rules import LANES, PATH_AVX2, PATH_PLAIN, PATH_SSE2, PATH_VNNI, AnyArray
from nets.network import Convolution, IntArray, WeightArray

_Element = TypeVar("_Element", bound=np.generic)

COPIED_AXES = 6  # as in CopyPlan of moves.h
_LINE = 64  # bytes of a cache line: vectors that straddle two are slow


def _int32(*names: str) -> tuple[tuple[str, type[ctypes.c_int32]], ...]:
    return tuple((name, ctypes.c_int32) for name in names)


def _int64(*names: str) -> tuple[tuple[str, type[ctypes.c_int64]], ...]:
    return tuple((name, ctypes.c_int64) for name in names)


class WindowStruct(ctypes.Structure):
    """Mirrors ``Window`` of convolution.h."""

    _fields_ = (
        *_int32("height", "width", "channels", "top", "bottom", "left", "right"),
        *_int32("out_height", "out_width", "out_channels", "stride_y", "stride_x", "dilation_y", "dilation_x"),
        *_int32("kernel_y", "kernel_x", "zero", "groups_of_four"),
    )


class WeightedStruct(ctypes.Structure):
    """Mirrors ``WeightedPlan`` of convolution.h."""

    _fields_ = (
        ("window", WindowStruct),
        *((name, ctypes.c_void_p) for name in ("requant", "steps", "weights", "bias")),
    )


class OperandStruct(ctypes.Structure):
    """Mirrors ``Operand`` of elementwise.h."""

    _fields_ = (
        *_int32("zero", "sign"),
        *((name, ctypes.c_double) for name in ("scale", "away", "half")),
        ("table", ctypes.c_void_p),
    )


class SumStruct(ctypes.Structure):
    """Mirrors ``SumPlan``."""

    _fields_ = (
        *(("requant", ctypes.c_void_p), ("operands", OperandStruct * 2)),
        *_int64("elements"),
        ("periods", ctypes.c_int64 * 2),
        *_int32("exact"),
    )


class ProductStruct(ctypes.Structure):
    """Mirrors ``ProductPlan``."""

    _fields_ = (
        *(("requant", ctypes.c_void_p), ("zeros", ctypes.c_int32 * 2)),
        *_int64("elements"),
        ("periods", ctypes.c_int64 * 2),
    )


class LookupStruct(ctypes.Structure):
    """Mirrors ``LookupPlan``."""

    _fields_ = (("table", ctypes.c_void_p), *_int64("elements"))


class PoolStruct(ctypes.Structure):
    """Mirrors ``PoolPlan`` of pools.h."""

    _fields_ = (
        *_int32("kind", "height", "width", "channels", "out_height", "out_width"),
        *_int32("kernel_y", "kernel_x", "stride_y", "stride_x", "top", "left", "q_min", "q_max", "zero"),
        ("requant", ctypes.c_void_p),
        *((name, ctypes.c_float) for name in ("scale", "offset")),
    )


class JoinStruct(ctypes.Structure):
    """Mirrors ``JoinPlan`` of moves.h."""

    _fields_ = (("bytes", ctypes.c_void_p), *_int64("inputs", "count"))


class CopyStruct(ctypes.Structure):
    """Mirrors ``CopyPlan``."""

    _fields_ = (
        ("sizes", ctypes.c_int64 * COPIED_AXES),
        ("strides", ctypes.c_int64 * COPIED_AXES),
        *_int64("input_bytes"),
    )


class RunsStruct(ctypes.Structure):
    """Mirrors ``RunsPlan``."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("starts", "lengths")),
        *_int64("count", "input_bytes"),
        *_int32("zero"),
    )


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
        steps: int32; offset of each group of four inputs, or of each tap of a depthwise convolution, in elements of
            the padded image.
        weights: zero beyond the kernel's elements; int8 ``[step, lanes, 4]``, or int16 ``[step, pair, block, 16, 2]``
            for SSE2 and AVX2; those of depthwise convolutions are described there.
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


def pack_matrix(weights: WeightArray, bias: IntArray, zero: int, path: int) -> PackedWeights:
    """Packs a fully connected layer's ``[out, in]``."""
    return _packed(weights[:, np.newaxis, :], np.zeros(1, np.int64), weights.shape[1], bias, zero, path)


def _packed(runs: WeightArray, starts: IntArray, length: int, bias: IntArray, zero: int, path: int) -> PackedWeights:
    out, lines, _ = runs.shape
    fours = -(-length // 4)
    lanes = -(-out // LANES) * LANES
    filled = np.zeros((lanes, lines, fours * 4), np.int8)
    filled[:out, :, :length] = runs
    if path in (PATH_SSE2, PATH_AVX2):
        halves = filled.astype(np.int16).reshape(lanes // LANES, LANES, lines * fours, 2, 2)
        weights: AnyArray = halves.transpose(2, 3, 0, 1, 4)
    else:
        weights = filled.reshape(lanes, lines * fours, 4).transpose(1, 0, 2)
    steps = (starts[:, np.newaxis] + 4 * np.arange(fours)).reshape(-1)
    return PackedWeights(steps.astype(np.int32), aligned(weights), _bias(runs.reshape(out, -1), bias, zero, lanes))


def pack_depthwise(operator: Convolution, row: int, channels: int, zero: int, path: int) -> PackedWeights:
    """Packs a depthwise convolution with multiplier 1; arguments as of :func:`pack_convolution`.

    Weights are int16 ``[tap, channel]``; for SSE2 and AVX2 as :func:`_tap_pairs` has them; for AVX-512 int8
    ``[group of four vertical taps, horizontal tap, lanes, 4]``.
    """
    taps = operator.weights[..., 0]
    out, height, width = taps.shape
    (dy, dx), lanes = operator.dilation, -(-out // LANES) * LANES
    steps = np.array([y * dy * row + x * dx * channels for y in range(height) for x in range(width)], np.int32)
    bias = _bias(taps.reshape(out, -1), operator.bias, zero, lanes)
    if path == PATH_PLAIN:
        return PackedWeights(steps, aligned(taps.reshape(out, -1).T.astype(np.int16)), bias)
    if path != PATH_VNNI:
        return PackedWeights(*_tap_pairs(steps, taps.reshape(out, -1), lanes, path), bias)
    groups = -(-height // 4)
    filled = np.zeros((lanes, groups * 4, width), np.int8)
    filled[:out, :height] = taps
    return PackedWeights(steps, aligned(filled.reshape(lanes, groups, 4, width).transpose(1, 3, 0, 2)), bias)


def _tap_pairs(
    steps: npt.NDArray[np.int32], taps: WeightArray, lanes: int, path: int
) -> tuple[npt.NDArray[np.int32], AnyArray]:
    """Pairs the taps ``[channel, tap]`` of a depthwise convolution as a path interleaves their inputs.

    Returns:
        The offsets of an even number of taps, and int16 weights ``[pair, block, LANES, 2]``; AVX2 takes channels 0 to
        3 and 8 to 11 of a block first.
    """
    count = len(steps) + len(steps) % 2
    filled = np.zeros((lanes, count), np.int16)
    filled[: len(taps), : len(steps)] = taps
    quads = filled.reshape(lanes // LANES, 2, 2, 4, count // 2, 2)  # block, eight, half, channel, pair, tap
    order = (4, 0, 2, 1, 3, 5) if path == PATH_AVX2 else (4, 0, 1, 2, 3, 5)
    return np.resize(steps, count), aligned(quads.transpose(order))


def _bias(weights: WeightArray, bias: IntArray, zero: int, lanes: int) -> npt.NDArray[np.int32]:
    full = np.zeros(lanes, np.int64)
    full[: len(weights)] = bias - (zero + 128) * weights.astype(np.int64).sum(axis=1)
    return aligned(full.astype(np.uint64).astype(np.uint32).view(np.int32))


def aligned(values: npt.NDArray[_Element]) -> npt.NDArray[_Element]:
    """Copies an array to memory that begins a cache line."""
    memory = np.empty(values.nbytes + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    copy = memory[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy
