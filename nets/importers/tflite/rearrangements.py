"""Converters of the operators that rearrange the elements of one tensor: parts, repetitions, blocks, neighbours.

Each is a fixed index of one sample's elements, found by applying the operator to the elements' positions.
"""

import math
from collections.abc import Callable

import numpy as np
import tflite

from nets.errors import NetworkError
from nets.importers.limits import ELEMENTS_MAX
from nets.importers.tflite.builder import Builder, check_same_quantization, check_shape, constant, frozen, placed
from nets.importers.tflite.folding import strided
from nets.importers.tflite.graph import RawOperator
from nets.network import IntArray, Operator, Rearrangement, TensorSpec

# What numpy raises on axes, indices and shapes that do not fit.
_MISFITS = (ValueError, IndexError, TypeError, OverflowError)


def _rearranged(builder: Builder, raw: RawOperator, arrange: Callable[[IntArray], IntArray]) -> Operator:
    """Makes the operator of a function that rearranges arrays ``[1, *shape]`` as it would a batch of one sample."""
    source, result = builder.activation(raw), builder.result(raw)
    check_same_quantization(raw, [source, result])
    builder.spend(raw, math.prod(source.shape) + math.prod(result.shape))
    return Rearrangement(**placed(raw), positions=_positions(raw, source, result, arrange))


def _positions(
    raw: RawOperator, source: TensorSpec, result: TensorSpec, arrange: Callable[[IntArray], IntArray]
) -> IntArray:
    positions = np.arange(math.prod(source.shape), dtype=np.int64).reshape(1, *source.shape)
    try:
        arranged = arrange(positions)
    except _MISFITS as error:
        raise NetworkError(f"{raw}: its arguments do not fit {list(source.shape)} ({error})") from error
    if arranged.shape[:1] != (1,):
        raise NetworkError(f"{raw} changes the batch, which has to stay")
    check_shape(raw, arranged.shape[1:], result)
    return frozen(arranged[0])


def _integers(builder: Builder, raw: RawOperator, position: int) -> IntArray:
    tensor = builder.input(raw, position)
    return constant(tensor, "INT64" if tensor.type_name == "INT64" else "INT32")


def _without_batch(builder: Builder, raw: RawOperator, begin: int, size: int) -> None:
    if begin != 0 or size not in (-1, builder.batch):
        raise NetworkError(f"{raw} takes {size} samples from {begin} on; the batch, {builder.batch}, has to stay")


def slice_(builder: Builder, raw: RawOperator) -> Operator:
    """Converts SLICE."""
    begin, size = (_integers(builder, raw, position).reshape(-1).tolist() for position in (1, 2))
    if not begin or len(begin) != len(size) or min(begin) < 0 or min(size) < -1:
        raise NetworkError(f"{raw}: begin {begin} and size {size} do not fit")
    _without_batch(builder, raw, begin[0], size[0])

    def arrange(x: IntArray) -> IntArray:
        ends = [None if length == -1 else first + length for first, length in zip(begin[1:], size[1:], strict=True)]
        return x[(slice(None), *(slice(first, end) for first, end in zip(begin[1:], ends, strict=True)))]

    return _rearranged(builder, raw, arrange)


def strided_slice(builder: Builder, raw: RawOperator) -> Operator:
    """Converts STRIDED_SLICE that keeps the batch."""
    index = strided(raw, *(_integers(builder, raw, position) for position in (1, 2, 3)))
    whole = index[0] if index else None
    if not isinstance(whole, slice) or len(range(builder.batch)[whole]) != builder.batch or (whole.step or 1) < 0:
        raise NetworkError(f"{raw} takes a part of the batch, {builder.batch}, which has to stay")
    return _rearranged(builder, raw, lambda x: x[(slice(None), *index[1:])])


def gather(builder: Builder, raw: RawOperator) -> Operator:
    """Converts GATHER with constant indices."""
    options, indices = raw.options(tflite.GatherOptions), _integers(builder, raw, 1)
    rank = len(builder.activation(raw).shape) + 1
    axis = options.Axis() % rank
    if options.BatchDims() or axis == 0 or (indices < 0).any():
        raise NetworkError(f"{raw} gathers {indices.reshape(-1)[:8].tolist()} along axis {axis}; the batch has to stay")
    return _rearranged(builder, raw, lambda x: np.take(x, indices, axis=axis))


def tile(builder: Builder, raw: RawOperator) -> Operator:
    """Converts TILE."""
    multiples = _integers(builder, raw, 1).reshape(-1).tolist()
    elements = math.prod(builder.activation(raw).shape) * math.prod(multiples)
    if not multiples or multiples[0] != 1 or min(multiples) < 1 or elements > ELEMENTS_MAX:
        raise NetworkError(f"{raw} repeats {multiples} times; positive numbers, 1 for the batch, are supported")
    return _rearranged(builder, raw, lambda x: np.tile(x, multiples))


