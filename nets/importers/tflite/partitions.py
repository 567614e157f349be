"""Converters of the operators with several outputs, SPLIT, SPLIT_V and UNPACK: one operator for each output."""

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
import tflite

from nets.errors import NetworkError
from nets.importers.tflite.builder import Builder, check_same_quantization, check_shape, constant, frozen, kind_of
from nets.importers.tflite.graph import RawOperator
from nets.network import Operator, Rearrangement, TensorSpec


def split(builder: Builder, raw: RawOperator) -> list[Operator]:
    """Converts SPLIT into parts of equal size."""
    source, count = builder.activation(raw, 1), raw.options(tflite.SplitOptions).NumSplits()
    axis = _axis(raw, source, _scalar(builder, raw, 0))
    size, rest = divmod(source.shape[axis], max(count, 1))
    if count < 1 or rest:
        raise NetworkError(f"{raw} cuts {source.shape[axis]} elements into {count} parts of equal size")
    return _parts(builder, raw, 1, axis, [size] * count)


def split_v(builder: Builder, raw: RawOperator) -> list[Operator]:
    """Converts SPLIT_V into parts of stated sizes, one of which may be -1, what is left."""
    source = builder.activation(raw)
    axis = _axis(raw, source, _scalar(builder, raw, 2))
    tensor = builder.input(raw, 1)
    stated = constant(tensor, "INT64" if tensor.type_name == "INT64" else "INT32").reshape(-1).tolist()
    left = source.shape[axis] - sum(size for size in stated if size != -1)
    sizes = [left if size == -1 else size for size in stated]
    if stated.count(-1) > 1 or not sizes or min(sizes) < 1 or sum(sizes) != source.shape[axis]:
        raise NetworkError(f"{raw} cuts {source.shape[axis]} elements into parts of sizes {stated}")
    return _parts(builder, raw, 0, axis, sizes)


def unpack(builder: Builder, raw: RawOperator) -> list[Operator]:
    """Converts UNPACK, whose parts lose the dimension that they are cut along."""
    source, options = builder.activation(raw), raw.options(tflite.UnpackOptions)
    axis = _axis(raw, source, options.Axis())
    if options.Num() != source.shape[axis]:
        raise NetworkError(f"{raw} makes {options.Num()} parts of {source.shape[axis]} elements")
    return _parts(builder, raw, 0, axis, [1] * options.Num(), drop=True)


def _scalar(builder: Builder, raw: RawOperator, position: int) -> int:
    values = constant(builder.input(raw, position), "INT32")
    if values.size != 1:
        raise NetworkError(f"{raw} has {values.size} axes; it takes one")
    return int(values.reshape(-1)[0])


def _axis(raw: RawOperator, source: TensorSpec, stated: int) -> int:
    """Returns an axis of a sample's shape, from 0."""
    rank = len(source.shape) + 1
    if not -rank <= stated < rank or stated % rank == 0:
        raise NetworkError(f"{raw} cuts along axis {stated}; use 1 to {rank - 1} (0 is the batch)")
    return stated % rank - 1


def _parts(
    builder: Builder, raw: RawOperator, position: int, axis: int, sizes: Sequence[int], *, drop: bool = False
) -> list[Operator]:
    """Makes the operators of the parts, of these sizes along an axis, of the input at a position."""
    source = builder.activation(raw, position)
    if len(sizes) != len(raw.outputs):
        raise NetworkError(f"{raw} has {len(raw.outputs)} outputs; it makes {len(sizes)} parts")
    builder.spend(raw, 2 * math.prod(source.shape))
    whole = np.arange(math.prod(source.shape), dtype=np.int64).reshape(source.shape)
    operators: list[Operator] = []
    for part, (start, end) in enumerate(pairwise(accumulate(sizes, initial=0))):
        result = builder.spec(builder.graph.tensor(raw.outputs[part], str(raw)))
        check_same_quantization(raw, [source, result])
        positions = np.take(whole, range(start, end), axis)
        positions = positions.squeeze(axis) if drop else positions
        check_shape(raw, positions.shape, result)
        name = f"{kind_of(raw)}{part}_{raw.index}"
        operators.append(
            Rearrangement(
                name=name, inputs=(raw.inputs[position],), output=raw.outputs[part], positions=frozen(positions)
            )
        )
    return operators
