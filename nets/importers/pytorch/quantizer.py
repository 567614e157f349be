"""Quantization of a float PyTorch network to a full-int8 QuantizedNetwork: trace, fold batch norm, calibrate, round.

Supported modules and functions: Conv2d (followed by BatchNorm2d), Linear, additions of two tensors, ReLU and ReLU6,
AvgPool2d and AdaptiveAvgPool2d(1), MaxPool2d, Flatten, Identity and Dropout, in any order. The converted network is
compared with the float network before it is rounded (:mod:`nets.importers.pytorch.real`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor, fx, nn

from nets.errors import NetworkError
from nets.importers.pytorch import nodes
from nets.importers.pytorch.real import check_follows
from nets.importers.pytorch.tracing import Trace, traced
from nets.narrow import RealWeights
from nets.network import (
    FULL_MULTIPLIER_BITS,
    INT32_MAX,
    SUM_LEFT_SHIFT,
    AveragePool,
    Contract,
    Convolution,
    ElementwiseKind,
    ElementwiseSum,
    FloatArray,
    FullyConnected,
    Int8Array,
    MaxPool,
    Operator,
    QuantizedNetwork,
    Requantize,
    Rescaler,
    Reshape,
    TensorSpec,
    Transpose,
    contract_named,
    quantize_bias,
    quantize_weights,
    rescaler_from_scale,
    sum_scales,
    weight_limit,
    weighted_scale,
)

_WEIGHT_BITS = range(2, 9)
_BIAS_MAX = INT32_MAX // 2  # leaves the other half of the accumulator to the products
_SCALE_MIN = 2.0**-60  # as of imported files
_CHANNELS_FIRST = (2, 0, 1)  # permutation of (height, width, channels)


@dataclass(frozen=True, eq=False)
class QuantizedModule:
    """A quantized float network, and the float values behind its integers.

    Attributes:
        network: the network at int32 (Q31).
        originals: real weights and biases by operator name, batch norm folded.
    """

    network: QuantizedNetwork
    originals: dict[str, RealWeights]


def quantize_module(
    module: nn.Module, calibration: Tensor, *, name: str, weight_bits: int = 8, contract: str = "half_up"
) -> QuantizedModule:
    """Quantizes a float network: per-channel symmetric weights, affine int8 activations, int32 bias.

    Args:
        module: the network, in float32; neither it nor its mode is changed.
        calibration: float32 inputs ``[samples, channels, height, width]`` or ``[samples, features]`` whose extremes set
            the activation scales.
        name: the name of the resulting network.
        weight_bits: width of the weights, 2 to 8 bits.
        contract: rounding contract of every rescaler.

    Returns:
        The network: images have their channels last, inputs and outputs included; flattened ones are in torch's order.

    Raises:
        NetworkError: an operation is not supported; the message names it.
    """
    if weight_bits not in _WEIGHT_BITS:
        raise NetworkError(f"weight_bits = {weight_bits} is out of range; use {_WEIGHT_BITS[0]} to {_WEIGHT_BITS[-1]}")
    builder = _Builder(traced(module, calibration, name), name, weight_bits, contract_named(contract))
    quantized = builder.build()
    check_follows(builder.trace.module, quantized.network, quantized.originals, builder.bounds, calibration)
    return quantized


def quantize_input(images: FloatArray, spec: TensorSpec) -> Int8Array:
    """Quantizes real inputs ``[samples, height, width, channels]`` to the int8 of a network's input tensor."""
    steps: FloatArray = np.rint(images / spec.scale) + spec.zero_point
    return np.clip(steps, spec.q_min, spec.q_max).astype(np.int8)