def reverse(builder: Builder, raw: RawOperator) -> Operator:
    """Converts REVERSE_V2."""
    axes = _integers(builder, raw, 1).reshape(-1).tolist()
    rank = len(builder.activation(raw).shape) + 1
    if any(axis % rank == 0 for axis in axes):
        raise NetworkError(f"{raw} reverses the batch, which has to stay")
    return _rearranged(builder, raw, lambda x: np.flip(x, tuple(axes)))


def mirror_pad(builder: Builder, raw: RawOperator) -> Operator:
    """Converts MIRROR_PAD, which repeats the border (SYMMETRIC) or does not (REFLECT)."""
    symmetric = raw.options(tflite.MirrorPadOptions).Mode() == tflite.MirrorPadMode.SYMMETRIC
    shape, padding = builder.activation(raw).shape, _integers(builder, raw, 1)
    largest = [size if symmetric else size - 1 for size in shape]
    fits = padding.shape == (len(shape) + 1, 2) and not padding[0].any() and (padding >= 0).all()
    if not fits or (padding[1:].max(axis=1) > largest).any():
        raise NetworkError(f"{raw}: padding {padding.tolist()} does not mirror {list(shape)}, without batch")
    return _rearranged(builder, raw, lambda x: np.pad(x, padding, "symmetric" if symmetric else "reflect"))


def broadcast_to(builder: Builder, raw: RawOperator) -> Operator:
    """Converts BROADCAST_TO that keeps the batch."""
    shape = _integers(builder, raw, 1).reshape(-1).tolist()
    dimensions = len(builder.activation(raw).shape) + 1
    if len(shape) != dimensions or shape[0] != builder.batch or shape[1:] != list(builder.result(raw).shape):
        raise NetworkError(f"{raw} makes {shape} of {dimensions} dimensions; the first, the batch, has to stay")
    return _rearranged(builder, raw, lambda x: np.broadcast_to(x, (1, *shape[1:])))


def depth_to_space(builder: Builder, raw: RawOperator) -> Operator:
    """Converts DEPTH_TO_SPACE: channels become blocks of ``size * size`` positions."""
    size, (height, width, channels) = raw.options(tflite.DepthToSpaceOptions).BlockSize(), builder.image(raw).shape
    if size < 1 or channels % (size * size):
        raise NetworkError(f"{raw}: blocks of {size} do not divide {channels} channels")

    def arrange(x: IntArray) -> IntArray:
        blocks = x.reshape(1, height, width, size, size, -1).transpose(0, 1, 3, 2, 4, 5)
        return blocks.reshape(1, height * size, width * size, -1)

    return _rearranged(builder, raw, arrange)


def space_to_depth(builder: Builder, raw: RawOperator) -> Operator:
    """Converts SPACE_TO_DEPTH: blocks of ``size * size`` positions become channels."""
    size, (height, width, _) = raw.options(tflite.SpaceToDepthOptions).BlockSize(), builder.image(raw).shape
    if size < 1 or height % size or width % size:
        raise NetworkError(f"{raw}: blocks of {size} do not divide {[height, width]}")

    def arrange(x: IntArray) -> IntArray:
        blocks = x.reshape(1, height // size, size, width // size, size, -1).transpose(0, 1, 3, 2, 4, 5)
        return blocks.reshape(1, height // size, width // size, -1)

    return _rearranged(builder, raw, arrange)


def resize_nearest(builder: Builder, raw: RawOperator) -> Operator:
    """Converts RESIZE_NEAREST_NEIGHBOR to the sizes that the file states."""
    options = raw.options(tflite.ResizeNearestNeighborOptions)
    align, centres = bool(options.AlignCorners()), bool(options.HalfPixelCenters())
    sizes = _integers(builder, raw, 1).reshape(-1).tolist()
    if len(sizes) != 2 or min(sizes) < 1 or max(sizes) > ELEMENTS_MAX:
        raise NetworkError(f"{raw} resizes to {sizes}; two positive sizes are needed")
    rows, columns = (
        _nearest(before, after, align=align, centres=centres)
        for before, after in zip(builder.image(raw).shape, sizes, strict=False)
    )
    check_shape(raw, (*sizes, builder.image(raw).shape[2]), builder.result(raw))
    return _rearranged(builder, raw, lambda x: x[:, rows][:, :, columns])


def _nearest(before: int, after: int, *, align: bool, centres: bool) -> IntArray:
    """Returns the source position of each new position, in float32 as ``resize_nearest_neighbor.h`` computes it."""
    between = align and after > 1
    scaled = np.float32(before - between) / np.float32(after - between)
    exact = (np.arange(after, dtype=np.float32) + np.float32(0.5 if centres else 0)) * scaled
    whole = np.floor(exact)
    rounded = whole + (exact - whole >= 0.5) if align else whole
    positions: IntArray = np.clip(rounded.astype(np.int64), 0, before - 1)
    return positions
