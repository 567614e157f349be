"""Nonlinear functions of one integer: a table of all outputs, computed step by step as the runtime does.

Sources: TFLite's ``lookup table`` of LOGISTIC, TANH, ELU, EXP, LOG and GELU (``kernels/internal/common.h``),
``hard_swish.h``, ``leaky_relu.h``, ``elementwise.cc``; XNNPACK's ``x8-lut`` operators and ``qs8-vlrelu``.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from nets.errors import NetworkError
from nets.network.contracts import CONTRACTS, FULL_MULTIPLIER_BITS, INT32_MAX, INT32_MIN
from nets.network.fixed_point import inverse_square_root, multiplied
from nets.network.fixed_point16 import doubling_high_mul, int16, rounding_divide
from nets.network.operators import Operator
from nets.network.rescaler import rescaler_from_scale
from nets.network.tensors import ActivationArray, FloatArray, IntArray, TensorSpec
from nets.network.wide_functions import wide_logistic, wide_tanh

_INT16_MAX = 2**15 - 1
_HIRES_BITS = 7  # by which HARD_SWISH shifts its input left
_RELUISH_SCALE = np.float32(3) / np.float32(32768)
_ROOT_SHIFT = 20  # bits by which RSQRT keeps its fraction
_XNNPACK_BITS = 8  # fraction bits of XNNPACK's multipliers of a leaky ReLU


class Function(StrEnum):
    """A function of one value."""

    ABS = "abs"
    ELU = "elu"
    EXP = "exp"
    GELU = "gelu"
    GELU_TANH = "gelu_tanh"  # the approximation by a hyperbolic tangent
    HARD_SWISH = "hard_swish"
    IDENTITY = "identity"
    LEAKY_RELU = "leaky_relu"
    LOG = "log"
    LOGISTIC = "logistic"
    RSQRT = "rsqrt"
    SQRT = "sqrt"
    TANH = "tanh"


OF_FIXED_RANGE = (Function.LOGISTIC, Function.TANH)


@dataclass(frozen=True, eq=False, kw_only=True)
class Tabulated(Operator, ABC):
    """A function of one integer, element by element.

    Attributes:
        table: int8 ``[256]``: the outputs of -128 to 127; or int16 ``[65536]`` of all int16.
    """

    table: ActivationArray

    @abstractmethod
    def tabulated(self, source: TensorSpec, target: TensorSpec) -> ActivationArray:
        """Computes the table between tensors of these scales and zero points."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Lookup(Tabulated):
    """A function as LiteRT computes it.

    Attributes:
        function: what it computes.
        alpha: slope of a leaky ReLU for negative values; 0 for others.
        xnnpack: whether the table is that of the default resolver: XNNPACK's, or of int16 that of TFLite's optimised
            kernels; otherwise it is that of TFLite's reference kernels.
    """

    function: Function
    alpha: float
    xnnpack: bool

    def tabulated(self, source: TensorSpec, target: TensorSpec) -> ActivationArray:
        """Computes the runtime's table between tensors of these scales and zero points."""
        return lookup_table(self.function, self.alpha, source, target, xnnpack=self.xnnpack)


@dataclass(frozen=True, eq=False, kw_only=True)
class StatedTable(Tabulated):
    """A table that a file states without the function behind it; its tensors keep scale and zero point."""

    def tabulated(self, source: TensorSpec, target: TensorSpec) -> ActivationArray:  # noqa: ARG002 -- see below
        """Returns the table: no function is known that another one could be made from."""
        return self.table


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
        if function not in _WIDE:
            raise NetworkError(f"{function.value.upper()} of int16 is not a function of the runtime")
        steps = _WIDE[function](centred, source.scale, optimised=xnnpack)
    elif function is Function.LEAKY_RELU:
        steps = (_xnnpack_leaky if xnnpack else _leaky)(centred, source.scale, target.scale, alpha) + target.zero_point
    elif function is Function.IDENTITY and not xnnpack:
        steps = _quotient(centred, source.scale, target.scale) + target.zero_point
    elif function in _STEPS:
        steps = _STEPS[function](centred, source.scale, target) + target.zero_point
    else:
        steps = _rounded(_REAL[function], centred, source.scale, target, half_even=xnnpack)
    table: ActivationArray = np.clip(steps, target.q_min, target.q_max).astype(target.dtype)
    table.flags.writeable = False
    return table


