"""Quantization of a float PyTorch network to a full-int8 QuantizedNetwork: trace, fold batch norm, calibrate, round.

Supported modules and functions: Conv2d (followed by BatchNorm2d and ReLU or ReLU6), Linear, residual additions,
AvgPool2d and AdaptiveAvgPool2d(1), MaxPool2d, Flatten, Identity and Dropout.
"""

import operator as python_operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nets.errors import NetworkError
from nets.narrow import RealWeights
from nets.network import (
    FULL_MULTIPLIER_BITS,
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
    Rescaler,
    Reshape,
    TensorSpec,
    contract_named,
    quantize_bias,
    quantize_weights,
    rescaler_from_scale,
    sum_scales,
    weight_limit,
    weighted_scale,
)

_ADDITIONS = (python_operator.add, torch.add)
_FLATTENS = (torch.flatten,)
_IDENTITIES = (nn.Identity, nn.Dropout)


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
        module: the network, in float32; it is not changed.
        calibration: float32 inputs ``[samples, channels, height, width]`` whose extremes set the activation scales.
        name: the name of the resulting network.
        weight_bits: width of the weights, in bits.
        contract: rounding contract of every rescaler.

    Raises:
        NetworkError: an operation is not supported; the message names it.
    """
    graph = _folded(fx.symbolic_trace(module.eval()))
    ranges = _RangeRecorder(graph)
    with torch.inference_mode():
        ranges.run(calibration)
    return _Builder(graph, ranges, name, weight_bits, contract_named(contract)).build()


def quantize_input(images: FloatArray, spec: TensorSpec) -> Int8Array:
    """Quantizes real inputs ``[samples, height, width, channels]`` to the int8 of a network's input tensor."""
    steps: FloatArray = np.rint(images / spec.scale) + spec.zero_point
    return np.clip(steps, spec.q_min, spec.q_max).astype(np.int8)


def _folded(traced: fx.GraphModule) -> fx.GraphModule:
    """Folds every BatchNorm2d into the convolution before it."""
    modules = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        if node.op != "call_module" or not isinstance(modules[node.target], nn.BatchNorm2d):
            continue
        before = node.args[0]
        conv = modules.get(before.target) if before.op == "call_module" else None
        if not isinstance(conv, nn.Conv2d) or len(before.users) != 1:
            raise NetworkError(f"batch norm {node.target!r} does not follow a convolution of its own")
        traced.add_submodule(before.target, fuse_conv_bn_eval(conv, modules[node.target]))
        node.replace_all_uses_with(before)
        traced.graph.erase_node(node)
    traced.recompile()
    return traced


class _RangeRecorder(fx.Interpreter):
    """Runs the float network and keeps every node's extremes."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.ranges: dict[fx.Node, tuple[float, float]] = {}
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> object:
        result = super().run_node(n)
        if isinstance(result, Tensor):
            self.ranges[n] = (float(result.min()), float(result.max()))
            self.shapes[n] = tuple(result.shape[1:])
        return result


def affine_spec(name: str, shape: tuple[int, ...], low: float, high: float) -> TensorSpec:
    """Chooses the int8 quantization of ``[low, high]``, widened to hold 0; scales are float32 values, as in models."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / 255 if high > low else 1 / 255))
    zero_point = int(np.clip(np.rint(-128 - low / scale), -128, 127))
    return TensorSpec(name, shape, scale, zero_point)


