"""From an operator of a network to an operator of a .tflite file, with its constants and options."""

from collections.abc import Callable

from nets.network import (
    AveragePool,
    Concatenation,
    Convolution,
    ElementwiseProduct,
    ElementwiseSum,
    Extremum,
    FilledPad,
    FullyConnected,
    Interpolation,
    Lookup,
    MatrixProduct,
    MaxPool,
    Mean,
    Operator,
    Pad,
    ParametricRelu,
    Rearrangement,
    ReducedExtremum,
    Requantize,
    Reshape,
    Softmax,
    SquaredDifference,
    Stack,
    Sum,
    Transpose,
    TransposedConvolution,
)
from nets.writers.tflite import arithmetic, movers, weighted
from nets.writers.tflite.file import FileOperator
from nets.writers.tflite.writing import Writing

_WRITERS: dict[type[Operator], Callable[..., FileOperator]] = {
    AveragePool: arithmetic.pool,
    Concatenation: movers.concatenation,
    Convolution: weighted.convolution,
    ElementwiseProduct: arithmetic.elementwise,
    ElementwiseSum: arithmetic.elementwise,
    Extremum: arithmetic.extremum,
    FilledPad: movers.filled_pad,
    FullyConnected: weighted.fully_connected,
    Interpolation: movers.interpolation,
    Lookup: arithmetic.lookup,
    MatrixProduct: arithmetic.matrix_product,
    MaxPool: arithmetic.pool,
    Mean: arithmetic.total,
    Pad: movers.pad,
    ParametricRelu: arithmetic.parametric_relu,
    Rearrangement: movers.rearrangement,
    ReducedExtremum: arithmetic.reduced_extremum,
    Requantize: arithmetic.requantize,
    Reshape: movers.reshape,
    Softmax: arithmetic.softmax,
    SquaredDifference: arithmetic.squared_difference,
    Stack: movers.stack,
    Sum: arithmetic.total,
    Transpose: movers.transpose,
    TransposedConvolution: weighted.transposed_convolution,
}


def file_operator(operator: Operator, writing: Writing) -> FileOperator:
    """Adds an operator's constants to the file and returns what the file says of it.

    Raises:
        NetworkError: it has no form in .tflite files; :func:`nets.writers.tflite.deployment.deployable` makes it one.
    """
    return _WRITERS[type(operator)](operator, writing)