def _logistic(x: float) -> float:
    with np.errstate(over="ignore"):  # 1 / (1 + infinity) is the 0 that it should be
        return float(np.float32(1) / (np.float32(1) + np.float32(np.exp(-x))))


def _elu(x: float) -> float:
    return float(np.float32(math.exp(x)) - np.float32(1)) if x < 0 else x


def _exp(x: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.exp(np.float64(x)))


def _gelu(x: float) -> float:
    argument = np.float32(x) * np.float32(-math.sqrt(0.5))
    return float(np.float32(0.5) * np.float32(x) * np.float32(math.erfc(argument)))


def _gelu_tanh(x: float) -> float:
    x32 = np.float32(x)
    argument = np.float32(math.sqrt(2 / math.pi)) * (x32 + np.float32(0.044715) * x32 * x32 * x32)
    return float(np.float32(0.5) * x32 * (np.float32(1) + np.float32(math.tanh(argument))))


_REAL: dict[Function, Callable[[float], float]] = {
    Function.ELU: _elu,
    Function.EXP: _exp,
    Function.GELU: _gelu,
    Function.GELU_TANH: _gelu_tanh,
    Function.LOG: lambda x: math.log(x) if x > 0 else -math.inf,
    Function.IDENTITY: float,
    Function.LOGISTIC: _logistic,
    Function.TANH: math.tanh,
}


def _rounded(
    function: Callable[[float], float], centred: IntArray, scale: float, target: TensorSpec, *, half_even: bool
) -> IntArray:
    """Evaluates a function in float32 and rounds it, half away from zero or half to even."""
    reals = np.float32(scale) * centred.astype(np.float32)
    with np.errstate(over="ignore"):  # infinities are clipped
        values = np.array([function(float(x)) for x in reals], np.float32)
    steps = (values * (np.float32(1) / np.float32(target.scale))).astype(np.float64)
    whole = np.rint(steps) if half_even else np.copysign(np.floor(np.abs(steps) + 0.5), steps)
    return np.clip(whole, INT32_MIN, INT32_MAX).astype(np.int64) + target.zero_point


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


def _absolute(centred: IntArray, source: float, target: TensorSpec) -> IntArray:
    return _rescaled(np.abs(centred), _float32_ratio(source, target.scale))


def _square_root(centred: IntArray, source: float, target: TensorSpec) -> IntArray:
    """Computes in float32 and drops the fraction; no runtime takes negative values, which count as 0 here."""
    reals = np.float32(source) * np.maximum(centred, 0).astype(np.float32)
    steps: IntArray = np.clip(np.trunc(np.sqrt(reals) / np.float32(target.scale)), 0, INT32_MAX).astype(np.int64)
    return steps


def _inverse_square_root(centred: IntArray, source: float, target: TensorSpec) -> IntArray:
    """Computes in fixed point; 0, and negative values, which no runtime takes, give the largest output."""
    scale = 1 / float(np.sqrt(np.float32(source)) * np.float32(target.scale))
    rescaler = rescaler_from_scale(np.array([scale]), FULL_MULTIPLIER_BITS, CONTRACTS["tflite_double"])
    multiplier, shift = int(rescaler.multiplier[0]), FULL_MULTIPLIER_BITS - int(rescaler.right_shift[0])
    roots, left = inverse_square_root(np.maximum(centred, 1))
    whole = multiplied(np.ones_like(centred), roots, left + _ROOT_SHIFT)
    steps = multiplied(whole, multiplier, shift - _ROOT_SHIFT)
    return np.where(centred > 0, steps, target.q_max - target.zero_point)


def _hard_swish(centred: IntArray, source: float, target_spec: TensorSpec) -> IntArray:
    """Computes ``x * relu6(x + 3) / 6`` in 16-bit fixed point."""
    target = target_spec.scale
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


# Functions that runtimes compute in integers or in steps of their own; less the output's zero point.
_STEPS: dict[Function, Callable[[IntArray, float, TensorSpec], IntArray]] = {
    Function.ABS: _absolute,
    Function.HARD_SWISH: _hard_swish,
    Function.RSQRT: _inverse_square_root,
    Function.SQRT: _square_root,
}

# Functions of int16 in steps of 2**-15.
_WIDE = {Function.LOGISTIC: wide_logistic, Function.TANH: wide_tanh}
