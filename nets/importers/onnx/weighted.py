"""Converters of the operators with weights: Conv, Gemm, MatMul, and their QLinear forms."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from nets.errors import NetworkError
from nets.importers.onnx.builder import (
    Activation,
    Builder,
    ConstantReal,
    Pending,
    Quantization,
    Shape,
    Value,
    bounds,
    check_work,
)
from nets.importers.onnx.graph import RawNode
from nets.importers.onnx.windows import window
from nets.importers.tflite.builder import frozen
from nets.network import (
    ActivationArray,
    Convolution,
    FloatArray,
    FullyConnected,
    IntArray,
    weighted_scale,
)

_BIAS_UNIT_ERROR = 1e-5  # by which a bias's scale may differ from s_x * s_w: several roundings to float32
_INT8_BITS = 8
_OPEN = (-math.inf, math.inf)


@dataclass(frozen=True, eq=False, slots=True)
class _Weights:
    """Weights, output channels first, in the network's layout, with scales ``[out]`` or ``[1]``."""

    values: ActivationArray
    scale: FloatArray
    bias: IntArray


def conv(builder: Builder, node: RawNode) -> Value:
    """Converts Conv between DequantizeLinear and QuantizeLinear."""
    source, weights = builder.image(node)[0], _constant(node, builder.value(node, 1))
    bias = _real_bias(builder, node, source, weights)
    return Pending(node, partial(_convolution, builder, node, source, weights, bias))


def qlinear_conv(builder: Builder, node: RawNode) -> Value:
    """Converts QLinearConv."""
    source = _integer_source(builder, node, 0)
    weights = _qlinear_weights(builder, node, 3, axis=0)
    bias = _integer_bias(builder, node, 8)
    target = builder.quantization(node, 6, 7)
    name = node.outputs[0]
    return Activation(_convolution(builder, node, source, weights, bias, name, target, _OPEN), real=False)


def gemm(builder: Builder, node: RawNode) -> Value:
    """Converts Gemm between DequantizeLinear and QuantizeLinear."""
    source, weights = builder.activation(node), _constant(node, builder.value(node, 1))
    bias = _real_bias(builder, node, source, weights)
    channel = _gemm_channel(node)
    return Pending(node, partial(_fully_connected, builder, node, source, weights, bias, channel))


def qgemm(builder: Builder, node: RawNode) -> Value:
    """Converts QGemm of ONNX Runtime."""
    source = _integer_source(builder, node, 0)
    channel = _gemm_channel(node)
    weights, bias = _qlinear_weights(builder, node, 3, axis=channel), _integer_bias(builder, node, 6)
    if not node.has(7):
        raise NetworkError(f"{node} has a real output; only fully quantized models are supported")
    target = builder.quantization(node, 7, 8)
    made = _fully_connected(builder, node, source, weights, bias, channel, node.outputs[0], target, _OPEN)
    return Activation(made, real=False)


def matmul(builder: Builder, node: RawNode) -> Value:
    """Converts MatMul with constant weights."""
    source, weights = builder.activation(node), _constant(node, builder.value(node, 1))
    return Pending(node, partial(_fully_connected, builder, node, source, weights, None, 1))


def qlinear_matmul(builder: Builder, node: RawNode) -> Value:
    """Converts QLinearMatMul with constant weights."""
    source = _integer_source(builder, node, 0)
    weights, target = _qlinear_weights(builder, node, 3, axis=1), builder.quantization(node, 6, 7)
    made = _fully_connected(builder, node, source, weights, None, 1, node.outputs[0], target, _OPEN)
    return Activation(made, real=False)


def _gemm_channel(node: RawNode) -> int:
    """Returns the axis of a Gemm's output channels."""
    if node.real("alpha", 1.0) != 1 or node.real("beta", 1.0) != 1 or node.integer("transA", 0):
        raise NetworkError(f"{node}: alpha and beta other than 1, and transA, are not supported")
    return 0 if node.integer("transB", 0) else 1


def _integer_source(builder: Builder, node: RawNode, position: int) -> int:
    """Returns the activation of a QLinear operator, which states its scale and zero point again."""
    value = builder.value(node, position)
    if not isinstance(value, Activation) or value.real:
        raise NetworkError(f"{node}: input {position} is no quantized activation")
    own = builder.quantizations[value.index]
    if builder.quantization(node, position + 1, position + 2) != own:
        raise NetworkError(f"{node} states another scale or zero point for its input than its producer")
    return value.index


def _constant(node: RawNode, value: Value) -> ConstantReal:
    if not isinstance(value, ConstantReal) or value.bits != _INT8_BITS:
        raise NetworkError(f"{node}: its weights are no int8 constant behind a DequantizeLinear")
    return value


def _qlinear_weights(builder: Builder, node: RawNode, position: int, axis: int) -> ConstantReal:
    values = builder.array(node, position)
    if values.dtype not in (np.int8, np.uint8):
        raise NetworkError(f"{node}: its weights are {values.dtype}; int8 or uint8 are supported")
    scales, zeros, offset = builder.scales(node, position + 1, position + 2, values.dtype.type)
    stated = 128 if values.dtype == np.uint8 else 0
    if offset != stated:
        raise NetworkError(f"{node}: weights and their zero point differ in type")
    return ConstantReal(values.astype(np.int64) - offset, scales, zeros, axis, offset, _INT8_BITS)


def _integer_bias(builder: Builder, node: RawNode, position: int) -> IntArray | None:
    if not node.has(position):
        return None
    bias = builder.array(node, position)
    if bias.dtype != np.int32:
        raise NetworkError(f"{node}: its bias is {bias.dtype}; int32 is needed")
    return bias.astype(np.int64)


