"""Operators of arithmetic without weights."""

import numpy as np

from nets.errors import NetworkError
from nets.network import (
    AveragePool,
    ElementwiseProduct,
    ElementwiseSum,
    Extremum,
    Function,
    Lookup,
    MatrixProduct,
    MaxPool,
    ParametricRelu,
    ReducedExtremum,
    Requantize,
    Softmax,
    SquaredDifference,
    Sum,
)
from nets.writers.tflite.file import FileOperator, FileTensor
from nets.writers.tflite.kinds import file_kind
from nets.writers.tflite.padding import scheme
from nets.writers.tflite.writing import Writing


def elementwise(operator: ElementwiseSum | ElementwiseProduct, writing: Writing) -> FileOperator:
    """Describes an ADD, SUB or MUL."""
    kind = file_kind(operator, writing.network.tensors)
    return writing.operator(
        operator, options=f"{kind.capitalize()}Options", FusedActivationFunction=writing.activation(operator)
    )


def requantize(operator: Requantize, writing: Writing) -> FileOperator:
    """Describes a QUANTIZE, RELU or RELU6."""
    writing.activation(operator)
    return writing.operator(operator)


def squared_difference(operator: SquaredDifference, writing: Writing) -> FileOperator:
    """Describes a SQUARED_DIFFERENCE."""
    writing.activation(operator)
    return writing.operator(operator)


def matrix_product(operator: MatrixProduct, writing: Writing) -> FileOperator:
    """Describes a BATCH_MATMUL."""
    writing.activation(operator)
    first, second = operator.transposed
    return writing.operator(operator, options="BatchMatMulOptions", AdjX=first, AdjY=second)


def total(operator: Sum, writing: Writing) -> FileOperator:
    """Describes a MEAN or SUM."""
    writing.activation(operator)
    return _reduction(operator, writing)


def reduced_extremum(operator: ReducedExtremum, writing: Writing) -> FileOperator:
    """Describes a REDUCE_MIN or REDUCE_MAX."""
    return _reduction(operator, writing)


def _reduction(operator: Sum | ReducedExtremum, writing: Writing) -> FileOperator:
    axes = writing.integers(operator, "axes", [axis + 1 for axis in operator.axes])
    kept = len(writing.result(operator).shape) == len(writing.source(operator).shape)
    return writing.operator(operator, axes, options="ReducerOptions", KeepDims=kept)


def pool(operator: AveragePool | MaxPool, writing: Writing) -> FileOperator:
    """Describes an AVERAGE_POOL_2D or MAX_POOL_2D."""
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


def lookup(operator: Lookup, writing: Writing) -> FileOperator:
    """Describes a function of one value."""
    if operator.function in (Function.GELU, Function.GELU_TANH):
        approximate = operator.function is Function.GELU_TANH
        return writing.operator(operator, options="GeluOptions", Approximate=approximate)
    if operator.alpha:
        return writing.operator(operator, options="LeakyReluOptions", Alpha=operator.alpha)
    return writing.operator(operator)


def softmax(operator: Softmax, writing: Writing) -> FileOperator:
    """Describes a SOFTMAX."""
    return writing.operator(operator, options="SoftmaxOptions", Beta=operator.beta)


def parametric_relu(operator: ParametricRelu, writing: Writing) -> FileOperator:
    """Describes a PRELU; a zero point takes slopes beyond int8 into its range."""
    low, high = int(operator.slopes.min()), int(operator.slopes.max())
    zero_point = max(-128 - low, 0) or min(127 - high, 0)
    slopes = FileTensor(
        f"{operator.name}/slopes",
        operator.slopes.shape,
        np.int8,
        np.array([operator.slope_scale]),
        zero_point,
        data=(operator.slopes + zero_point).astype(np.int8),
    )
    return writing.operator(operator, writing.file.add(slopes))


def extremum(operator: Extremum, writing: Writing) -> FileOperator:
    """Describes a MINIMUM or MAXIMUM."""
    return writing.operator(operator)
