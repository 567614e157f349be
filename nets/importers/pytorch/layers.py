"""Converters of what has weights, or is a convolution in disguise: batch norm of its own, hard sigmoid."""

from collections.abc import Callable
from functools import partial

import numpy as np
from torch import fx, nn

from nets.errors import NetworkError
from nets.importers.limits import SCALE_MIN
from nets.importers.pytorch import nodes
from nets.importers.pytorch.builder import IMAGE_RANK, Builder
from nets.narrow import RealWeights
from nets.network import (
    INT32_MAX,
    Convolution,
    FloatArray,
    FullyConnected,
    Operator,
    Pads,
    quantize_bias,
    quantize_weights,
    weight_limit,
    weighted_scale,
)

_BIAS_MAX = INT32_MAX // 2  # leaves the other half of the accumulator to the products
_SLOPE, _OFFSET, _UNIT = 1 / 6, 1 / 2, (0.0, 1.0)  # of a hard sigmoid, and its range


def convolution(builder: Builder, node: fx.Node, conv: nn.Conv2d) -> None:
    """Converts a convolution with zero padding."""
    if conv.padding_mode != "zeros":
        raise NetworkError(f"convolution {node.name!r} needs zero padding, got {conv.padding_mode!r}")
    builder.check_rank(node, IMAGE_RANK)
    depthwise = conv.groups == conv.in_channels and conv.groups > 1
    real = builder.trace.folded.get(str(node.target), conv)
    _layer(
        builder,
        node,
        RealWeights(nodes.array(real.weight).transpose(0, 2, 3, 1), nodes.bias(real)),
        "depthwise" if depthwise else "conv",
        lambda **common: Convolution(
            **common,
            stride=nodes.pair(conv.stride),
            dilation=nodes.pair(conv.dilation),
            padding=_padding(conv),
            groups=conv.groups,
        ),
    )


def _padding(conv: nn.Conv2d) -> Pads:
    if conv.padding == "valid":
        return (0, 0), (0, 0)
    if isinstance(conv.padding, str):  # "same"; torch puts an odd one behind
        totals = [d * (k - 1) for d, k in zip(nodes.pair(conv.dilation), nodes.pair(conv.kernel_size), strict=True)]
        (top, left), (bottom, right) = ([t // 2 for t in totals], [t - t // 2 for t in totals])
        return (top, bottom), (left, right)
    vertical, horizontal = nodes.pair(conv.padding)
    return (vertical, vertical), (horizontal, horizontal)


def linear(builder: Builder, node: fx.Node, layer: nn.Linear) -> None:
    """Converts a fully connected layer; behind a flattened image, its weights read channels last."""
    real = builder.trace.folded.get(str(node.target), layer)
    weights = nodes.array(real.weight)
    builder.check_rank(node, 1, 2)
    if (image := builder.flattened.get(builder.index(nodes.source(node)))) is not None:
        weights = weights.reshape(-1, *image).transpose(0, 2, 3, 1).reshape(weights.shape)
    _layer(builder, node, RealWeights(weights, nodes.bias(real)), "fc", FullyConnected)


def normalization(builder: Builder, node: fx.Node, norm: nn.BatchNorm2d) -> None:
    """Converts a batch norm that follows no convolution of its own: a gain and an offset per channel."""
    assert norm.running_mean is not None  # noqa: S101 -- the trace refuses the others
    assert norm.running_var is not None  # noqa: S101
    builder.check_rank(node, IMAGE_RANK)
    gain = 1 / np.sqrt(nodes.array(norm.running_var) + norm.eps)
    gain = gain if norm.weight is None else gain * nodes.array(norm.weight)
    offset = -nodes.array(norm.running_mean) * gain
    _per_channel(builder, node, gain, offset if norm.bias is None else offset + nodes.array(norm.bias))


def hard_sigmoid(builder: Builder, node: fx.Node) -> None:
    """Converts ``clamp(x / 6 + 1/2, 0, 1)`` that no layer before it took up."""
    builder.check_rank(node, IMAGE_RANK)
    channels = builder.spec(nodes.source(node)).shape[-1]
    _per_channel(builder, node, np.full(channels, _SLOPE), np.full(channels, _OFFSET), node)


def _per_channel(
    builder: Builder, node: fx.Node, gain: FloatArray, offset: FloatArray, gate: fx.Node | None = None
) -> None:
    """Adds ``gain * x + offset`` per channel as a depthwise convolution of one element."""
    real = RealWeights(gain.reshape(-1, 1, 1, 1), offset)
    make = partial(Convolution, stride=(1, 1), dilation=(1, 1), padding=((0, 0), (0, 0)), groups=len(gain))
    _weighted(builder, node, real, "depthwise" if len(gain) > 1 else "conv", make, gate)


def _layer(builder: Builder, node: fx.Node, real: RealWeights, kind: str, make: Callable[..., Operator]) -> None:
    """Adds an operator with weights, and the hard sigmoid behind it, if any: weights and biases take its slope."""
    gate = _hard_sigmoid_behind(builder, node)
    if gate is not None:
        real = RealWeights(real.weights * _SLOPE, real.bias * _SLOPE + _OFFSET)
    _weighted(builder, node, real, kind, make, gate)


def _hard_sigmoid_behind(builder: Builder, node: fx.Node) -> fx.Node | None:
    user = next(iter(node.users)) if len(node.users) == 1 else None
    return user if user is not None and isinstance(builder.trace.module_of(user), nn.Hardsigmoid) else None


def _weighted(
    builder: Builder,
    node: fx.Node,
    real: RealWeights,
    kind: str,
    make: Callable[..., Operator],
    gate: fx.Node | None,
) -> None:
    """Adds an operator with weights.

    Args:
        builder: the network so far.
        node: the layer.
        real: its weights and biases.
        kind: what the operator's name begins with.
        make: makes the operator.
        gate: the hard sigmoid that the operator computes with the layer, or None.
    """
    source = builder.spec(nodes.source(node))
    target, common = builder.rescaled(
        node, kind, builder.index(nodes.source(node)), fused=None if gate is None else (gate, _UNIT)
    )
    largest = np.abs(real.weights).reshape(real.weights.shape[0], -1).max(axis=1)
    weight_scale = np.where(largest > 0, largest, 1.0) / weight_limit(builder.weight_bits)
    # Weights far smaller than the bias take coarser steps: the bias has to fit too.
    weight_scale = np.maximum(weight_scale, np.abs(real.bias) / (source.scale * _BIAS_MAX))
    # Scales are float32 values, as in models; a rounded one still holds the largest weight.
    weight_scale = np.maximum(weight_scale, SCALE_MIN).astype(np.float32).astype(np.float64)
    builder.real.weights[common["name"]] = real
    builder.append(
        make(
            **common,
            weights=quantize_weights(real.weights, weight_scale, builder.weight_bits),
            bias=quantize_bias(real.bias, source.scale * weight_scale),
            weight_scale=weight_scale,
            weight_bits=builder.weight_bits,
            rescaler=builder.rescaler(weighted_scale(source.scale, weight_scale, target.scale, builder.contract)),
        )
    )