def _real_bias(builder: Builder, node: RawNode, source: int, weights: ConstantReal) -> IntArray | None:
    """Returns the integers of a bias behind a DequantizeLinear, whose scale has to be ``s_x * s_w`` unless it is 0.

    A quantizer may state the scale of one operator for the zero biases of all.
    """
    if not node.has(2):
        return None
    bias = builder.value(node, 2)
    if not isinstance(bias, ConstantReal) or bias.bits == _INT8_BITS or bias.zero_points.any():
        raise NetworkError(f"{node}: its bias is no int32 constant behind a DequantizeLinear with zero point 0")
    unit = builder.tensors[source].scale * weights.scales
    if bias.scales.size not in (1, unit.size) and unit.size != 1:
        raise NetworkError(f"{node}: its bias has {bias.scales.size} scales, its weights {unit.size}")
    if bias.values.any() and (np.abs(bias.scales / unit - 1) > _BIAS_UNIT_ERROR).any():
        raise NetworkError(f"{node}: the scale of its bias is not that of input times weights")
    return bias.values


def _arranged(node: RawNode, weights: ConstantReal, channel: int, bias: IntArray | None) -> _Weights:
    """Checks weights and moves their output channels first; images become [out, height, width, in]."""
    if weights.zero_points.any():
        zero = int(weights.zero_points[weights.zero_points != 0][0]) + weights.offset
        raise NetworkError(f"{node}: weights have zero point {zero}; {weights.offset} is supported")
    count = weights.values.shape[channel]
    if weights.scales.size not in (1, count) or (weights.scales.size > 1 and weights.axis != channel):
        raise NetworkError(
            f"{node}: {weights.scales.size} weight scales along axis {weights.axis}; one, or one for each of "
            f"{count} output channels along axis {channel}, is needed"
        )
    values = np.moveaxis(weights.values, channel, 0)
    if values.ndim == 4:
        values = values.transpose(0, 2, 3, 1)
    stated = np.zeros(count, np.int64) if bias is None else bias.reshape(-1)
    if stated.shape != (count,):
        raise NetworkError(f"{node}: its bias has {stated.size} values; {count} are needed")
    return _Weights(frozen(values.astype(np.int8)), frozen(weights.scales), frozen(stated))


def _shared(
    builder: Builder, source: int, weights: _Weights, target: Quantization, clamp: tuple[int, int], kind: str
) -> dict[str, Any]:
    contract = builder.profile.contract(kind)
    scale = weighted_scale(builder.tensors[source].scale, weights.scale, target.scale, contract)
    return {
        "weights": weights.values,
        "bias": weights.bias,
        "weight_scale": weights.scale,
        "rescaler": builder.rescaler(scale, contract),
        "q_min": clamp[0],
        "q_max": clamp[1],
    }


def _convolution(
    builder: Builder,
    node: RawNode,
    source: int,
    weights: ConstantReal,
    bias: IntArray | None,
    name: str,
    target: Quantization,
    clamp: tuple[float, float],
) -> int:
    if weights.values.ndim != 4 or weights.values.size == 0:
        raise NetworkError(f"{node}: weights have shape {list(weights.values.shape)}; four positive sizes are needed")
    arranged = _arranged(node, weights, 0, bias)
    channels, *sizes = builder.image(node)[1]
    groups = node.integer("group", 1)
    out, per_group, *kernel = weights.values.shape
    if groups < 1 or channels != per_group * groups or out % groups:
        raise NetworkError(
            f"{node}: {channels} channels in {groups} groups do not fit weights of shape {list(weights.values.shape)}"
        )
    stated = node.integers("kernel_shape", tuple(kernel))
    if stated != tuple(kernel):
        raise NetworkError(f"{node}: kernel_shape {list(stated)} is not that of the weights, {kernel}")
    made, stride, dilation, pads = window(node, (sizes[0], sizes[1]), (kernel[0], kernel[1]))
    check_work(node, out * math.prod(made), per_group * math.prod(kernel))
    output = builder.tensor(node, name, (out, *made), target)
    kind = "depthwise" if groups == channels and groups > 1 else "conv"
    own = _shared(builder, source, arranged, target, bounds(target, clamp, node), kind)
    own |= {"stride": stride, "dilation": dilation, "padding": pads, "groups": groups}
    return builder.add(Convolution, f"{kind}_{node.index}", (source,), output, **own)


def _fully_connected(
    builder: Builder,
    node: RawNode,
    source: int,
    weights: ConstantReal,
    bias: IntArray | None,
    channel: int,
    name: str,
    target: Quantization,
    clamp: tuple[float, float],
) -> int:
    if weights.values.ndim != 2 or weights.values.size == 0:
        raise NetworkError(f"{node}: weights have shape {list(weights.values.shape)}; two positive sizes are needed")
    arranged = _arranged(node, weights, channel, bias)
    shape: Shape = builder.shape(source)
    if len(shape) not in (1, 2) or shape[-1] != arranged.values.shape[1]:
        raise NetworkError(f"{node}: weights {list(weights.values.shape)} do not fit input [batch, {list(shape)}]")
    made = (*shape[:-1], arranged.values.shape[0])
    check_work(node, math.prod(made), shape[-1])
    output = builder.tensor(node, name, made, target)
    own = _shared(builder, source, arranged, target, bounds(target, clamp, node), "fc")
    return builder.add(FullyConnected, f"fc_{node.index}", (source,), output, **own)
