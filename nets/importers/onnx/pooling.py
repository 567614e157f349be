"""Converters of pools and means: MaxPool, AveragePool, GlobalAveragePool, ReduceMean, and their QLinear forms."""

import math
from functools import partial
from typing import Any

import numpy as np

from nets.errors import NetworkError
from nets.importers.onnx.builder import (
    Activation,
    Builder,
    Pending,
    Quantization,
    Shape,
    Value,
    bounds,
    check_work,
    stored_axes,
)
from nets.importers.onnx.elementwise import requantized
from nets.importers.onnx.graph import RawNode
from nets.importers.onnx.windows import window
from nets.importers.tflite.reductions import COUNT_MAX
from nets.network import AveragePool, FloatAveragePool, MaxPool, Mean, Pad, Pads

_OPEN = (-math.inf, math.inf)


def max_pool(builder: Builder, node: RawNode) -> Value:
    """Converts MaxPool, which only chooses integers."""
    value = builder.value(node, 0)
    source, (channels, *sizes) = builder.image(node)
    kernel = _kernel(node)
    made, stride, dilation, pads = window(node, (sizes[0], sizes[1]), kernel)
    if dilation != (1, 1) or node.integer("storage_order", 0) or len(node.outputs) != 1:
        raise NetworkError(f"{node}: dilations, storage_order and indices are not supported")
    if any(max(pad) >= size for pad, size in zip(pads, kernel, strict=True)):
        raise NetworkError(f"{node}: a window of {list(kernel)} lies within its padding")
    check_work(node, channels * math.prod(made), math.prod(kernel))
    real = isinstance(value, Activation) and value.real
    output = builder.tensor(node, "" if real else node.outputs[0], (channels, *made), builder.quantizations[source])
    limits = {"q_min": -128, "q_max": 127}
    own = {"kernel": kernel, "stride": stride, "padding": pads, **limits}
    builder.add(MaxPool, f"max_pool_{node.index}", (source,), output, **own)
    return Activation(output, real)


def average_pool(builder: Builder, node: RawNode) -> Value:
    """Converts AveragePool between DequantizeLinear and QuantizeLinear."""
    source, _ = builder.image(node)
    return Pending(node, partial(_average, builder, node, source))


def qlinear_average_pool(builder: Builder, node: RawNode) -> Value:
    """Converts QLinearAveragePool of ONNX Runtime."""
    _check_channels_second(node)
    source = quantized_source(builder, node, 1, 2)
    target = builder.quantization(node, 3, 4)
    return Activation(_average(builder, node, source, node.outputs[0], target, _OPEN), real=False)


def global_average_pool(builder: Builder, node: RawNode) -> Value:
    """Converts GlobalAveragePool between DequantizeLinear and QuantizeLinear."""
    source, _ = builder.image(node)
    return Pending(node, partial(_mean, builder, node, source, (1, 2), keep=True))


def qlinear_global_average_pool(builder: Builder, node: RawNode) -> Value:
    """Converts QLinearGlobalAveragePool of ONNX Runtime."""
    _check_channels_second(node)
    source = quantized_source(builder, node, 1, 2)
    target = builder.quantization(node, 3, 4)
    made = _mean(builder, node, source, (1, 2), node.outputs[0], target, _OPEN, keep=True)
    return Activation(made, real=False)


def reduce_mean(builder: Builder, node: RawNode) -> Value:
    """Converts ReduceMean over axes other than the batch."""
    source = builder.activation(node)
    rank = len(builder.shape(source)) + 1
    stated = builder.integers(node, 1) if node.has(1) else node.integers("axes", ())
    if not stated or not all(-rank <= axis < rank and axis % rank for axis in stated):
        raise NetworkError(f"{node} is over axes {list(stated)}; use axes 1 to {rank - 1} (0 is the batch)")
    axes = tuple(sorted({axis % rank - 1 for axis in stated}))
    return Pending(node, partial(_mean, builder, node, source, axes, keep=bool(node.integer("keepdims", 1))))


def quantized_source(builder: Builder, node: RawNode, scale_at: int, zero_at: int) -> int:
    """Returns the first input of a QLinear operator, which states its scale and zero point again."""
    source = builder.activation(node)
    if builder.quantization(node, scale_at, zero_at) != builder.quantizations[source]:
        raise NetworkError(f"{node} states another scale or zero point for its input than its producer")
    return source


