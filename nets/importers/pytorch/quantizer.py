"""Quantization of a float PyTorch network to a full-int8 QuantizedNetwork: trace, fold batch norm, calibrate, round.

Supported are, as modules, functions or methods and in any order: Conv2d, Linear, BatchNorm2d, sums, differences and
products of tensors and constants, ReLU and other clamps, SiLU, Hardswish, Hardsigmoid, Sigmoid, Tanh, LeakyReLU, ELU,
average and maximum pools, means, concatenations, zero padding, identities, and what only moves elements (views,
permutations, slices, chunks, shuffles, nearest-neighbour upsampling). The converted network is compared with the float
network before it is rounded (:mod:`nets.importers.pytorch.real`).
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor, fx, nn

from nets.errors import NetworkError
from nets.importers.pytorch import elementwise, layers, nodes, shapes
from nets.importers.pytorch.builder import Builder
from nets.importers.pytorch.movement import is_movement
from nets.importers.pytorch.real import check_follows
from nets.importers.pytorch.tracing import traced
from nets.narrow import RealWeights
from nets.network import FloatArray, Int8Array, QuantizedNetwork, TensorSpec, contract_named

_WEIGHT_BITS = range(2, 9)


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
            the activation scales; tensors that are concatenated share theirs.
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
    builder = Builder(traced(module, calibration, name), name, weight_bits, contract_named(contract))
    network = builder.network(_converted(builder))
    check_follows(builder.trace.module, network, builder.real, calibration)
    return QuantizedModule(network, builder.real.weights)


def quantize_input(images: FloatArray, spec: TensorSpec) -> Int8Array:
    """Quantizes real inputs ``[samples, height, width, channels]`` to the int8 of a network's input tensor."""
    steps: FloatArray = np.rint(images / spec.scale) + spec.zero_point
    return np.clip(steps, spec.q_min, spec.q_max).astype(np.int8)


def _converted(builder: Builder) -> tuple[fx.Node, ...]:
    """Converts all nodes in order and returns those of the outputs."""
    outputs: tuple[fx.Node, ...] = ()
    for node in builder.trace.graph.graph.nodes:
        if node in builder.trace.constants or builder.is_made(node):
            continue  # a number, or an activation that was fused into the operator before it
        if node.op == "placeholder":
            builder.tensor(node)
        elif node.op == "output":
            outputs = nodes.results(node, builder.name)
        elif not _convert(builder, node):
            module = builder.trace.module_of(node)
            what = type(module).__name__ if module is not None else str(node.target)
            raise NetworkError(
                f"operation {node.name!r} ({what}) of {builder.name!r} is not supported by the quantizer"
            )
    return outputs


def _convert(builder: Builder, node: fx.Node) -> bool:
    """Converts a node; returns whether it could."""
    trace, module = builder.trace, builder.trace.module_of(node)
    if not node.all_input_nodes:
        return False
    if node in trace.shapes and nodes.is_identity(node, trace):
        builder.same(node, nodes.source(node))
        return True
    if node in trace.shapes and nodes.is_flatten(node, trace) and shapes.flatten(builder, node):
        return True
    if is_movement(node, module):
        shapes.movement(builder, node, module)
        return True
    return node in trace.shapes and (_convert_module(builder, node, module) or _convert_call(builder, node))


def _convert_module(builder: Builder, node: fx.Node, module: nn.Module | None) -> bool:
    """Converts what a module computes."""
    match module:
        case nn.Conv2d():
            layers.convolution(builder, node, module)
        case nn.Linear():
            layers.linear(builder, node, module)
        case nn.BatchNorm2d():
            layers.normalization(builder, node, module)
        case nn.Hardsigmoid():
            layers.hard_sigmoid(builder, node)
        case nn.SiLU():
            elementwise.swish(builder, node)
        case nn.AvgPool2d() | nn.AdaptiveAvgPool2d() | nn.MaxPool2d():
            shapes.pool(builder, node, module)
        case _:
            return module is not None and elementwise.function(builder, node, module)
    return True


def _convert_call(builder: Builder, node: fx.Node) -> bool:
    """Converts what a function or method computes, or a module that is like one."""
    trace = builder.trace
    if (operation := nodes.elementwise(node, trace)) is not None:
        elementwise.elementwise(builder, node, operation)
    elif (bounds := nodes.activation(node, trace)) is not None:
        elementwise.clamp(builder, node, bounds)
    elif nodes.is_concatenation(node):
        shapes.concatenation(builder, node)
    elif nodes.is_mean(node):
        shapes.mean(builder, node)
    elif (padding := shapes.zero_padding(node, trace.module_of(node))) is not None:
        shapes.pad(builder, node, padding)
    else:
        return False
    return True