class _Builder:
    """Converts traced nodes to operators, in order."""

    def __init__(
        self, graph: fx.GraphModule, ranges: _RangeRecorder, name: str, weight_bits: int, contract: Contract
    ) -> None:
        self._graph, self._ranges, self._name = graph, ranges, name
        self._weight_bits, self._contract = weight_bits, contract
        self._modules = dict(graph.named_modules())
        self._tensors: list[TensorSpec] = []
        self._operators: list[Operator] = []
        self._originals: dict[str, RealWeights] = {}
        self._made: dict[fx.Node, int] = {}

    def build(self) -> QuantizedModule:
        outputs: tuple[int, ...] = ()
        for node in self._graph.graph.nodes:
            if node in self._made:
                continue  # an activation that was fused into the operator before it
            if node.op == "placeholder":
                self._tensor(node)
            elif node.op == "output":
                results = node.args[0] if isinstance(node.args[0], tuple) else (node.args[0],)
                outputs = tuple(self._made[result] for result in results)
            else:
                self._convert(node)
        network = QuantizedNetwork(self._name, tuple(self._tensors), tuple(self._operators), (0,), outputs)
        return QuantizedModule(network, self._originals)

    def _convert(self, node: fx.Node) -> None:
        module = self._modules[str(node.target)] if node.op == "call_module" else None
        if isinstance(module, nn.Conv2d):
            self._convolution(node, module)
        elif isinstance(module, nn.Linear):
            self._linear(node, module)
        elif node.target in _ADDITIONS:
            self._addition(node)
        elif isinstance(module, nn.AvgPool2d | nn.AdaptiveAvgPool2d | nn.MaxPool2d):
            self._pool(node, module)
        elif _is_flatten(node, self._modules):
            self._flatten(node)
        elif isinstance(module, _IDENTITIES):
            self._made[node] = self._made[_source(node)]
        else:
            what = type(module).__name__ if module is not None else str(node.target)
            raise NetworkError(f"operation {node.name!r} ({what}) of {self._name!r} is not supported by the quantizer")

    def _tensor(self, node: fx.Node, like: TensorSpec | None = None) -> int:
        """Adds a node's output, channels last; a tensor that only moves data keeps the quantization of its source."""
        shape = self._ranges.shapes[node]
        last = (*shape[1:], shape[0]) if len(shape) == 3 else shape
        spec = affine_spec(node.name, last, *self._ranges.ranges[node])
        self._tensors.append(spec if like is None else replace(like, name=node.name, shape=last))
        self._made[node] = len(self._tensors) - 1
        return self._made[node]

    def _activated(self, node: fx.Node) -> tuple[fx.Node, float, float]:
        """Returns the node whose output is the operator's, with a fused activation if any, and its real bounds."""
        users = list(node.users)
        if len(users) == 1:
            user = users[0]
            module = self._modules.get(str(user.target)) if user.op == "call_module" else None
            if isinstance(module, nn.ReLU6) or user.target is functional.relu6:
                return user, 0.0, 6.0
            if isinstance(module, nn.ReLU) or user.target in (functional.relu, torch.relu, "relu"):
                return user, 0.0, np.inf
        return node, -np.inf, np.inf

    def _placed(self, node: fx.Node, kind: str, output: int) -> dict[str, Any]:
        """Returns the fields that every operator has."""
        inputs = tuple(self._made[source] for source in node.all_input_nodes)
        return {"name": f"{kind}_{len(self._operators)}", "inputs": inputs, "output": output}

    def _rescaled(self, node: fx.Node, kind: str) -> tuple[TensorSpec, dict[str, Any]]:
        """Adds the output of an operator with its fused activation; returns its spec and the operator's fields."""
        last, low, high = self._activated(node)
        output = self._made[node] = self._tensor(last)
        spec = self._tensors[output]
        steps = (np.rint(spec.zero_point + real / spec.scale) for real in (low, high))
        q_min, q_max = (int(np.clip(step, spec.q_min, spec.q_max)) for step in steps)
        return spec, {**self._placed(node, kind, output), "q_min": q_min, "q_max": q_max}

    def _weighted(self, node: fx.Node, real: RealWeights, kind: str, make: Callable[..., Operator]) -> None:
        source = self._tensors[self._made[_source(node)]]
        target, common = self._rescaled(node, kind)
        largest = np.abs(real.weights).reshape(real.weights.shape[0], -1).max(axis=1)
        weight_scale = np.where(largest > 0, largest, 1.0) / weight_limit(self._weight_bits)
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
        depthwise = conv.groups == conv.in_channels and conv.groups > 1
        vertical, horizontal = conv.padding
        self._weighted(
            node,
            RealWeights(_array(conv.weight).transpose(0, 2, 3, 1), _bias(conv)),
            "depthwise" if depthwise else "conv",
            lambda **common: Convolution(
                **common,
                stride=_pair(conv.stride),
                dilation=_pair(conv.dilation),
                padding=((vertical, vertical), (horizontal, horizontal)),
                groups=conv.groups,
            ),
        )

    def _linear(self, node: fx.Node, linear: nn.Linear) -> None:
        weights = _array(linear.weight)
        flattened = _source(node)
        before = self._ranges.shapes[_source(flattened)] if _is_flatten(flattened, self._modules) else ()
        if len(before) == 3:  # torch flattens channels first, the integer network channels last
            weights = weights.reshape(-1, *before).transpose(0, 2, 3, 1).reshape(weights.shape)
        self._weighted(node, RealWeights(weights, _bias(linear)), "fc", FullyConnected)

    def _addition(self, node: fx.Node) -> None:
        if len(node.all_input_nodes) != 2:
            raise NetworkError(f"addition {node.name!r} needs two tensors")
        first, second = (self._tensors[self._made[source]].scale for source in node.all_input_nodes)
        target, common = self._rescaled(node, "add")
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

    def _pool(self, node: fx.Node, module: nn.Module) -> None:
        spec = self._tensors[self._made[_source(node)]]
        kernel, stride, padding = _window(node, module, spec.shape[:2])
        make, kind = (MaxPool, "max_pool") if isinstance(module, nn.MaxPool2d) else (AveragePool, "average_pool")
        self._operators.append(
            make(
                **self._placed(node, kind, self._tensor(node, like=spec)),
                kernel=kernel,
                stride=stride,
                padding=((padding[0], padding[0]), (padding[1], padding[1])),
                q_min=spec.q_min,
                q_max=spec.q_max,
            )
        )

    def _flatten(self, node: fx.Node) -> None:
        output = self._tensor(node, like=self._tensors[self._made[_source(node)]])
        self._operators.append(Reshape(**self._placed(node, "reshape", output)))


