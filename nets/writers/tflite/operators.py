"""From an operator of a network to an operator of a .tflite file, with its constants and options."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nets.errors import NetworkError
from nets.importers import neighbours
from nets.network import (
    AveragePool,
    Concatenation,
    Convolution,
    ElementwiseProduct,
    ElementwiseSum,
    Extremum,
    FloatArray,
    FullyConnected,
    Function,
    Interpolation,
    Lookup,
    MaxPool,
    Mean,
    Neighbours,
    Operator,
    Pad,
    Pool,
    QuantizedNetwork,
    Rearrangement,
    Requantize,
    RescaledOperator,
    Reshape,
    TensorSpec,
    Transpose,
    Weighted,
)
from nets.writers.tflite.activations import activation
from nets.writers.tflite.arrangements import arrangement
from nets.writers.tflite.file import FileOperator, FileTensor, ModelFile, Option
from nets.writers.tflite.kinds import file_kind, is_depthwise
from nets.writers.tflite.padding import geometry, scheme

# A channel whose multiplier was flushed to 0 has no scale; this one empties it in every runtime.
EMPTY_SCALE = 2.0**-40
_OUT_CHANNELS_FIRST, _OUT_CHANNELS_LAST = 0, 3  # of weights of convolutions, and of depthwise ones
_CONVENTIONS = ((False, False), (False, True), (True, False))  # align corners, centres of pixels


@dataclass(frozen=True, slots=True)
class Writing:
    """A file in the making, whose first tensors are the network's."""

    network: QuantizedNetwork
    file: ModelFile

    def source(self, operator: Operator) -> TensorSpec:
        """Returns the spec of an operator's first input."""
        return self.network.tensors[operator.inputs[0]]

    def result(self, operator: Operator) -> TensorSpec:
        """Returns the spec of an operator's output."""
        return self.network.tensors[operator.output]

    def integers(self, operator: Operator, what: str, values: npt.ArrayLike) -> int:
        """Adds int32 constants of an operator and returns their index."""
        return self.file.constant(f"{operator.name}/{what}", np.asarray(values, np.int32))

    def operator(self, operator: Operator, *constants: int, options: str = "", **values: Option) -> FileOperator:
        """Returns an operator that reads its own inputs, and constants after them."""
        kind = file_kind(operator, self.network.tensors)
        return FileOperator(kind, (*operator.inputs, *constants), operator.output, options, values)

    def activation(self, operator: RescaledOperator | Pool) -> int:
        """Returns an operator's fused activation.

        Raises:
            NetworkError: it clamps to another range than the operator.
        """
        kind, bounds = activation(operator, self.result(operator))
        if bounds != (operator.q_min, operator.q_max):
            raise NetworkError(f"{operator.name!r} is clamped to {operator.q_min} to {operator.q_max}, not {bounds}")
        return kind


def file_operator(operator: Operator, writing: Writing) -> FileOperator:
    """Adds an operator's constants to the file and returns what the file says of it.

    Raises:
        NetworkError: it has no form in .tflite files; :func:`nets.writers.tflite.deployment.deployable` makes it one.
    """
    return _WRITERS[type(operator)](operator, writing)


def runtime_weight_scale(network: QuantizedNetwork, operator: Weighted) -> FloatArray:
    """Computes the weight scale whose effective scale is the rescaler's, float64, ``[out]`` or ``[1]``."""
    source, target = network.tensors[operator.inputs[0]], network.tensors[operator.output]
    scale = operator.rescaler.scale * (target.scale / source.scale)
    return np.where(scale > 0, scale, np.minimum(operator.weight_scale, EMPTY_SCALE))


