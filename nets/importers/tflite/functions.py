"""Converters of nonlinear functions: those of one integer, and SOFTMAX."""

import math

import numpy as np
import tflite

from nets.errors import NetworkError
from nets.importers.tflite import xnnpack
from nets.importers.tflite.builder import (
    Builder,
    check_same_quantization,
    check_shape,
    frozen,
    is_wide,
    placed,
)
from nets.importers.tflite.graph import RawOperator
from nets.network import (
    SOFTMAX_OUTPUT,
    Function,
    Lookup,
    Operator,
    Softmax,
    StatedTable,
    TensorSpec,
    lookup_table,
    softmax_exponentials,
)

# Output (scale, zero point) that the runtime's kernels of int8 demand; those of int16 have 2**-15 and 0.
_OUTPUTS = {Function.LOGISTIC: (1 / 256, -128), Function.TANH: (1 / 128, 0)}
_WIDE_OUTPUT = (2.0**-15, 0)
_BY_XNNPACK = (Function.LOGISTIC, Function.TANH, Function.ELU)
_BETA_MIN = 2.0**-10
# Elements of a softmax in fixed point: sums of exponentials have 12 integer bits, and LiteRT's reference kernel aborts
# if one of 512 or more is reached.
_LONGEST, _LONGEST_RUN = 4095, 511
_LONGEST_WIDE = 2**15  # of int16: sums of exponentials stay below 2**31, at 2**15 each


def function(builder: Builder, raw: RawOperator) -> Operator:
    """Converts a function of one value to its table."""
    kind = Function(raw.kind.lower())
    if kind is Function.GELU and raw.options(tflite.GeluOptions).Approximate():
        kind = Function.GELU_TANH
    source, result = builder.activation(raw), builder.result(raw)
    check_shape(raw, source.shape, result)
    alpha = _alpha(raw) if kind is Function.LEAKY_RELU else 0.0
    if source.bits != result.bits:
        raise NetworkError(f"{raw} has an input of {source.bits} bits and an output of {result.bits}")
    if kind in _OUTPUTS:
        _check_output(raw, result, _WIDE_OUTPUT if is_wide(result) else _OUTPUTS[kind])
    by_xnnpack = builder.profile.xnnpack_forms and _taken(kind, alpha, source, result)
    try:
        table = lookup_table(kind, alpha, source, result, xnnpack=by_xnnpack)
    except NetworkError as error:
        raise NetworkError(f"{raw}: {error}") from error
    return Lookup(**placed(raw), function=kind, alpha=alpha, xnnpack=by_xnnpack, table=table)


def negated(builder: Builder, raw: RawOperator) -> Operator:
    """Converts NEG: the runtime negates stored integers, and -128 wraps around to itself."""
    source, result = builder.activation(raw), builder.result(raw)
    check_shape(raw, source.shape, result)
    check_same_quantization(raw, [source, result])
    if source.zero_point:
        raise NetworkError(f"{raw} has zero point {source.zero_point}; the runtime negates integers, which needs 0")
    stored = np.arange(-128, 128, dtype=np.int8)
    return StatedTable(**placed(raw), table=frozen(np.negative(stored)))


def softmax(builder: Builder, raw: RawOperator) -> Operator:
    """Converts SOFTMAX along the last axis."""
    source, result, beta = builder.activation(raw), builder.result(raw), raw.options(tflite.SoftmaxOptions).real("Beta")
    check_shape(raw, source.shape, result)
    wide = is_wide(source)
    if wide is not is_wide(result):
        raise NetworkError(f"{raw} has an input of {source.bits} bits and an output of {result.bits}")
    _check_output(raw, result, _WIDE_OUTPUT if wide else SOFTMAX_OUTPUT)
    if not _BETA_MIN <= beta <= 1 / _BETA_MIN:
        raise NetworkError(f"{raw} has beta = {beta}; use {_BETA_MIN} to {1 / _BETA_MIN}")
    floating, length = builder.profile.xnnpack_forms, source.shape[-1]
    longest = _LONGEST_RUN if builder.profile.runtime else _LONGEST
    if wide and length > _LONGEST_WIDE:
        raise NetworkError(f"{raw} is over {length} elements; of int16 at most {_LONGEST_WIDE} are supported")
    if not wide and not floating and length > longest:
        raise NetworkError(f"{raw} is over {length} elements; in fixed point at most {longest} are supported")
    exponentials = softmax_exponentials(beta, source, floating=floating)
    return Softmax(**placed(raw), beta=beta, exponentials=exponentials)


def _check_output(raw: RawOperator, result: TensorSpec, demanded: tuple[float, int]) -> None:
    if demanded != (result.scale, result.zero_point):
        raise NetworkError(
            f"{raw} has an output of scale {result.scale} and zero point {result.zero_point}; "
            f"{demanded[0]} and {demanded[1]} are supported"
        )


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
    """Returns whether XNNPACK, or an optimised kernel of int16, runs the operator; reference kernels run the others."""
    if is_wide(source):
        return kind is not Function.LEAKY_RELU
    if kind is Function.LEAKY_RELU:
        return xnnpack.takes_leaky(source.scale, result.scale, alpha)
    return kind in _BY_XNNPACK
