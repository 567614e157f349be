"""The parts of the TOSA 1.0 flatbuffer schema that networks of int8 need: numbers of operators, types and fields.

Source: ``tosa.fbs`` of TOSA 1.0 (Apache-2.0, Arm). An operator's number is that of its attribute table in the union,
and a table's fields are numbered in the order of the schema.
"""

from enum import IntEnum

IDENTIFIER = b"TOSA"
VERSION = (1, 0)  # of the specification; later minor versions only add to it


class DType(IntEnum):
    """Types of elements."""

    INT8 = 3
    INT16 = 4
    INT32 = 5
    INT48 = 6


class Rounding(IntEnum):
    """Rounding modes of RESCALE."""

    SINGLE_ROUND = 1
    INEXACT_ROUND = 2
    DOUBLE_ROUND = 3


class Op(IntEnum):
    """Operators that are written or read."""

    AVG_POOL2D = 2
    CONV2D = 3
    DEPTHWISE_CONV2D = 5
    MATMUL = 7
    MAX_POOL2D = 8
    CLAMP = 11
    ADD = 15
    MAXIMUM = 26
    MINIMUM = 27
    MUL = 28
    SUB = 30
    TABLE = 31
    REDUCE_SUM = 54
    CONCAT = 55
    PAD = 56
    RESHAPE = 57
    REVERSE = 58
    SLICE = 59
    TILE = 60
    TRANSPOSE = 61
    GATHER = 62
    RESCALE = 66
    CONST = 67
    IDENTITY = 68
    CONST_SHAPE = 75


class Kind(IntEnum):
    """How a field of an attribute table is stored."""

    FLAG = 1  # bool
    NUMBER = 2  # int32, or an enumeration's uint32
    NUMBERS = 3  # vector of int32
    BYTES = 4  # vector of bytes: little-endian values of the operator's type


_CONVOLUTION = (
    ("pad", Kind.NUMBERS),
    ("stride", Kind.NUMBERS),
    ("dilation", Kind.NUMBERS),
    ("local_bound", Kind.FLAG),
    ("acc_type", Kind.NUMBER),
)
_WINDOW = (("kernel", Kind.NUMBERS), ("stride", Kind.NUMBERS), ("pad", Kind.NUMBERS))
_AXIS = (("axis", Kind.NUMBER),)

# Fields of each operator's attribute table in the schema's order; operators that are not listed have none.
ATTRIBUTES: dict[Op, tuple[tuple[str, Kind], ...]] = {
    Op.AVG_POOL2D: (*_WINDOW, ("acc_type", Kind.NUMBER)),
    Op.CONV2D: _CONVOLUTION,
    Op.DEPTHWISE_CONV2D: _CONVOLUTION,
    Op.MAX_POOL2D: (*_WINDOW, ("nan_mode", Kind.NUMBER)),
    Op.CLAMP: (("min_val", Kind.BYTES), ("max_val", Kind.BYTES), ("nan_mode", Kind.NUMBER)),
    Op.MAXIMUM: (("nan_mode", Kind.NUMBER),),
    Op.MINIMUM: (("nan_mode", Kind.NUMBER),),
    Op.REDUCE_SUM: _AXIS,
    Op.CONCAT: _AXIS,
    Op.REVERSE: _AXIS,
    Op.TRANSPOSE: (("perms", Kind.NUMBERS),),
    Op.RESCALE: (
        ("scale32", Kind.FLAG),
        ("rounding_mode", Kind.NUMBER),
        ("per_channel", Kind.FLAG),
        ("input_unsigned", Kind.FLAG),
        ("output_unsigned", Kind.FLAG),
    ),
}

# All operators of TOSA 1.0 by number, for messages.
_NAMES = """
UNKNOWN ARGMAX AVG_POOL2D CONV2D CONV3D DEPTHWISE_CONV2D FFT2D MATMUL MAX_POOL2D RFFT2D TRANSPOSE_CONV2D CLAMP
ERF SIGMOID TANH ADD ARITHMETIC_RIGHT_SHIFT BITWISE_AND BITWISE_OR BITWISE_XOR INTDIV LOGICAL_AND
LOGICAL_LEFT_SHIFT LOGICAL_RIGHT_SHIFT LOGICAL_OR LOGICAL_XOR MAXIMUM MINIMUM MUL POW SUB TABLE ABS
BITWISE_NOT CEIL CLZ COS EXP FLOOR LOG LOGICAL_NOT NEGATE RECIPROCAL RSQRT SIN SELECT EQUAL GREATER
GREATER_EQUAL REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PRODUCT REDUCE_SUM CONCAT PAD RESHAPE REVERSE
SLICE TILE TRANSPOSE GATHER SCATTER RESIZE CAST RESCALE CONST IDENTITY CUSTOM COND_IF WHILE_LOOP VARIABLE
VARIABLE_WRITE VARIABLE_READ CONST_SHAPE
"""
OPERATOR_NAMES = tuple(_NAMES.split())
