"""Nonlinear functions of one integer: a table of all outputs, computed step by step as the runtime does.

Sources: TFLite's ``lookup table`` of LOGISTIC, TANH and ELU (``kernels/internal/common.h``), ``hard_swish.h``,
``leaky_relu.h``, of int16 ``integer_ops/logistic.h`` and ``tanh.h``; XNNPACK's ``x8-lut`` operators and ``qs8-vlrelu``.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from nets.errors import NetworkError
from nets.network.contracts import CONTRACTS, FULL_MULTIPLIER_BITS
from nets.network.fixed_point import doubling_high_mul, fixed_logistic, fixed_tanh, int16, rounding_divide
from nets.network.operators import Operator
from nets.network.recurrent import LstmRecurrence
from nets.network.rescaler import rescaler_from_scale
from nets.network.sigmoid_table import sigmoid_entries
from nets.network.tensors import ActivationArray, FloatArray, IntArray, TensorSpec

_INT16_MAX = 2**15 - 1
_HIRES_BITS = 7  # by which HARD_SWISH shifts its input left
_RELUISH_SCALE = np.float32(3) / np.float32(32768)
_XNNPACK_BITS = 8  # fraction bits of XNNPACK's multipliers of a leaky ReLU


class Function(StrEnum):
    """A function of one value."""

    ELU = "elu"
    HARD_SWISH = "hard_swish"
    LEAKY_RELU = "leaky_relu"
    LOGISTIC = "logistic"
    TANH = "tanh"


_OF_FIXED_RANGE = (Function.LOGISTIC, Function.TANH)


@dataclass(frozen=True, eq=False, kw_only=True)
class Lookup(Operator):
    """A function of one integer, element by element.

    Attributes:
        function: what it computes.
        alpha: slope of a leaky ReLU for negative values; 0 for others.
        xnnpack: whether the table is that of the default resolver: XNNPACK's, or of int16 that of TFLite's optimised
            kernels; otherwise it is that of TFLite's reference kernels.
        table: int8 ``[256]``: the outputs of -128 to 127; or int16 ``[65536]`` of all int16.
    """

    function: Function
    alpha: float
    xnnpack: bool
    table: ActivationArray


def lookup_table(
    function: Function, alpha: float, source: TensorSpec, target: TensorSpec, *, xnnpack: bool
) -> ActivationArray:
    """Computes the outputs of every integer that the input's type holds, in ascending order.

    Raises:
        NetworkError: the runtime has no such function of int16.
    """
    stored = np.iinfo(source.dtype)
    centred = np.arange(stored.min, stored.max + 1, dtype=np.int64) - source.zero_point
    if source.dtype == np.int16 and function is not Function.LEAKY_RELU:
        steps = _wide_steps(function, centred, source.scale, optimised=xnnpack)
    elif function is Function.LEAKY_RELU:
        steps = (_xnnpack_leaky if xnnpack else _leaky)(centred, source.scale, target.scale, alpha) + target.zero_point
    elif function is Function.HARD_SWISH:
        steps = _hard_swish(centred, source.scale, target.scale) + target.zero_point
    else:
        steps = _rounded(_REAL[function], centred, source.scale, target, half_even=xnnpack)
    table: ActivationArray = np.clip(steps, target.q_min, target.q_max).astype(target.dtype)
    table.flags.writeable = False
    return table


def fixed_quantization(operators: Iterable[Operator]) -> set[int]:
    """Returns the tensors whose scale and zero point do not vary.

    No runtime lets those of the outputs of LOGISTIC and TANH vary, nor those of an LSTM's gates; those of its state are
    part of what it computes.
    """
    fixed: set[int] = set()
    for operator in operators:
        if isinstance(operator, Lookup) and operator.function in _OF_FIXED_RANGE:
            fixed.add(operator.output)
        if isinstance(operator, LstmRecurrence):
            fixed.update((*operator.inputs, operator.output))
    return fixed


def retabulated(operator: Lookup, tensors: tuple[TensorSpec, ...]) -> Lookup:
    """Returns the operator with the table of its tensors' present scales and zero points."""
    source, target = tensors[operator.inputs[0]], tensors[operator.output]
    table = lookup_table(operator.function, operator.alpha, source, target, xnnpack=operator.xnnpack)
    return replace(operator, table=table)


