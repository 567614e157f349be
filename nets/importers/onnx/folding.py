"""Shape arithmetic: nodes whose inputs are constants, or the shape of an activation, are computed at import."""

from collections.abc import Callable

import numpy as np

from nets.errors import NetworkError
from nets.importers.limits import MAX_RANK
from nets.importers.onnx.builder import Builder, Value
from nets.importers.onnx.graph import AnyArray, RawNode
from nets.importers.onnx.movers import squeezed

_ELEMENTS_MAX = 2**24
_TYPES: dict[int, type] = {1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_}
_MISFITS = (ValueError, IndexError, TypeError, OverflowError)  # what numpy raises on arguments that do not fit


def shape(builder: Builder, node: RawNode) -> Value:
    """Computes Shape."""
    value = builder.value(node, 0)
    sizes = value.shape if isinstance(value, np.ndarray) else (builder.batch, *builder.shape(builder.activation(node)))
    return np.array(sizes[node.integer("start", 0) : node.integer("end", MAX_RANK)], np.int64)


def constant(_builder: Builder, node: RawNode) -> Value:
    """Reads Constant."""
    for name in ("value", "value_int", "value_ints", "value_float"):
        value = node.attributes.get(name)
        if isinstance(value, np.ndarray):
            return value
        if isinstance(value, int | tuple | float):
            return np.array(value, np.float32 if isinstance(value, float) else np.int64)
    raise NetworkError(f"{node} holds no value of a supported type")


def folded(builder: Builder, node: RawNode) -> AnyArray | None:
    """Computes a node of constants alone; None if it is not one that can be computed."""
    values = [builder.values.get(name) for name in node.inputs if name]
    if node.kind not in _FOLDED or not values:
        return None
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    if len(arrays) < len(values):
        return None
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            result = np.asarray(_FOLDED[node.kind](node, arrays))
    except _MISFITS as error:
        raise NetworkError(f"{node}: its arguments do not fit ({error})") from error
    if result.size > _ELEMENTS_MAX or result.ndim > MAX_RANK:
        raise NetworkError(f"{node} computes {result.size} elements; at most {_ELEMENTS_MAX} are supported")
    return result


def _cast(node: RawNode, arrays: list[AnyArray]) -> AnyArray:
    to = node.integer("to", 0)
    if to not in _TYPES:
        raise NetworkError(f"{node} casts a constant to type {to}, which is not supported")
    return arrays[0].astype(_TYPES[to])


def _divided(node: RawNode, arrays: list[AnyArray]) -> AnyArray:
    dividend, divisor = arrays
    if not np.issubdtype(dividend.dtype, np.integer) or (divisor == 0).any():
        raise NetworkError(f"{node} divides constants that are no integers, or by 0")
    return np.asarray(np.abs(dividend) // np.abs(divisor) * np.sign(dividend) * np.sign(divisor))


def _slice(node: RawNode, arrays: list[AnyArray]) -> AnyArray:
    data, *rest = arrays
    lists = [each.reshape(-1).tolist() for each in rest]
    if len(lists) < 2 or any(len(each) != len(lists[0]) for each in lists):
        raise NetworkError(f"{node}: starts, ends, axes and steps of a constant do not fit")
    axes = lists[2] if len(lists) > 2 else range(len(lists[0]))
    steps = lists[3] if len(lists) > 3 else [1] * len(lists[0])
    index = [slice(None)] * data.ndim
    for first, end, axis, step in zip(lists[0], lists[1], axes, steps, strict=True):
        index[axis] = slice(first, None if step < 0 and end < -data.shape[axis] else end, step)
    return data[tuple(index)]


def _squeezed(node: RawNode, arrays: list[AnyArray]) -> AnyArray:
    axes = tuple(arrays[1].reshape(-1).tolist()) if len(arrays) > 1 else node.integers("axes", ())
    if node.kind == "Squeeze" and not axes:
        return arrays[0].squeeze()
    return arrays[0].reshape(squeezed(node, arrays[0].shape, axes))


_FOLDED: dict[str, Callable[[RawNode, list[AnyArray]], AnyArray]] = {
    "Add": lambda _, arrays: arrays[0] + arrays[1],
    "Cast": _cast,
    "Concat": lambda node, arrays: np.concatenate(arrays, node.integer("axis", 0)),
    "Div": _divided,
    "Gather": lambda node, arrays: np.take(arrays[0], arrays[1], node.integer("axis", 0)),
    "Identity": lambda _, arrays: arrays[0],
    "Mul": lambda _, arrays: arrays[0] * arrays[1],
    "Slice": _slice,
    "Squeeze": _squeezed,
    "Sub": lambda _, arrays: arrays[0] - arrays[1],
    "Unsqueeze": _squeezed,
}
