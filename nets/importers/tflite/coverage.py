"""What becomes of each kind of operator in a .tflite file, and where LiteRT's integers are not reproduced."""

from dataclasses import dataclass, field

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
    LstmRecurrence,
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
    StatedTable,
    Sum,
    Transpose,
    TransposedConvolution,
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What becomes of one kind of operator.

    Attributes:
        made: the operator of the network.
        never: profiles of resolvers that do not run the kind in int8, or whose integers are not reproduced, and why.
        partly: profiles under which some operators of the kind are refused, and which ones.
    """

    made: type[Operator]
    never: dict[str, str] = field(default_factory=dict)
    partly: dict[str, str] = field(default_factory=dict)


COVERAGE: dict[str, Coverage] = {
    "ABS": Coverage(Lookup),
    "ADD": Coverage(ElementwiseSum),
    "AVERAGE_POOL_2D": Coverage(AveragePool),
    "BATCH_MATMUL": Coverage(MatrixProduct),
    "BROADCAST_TO": Coverage(Rearrangement),
    "CONCATENATION": Coverage(Concatenation),
    "CONV_2D": Coverage(Convolution),
    "DEPTHWISE_CONV_2D": Coverage(Convolution),
    "DEPTH_TO_SPACE": Coverage(Rearrangement),
    "DEQUANTIZE+QUANTIZE": Coverage(Lookup),
    "ELU": Coverage(Lookup, never={"litert_ref": "BUILTIN_REF has no int8 ELU"}),
    "EXP": Coverage(Lookup),
    "EXPAND_DIMS": Coverage(Reshape),
    "FULLY_CONNECTED": Coverage(FullyConnected),
    "GATHER": Coverage(Rearrangement),
    "GELU": Coverage(Lookup),
    "HARD_SWISH": Coverage(Lookup),
    "LEAKY_RELU": Coverage(Lookup),
    "LOG": Coverage(Lookup),
    "LOGISTIC": Coverage(Lookup),
    "MAXIMUM": Coverage(Extremum),
    "MAX_POOL_2D": Coverage(MaxPool),
    "MEAN": Coverage(Mean),
    "MINIMUM": Coverage(Extremum),
    "MIRROR_PAD": Coverage(Rearrangement),
    "MUL": Coverage(ElementwiseProduct),
    "NEG": Coverage(StatedTable),
    "PACK": Coverage(Stack),
    "PAD": Coverage(Pad),
    "PADV2": Coverage(FilledPad),
    "PRELU": Coverage(ParametricRelu),
    "QUANTIZE": Coverage(Requantize),
    "REDUCE_MAX": Coverage(ReducedExtremum),
    "REDUCE_MIN": Coverage(ReducedExtremum),
    "RELU": Coverage(Requantize),
    "RELU6": Coverage(Requantize),
    "RELU_0_TO_1": Coverage(Requantize),
    "RELU_N1_TO_1": Coverage(Requantize),
    "RESHAPE": Coverage(Reshape),
    "RESIZE_BILINEAR": Coverage(Interpolation),
    "RESIZE_NEAREST_NEIGHBOR": Coverage(Rearrangement),
    "REVERSE_V2": Coverage(Rearrangement),
    "RSQRT": Coverage(Lookup),
    "SELECT": Coverage(Rearrangement),
    "SELECT_V2": Coverage(Rearrangement),
    "SLICE": Coverage(Rearrangement),
    "SOFTMAX": Coverage(
        Softmax, partly={"litert_ref": "over more than 511 elements, on which the reference kernel may abort"}
    ),
    "SPACE_TO_DEPTH": Coverage(Rearrangement),
    "SPLIT": Coverage(Rearrangement),
    "SPLIT_V": Coverage(Rearrangement),
    "SQRT": Coverage(Lookup),
    "SQUARED_DIFFERENCE": Coverage(SquaredDifference),
    "SQUEEZE": Coverage(Reshape),
    "STRIDED_SLICE": Coverage(Rearrangement),
    "SUB": Coverage(ElementwiseSum),
    "SUM": Coverage(Sum, never={"litert_ref": "the reference kernel adds stored int8 values, which overflow"}),
    "SVDF": Coverage(Convolution),
    "TANH": Coverage(Lookup),
    "TILE": Coverage(Rearrangement),
    "TRANSPOSE": Coverage(Transpose),
    "TRANSPOSE_CONV": Coverage(
        TransposedConvolution,
        partly={"litert_xnnpack": "SAME with a kernel smaller than the stride, which rounds as the processor does"},
    ),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Coverage(LstmRecurrence),
    "UNPACK": Coverage(Rearrangement),
}
