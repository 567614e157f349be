"""Nonlinear functions of one int8: a table of 256 outputs, computed step by step as the runtime does.

Sources: TFLite's ``lookup table`` of LOGISTIC, TANH and ELU (``kernels/internal/common.h``), ``hard_swish.h``,
``leaky_relu.h``; XNNPACK's ``x8-lut`` operators and ``qs8-vlrelu``.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from nets.errors import NetworkError
from nets.network.contracts import CONTRACTS, FULL_MULTIPLIER_BITS
from nets.network.operators import Operator
from nets.network.rescaler import rescaler_from_scale
from nets.network.tensors import FloatArray, Int8Array, IntArray, TensorSpec

_INTEGERS = np.arange(-128, 128, dtype=np.int64)
_INT16_MAX, _INT16_MIN = 2**15 - 1, -(2**15)
_HIRES_BITS = 7  # by which HARD_SWISH shifts its input left
_RELUISH_SCALE = np.float32(3) / np.float32(32768)
_XNNPACK_BITS = 8  # fraction bits of XNNPACK's multipliers of a leaky ReLU


class Function(StrEnum):
    """A function of one value."""

    ELU = "elu"
    HARD_SWISH = "hard_swish"
    IDENTITY = "identity"
    LEAKY_RELU = "leaky_relu"
    LOGISTIC = "logistic"
    TANH = "tanh"


_OF_FIXED_RANGE = (Function.LOGISTIC, Function.TANH)


@dataclass(frozen=True, eq=False, kw_only=True)
class Lookup(Operator):
    """A function of one int8, element by element.

    Attributes:
        function: what it computes.
        alpha: slope of a leaky ReLU for negative values; 0 for others.
        xnnpack: whether the table is XNNPACK's; otherwise it is that of TFLite's own kernels.
        table: int8 ``[256]``: the outputs of -128 to 127.
    """

    function: Function
    alpha: float
    xnnpack: bool
    table: Int8Array


def lookup_table(
    function: Function, alpha: float, source: TensorSpec, target: TensorSpec, *, xnnpack: bool
) -> Int8Array:
    """Computes the outputs, int8 ``[256]``, of -128 to 127 of the input."""
    centred = _INTEGERS - source.zero_point
    if function is Function.LEAKY_RELU:
        steps = (_xnnpack_leaky if xnnpack else _leaky)(centred, source.scale, target.scale, alpha) + target.zero_point
    elif function is Function.IDENTITY and not xnnpack:
        steps = _quotient(centred, source.scale, target.scale) + target.zero_point
    elif function is Function.HARD_SWISH:
        steps = _hard_swish(centred, source.scale, target.scale) + target.zero_point
    else:
        steps = _rounded(_REAL[function], centred, source.scale, target, half_even=xnnpack)
    table: Int8Array = np.clip(steps, target.q_min, target.q_max).astype(np.int8)
    table.flags.writeable = False
    return table


def fixed_quantization(operators: Iterable[Operator]) -> set[int]:
    """Returns the tensors whose scale and zero point no runtime lets vary: the outputs of LOGISTIC and TANH."""
    return {op.output for op in operators if isinstance(op, Lookup) and op.function in _OF_FIXED_RANGE}


def retabulated(operator: Lookup, tensors: tuple[TensorSpec, ...]) -> Lookup:
    """Returns the operator with the table of its tensors' present scales and zero points."""
    source, target = tensors[operator.inputs[0]], tensors[operator.output]
    table = lookup_table(operator.function, operator.alpha, source, target, xnnpack=operator.xnnpack)
    return replace(operator, table=table)


def _logistic(x: float) -> float:
    with np.errstate(over="ignore"):  # 1 / (1 + infinity) is the 0 that it should be
        return float(np.float32(1) / (np.float32(1) + np.float32(np.exp(-x))))


def _elu(x: float) -> float:
    return float(np.float32(math.exp(x)) - np.float32(1)) if x < 0 else x


_REAL: dict[Function, Callable[[float], float]] = {
    Function.IDENTITY: float,
    Function.LOGISTIC: _logistic,
    Function.TANH: math.tanh,
    Function.ELU: _elu,
}


def _rounded(
    function: Callable[[float], float], centred: IntArray, scale: float, target: TensorSpec, *, half_even: bool
) -> IntArray:
    """Evaluates a function in float32 and rounds it, half away from zero or half to even."""
    reals = np.float32(scale) * centred.astype(np.float32)
    values = np.array([function(float(x)) for x in reals], np.float32)
    steps = (values * (np.float32(1) / np.float32(target.scale))).astype(np.float64)
    whole = np.rint(steps) if half_even else np.copysign(np.floor(np.abs(steps) + 0.5), steps)
    return whole.astype(np.int64) + target.zero_point


