"""Converters of ADD, SUB, MUL and of the stand-alone changes of quantization: QUANTIZE, RELU, RELU6."""

import numpy as np
import tflite

from nets.errors import NetworkError
from nets.importers.tflite import xnnpack
from nets.importers.tflite.activation import activation_range
from nets.importers.tflite.builder import Builder, check_shape, full_rescaler
from nets.importers.tflite.graph import RawOperator
from nets.network import (
    SUM_LEFT_SHIFT,
    ElementwiseKind,
    ElementwiseProduct,
    ElementwiseSum,
    Operator,
    Requantize,
    Rescaler,
    TensorSpec,
    product_scale,
    sum_scales,
)


def add(builder: Builder, raw: RawOperator) -> Operator:
    """Converts ADD."""
    return _sum(builder, raw, ElementwiseKind.ADD, raw.options(tflite.AddOptions).FusedActivationFunction())


def subtract(builder: Builder, raw: RawOperator) -> Operator:
    """Converts SUB."""
    return _sum(builder, raw, ElementwiseKind.SUB, raw.options(tflite.SubOptions).FusedActivationFunction())


def _operands(builder: Builder, raw: RawOperator) -> tuple[TensorSpec, TensorSpec, TensorSpec]:
    left, right, result = builder.activation(raw, 0), builder.activation(raw, 1), builder.result(raw)
    if len(left.shape) != len(right.shape):
        raise NetworkError(f"{raw} takes inputs of as many dimensions, not {list(left.shape)} and {list(right.shape)}")
    try:
        shape = np.broadcast_shapes(left.shape, right.shape)
    except ValueError as error:
        raise NetworkError(f"{raw}: shapes {list(left.shape)} and {list(right.shape)} do not fit together") from error
    check_shape(raw, shape, result)
    return left, right, result


def _sum(builder: Builder, raw: RawOperator, kind: ElementwiseKind, activation: int) -> ElementwiseSum:
    left, right, result = _operands(builder, raw)
    q_min, q_max = activation_range(raw, activation, result)
    scales = (left.scale, right.scale, result.scale)
    if builder.profile.xnnpack_forms and xnnpack.takes_sum(*scales):
        left_shift, rescalers = 0, xnnpack.sum_rescalers(*scales)
    else:
        contract = builder.contract(kind.value, xnnpack=False)
        first, second, final = (full_rescaler(scale, contract) for scale in sum_scales(*scales, SUM_LEFT_SHIFT))
        left_shift, rescalers = SUM_LEFT_SHIFT, (first, second, final)
    return ElementwiseSum(
        name=f"{kind.value}_{raw.index}",
        inputs=raw.inputs[:2],
        output=raw.outputs[0],
        kind=kind,
        left_shift=left_shift,
        input_rescalers=rescalers[:2],
        rescaler=rescalers[2],
        q_min=q_min,
        q_max=q_max,
    )


def multiply(builder: Builder, raw: RawOperator) -> Operator:
    """Converts MUL."""
    left, right, result = _operands(builder, raw)
    q_min, q_max = activation_range(raw, raw.options(tflite.MulOptions).FusedActivationFunction(), result)
    scale = product_scale(left.scale, right.scale, result.scale)
    contract = builder.contract("mul", xnnpack=xnnpack.takes_product(scale))
    return ElementwiseProduct(
        name=f"mul_{raw.index}",
        inputs=raw.inputs[:2],
        output=raw.outputs[0],
        rescaler=full_rescaler(scale, contract),
        q_min=q_min,
        q_max=q_max,
    )


def requantize(builder: Builder, raw: RawOperator) -> Operator:
    """Converts QUANTIZE from int8 to int8."""
    source, result = builder.activation(raw), builder.result(raw)
    if builder.profile.xnnpack_forms and xnnpack.takes_convert(source.scale, result.scale):
        rescaler = xnnpack.convert_rescaler(source.scale, result.scale)
    else:
        rescaler = full_rescaler(source.scale / result.scale, builder.contract("quantize", xnnpack=False))
    return _requantize(builder, raw, "quantize", rescaler, (result.q_min, result.q_max))


def relu(builder: Builder, raw: RawOperator) -> Operator:
    """Converts a stand-alone RELU."""
    return _clamp(builder, raw, tflite.ActivationFunctionType.RELU)


def relu6(builder: Builder, raw: RawOperator) -> Operator:
    """Converts a stand-alone RELU6."""
    return _clamp(builder, raw, tflite.ActivationFunctionType.RELU6)


def _clamp(builder: Builder, raw: RawOperator, activation: int) -> Requantize:
    source, result = builder.activation(raw), builder.result(raw)
    scale = float(np.float32(source.scale) / np.float32(result.scale))
    kind = raw.kind.lower()
    rescaler = full_rescaler(scale, builder.contract(kind))
    return _requantize(builder, raw, kind, rescaler, activation_range(raw, activation, result))


def _requantize(
    builder: Builder, raw: RawOperator, kind: str, rescaler: Rescaler, bounds: tuple[int, int]
) -> Requantize:
    check_shape(raw, builder.activation(raw).shape, builder.result(raw))
    return Requantize(
        name=f"{kind}_{raw.index}",
        inputs=raw.inputs[:1],
        output=raw.outputs[0],
        rescaler=rescaler,
        q_min=bounds[0],
        q_max=bounds[1],
    )
