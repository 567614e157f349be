"""Operators that move elements, and those between neighbours."""

import numpy as np

from nets.errors import NetworkError
from nets.importers import neighbours
from nets.network import (
    Concatenation,
    FilledPad,
    Interpolation,
    Neighbours,
    Pad,
    Rearrangement,
    Reshape,
    Stack,
    Transpose,
)
from nets.writers.tflite.arrangements import arrangement
from nets.writers.tflite.file import FileOperator, FileTensor
from nets.writers.tflite.writing import Writing

_CONVENTIONS = ((False, False), (False, True), (True, False))  # align corners, centres of pixels


def pad(operator: Pad, writing: Writing) -> FileOperator:
    """Describes a PAD."""
    return writing.operator(operator, writing.integers(operator, "padding", [(0, 0), *operator.padding]))


def filled_pad(operator: FilledPad, writing: Writing) -> FileOperator:
    """Describes a PADV2, whose value has the input's quantization."""
    source = writing.source(operator)
    value = FileTensor(
        f"{operator.name}/value",
        (1,),
        np.int8,
        np.array([source.scale]),
        source.zero_point,
        data=np.array([operator.value], np.int8),
    )
    padding = writing.integers(operator, "padding", [(0, 0), *operator.padding])
    return writing.operator(operator, padding, writing.file.add(value))


def concatenation(operator: Concatenation, writing: Writing) -> FileOperator:
    """Describes a CONCATENATION."""
    return writing.operator(operator, options="ConcatenationOptions", Axis=operator.axis + 1)


def stack(operator: Stack, writing: Writing) -> FileOperator:
    """Describes a PACK."""
    count = len(operator.inputs)
    return writing.operator(operator, options="PackOptions", ValuesCount=count, Axis=operator.axis + 1)


def reshape(operator: Reshape, writing: Writing) -> FileOperator:
    """Describes a RESHAPE."""
    shape = [-1, *writing.result(operator).shape]  # the batch is what is left
    return writing.operator(operator, writing.integers(operator, "shape", shape))


def transpose(operator: Transpose, writing: Writing) -> FileOperator:
    """Describes a TRANSPOSE."""
    axes = [0, *(axis + 1 for axis in operator.permutation)]
    return writing.operator(operator, writing.integers(operator, "axes", axes))


def rearrangement(operator: Rearrangement, writing: Writing) -> FileOperator:
    """Describes a DEPTH_TO_SPACE, SPACE_TO_DEPTH, GATHER or STRIDED_SLICE."""
    shape = writing.source(operator).shape
    found = arrangement(operator.positions, shape)
    if found is None:
        raise NetworkError(f"{operator.name!r} rearranges its input as no operator of .tflite files does")
    if found.block:
        options = "DepthToSpaceOptions" if found.kind == "DEPTH_TO_SPACE" else "SpaceToDepthOptions"
        return writing.operator(operator, options=options, BlockSize=found.block)
    if found.kind == "GATHER":
        indices = writing.integers(operator, "indices", found.indices)
        return writing.operator(operator, indices, options="GatherOptions", Axis=found.axis + 1)
    return _strided_slice(operator, writing, found.axis + 1, found.indices.tolist())


def _strided_slice(operator: Rearrangement, writing: Writing, axis: int, taken: list[int]) -> FileOperator:
    """Takes every so many elements along one axis, and all along the others."""
    rank = len(writing.source(operator).shape) + 1
    first, step = taken[0], taken[1] - taken[0] if len(taken) > 1 else 1
    begin, end, strides = [0] * rank, [0] * rank, [1] * rank
    begin[axis], end[axis], strides[axis] = first, taken[-1] + 1, step
    whole = sum(1 << other for other in range(rank) if other != axis)
    named = (("begin", begin), ("end", end), ("strides", strides))
    constants = (writing.integers(operator, what, values) for what, values in named)
    return writing.operator(operator, *constants, options="StridedSliceOptions", BeginMask=whole, EndMask=whole)


def interpolation(operator: Interpolation, writing: Writing) -> FileOperator:
    """Describes a RESIZE_BILINEAR."""
    sizes = writing.result(operator).shape[:2]
    for align, centres in _CONVENTIONS:
        made = [
            neighbours(before, after, align=align, centres=centres, xnnpack=operator.half_up)
            for before, after in zip(writing.source(operator).shape, sizes, strict=False)
        ]
        if _equal(made[0], operator.rows) and _equal(made[1], operator.columns):
            shape = writing.integers(operator, "size", sizes)
            return writing.operator(
                operator, shape, options="ResizeBilinearOptions", AlignCorners=align, HalfPixelCenters=centres
            )
    raise NetworkError(f"{operator.name!r} interpolates between positions that no RESIZE_BILINEAR takes")


def _equal(one: Neighbours, other: Neighbours) -> bool:
    pairs = ((one.first, other.first), (one.second, other.second), (one.share, other.share))
    return all(np.array_equal(a, b) for a, b in pairs)
