"""Converters of pools, tables and the operators that only move integers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nets.errors import NetworkError
from nets.importers.tflite.builder import frozen
from nets.importers.tosa.accumulators import COUNT_MAX
from nets.importers.tosa.builder import Builder, named
from nets.importers.tosa.graph import RawOperator
from nets.importers.tosa.rescales import HIGH, LOW
from nets.importers.tosa.schema import DType, Op
from nets.importers.tosa.windows import windows
from nets.network import (
    AveragePool,
    Concatenation,
    IntArray,
    MaxPool,
    Pad,
    Rearrangement,
    Reshape,
    StatedTable,
    Transpose,
)


def pool(builder: Builder, raw: RawOperator) -> None:
    """Converts AVG_POOL2D and MAX_POOL2D."""
    source = builder.activation(raw)
    shape = builder.shapes[source]
    if len(shape) != 3:
        raise NetworkError(f"{raw} takes [batch, height, width, channels], not [batch, {list(shape)}]")
    kernel, stride = raw.numbers("kernel", 2), raw.numbers("stride", 2)
    sizes, padding = windows(raw, shape[:2], kernel, stride, (1, 1))
    if math.prod(kernel) > COUNT_MAX:
        raise NetworkError(
            f"{raw}: a window of {list(kernel)} is too large; at most {COUNT_MAX} elements are supported"
        )
    if any(amount >= size for pair, size in zip(padding, kernel, strict=True) for amount in pair):
        raise NetworkError(f"{raw}: padding {list(padding)} reaches the size of the window {list(kernel)}")
    builder.check_work(raw, (*sizes, shape[2]), math.prod(kernel))
    output = builder.result(raw, (*sizes, shape[2]))
    windowed: dict[str, Any] = {
        "kernel": (kernel[0], kernel[1]),
        "stride": (stride[0], stride[1]),
        "padding": padding,
        "q_min": LOW,
        "q_max": HIGH,
    }
    fields = named(raw, "max_pool" if raw.op is Op.MAX_POOL2D else "average_pool", (source,), output)
    if raw.op is Op.MAX_POOL2D:
        builder.operators.append(MaxPool(**fields, **windowed))
        return
    centres = [builder.scalar(raw, position, DType.INT8) for position in (1, 2)]
    if centres[0] != centres[1]:
        raise NetworkError(f"{raw} has zero points {centres[0]} and {centres[1]}; an average keeps its input's")
    # The mean of an odd number of integers is never half-way between two.
    exact = math.prod(kernel) % 2 == 1 and not any(amount for pair in padding for amount in pair)
    builder.operators.append(AveragePool(**fields, **windowed, centre=0 if exact else centres[0]))


def table(builder: Builder, raw: RawOperator) -> None:
    """Converts TABLE of int8."""
    values = builder.raw_input(raw, 1).values(DType.INT8)
    if values.shape != (256,):
        raise NetworkError(f"{raw}: the table has shape {list(values.shape)}; [256] is needed")
    source = builder.activation(raw)
    output = builder.result(raw, builder.shapes[source])
    builder.operators.append(
        StatedTable(**named(raw, "table", (source,), output), table=frozen(values.astype(np.int8)))
    )


def pad(builder: Builder, raw: RawOperator) -> None:
    """Converts PAD with a tensor's zero point."""
    source, amounts = builder.activation(raw), builder.sizes(raw, 1)
    shape = builder.shapes[source]
    if len(amounts) != 2 * len(shape) + 2 or any(amounts[:2]) or min(amounts) < 0 or max(amounts) > COUNT_MAX:
        raise NetworkError(f"{raw} pads by {list(amounts)}; amounts are for every axis, at least 0, and 0 of the batch")
    pairs = tuple(zip(amounts[2::2], amounts[3::2], strict=True))
    made = tuple(size + before + after for size, (before, after) in zip(shape, pairs, strict=True))
    builder.claim(raw, source, builder.scalar(raw, 2, DType.INT8))
    builder.operators.append(Pad(**named(raw, "pad", (source,), builder.result(raw, made)), padding=pairs))


def concatenation(builder: Builder, raw: RawOperator) -> None:
    """Converts CONCAT."""
    sources = [builder.operand(raw, position) for position in range(len(raw.inputs))]
    axis = raw.number("axis") - 1
    shapes = [builder.shapes[index] for index in sources]
    rests = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if not shapes or not 0 <= axis < len(shapes[0]) or len(rests) != 1 or len({len(each) for each in shapes}) != 1:
        raise NetworkError(f"{raw}: shapes {[list(each) for each in shapes]} cannot be joined along axis {axis + 1}")
    made = (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])
    fields = named(raw, "concatenation", sources, builder.result(raw, made))
    builder.operators.append(Concatenation(**fields, axis=axis))


