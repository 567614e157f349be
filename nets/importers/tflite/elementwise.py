"""Converters of ADD, SUB, MUL, SQUARED_DIFFERENCE and PRELU, and of changes of quantization: QUANTIZE, RELU, RELU6.

One operand of ADD, SUB, MUL, MINIMUM and MAXIMUM may be a constant.
"""

import math

import numpy as np
import tflite

from nets.errors import NetworkError
from nets.importers.tflite import xnnpack
from nets.importers.tflite.activation import CLAMPS, activation_range, clamp_range
from nets.importers.tflite.builder import (
    Builder,
    check_same_quantization,
    check_shape,
    constant,
    frozen,
    full_rescaler,
    is_wide,
    placed,
    quantization,
)
from nets.importers.tflite.graph import RawOperator
from nets.network import (
    SUM_LEFT_SHIFT,
    WIDE_SUM_LEFT_SHIFT,
    ElementwiseKind,
    ElementwiseProduct,
    ElementwiseSum,
    Extremum,
    Operator,
    ParametricRelu,
    Requantize,
    SquaredDifference,
    TensorSpec,
    product_scale,
    relu_rescalers,
    square_scales,
    sum_scales,
)

_AT_ONCE = 16  # int16 elements of an optimised ADD; reference code broadcasts, and adds what is left
_SQUARE_LEFT_SHIFT = 7  # bits; of the operands of SQUARED_DIFFERENCE, as in TFLite


def _operands(builder: Builder, raw: RawOperator) -> tuple[TensorSpec, TensorSpec, TensorSpec]:
    result = builder.result(raw)
    left, right = (builder.operand(raw, position, len(result.shape)) for position in range(2))
    if set(raw.inputs[:2]) <= builder.constants.keys():
        raise NetworkError(f"{raw} reads constants alone; an activation is expected")
    if len(left.shape) != len(right.shape):
        raise NetworkError(f"{raw} takes inputs of as many dimensions, not {list(left.shape)} and {list(right.shape)}")
    try:
        shape = np.broadcast_shapes(left.shape, right.shape)
    except ValueError as error:
        raise NetworkError(f"{raw}: shapes {list(left.shape)} and {list(right.shape)} do not fit together") from error
    check_shape(raw, shape, result)
    return left, right, result


def _check_same_width(raw: RawOperator, *specs: TensorSpec) -> None:
    if len({spec.bits for spec in specs}) > 1:
        raise NetworkError(f"{raw} has tensors of {[spec.bits for spec in specs]} bits; they have to be equal")


def extremum(builder: Builder, raw: RawOperator) -> Operator:
    """Converts MINIMUM and MAXIMUM between tensors of one scale."""
    check_same_quantization(raw, list(_operands(builder, raw)))
    return Extremum(**placed(raw, 2), largest=raw.kind == "MAXIMUM")


def add_or_subtract(builder: Builder, raw: RawOperator) -> Operator:
    """Converts ADD and SUB."""
    kind = ElementwiseKind(raw.kind.lower())
    options = raw.options(tflite.AddOptions if kind is ElementwiseKind.ADD else tflite.SubOptions)
    left, right, result = _operands(builder, raw)
    q_min, q_max = activation_range(raw, options.FusedActivationFunction(), result)
    scales = (left.scale, right.scale, result.scale)
    _check_same_width(raw, left, right, result)
    wide = is_wide(left)
    if wide and bool(options.PotScaleInt16()) and all(math.frexp(scale)[0] == 0.5 for scale in scales):
        raise NetworkError(f"{raw} is of the form for power-of-two scales of int16 (pot_scale_int16), not supported")
    if builder.has_xnnpack_form(left) and xnnpack.takes_sum(*scales):
        left_shift, rescalers = 0, xnnpack.sum_rescalers(*scales)
    else:
        left_shift = WIDE_SUM_LEFT_SHIFT if wide else SUM_LEFT_SHIFT
        operands = builder.contract(f"{kind.value}_operands", wide=wide, xnnpack=False)
        if wide and (left.shape != right.shape or builder.batch * math.prod(result.shape) < _AT_ONCE):
            operands = builder.contract(kind.value, wide=wide, xnnpack=False)
        contracts = (operands, operands, builder.contract(kind.value, wide=wide, xnnpack=False))
        first, second, final = map(full_rescaler, sum_scales(*scales, left_shift), contracts)
        rescalers = (first, second, final)
    return ElementwiseSum(
        **placed(raw, 2),
        kind=kind,
        left_shift=left_shift,
        input_rescalers=rescalers[:2],
        rescaler=rescalers[2],
        q_min=q_min,
        q_max=q_max,
    )