def _quotient(centred: IntArray, source: float, target: float) -> IntArray:
    """Divides real values by the new scale in float32, rounded half away from zero (``quantize.h``, AffineQuantize)."""
    reals = np.float32(source) * centred.astype(np.float32)
    steps = (reals / np.float32(target)).astype(np.float64)
    return np.copysign(np.floor(np.abs(steps) + 0.5), steps).astype(np.int64)


def _float32_ratio(scale: float, other: float, alpha: float = 1.0) -> float:
    return float(np.float32(scale) * np.float32(alpha) / np.float32(other))


def _leaky(centred: IntArray, source: float, target: float, alpha: float) -> IntArray:
    """Rescales positive and negative values by multipliers of their own."""
    slopes = (_float32_ratio(source, target), _float32_ratio(source, target, alpha))
    positive, negative = (_rescaled(np.sign(slope) * centred, abs(slope)) for slope in slopes)
    return np.where(centred >= 0, positive, negative)


def _rescaled(values: FloatArray, scale: float) -> IntArray:
    """Rescales whole numbers by TFLite's Q31 multiplier of a scale."""
    if scale == 0:
        return np.zeros(len(values), np.int64)
    import torch  # tables are made at import and calibration, but operators are described without torch, too

    from nets.network.requantization import rescaling

    rescaler = rescaler_from_scale(np.array([scale]), FULL_MULTIPLIER_BITS, CONTRACTS["tflite_double"])
    result: IntArray = rescaling(rescaler)(torch.from_numpy(values.astype(np.int64)).reshape(-1, 1)).reshape(-1).numpy()
    return result


def _xnnpack_leaky(centred: IntArray, source: float, target: float, alpha: float) -> IntArray:
    """Multiplies by factors of 8 fraction bits, rounded half up."""
    scale = np.float32(source) / np.float32(target)
    factors = (int(np.rint(np.float32(256) * each)) for each in (scale, scale * np.float32(alpha)))
    positive, negative = factors
    products = np.where(centred >= 0, centred * positive, centred * negative)
    return (products + (1 << (_XNNPACK_BITS - 1))) >> _XNNPACK_BITS


def _hard_swish(centred: IntArray, source: float, target: float) -> IntArray:
    """Computes ``x * relu6(x + 3) / 6`` in 16-bit fixed point."""
    hires = np.float32(1 / 128) * np.float32(source)
    multiplier, exponent = _int16_multiplier(float(hires / np.float32(target)))
    gate_multiplier, gate_exponent = _int16_multiplier(float(hires / _RELUISH_SCALE))
    if exponent > 0:
        raise NetworkError(f"HARD_SWISH from scale {source} to {target}: the input's is more than 128 times as large")
    value = centred << _HIRES_BITS
    product = _doubling_high_mul(value, multiplier)
    gate = value
    if gate_exponent > 0:
        gate = _int16(gate << min(gate_exponent - 1, 16))
    gate = _doubling_high_mul(gate, gate_multiplier)
    if gate_exponent > 0:
        gate = _int16(gate << 1)
    if gate_exponent < 0:
        gate = _divided(gate, -gate_exponent)
    gate = (gate + 2**15) >> 1
    return _divided(np.trunc(gate * product / 2**15).astype(np.int64), -exponent)


def _int16_multiplier(scale: float) -> tuple[int, int]:
    """Returns a scale as a 15-bit multiplier and an exponent, by way of TFLite's 31-bit one."""
    rescaler = rescaler_from_scale(np.array([scale]), FULL_MULTIPLIER_BITS, CONTRACTS["tflite_double"])
    wide, exponent = int(rescaler.multiplier[0]), FULL_MULTIPLIER_BITS - int(rescaler.right_shift[0])
    return (_INT16_MAX if wide >= 2**31 - 1 - 2**15 else (wide + 2**15) >> 16), exponent


def _int16(values: IntArray) -> IntArray:
    return np.clip(values, _INT16_MIN, _INT16_MAX)


def _doubling_high_mul(values: IntArray, multiplier: int) -> IntArray:
    """Computes gemmlowp's SaturatingRoundingDoublingHighMul of 16 bits; the multiplier is positive."""
    product = values * multiplier
    nudged = product + np.where(product >= 0, 2**14, 1 - 2**14)
    return np.trunc(nudged / 2**15).astype(np.int64)


def _divided(values: IntArray, exponent: int) -> IntArray:
    """Computes gemmlowp's RoundingDivideByPOT: half away from zero."""
    if exponent <= 0:
        return values
    mask = (1 << exponent) - 1
    return (values >> exponent) + ((values & mask) > (mask >> 1) + (values < 0))