def reshape(builder: Builder, raw: RawOperator) -> None:
    """Converts RESHAPE to a constant shape that keeps the batch."""
    source, sizes = builder.activation(raw), builder.sizes(raw, 1)
    elements = math.prod(builder.shapes[source])
    if len(sizes) < 2 or sizes[0] != builder.batch or min(sizes) < 1 or math.prod(sizes[1:]) != elements:
        raise NetworkError(
            f"{raw} gives {builder.batch} samples of {elements} elements the shape {list(sizes)}; it keeps the batch"
        )
    builder.operators.append(Reshape(**named(raw, "reshape", (source,), builder.result(raw, sizes[1:]))))


def transpose(builder: Builder, raw: RawOperator) -> None:
    """Converts TRANSPOSE that keeps the batch."""
    source = builder.activation(raw)
    shape = builder.shapes[source]
    order = raw.numbers("perms", len(shape) + 1)
    if sorted(order) != list(range(len(order))) or order[0] != 0:
        raise NetworkError(f"{raw}: the order {list(order)} is none of {len(order)} axes that keeps the batch first")
    permutation = tuple(axis - 1 for axis in order[1:])
    output = builder.result(raw, tuple(shape[axis] for axis in permutation))
    builder.operators.append(Transpose(**named(raw, "transpose", (source,), output), permutation=permutation))


def slice_(builder: Builder, raw: RawOperator) -> None:
    """Converts SLICE."""
    start, size = builder.sizes(raw, 1), builder.sizes(raw, 2)
    shape = (builder.batch, *builder.shapes[builder.activation(raw)])
    fits = len(start) == len(size) == len(shape) and all(
        at >= 0 and many >= 1 and at + many <= limit for at, many, limit in zip(start, size, shape, strict=True)
    )
    if not fits or size[0] != builder.batch:
        raise NetworkError(f"{raw} takes {list(size)} from {list(start)} of {list(shape)}; it keeps the batch")
    box = tuple(slice(at, at + many) for at, many in zip(start[1:], size[1:], strict=True))
    _rearranged(builder, raw, "slice", math.prod(size[1:]), lambda positions: positions[box])


def reverse(builder: Builder, raw: RawOperator) -> None:
    """Converts REVERSE along one axis."""
    axis, shape = raw.number("axis") - 1, builder.shapes[builder.activation(raw)]
    if not 0 <= axis < len(shape):
        raise NetworkError(f"{raw} reverses axis {axis + 1} of {len(shape) + 1}; the batch is kept")
    _rearranged(builder, raw, "reverse", math.prod(shape), lambda positions: np.flip(positions, axis))


def tile(builder: Builder, raw: RawOperator) -> None:
    """Converts TILE."""
    times, shape = builder.sizes(raw, 1), builder.shapes[builder.activation(raw)]
    if len(times) != len(shape) + 1 or times[0] != 1 or min(times) < 1:
        raise NetworkError(f"{raw} repeats {list(times)} times; the batch is kept")
    _rearranged(builder, raw, "tile", math.prod(shape) * math.prod(times), lambda each: np.tile(each, times[1:]))


def gather(builder: Builder, raw: RawOperator) -> None:
    """Converts GATHER with constant indices that are the same in every sample."""
    shape, indices = builder.shapes[builder.activation(raw)], builder.raw_input(raw, 1).values(DType.INT32)
    if len(shape) != 2 or indices.ndim != 2 or indices.shape[0] != builder.batch or indices.size == 0:
        raise NetworkError(f"{raw}: indices of shape {list(indices.shape)} do not fit {[builder.batch, *shape]}")
    if (indices != indices[0]).any() or indices.min() < 0 or indices.max() >= shape[0]:
        raise NetworkError(f"{raw}: indices have to be the same in every sample, from 0 to {shape[0] - 1}")
    _rearranged(builder, raw, "gather", indices.shape[1] * shape[1], lambda positions: positions[indices[0]])


def identity(builder: Builder, raw: RawOperator) -> None:
    """Converts IDENTITY."""
    source = builder.activation(raw)
    output = builder.result(raw, builder.shapes[source])
    builder.operators.append(Reshape(**named(raw, "identity", (source,), output)))


def _rearranged(
    builder: Builder, raw: RawOperator, kind: str, elements: int, taken: Callable[[IntArray], IntArray]
) -> None:
    source = builder.activation(raw)
    shape = builder.shapes[source]
    builder.spend(raw, max(elements, math.prod(shape)))
    positions = taken(np.arange(math.prod(shape), dtype=np.int64).reshape(shape))
    fields = named(raw, kind, (source,), builder.result(raw, positions.shape))
    builder.operators.append(Rearrangement(**fields, positions=frozen(positions)))