def squared_difference(builder: Builder, raw: RawOperator) -> Operator:
    """Converts SQUARED_DIFFERENCE."""
    left, right, result = _operands(builder, raw)
    contract = builder.contract("squared_difference", xnnpack=False)
    scales = square_scales(left.scale, right.scale, result.scale, _SQUARE_LEFT_SHIFT)
    first, second, last = (full_rescaler(scale, contract) for scale in scales)
    return SquaredDifference(
        **placed(raw, 2),
        left_shift=_SQUARE_LEFT_SHIFT,
        input_rescalers=(first, second),
        rescaler=last,
        q_min=result.q_min,
        q_max=result.q_max,
    )


def parametric_relu(builder: Builder, raw: RawOperator) -> Operator:
    """Converts PRELU with constant slopes."""
    source, result, tensor = builder.activation(raw), builder.result(raw), builder.input(raw, 1)
    check_shape(raw, source.shape, result)
    values, (scales, zeros) = constant(tensor, "INT8"), quantization(tensor)
    extra = max(values.ndim - len(source.shape), 0)
    shape = values.shape[extra:]
    sizes = zip(reversed(shape), reversed(source.shape), strict=False)
    fits = set(values.shape[:extra]) <= {1} and all(slopes in (1, size) for slopes, size in sizes)
    if scales.size != 1 or values.size == 0 or not fits:
        raise NetworkError(f"{raw}: slopes of shape {list(values.shape)} do not fit {list(source.shape)}, one scale")
    positive, negative = relu_rescalers(source.scale, float(scales[0]), result.scale)
    return ParametricRelu(
        **placed(raw),
        slopes=frozen((values - zeros[0]).reshape(shape)),
        slope_scale=float(scales[0]),
        positive=positive,
        negative=negative,
    )


def multiply(builder: Builder, raw: RawOperator) -> Operator:
    """Converts MUL."""
    left, right, result = _operands(builder, raw)
    q_min, q_max = activation_range(raw, raw.options(tflite.MulOptions).FusedActivationFunction(), result)
    scale = product_scale(left.scale, right.scale, result.scale)
    _check_same_width(raw, left, right, result)
    contract = builder.contract("mul", wide=is_wide(left), xnnpack=xnnpack.takes_product(scale))
    return ElementwiseProduct(**placed(raw, 2), rescaler=full_rescaler(scale, contract), q_min=q_min, q_max=q_max)


def requantize(builder: Builder, raw: RawOperator) -> Operator:
    """Converts QUANTIZE from integers to integers."""
    source, result = builder.activation(raw), builder.result(raw)
    if builder.has_xnnpack_form(source, result) and xnnpack.takes_convert(source.scale, result.scale):
        rescaler = xnnpack.convert_rescaler(source.scale, result.scale)
    else:
        rescaler = full_rescaler(
            source.scale / result.scale, builder.contract("quantize", wide=is_wide(source), xnnpack=False)
        )
    check_shape(raw, source.shape, result)
    return Requantize(**placed(raw), rescaler=rescaler, q_min=result.q_min, q_max=result.q_max)


def clamp(builder: Builder, raw: RawOperator) -> Operator:
    """Converts a stand-alone RELU, RELU6, RELU_0_TO_1 or RELU_N1_TO_1."""
    source, result = builder.activation(raw), builder.result(raw)
    scale = float(np.float32(source.scale) / np.float32(result.scale))
    _check_same_width(raw, source, result)
    rescaler = full_rescaler(scale, builder.contract("relu", wide=is_wide(source)))
    q_min, q_max = clamp_range(raw, CLAMPS[raw.kind], result)
    check_shape(raw, source.shape, result)
    return Requantize(**placed(raw), rescaler=rescaler, q_min=q_min, q_max=q_max)
