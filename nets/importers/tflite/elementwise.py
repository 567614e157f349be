"""Converters of ADD, SUB, MUL and of the stand-alone changes of quantization: QUANTIZE, RELU, RELU6."""

import numpy as np
import tflite

from nets.errors import NetworkError
from nets.importers.tflite import xnnpack
from nets.importers.tflite.activation import activation_range
from nets.importers.tflite.builder import Builder, check_shape
from nets.importers.tflite.graph import RawOperator
from nets.network.contracts import CONTRACTS, Contract
from nets.network.network import ElementwiseKind, ElementwiseProduct, ElementwiseSum, Operator, Requantize, TensorSpec
from nets.network.rescaler import Rescaler, rescaler_from_scale

FULL_BITS = 31
LEFT_SHIFT = 20  # of int8 operands, TFLite add.cc


def add(builder: Builder, raw: RawOperator) -> Operator:
    """ADD."""
    return _sum(builder, raw, ElementwiseKind.ADD, raw.options(tflite.AddOptions).FusedActivationFunction())


def subtract(builder: Builder, raw: RawOperator) -> Operator:
    """SUB."""
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
        left_shift, rescalers = LEFT_SHIFT, _sum_rescalers(*scales, _own_contract(builder, kind.value))
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


def _own_contract(builder: Builder, kind: str) -> Contract:
    """The profile's contract; TFLite's own where XNNPACK leaves an operator to TFLite."""
    return CONTRACTS["tflite_double"] if builder.profile.xnnpack_forms else builder.profile.contract(kind)


def _sum_rescalers(left: float, right: float, result: float, contract: Contract) -> tuple[Rescaler, Rescaler, Rescaler]:
    """TFLite's rescalers of a sum: of both inputs to twice the larger scale, and from there to the output."""
    twice_largest = 2.0 * max(left, right)
    scales = (left / twice_largest, right / twice_largest, twice_largest / (2.0**LEFT_SHIFT * result))
    first, second, third = (_rescaler(scale, contract) for scale in scales)
    return first, second, third


def multiply(builder: Builder, raw: RawOperator) -> Operator:
    """MUL; TFLite computes its scale in float32."""
    left, right, result = _operands(builder, raw)
    q_min, q_max = activation_range(raw, raw.options(tflite.MulOptions).FusedActivationFunction(), result)
    scale = float(np.float32(left.scale) * np.float32(right.scale) / np.float32(result.scale))
    taken = builder.profile.xnnpack_forms and xnnpack.takes_product(scale)
    contract = builder.profile.contract("mul") if taken else _own_contract(builder, "mul")
    return ElementwiseProduct(
        name=f"mul_{raw.index}",
        inputs=raw.inputs[:2],
        output=raw.outputs[0],
        rescaler=_rescaler(scale, contract),
        q_min=q_min,
        q_max=q_max,
    )


def requantize(builder: Builder, raw: RawOperator) -> Operator:
    """QUANTIZE from int8 to int8."""
    source, result = builder.activation(raw), builder.result(raw)
    if builder.profile.xnnpack_forms and xnnpack.takes_convert(source.scale, result.scale):
        rescaler = xnnpack.convert_rescaler(source.scale, result.scale)
    else:
        rescaler = _rescaler(source.scale / result.scale, _own_contract(builder, "quantize"))
    return _requantize(builder, raw, "quantize", rescaler, (result.q_min, result.q_max))


def relu(builder: Builder, raw: RawOperator) -> Operator:
    """RELU as an operator of its own."""
    return _clamp(builder, raw, tflite.ActivationFunctionType.RELU)


def relu6(builder: Builder, raw: RawOperator) -> Operator:
    """RELU6 as an operator of its own."""
    return _clamp(builder, raw, tflite.ActivationFunctionType.RELU6)


def _clamp(builder: Builder, raw: RawOperator, activation: int) -> Requantize:
    source, result = builder.activation(raw), builder.result(raw)
    scale = float(np.float32(source.scale) / np.float32(result.scale))
    kind = raw.kind.lower()
    rescaler = _rescaler(scale, builder.profile.contract(kind))
    return _requantize(builder, raw, kind, rescaler, activation_range(raw, activation, result))


def _rescaler(scale: float, contract: Contract) -> Rescaler:
    return rescaler_from_scale(np.array([scale]), FULL_BITS, contract)


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