def _wide_steps(function: Function, values: IntArray, scale: float, *, optimised: bool) -> IntArray:
    """Computes a function of int16 in steps of 2**-15.

    TFLite interpolates it in a table of sigmoids; its optimised kernels do so unless 3 integer bits hold the input.
    """
    if function is Function.LOGISTIC:
        integer_bits = _integer_bits(scale, (3,))
        if optimised and integer_bits:
            return fixed_logistic(values, 3)
        return _wide_logistic(_table_input(values, scale, integer_bits))
    if function is Function.TANH:
        integer_bits = _integer_bits(scale, (3, 4))
        if optimised and integer_bits:
            return fixed_tanh(int16(values << (integer_bits - 3)), 3)
        return _wide_tanh(_table_input(values, scale, integer_bits))
    raise NetworkError(f"{function.value.upper()} of int16 is not a function of the runtime")


def _integer_bits(scale: float, supported: tuple[int, ...]) -> int:
    """Returns the number of integer bits of int16 values at this scale, if it is one of those; 0 otherwise."""
    fraction, exponent = np.frexp(scale)
    bits = int(exponent) - 1 + 15
    return bits if fraction == 0.5 and bits in supported else 0


def _table_input(values: IntArray, scale: float, integer_bits: int) -> IntArray:
    """Converts int16 values to steps of ``1 / 12288``, of which the table of sigmoids has an entry every 512."""
    if integer_bits:
        return values * 3 << (integer_bits - 3)
    multiplier, right_shift = scale * 4096.0 * 3.0, 0
    while multiplier <= _INT16_MAX / 2 and right_shift <= 30:
        multiplier, right_shift = multiplier * 2, right_shift + 1
    half = 1 << (right_shift - 1) if right_shift else 0
    return (values * int(multiplier) + half) >> right_shift


def _interpolated_sigmoid(steps: IntArray, fraction_bits: int, largest: int) -> IntArray:
    """Interpolates the sigmoid of unsigned steps, with ``16 + fraction_bits`` fraction bits; ``largest`` at the end."""
    table = sigmoid_entries()
    at, share = np.minimum(steps >> fraction_bits, 255), steps & ((1 << fraction_bits) - 1)
    first, second = table[at], table[np.minimum(at + 1, 255)]
    return np.where(at >= 255, largest, (first << fraction_bits) + share * (second - first))


def _wide_logistic(steps: IntArray) -> IntArray:
    sigmoid = _interpolated_sigmoid(np.abs(steps), 9, _INT16_MAX << 10)
    return np.where(steps >= 0, sigmoid + (1 << 9), (1 << 25) - sigmoid + (1 << 9) - 1) >> 10


def _wide_tanh(steps: IntArray) -> IntArray:
    """Computes ``2 * sigmoid(2 x) - 1``."""
    sigmoid = _interpolated_sigmoid(np.abs(steps), 8, 0xFFFF << 8)
    return np.where(steps >= 0, sigmoid - (1 << 23) + (1 << 7), (1 << 23) - sigmoid + (1 << 7) - 1) >> 8


def _logistic(x: float) -> float:
    with np.errstate(over="ignore"):  # 1 / (1 + infinity) is the 0 that it should be
        return float(np.float32(1) / (np.float32(1) + np.float32(np.exp(-x))))


def _elu(x: float) -> float:
    return float(np.float32(math.exp(x)) - np.float32(1)) if x < 0 else x


_REAL: dict[Function, Callable[[float], float]] = {
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
    product = doubling_high_mul(value, multiplier)
    gate = value
    if gate_exponent > 0:
        gate = int16(gate << min(gate_exponent - 1, 16))
    gate = doubling_high_mul(gate, gate_multiplier)
    if gate_exponent > 0:
        gate = int16(gate << 1)
    if gate_exponent < 0:
        gate = rounding_divide(gate, -gate_exponent)
    gate = (gate + 2**15) >> 1
    return rounding_divide(np.trunc(gate * product / 2**15).astype(np.int64), -exponent)


def _int16_multiplier(scale: float) -> tuple[int, int]:
    """Returns a scale as a 15-bit multiplier and an exponent, by way of TFLite's 31-bit one."""
    rescaler = rescaler_from_scale(np.array([scale]), FULL_MULTIPLIER_BITS, CONTRACTS["tflite_double"])
    wide, exponent = int(rescaler.multiplier[0]), FULL_MULTIPLIER_BITS - int(rescaler.right_shift[0])
    return (_INT16_MAX if wide >= 2**31 - 1 - 2**15 else (wide + 2**15) >> 16), exponent
