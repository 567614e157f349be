"""Operators with weights."""

import numpy as np
from tflite import Padding

from nets.errors import NetworkError
from nets.importers import window
from nets.network import (
    Convolution,
    FloatArray,
    FullyConnected,
    Pads,
    QuantizedNetwork,
    TensorSpec,
    TransposedConvolution,
    WeightArray,
    Weighted,
)
from nets.writers.tflite.file import FileOperator, FileTensor
from nets.writers.tflite.kinds import is_depthwise
from nets.writers.tflite.padding import geometry, scheme
from nets.writers.tflite.writing import Writing

# A channel whose multiplier was flushed to 0 has no scale; this one empties it in every runtime.
EMPTY_SCALE = 2.0**-40


def runtime_weight_scale(network: QuantizedNetwork, operator: Weighted) -> FloatArray:
    """Computes the weight scale whose effective scale is the rescaler's, float64, ``[out]`` or ``[1]``."""
    source, target = network.tensors[operator.inputs[0]], network.tensors[operator.output]
    scale = operator.rescaler.scale * (target.scale / source.scale)
    return np.where(scale > 0, scale, np.minimum(operator.weight_scale, EMPTY_SCALE))


def _weights(operator: Weighted, writing: Writing, weights: WeightArray, axis: int = 0) -> tuple[int, int]:
    """Adds weights and biases, with the scales that make the runtime's rescalers the network's.

    Args:
        operator: the operator.
        writing: the file.
        weights: its weights in the order of the file.
        axis: their axis of output channels.
    """
    if operator.weight_zero_point or weights.dtype != np.int8:
        raise NetworkError(
            f"{operator.name!r} has weights of zero point {operator.weight_zero_point}; int8 files have 0"
        )
    scales = runtime_weight_scale(writing.network, operator).astype(np.float32).astype(np.float64)
    stored = FileTensor(f"{operator.name}/weights", weights.shape, np.int8, scales, axis=axis, data=weights)
    bias = operator.bias.astype(np.int32)
    bias_scales = scales * writing.source(operator).scale
    return writing.file.add(stored), writing.file.add(
        FileTensor(f"{operator.name}/bias", bias.shape, np.int32, bias_scales, data=bias)
    )


def convolution(operator: Convolution, writing: Writing) -> FileOperator:
    """Describes a CONV_2D or DEPTHWISE_CONV_2D."""
    source, result = writing.source(operator), writing.result(operator)
    padding = scheme(operator, source, result)
    if padding is None:
        raise NetworkError(f"{operator.name!r} has padding {operator.padding}, which is neither SAME nor VALID")
    _, (stride_h, stride_w), (dilation_h, dilation_w) = geometry(operator)
    depthwise = is_depthwise(operator)
    own = {"DepthMultiplier": operator.out_channels // operator.groups} if depthwise else {}
    return writing.operator(
        operator,
        *_weights(operator, writing, *_ordered(operator)),
        options="DepthwiseConv2DOptions" if depthwise else "Conv2DOptions",
        Padding=padding,
        StrideH=stride_h,
        StrideW=stride_w,
        DilationHFactor=dilation_h,
        DilationWFactor=dilation_w,
        FusedActivationFunction=writing.activation(operator),
        **own,
    )


def _ordered(operator: Convolution) -> tuple[WeightArray, int]:
    """Returns weights in the order of the file, and their axis of output channels, which is the last if depthwise."""
    return (operator.weights.transpose(3, 1, 2, 0), 3) if is_depthwise(operator) else (operator.weights, 0)


def transposed_convolution(operator: TransposedConvolution, writing: Writing) -> FileOperator:
    """Describes a TRANSPOSE_CONV, which reads its output's shape and its weights before the image."""
    source, result = writing.source(operator), writing.result(operator)
    kernel = (operator.weights.shape[1], operator.weights.shape[2])
    schemes = (Padding.VALID, Padding.SAME)
    made = (each for each in schemes if _padding_of(operator, source, result, kernel, each) == operator.padding)
    padding = next(made, None)
    if padding is None:
        raise NetworkError(f"{operator.name!r} has padding {operator.padding}, which is neither SAME nor VALID")
    shape = writing.integers(operator, "shape", [1, *result.shape])
    weights, bias = _weights(operator, writing, operator.weights[:, ::-1, ::-1])
    values = {"Padding": padding, "StrideH": operator.spacing[0], "StrideW": operator.spacing[1]}
    values["FusedActivationFunction"] = writing.activation(operator)
    inputs = (shape, weights, *operator.inputs, bias)
    return FileOperator("TRANSPOSE_CONV", inputs, operator.output, "TransposeConvOptions", values)


def _padding_of(
    operator: TransposedConvolution, source: TensorSpec, result: TensorSpec, kernel: tuple[int, int], scheme: int
) -> Pads | None:
    """Returns the padding around the image with zeros between its elements that a scheme means, if it fits."""
    sizes, cropped = window(operator.name, result.shape[:2], kernel, operator.spacing, (1, 1), scheme)
    if sizes != source.shape[:2]:
        return None
    (top, bottom), (left, right) = (
        (k - 1 - before, size + before - (have - 1) * step - 1)
        for k, (before, _), size, have, step in zip(
            kernel, cropped, result.shape, source.shape, operator.spacing, strict=False
        )
    )
    return (top, bottom), (left, right)


def fully_connected(operator: FullyConnected, writing: Writing) -> FileOperator:
    """Describes a FULLY_CONNECTED."""
    rank = len(writing.source(operator).shape)
    return writing.operator(
        operator,
        *_weights(operator, writing, operator.weights),
        options="FullyConnectedOptions",
        FusedActivationFunction=writing.activation(operator),
        KeepNumDims=rank > 1 and len(writing.result(operator).shape) == rank,
    )