def _window(
    node: fx.Node, module: nn.Module, spatial: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Returns kernel, stride and padding of a pool, each (vertical, horizontal)."""
    if isinstance(module, nn.AdaptiveAvgPool2d):
        if module.output_size not in (1, (1, 1)):
            raise NetworkError(f"pool {node.name!r}: only AdaptiveAvgPool2d(1) is supported, got {module.output_size}")
        whole = (spatial[0], spatial[1])
        return whole, whole, (0, 0)
    assert isinstance(module, nn.AvgPool2d | nn.MaxPool2d)  # noqa: S101 -- narrows the type
    padding = _pair(module.padding)
    if module.ceil_mode or (isinstance(module, nn.AvgPool2d) and module.count_include_pad and padding != (0, 0)):
        raise NetworkError(f"pool {node.name!r}: ceil_mode and padding that counts are not supported")
    if isinstance(module, nn.MaxPool2d) and _pair(module.dilation) != (1, 1):
        raise NetworkError(f"pool {node.name!r}: dilation is not supported")
    return _pair(module.kernel_size), _pair(module.stride or module.kernel_size), padding


def _source(node: fx.Node) -> fx.Node:
    return node.all_input_nodes[0]


def _is_flatten(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    is_module = node.op == "call_module" and isinstance(modules[str(node.target)], nn.Flatten)
    return is_module or node.target in _FLATTENS or node.target == "flatten"


def _array(parameter: Tensor) -> FloatArray:
    return parameter.detach().numpy().astype(np.float64)


def _bias(module: nn.Conv2d | nn.Linear) -> FloatArray:
    return np.zeros(module.weight.shape[0]) if module.bias is None else _array(module.bias)


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
