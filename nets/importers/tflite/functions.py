"""Converters of nonlinear functions of one int8: LOGISTIC, TANH, ELU, HARD_SWISH, LEAKY_RELU."""

import math

import tflite

from nets.errors import NetworkError
from nets.importers.tflite import xnnpack
from nets.importers.tflite.builder import Builder, check_shape, placed
from nets.importers.tflite.graph import RawOperator
from nets.network import Function, Lookup, Operator, TensorSpec, lookup_table

# Output (scale, zero point) that the runtime's kernels demand.
_OUTPUTS = {Function.LOGISTIC: (1 / 256, -128), Function.TANH: (1 / 128, 0)}


def function(builder: Builder, raw: RawOperator) -> Operator:
    """Converts a function of one value to its table."""
    kind = Function(raw.kind.lower())
    source, result = builder.activation(raw), builder.result(raw)
    check_shape(raw, source.shape, result)
    alpha = _alpha(raw) if kind is Function.LEAKY_RELU else 0.0
    if kind in _OUTPUTS and _OUTPUTS[kind] != (result.scale, result.zero_point):
        raise NetworkError(
            f"{raw} has an output of scale {result.scale} and zero point {result.zero_point}; "
            f"{_OUTPUTS[kind][0]} and {_OUTPUTS[kind][1]} are supported"
        )
    by_xnnpack = builder.profile.xnnpack_forms and _taken(kind, alpha, source, result)
    try:
        table = lookup_table(kind, alpha, source, result, xnnpack=by_xnnpack)
    except NetworkError as error:
        raise NetworkError(f"{raw}: {error}") from error
    return Lookup(**placed(raw), function=kind, alpha=alpha, xnnpack=by_xnnpack, table=table)


def through_float(builder: Builder, raw: RawOperator) -> Operator:
    """Converts a DEQUANTIZE and the QUANTIZE behind it, which change the quantization in float32, to their table."""
    source, result = builder.activation(raw), builder.result(raw)
    check_shape(raw, source.shape, result)
    by_xnnpack = builder.profile.xnnpack_forms
    table = lookup_table(Function.IDENTITY, 0.0, source, result, xnnpack=by_xnnpack)
    return Lookup(**placed(raw), function=Function.IDENTITY, alpha=0.0, xnnpack=by_xnnpack, table=table)


def _alpha(raw: RawOperator) -> float:
    alpha = raw.options(tflite.LeakyReluOptions).real("Alpha")
    if not math.isfinite(alpha):
        raise NetworkError(f"{raw} has slope {alpha}; it has to be finite")
    return alpha


def _taken(kind: Function, alpha: float, source: TensorSpec, result: TensorSpec) -> bool:
    """Returns whether XNNPACK runs the operator; TFLite's own kernels run the others."""
    if kind is Function.LEAKY_RELU:
        return xnnpack.takes_leaky(source.scale, result.scale, alpha)
    return kind is not Function.HARD_SWISH
