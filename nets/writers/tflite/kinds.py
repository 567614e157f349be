"""Which operator of a .tflite file an operator of a network is."""

from collections.abc import Sequence

from nets.errors import NetworkError
from nets.network import (
    AveragePool,
    Concatenation,
    Convolution,
    ElementwiseProduct,
    ElementwiseSum,
    Extremum,
    FilledPad,
    FullyConnected,
    Function,
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
    TensorSpec,
    Transpose,
    TransposedConvolution,
)
from nets.writers.tflite.activations import RELU, RELU6, activation
from nets.writers.tflite.arrangements import arrangement

_FIXED: dict[type[Operator], str] = {
    AveragePool: "AVERAGE_POOL_2D",
    Concatenation: "CONCATENATION",
    ElementwiseProduct: "MUL",
    FullyConnected: "FULLY_CONNECTED",
    Interpolation: "RESIZE_BILINEAR",
    MaxPool: "MAX_POOL_2D",
    FilledPad: "PADV2",
    MatrixProduct: "BATCH_MATMUL",
    Mean: "MEAN",
    Pad: "PAD",
    ParametricRelu: "PRELU",
    Softmax: "SOFTMAX",
    SquaredDifference: "SQUARED_DIFFERENCE",
    Stack: "PACK",
    Sum: "SUM",
    TransposedConvolution: "TRANSPOSE_CONV",
    Reshape: "RESHAPE",
    Transpose: "TRANSPOSE",
}

# Others are called like the schema's operators; what goes through float has no operator of its own.
_FUNCTIONS = {Function.GELU_TANH: "GELU", Function.IDENTITY: None}


def file_kind(operator: Operator, tensors: Sequence[TensorSpec]) -> str:
    """Returns the schema's name of an operator.

    Raises:
        NetworkError: the schema has none.
    """
    kind = _FIXED.get(type(operator)) or _variable_kind(operator, tensors)
    if kind is None:
        raise NetworkError(
            f"operator {operator.name!r} ({type(operator).__name__}) cannot be written to a .tflite file"
        )
    return kind


def _variable_kind(operator: Operator, tensors: Sequence[TensorSpec]) -> str | None:
    match operator:
        case Convolution():
            return "DEPTHWISE_CONV_2D" if is_depthwise(operator) else "CONV_2D"
        case ElementwiseSum():
            return operator.kind.upper()
        case Lookup(function=Function.IDENTITY):
            return None
        case Lookup():
            return _FUNCTIONS.get(operator.function, operator.function.upper())
        case Requantize():
            names = {RELU: "RELU", RELU6: "RELU6"}
            return names.get(activation(operator, tensors[operator.output])[0], "QUANTIZE")
        case Extremum():
            return "MAXIMUM" if operator.largest else "MINIMUM"
        case ReducedExtremum():
            return "REDUCE_MAX" if operator.largest else "REDUCE_MIN"
        case Rearrangement():
            found = arrangement(operator.positions, tensors[operator.inputs[0]].shape)
            return found.kind if found else None
    return None


def is_depthwise(operator: Convolution) -> bool:
    """Returns whether every group of a convolution has one input channel of several."""
    return operator.groups > 1 and operator.weights.shape[3] == 1