def _weights(operator: Weighted, writing: Writing, *, channels_last: bool) -> tuple[int, int]:
    """Adds weights and biases, with the scales that make the runtime's rescalers the network's."""
    if operator.weight_zero_point:
        raise NetworkError(
            f"{operator.name!r} has weights of a uint8 model, with zero point {operator.weight_zero_point}; weights "
            "of int8 have 0 in .tflite files"
        )
    scales = runtime_weight_scale(writing.network, operator).astype(np.float32).astype(np.float64)
    weights = operator.weights.transpose(3, 1, 2, 0) if channels_last else operator.weights
    axis = _OUT_CHANNELS_LAST if channels_last else _OUT_CHANNELS_FIRST
    stored = FileTensor(f"{operator.name}/weights", weights.shape, np.int8, scales, axis=axis, data=weights)
    bias = operator.bias.astype(np.int32)
    bias_scales = scales * writing.source(operator).scale
    return writing.file.add(stored), writing.file.add(
        FileTensor(f"{operator.name}/bias", bias.shape, np.int32, bias_scales, data=bias)
    )


def _convolution(operator: Convolution, writing: Writing) -> FileOperator:
    source, result = writing.source(operator), writing.result(operator)
    padding = scheme(operator, source, result)
    if padding is None:
        raise NetworkError(f"{operator.name!r} has padding {operator.padding}, which is neither SAME nor VALID")
    _, (stride_h, stride_w), (dilation_h, dilation_w) = geometry(operator)
    depthwise = is_depthwise(operator)
    own = {"DepthMultiplier": operator.out_channels // operator.groups} if depthwise else {}
    return writing.operator(
        operator,
        *_weights(operator, writing, channels_last=depthwise),
        options="DepthwiseConv2DOptions" if depthwise else "Conv2DOptions",
        Padding=padding,
        StrideH=stride_h,
        StrideW=stride_w,
        DilationHFactor=dilation_h,
        DilationWFactor=dilation_w,
        FusedActivationFunction=writing.activation(operator),
        **own,
    )


def _fully_connected(operator: FullyConnected, writing: Writing) -> FileOperator:
    rank = len(writing.source(operator).shape)
    return writing.operator(
        operator,
        *_weights(operator, writing, channels_last=False),
        options="FullyConnectedOptions",
        FusedActivationFunction=writing.activation(operator),
        KeepNumDims=rank > 1 and len(writing.result(operator).shape) == rank,
    )


def _elementwise(operator: ElementwiseSum | ElementwiseProduct, writing: Writing) -> FileOperator:
    kind = file_kind(operator, writing.network.tensors)
    return writing.operator(
        operator, options=f"{kind.capitalize()}Options", FusedActivationFunction=writing.activation(operator)
    )


def _requantize(operator: Requantize, writing: Writing) -> FileOperator:
    writing.activation(operator)
    return writing.operator(operator)


def _mean(operator: Mean, writing: Writing) -> FileOperator:
    writing.activation(operator)
    axes = writing.integers(operator, "axes", [axis + 1 for axis in operator.axes])
    kept = len(writing.result(operator).shape) == len(writing.source(operator).shape)
    return writing.operator(operator, axes, options="ReducerOptions", KeepDims=kept)


def _pool(operator: AveragePool | MaxPool, writing: Writing) -> FileOperator:
    padding = scheme(operator, writing.source(operator), writing.result(operator))
    if padding is None:
        raise NetworkError(f"{operator.name!r} has padding {operator.padding}, which is neither SAME nor VALID")
    return writing.operator(
        operator,
        options="Pool2DOptions",
        Padding=padding,
        StrideH=operator.stride[0],
        StrideW=operator.stride[1],
        FilterHeight=operator.kernel[0],
        FilterWidth=operator.kernel[1],
        FusedActivationFunction=writing.activation(operator),
    )


def _pad(operator: Pad, writing: Writing) -> FileOperator:
    return writing.operator(operator, writing.integers(operator, "padding", [(0, 0), *operator.padding]))


def _concatenation(operator: Concatenation, writing: Writing) -> FileOperator:
    return writing.operator(operator, options="ConcatenationOptions", Axis=operator.axis + 1)


def _reshape(operator: Reshape, writing: Writing) -> FileOperator:
    shape = [-1, *writing.result(operator).shape]  # the batch is what is left
    return writing.operator(operator, writing.integers(operator, "shape", shape))


def _transpose(operator: Transpose, writing: Writing) -> FileOperator:
    axes = [0, *(axis + 1 for axis in operator.permutation)]
    return writing.operator(operator, writing.integers(operator, "axes", axes))


def _lookup(operator: Lookup, writing: Writing) -> FileOperator:
    if operator.function in (Function.GELU, Function.GELU_TANH):
        approximate = operator.function is Function.GELU_TANH
        return writing.operator(operator, options="GeluOptions", Approximate=approximate)
    if operator.alpha:
        return writing.operator(operator, options="LeakyReluOptions", Alpha=operator.alpha)
    return writing.operator(operator)


def _extremum(operator: Extremum, writing: Writing) -> FileOperator:
    return writing.operator(operator)


def _rearrangement(operator: Rearrangement, writing: Writing) -> FileOperator:
    shape = writing.source(operator).shape
    found = arrangement(operator.positions, shape)
    if found is None:
        raise NetworkError(f"{operator.name!r} rearranges its input as no operator of .tflite files does")
    if found.block:
        options = "DepthToSpaceOptions" if found.kind == "DEPTH_TO_SPACE" else "SpaceToDepthOptions"
        return writing.operator(operator, options=options, BlockSize=found.block)
    if found.kind == "GATHER":
        indices = writing.integers(operator, "indices", found.indices)
        return writing.operator(operator, indices, options="GatherOptions", Axis=found.axis + 1)
    return _strided_slice(operator, writing, found.axis + 1, found.indices.tolist())


def _strided_slice(operator: Rearrangement, writing: Writing, axis: int, taken: list[int]) -> FileOperator:
    """Takes every so many elements along one axis, and all along the others."""
    rank = len(writing.source(operator).shape) + 1
    first, step = taken[0], taken[1] - taken[0] if len(taken) > 1 else 1
    begin, end, strides = [0] * rank, [0] * rank, [1] * rank
    begin[axis], end[axis], strides[axis] = first, taken[-1] + 1, step
    whole = sum(1 << other for other in range(rank) if other != axis)
    named = (("begin", begin), ("end", end), ("strides", strides))
    constants = (writing.integers(operator, what, values) for what, values in named)
    return writing.operator(operator, *constants, options="StridedSliceOptions", BeginMask=whole, EndMask=whole)


def _interpolation(operator: Interpolation, writing: Writing) -> FileOperator:
    sizes = writing.result(operator).shape[:2]
    for align, centres in _CONVENTIONS:
        made = [
            neighbours(before, after, align=align, centres=centres, xnnpack=operator.half_up)
            for before, after in zip(writing.source(operator).shape, sizes, strict=False)
        ]
        if _equal(made[0], operator.rows) and _equal(made[1], operator.columns):
            shape = writing.integers(operator, "size", sizes)
            return writing.operator(
                operator, shape, options="ResizeBilinearOptions", AlignCorners=align, HalfPixelCenters=centres
            )
    raise NetworkError(f"{operator.name!r} interpolates between positions that no RESIZE_BILINEAR takes")


def _equal(one: Neighbours, other: Neighbours) -> bool:
    pairs = ((one.first, other.first), (one.second, other.second), (one.share, other.share))
    return all(np.array_equal(a, b) for a, b in pairs)


_WRITERS: dict[type[Operator], Callable[..., FileOperator]] = {
    AveragePool: _pool,
    Concatenation: _concatenation,
    Convolution: _convolution,
    ElementwiseProduct: _elementwise,
    ElementwiseSum: _elementwise,
    Extremum: _extremum,
    FullyConnected: _fully_connected,
    Interpolation: _interpolation,
    Lookup: _lookup,
    MaxPool: _pool,
    Mean: _mean,
    Pad: _pad,
    Rearrangement: _rearrangement,
    Requantize: _requantize,
    Reshape: _reshape,
    Transpose: _transpose,
}
