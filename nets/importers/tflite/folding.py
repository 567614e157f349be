"""Shape arithmetic of a file, folded: small integers that follow from constants and from the shapes of tensors.

Converters write it if a size was unknown to them: SHAPE, STRIDED_SLICE, PACK, RESHAPE keep a batch. A file states every
shape, so the integers are known before anything runs.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from nets.errors import NetworkError
from nets.importers.tflite.graph import RawGraph, RawOperator, RawTensor

Integers = npt.NDArray[np.integer[Any]]

_TYPES: dict[str, np.dtype[np.integer[Any]]] = {"INT32": np.dtype("<i4"), "INT64": np.dtype("<i8")}
THROUGH_FLOAT = "DEQUANTIZE+QUANTIZE"
_ELEMENTS_MAX = 256  # of a folded tensor: sizes, not data
# What numpy raises on axes, indices and shapes that do not fit.
_MISFITS = (ValueError, IndexError, TypeError, OverflowError, FloatingPointError)


def folded(graph: RawGraph) -> RawGraph:
    """Returns the graph with the results of its shape arithmetic as constants, and without the operators behind them.

    Raises:
        NetworkError: such an operator's arguments do not fit each other, or its result does not fit the file's shape.
    """
    tensors, remaining = list(graph.tensors), []
    for operator in graph.operators:
        values = _evaluated(operator, graph, tensors)
        if values is None:
            remaining.append(operator)
            continue
        for index, value in zip(operator.outputs, values, strict=True):
            tensors[index] = _constant(operator, tensors[index], value)
    return replace(graph, tensors=tuple(tensors), operators=tuple(remaining))


def joined(graph: RawGraph) -> RawGraph:
    """Returns the graph in which a DEQUANTIZE and the QUANTIZE behind it are one operator, ``DEQUANTIZE+QUANTIZE``."""
    reals = {op.outputs[0]: op for op in graph.operators if op.kind == "DEQUANTIZE" and op.inputs and op.outputs}
    return replace(graph, operators=tuple(_joined(graph, operator, reals) for operator in graph.operators))


def _joined(graph: RawGraph, operator: RawOperator, reals: Mapping[int, RawOperator]) -> RawOperator:
    before = reals.get(operator.inputs[0]) if operator.kind == "QUANTIZE" and operator.inputs else None
    if before is None or graph.tensor(before.inputs[0], str(before)).data is not None:
        return operator
    return replace(operator, kind=THROUGH_FLOAT, inputs=before.inputs[:1])


def _evaluated(operator: RawOperator, graph: RawGraph, tensors: list[RawTensor]) -> list[Integers] | None:
    """Returns the results of an operator of shape arithmetic, or None if it is none."""
    fold = _FOLDS.get(operator.kind)
    outputs = [graph.tensor(index, str(operator)) for index in operator.outputs]
    if fold is None or not outputs or any(tensor.type_name not in _TYPES for tensor in outputs):
        return None
    sources = [tensors[index] for index in operator.inputs if 0 <= index < len(tensors)]
    known = [_values(tensor) for tensor in sources]
    values = [value for value in known if value is not None]
    if operator.kind == "SHAPE" and sources:
        values = [np.array(sources[0].shape, _TYPES[outputs[0].type_name])]
    elif len(values) < len(operator.inputs):
        return None
    try:
        with np.errstate(over="ignore", divide="raise"):  # int32 wraps around, as in the runtime
            results = fold(operator, values)
    except _MISFITS as error:
        raise NetworkError(f"{operator}: its constants do not fit each other ({error})") from error
    if len(results) != len(outputs):
        raise NetworkError(f"{operator} has {len(outputs)} outputs; it makes {len(results)}")
    return results if max(result.size for result in results) <= _ELEMENTS_MAX else None


def _values(tensor: RawTensor) -> Integers | None:
    """Returns the integers of a small constant, or None."""
    dtype, size = _TYPES.get(tensor.type_name), math.prod(tensor.shape)
    if dtype is None or tensor.data is None or size > _ELEMENTS_MAX or tensor.data.size != size * dtype.itemsize:
        return None
    return tensor.data.view(dtype).reshape(tensor.shape)


def _constant(operator: RawOperator, tensor: RawTensor, value: Integers) -> RawTensor:
    if value.shape != tensor.shape:
        raise NetworkError(f"{operator} makes shape {list(value.shape)}; the file says {list(tensor.shape)}")
    if tensor.data is not None:
        raise NetworkError(f"{operator} writes {tensor}, which already has a value")
    data = np.ascontiguousarray(value, _TYPES[tensor.type_name]).reshape(-1).view(np.uint8)
    data.flags.writeable = False
    return replace(tensor, data=data)


def strided(operator: RawOperator, begin: Integers, end: Integers, strides: Integers) -> tuple[slice | int, ...]:
    """Returns the index of each dimension that a STRIDED_SLICE takes, as numpy understands it.

    Raises:
        NetworkError: it has an ellipsis or new dimensions, or an end relative to its beginning.
    """
    options = operator.options(tflite.StridedSliceOptions)
    if options.EllipsisMask() or options.NewAxisMask() or options.Offset():
        raise NetworkError(f"{operator}: ellipsis, new dimensions and offsets are not supported")
    if not begin.shape == end.shape == strides.shape or begin.ndim != 1 or not strides.all():
        raise NetworkError(
            f"{operator}: begin {begin.tolist()}, end {end.tolist()} and strides {strides.tolist()} do not fit"
        )
    from_start, to_end, shrunk = (options.BeginMask(), options.EndMask(), options.ShrinkAxisMask())
    return tuple(
        int(first)
        if shrunk >> axis & 1
        else slice(None if from_start >> axis & 1 else int(first), None if to_end >> axis & 1 else int(last), int(step))
        for axis, (first, last, step) in enumerate(zip(begin, end, strides, strict=True))
    )


def _strided_slice(operator: RawOperator, values: list[Integers]) -> list[Integers]:
    source, begin, end, strides = values
    return [np.asarray(source[strided(operator, begin, end, strides)])]


def _slice(_: RawOperator, values: list[Integers]) -> list[Integers]:
    source, begin, size = values
    ends = [None if length == -1 else first + length for first, length in zip(begin, size, strict=True)]
    return [source[tuple(slice(int(first), last) for first, last in zip(begin, ends, strict=True))]]


def _pack(operator: RawOperator, values: list[Integers]) -> list[Integers]:
    return [np.stack(values, axis=operator.options(tflite.PackOptions).Axis())]


def _unpack(operator: RawOperator, values: list[Integers]) -> list[Integers]:
    (source,), axis = values, operator.options(tflite.UnpackOptions).Axis()
    return [part.squeeze(axis) for part in np.split(source, source.shape[axis], axis)]


def _concatenation(operator: RawOperator, values: list[Integers]) -> list[Integers]:
    return [np.concatenate(values, axis=operator.options(tflite.ConcatenationOptions).Axis())]


def _gather(operator: RawOperator, values: list[Integers]) -> list[Integers]:
    options, (source, indices) = operator.options(tflite.GatherOptions), values
    if options.BatchDims():
        raise NetworkError(f"{operator}: batch dimensions are not supported")
    return [np.take(source, indices, axis=options.Axis())]


def _product(operator: RawOperator, values: list[Integers]) -> list[Integers]:
    source, axes = values
    keep = bool(operator.options(tflite.ReducerOptions).KeepDims())
    return [np.asarray(source.prod(axis=tuple(axes.reshape(-1).tolist()), keepdims=keep, dtype=source.dtype))]


def _squeeze(operator: RawOperator, values: list[Integers]) -> list[Integers]:
    return [values[0].squeeze(operator.options(tflite.SqueezeOptions).integers("SqueezeDims") or None)]


def _elementwise(function: Callable[..., Integers]) -> Callable[[RawOperator, list[Integers]], list[Integers]]:
    def fold(_: RawOperator, values: list[Integers]) -> list[Integers]:
        left, right = values
        return [np.asarray(function(left, right))]

    return fold


_FOLDS: Mapping[str, Callable[[RawOperator, list[Integers]], list[Integers]]] = {
    "ADD": _elementwise(np.add),
    "CAST": lambda _, values: [values[0]],
    "CONCATENATION": _concatenation,
    "EXPAND_DIMS": lambda _, values: [np.expand_dims(values[0], int(values[1].item()))],
    "FLOOR_DIV": _elementwise(np.floor_divide),
    "GATHER": _gather,
    "MAXIMUM": _elementwise(np.maximum),
    "MINIMUM": _elementwise(np.minimum),
    "MUL": _elementwise(np.multiply),
    "PACK": _pack,
    "REDUCE_PROD": _product,
    "RESHAPE": lambda _, values: [values[0].reshape(values[1].tolist())],
    "SHAPE": lambda _, values: values,
    "SLICE": _slice,
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided_slice,
    "SUB": _elementwise(np.subtract),
    "UNPACK": _unpack,
}