def affine_spec(name: str, shape: tuple[int, ...], low: float, high: float) -> TensorSpec:
    """Chooses the int8 quantization of ``[low, high]``, widened to hold 0; scales are float32 values, as in models."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max(float(np.float32((high - low) / 255 if high > low else 1 / 255)), _SCALE_MIN)
    zero_point = int(np.clip(np.rint(-128 - low / scale), -128, 127))
    return TensorSpec(name, shape, scale, zero_point)


class _Builder:
    """Converts traced nodes to operators, in order.

    Attributes:
        trace: the float network.
        bounds: real bounds of the activations, by the name of the operator that clamps.
    """

    def __init__(self, trace: Trace, name: str, weight_bits: int, contract: Contract) -> None:
        self.trace = trace
        self.bounds: dict[str, tuple[float, float]] = {}
        self._name, self._weight_bits, self._contract = name, weight_bits, contract
        self._tensors: list[TensorSpec] = []
        self._operators: list[Operator] = []
        self._originals: dict[str, RealWeights] = {}
        self._made: dict[fx.Node, int] = {}
        # torch's shapes of the images that were flattened in the order of channels last, by the result's index
        self._flattened: dict[int, tuple[int, ...]] = {}

    def build(self) -> QuantizedModule:
        outputs: tuple[int, ...] = ()
        for node in self.trace.graph.graph.nodes:
            if node in self._made:
                continue  # an activation that was fused into the operator before it
            if node.op == "placeholder":
                self._tensor(node)
            elif node.op == "output":
                outputs = tuple(self._made[result] for result in nodes.results(node, self._name))
            elif node not in self.trace.shapes:
                raise NetworkError(f"operation {node.name!r} of {self._name!r} makes no tensor, which is not supported")
            else:
                self._convert(node)
        network = QuantizedNetwork(self._name, tuple(self._tensors), tuple(self._operators), (0,), outputs)
        return QuantizedModule(network, self._originals)

    def _convert(self, node: fx.Node) -> None:
        module = self.trace.module_of(node)
        if isinstance(module, nn.Conv2d):
            self._convolution(node, module)
        elif isinstance(module, nn.Linear):
            self._linear(node, module)
        elif nodes.is_addition(node):
            self._addition(node)
        elif isinstance(module, nn.AvgPool2d | nn.AdaptiveAvgPool2d | nn.MaxPool2d):
            self._pool(node, module)
        elif nodes.is_identity(node, self.trace):
            self._made[node] = self._made[nodes.source(node)]
        elif nodes.is_flatten(node, self.trace):
            self._flatten(node)
        elif nodes.activation(node, self.trace) is not None:
            self._activation(node)
        else:
            what = type(module).__name__ if module is not None else str(node.target)
            raise NetworkError(f"operation {node.name!r} ({what}) of {self._name!r} is not supported by the quantizer")

    def _tensor(self, node: fx.Node, like: TensorSpec | None = None) -> int:
        """Adds a node's output, channels last; a tensor that only moves data keeps the quantization of its source."""
        shape = self.trace.shapes[node]
        last = (*shape[1:], shape[0]) if len(shape) == 3 else shape
        self._made[node] = self._add(
            affine_spec(node.name, last, *self.trace.ranges[node])
            if like is None
            else replace(like, name=node.name, shape=last)
        )
        return self._made[node]

    def _add(self, spec: TensorSpec) -> int:
        self._tensors.append(spec)
        return len(self._tensors) - 1

    def _spec(self, node: fx.Node) -> TensorSpec:
        """Returns the spec of a node's tensor."""
        return self._tensors[self._made[node]]

    def _check_rank(self, node: fx.Node, *ranks: int) -> None:
        """Raises a NetworkError if a node's input has none of these numbers of dimensions besides the batch."""
        shape = self.trace.shapes[nodes.source(node)]
        if len(shape) not in ranks:
            raise NetworkError(
                f"operation {node.name!r} of {self._name!r} reads [batch, {', '.join(map(str, shape))}]; "
                f"{' or '.join(map(str, ranks))} dimensions besides the batch are supported"
            )

    def _activated(self, node: fx.Node) -> tuple[fx.Node, tuple[float, float] | None]:
        """Returns the node whose output is the operator's, with a fused activation if any, and its real bounds."""
        if len(node.users) == 1:
            (user,) = node.users
            if (bounds := nodes.activation(user, self.trace)) is not None:
                return user, bounds
        return node, None

    def _placed(self, kind: str, output: int, *sources: fx.Node) -> dict[str, Any]:
        """Returns the fields that every operator has."""
        inputs = tuple(self._made[source] for source in sources)
        return {"name": f"{kind}_{len(self._operators)}", "inputs": inputs, "output": output}

    def _clamped(
        self, node: fx.Node, kind: str, bounds: tuple[float, float] | None, *sources: fx.Node
    ) -> tuple[TensorSpec, dict[str, Any]]:
        """Adds a node's output; returns its spec, and the fields of the operator that makes it within these bounds."""
        output = self._tensor(node)
        spec, fields = self._tensors[output], self._placed(kind, output, *sources)
        if bounds is not None:
            self.bounds[fields["name"]] = bounds
        steps = (np.rint(spec.zero_point + real / spec.scale) for real in bounds or (-np.inf, np.inf))
        q_min, q_max = (int(np.clip(step, spec.q_min, spec.q_max)) for step in steps)
        return spec, {**fields, "q_min": q_min, "q_max": q_max}

    def _rescaled(self, node: fx.Node, kind: str, *sources: fx.Node) -> tuple[TensorSpec, dict[str, Any]]:
        """Adds the output of an operator with its fused activation; returns its spec and the operator's fields."""
        last, bounds = self._activated(node)
        spec, fields = self._clamped(last, kind, bounds, *sources)
        self._made[node] = self._made[last]
        return spec, fields

    def _weighted(self, node: fx.Node, real: RealWeights, kind: str, make: Callable[..., Operator]) -> None:
        source = self._spec(nodes.source(node))
        target, common = self._rescaled(node, kind, nodes.source(node))
        largest = np.abs(real.weights).reshape(real.weights.shape[0], -1).max(axis=1)
        weight_scale = np.where(largest > 0, largest, 1.0) / weight_limit(self._weight_bits)
        # Weights far smaller than the bias take coarser steps: the bias has to fit too.
        weight_scale = np.maximum(weight_scale, np.abs(real.bias) / (source.scale * _BIAS_MAX))
        # Scales are float32 values, as in models; a rounded one still holds the largest weight.
        weight_scale = np.maximum(weight_scale, _SCALE_MIN).astype(np.float32).astype(np.float64)
        self._originals[common["name"]] = real
        self._operators.append(
            make(
                **common,
                weights=quantize_weights(real.weights, weight_scale, self._weight_bits),
                bias=quantize_bias(real.bias, source.scale * weight_scale),
                weight_scale=weight_scale,
                weight_bits=self._weight_bits,
                rescaler=self._rescaler(weighted_scale(source.scale, weight_scale, target.scale, self._contract)),
            )
        )

    def _rescaler(self, scale: FloatArray) -> Rescaler:
        return rescaler_from_scale(scale, FULL_MULTIPLIER_BITS, self._contract)

    def _convolution(self, node: fx.Node, conv: nn.Conv2d) -> None:
        if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
            raise NetworkError(f"convolution {node.name!r} needs numeric zero padding, got {conv.padding!r}")
        self._check_rank(node, 3)
        depthwise = conv.groups == conv.in_channels and conv.groups > 1
        vertical, horizontal = conv.padding
        self._weighted(
            node,
            RealWeights(nodes.array(conv.weight).transpose(0, 2, 3, 1), nodes.bias(conv)),
            "depthwise" if depthwise else "conv",
            lambda **common: Convolution(
                **common,
                stride=nodes.pair(conv.stride),
                dilation=nodes.pair(conv.dilation),
                padding=((vertical, vertical), (horizontal, horizontal)),
                groups=conv.groups,
            ),
        )

    def _linear(self, node: fx.Node, linear: nn.Linear) -> None:
        source, weights = nodes.source(node), nodes.array(linear.weight)
        self._check_rank(node, 1, 2)
        if (image := self._flattened.get(self._made[source])) is not None:
            weights = weights.reshape(-1, *image).transpose(0, 2, 3, 1).reshape(weights.shape)
        self._weighted(node, RealWeights(weights, nodes.bias(linear)), "fc", FullyConnected)

    def _addition(self, node: fx.Node) -> None:
        operands = nodes.addends(node)
        if len({len(self._spec(operand).shape) for operand in operands}) > 1:
            raise NetworkError(f"addition {node.name!r} needs two tensors of as many dimensions")
        first, second = (self._spec(operand).scale for operand in operands)
        target, common = self._rescaled(node, "add", *operands)
        scales = sum_scales(first, second, target.scale, SUM_LEFT_SHIFT)
        left, right, final = (self._rescaler(np.array([scale])) for scale in scales)
        self._operators.append(
            ElementwiseSum(
                **common,
                kind=ElementwiseKind.ADD,
                left_shift=SUM_LEFT_SHIFT,
                input_rescalers=(left, right),
                rescaler=final,
            )
        )

    def _activation(self, node: fx.Node) -> None:
        """Adds an activation that no operator before it could take up."""
        source = nodes.source(node)
        target, fields = self._clamped(node, "relu", nodes.activation(node, self.trace), source)
        scale = np.array([self._spec(source).scale / target.scale])
        self._operators.append(Requantize(**fields, rescaler=self._rescaler(scale)))

    def _pool(self, node: fx.Node, module: nn.AvgPool2d | nn.AdaptiveAvgPool2d | nn.MaxPool2d) -> None:
        source = nodes.source(node)
        self._check_rank(node, 3)
        spec = self._spec(source)
        kernel, stride, padding = nodes.window(node, module, spec.shape[:2])
        make, kind = (MaxPool, "max_pool") if isinstance(module, nn.MaxPool2d) else (AveragePool, "average_pool")
        self._operators.append(
            make(
                **self._placed(kind, self._tensor(node, like=spec), source),
                kernel=kernel,
                stride=stride,
                padding=((padding[0], padding[0]), (padding[1], padding[1])),
                q_min=spec.q_min,
                q_max=spec.q_max,
            )
        )

    def _flatten(self, node: fx.Node) -> None:
        """Flattens an image in the order of channels last if fully connected layers alone read it, else in torch's."""
        source, shape = nodes.source(node), self.trace.shapes[nodes.source(node)]
        spec = self._spec(source)
        placed = self._placed("reshape", self._tensor(node, like=spec), source)
        if len(shape) == 3 and shape[0] > 1 and shape[1] * shape[2] > 1:
            if nodes.only_linear_layers_read(node, self.trace):
                self._flattened[placed["output"]] = shape
            else:
                placed["inputs"] = (self._transposed(source, spec, shape),)
                placed["name"] = f"reshape_{len(self._operators)}"
        self._operators.append(Reshape(**placed))

    def _transposed(self, source: fx.Node, spec: TensorSpec, shape: tuple[int, ...]) -> int:
        """Adds the channels-first form of an image."""
        output = self._add(replace(spec, name=f"{source.name}_channels_first", shape=shape))
        self._operators.append(Transpose(**self._placed("transpose", output, source), permutation=_CHANNELS_FIRST))
        return output