def _check_channels_second(node: RawNode) -> None:
    if node.integer("channels_last", 0):
        raise NetworkError(f"{node}: channels_last is not supported")


def _kernel(node: RawNode) -> tuple[int, int]:
    kernel = node.integers("kernel_shape", ())
    if len(kernel) != 2 or min(kernel) < 1 or math.prod(kernel) > COUNT_MAX:
        raise NetworkError(f"{node}: kernel_shape {list(kernel)} is not two sizes of at most {COUNT_MAX} elements")
    return kernel[0], kernel[1]


def _average(
    builder: Builder, node: RawNode, source: int, name: str, target: Quantization, clamp: tuple[float, float]
) -> int:
    """Averages in the input's quantization; another one of the output follows as an operator of its own.

    ONNX Runtime averages from the one quantization to the other at once: that is its second operator, and the first
    one, whose result nothing reads, keeps the operators of all contracts side by side.
    """
    channels, *sizes = builder.shape(source)
    kernel = _kernel(node)
    made, stride, dilation, pads = window(node, (sizes[0], sizes[1]), kernel)
    if dilation != (1, 1) or any(max(pad) >= size for pad, size in zip(pads, kernel, strict=True)):
        raise NetworkError(f"{node}: dilations, and windows within their padding, are not supported")
    check_work(node, channels * math.prod(made), math.prod(kernel))
    own = builder.quantizations[source]
    padded = source
    if node.integer("count_include_pad", 0) and any(map(any, pads)):
        padded, pads = _padded(builder, node, source, pads), ((0, 0), (0, 0))
    shape: Shape = (channels, *made)
    same = own == target
    output = builder.tensor(node, name if same else "", shape, own)
    low, high = bounds(target, clamp, node) if same else (-128, 127)
    place = {"kernel": kernel, "stride": stride, "padding": pads}
    own_name = f"average_pool_{node.index}"
    if not builder.profile.float_forms:
        builder.add(AveragePool, own_name, (padded,), output, **place, q_min=low, q_max=high)
        return output if same else requantized(builder, node, output, name, target, clamp)
    builder.add(FloatAveragePool, own_name, (padded,), output, **place, q_min=low, q_max=high, offset=own.offset)
    if same:
        return output
    low, high = bounds(target, clamp, node)
    whole = builder.tensor(node, name, shape, target)
    own_name = f"requantize_{node.index}_{len(builder.operators)}"
    bounded: dict[str, Any] = {**place, "q_min": low, "q_max": high}
    return builder.add(FloatAveragePool, own_name, (padded,), whole, **bounded, offset=target.offset)


def _padded(builder: Builder, node: RawNode, source: int, pads: Pads) -> int:
    channels, height, width = builder.shape(source)
    (top, bottom), (left, right) = pads
    shape = (channels, height + top + bottom, width + left + right)
    output = builder.tensor(node, "", shape, builder.quantizations[source])
    return builder.add(Pad, f"pad_{node.index}", (source,), output, padding=((top, bottom), (left, right), (0, 0)))


def _mean(
    builder: Builder,
    node: RawNode,
    source: int,
    axes: tuple[int, ...],
    name: str,
    target: Quantization,
    clamp: tuple[float, float],
    *,
    keep: bool,
) -> int:
    shape = builder.shape(source)
    count = math.prod(shape[axis] for axis in axes)
    if count > COUNT_MAX:
        raise NetworkError(f"{node} is over {count} elements; at most {COUNT_MAX} are supported")
    kept = [1 if axis in axes else size for axis, size in enumerate(shape) if keep or axis not in axes]
    order = stored_axes(len(shape))
    remaining = [axis for axis in order if axis not in axes]
    if not keep and (len(kept) == 3 or remaining != sorted(remaining)):
        raise NetworkError(f"{node}: a mean over axes {list(axes)} (without batch) without keepdims is not supported")
    output = builder.tensor(node, name, tuple(kept), target)
    contract = builder.profile.contract("mean")
    scale = builder.quantizations[source].scale / (target.scale * count)
    if contract.float32_scale:
        scale = float(np.float32(builder.quantizations[source].scale) / (np.float32(target.scale) * np.float32(count)))
    low, high = bounds(target, clamp, node)
    return builder.add(
        Mean,
        f"mean_{node.index}",
        (source,),
        output,
        axes=tuple(sorted(order.index(axis) for axis in axes)),
        count=count,
        rescaler=builder.rescaler(scale, contract),
        q_min=low,
        q_max=high,
    )
