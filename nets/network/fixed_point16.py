"""Logistic function and hyperbolic tangent in 16-bit fixed point, step by step as gemmlowp computes them.

Source: gemmlowp ``fixedpoint/fixedpoint.h``. A value with ``i`` integer bits is an int16 in steps of ``2**(i - 15)``.
Arrays are int64 and hold int16 values.
"""

import numpy as np

from nets.network.tensors import IntArray

_MAX, _MIN = 2**15 - 1, -(2**15)
_ONE_IN_F2 = 1 << 13
_NEWTON_STEPS = 3
_TAYLOR_CENTRE = 1 << 12  # 1/8
# exp(-2**exponent) by exponent, in steps of 2**-31, for the bits of the argument from 1/4 on.
_EXPONENTIALS = {-2: 1672461947, -1: 1302514674, 0: 790015084, 1: 290630308, 2: 39332535, 3: 720401, 4: 242}


def rounding_divide(values: IntArray, exponent: int) -> IntArray:
    """Computes gemmlowp's RoundingDivideByPOT: ``values / 2**exponent``, half away from zero."""
    if exponent <= 0:
        return values
    mask = (1 << exponent) - 1
    return (values >> exponent) + ((values & mask) > (mask >> 1) + (values < 0))


def int16(values: IntArray) -> IntArray:
    """Saturates values to int16."""
    return np.clip(values, _MIN, _MAX)


def doubling_high_mul(left: IntArray, right: IntArray | int) -> IntArray:
    """Computes gemmlowp's SaturatingRoundingDoublingHighMul of 16 bits."""
    return int16((left * right + 2**14) >> 15)


def fixed_logistic(values: IntArray, integer_bits: int = 3) -> IntArray:
    """Computes the logistic function of values with ``integer_bits`` integer bits, in steps of ``2**-15``."""
    positive = _one_over_one_plus(_exp_of_negative(-np.abs(values), integer_bits))
    return np.select([values == 0, values > 0], [1 << 14, positive], _MAX - positive)


def fixed_tanh(values: IntArray, integer_bits: int = 3) -> IntArray:
    """Computes the hyperbolic tangent of values with ``integer_bits`` integer bits, in steps of ``2**-15``."""
    magnitude = _one_minus_over_one_plus(_exp_of_negative(-np.abs(values), integer_bits + 1))
    return np.select([values == 0, values > 0], [0, magnitude], -magnitude)


def _constant(value: int) -> int:
    """Returns an int32 constant rounded to int16."""
    return int(rounding_divide(np.array(value, np.int64), 16))


def _exp_of_negative(values: IntArray, integer_bits: int) -> IntArray:
    """Computes the exponential of values up to 0 in steps of ``2**-15``."""
    fraction_bits = 15 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    rest = (values & (quarter - 1)) - quarter
    result = _exp_between_quarter_and_zero(int16(rest << integer_bits))
    remainder = rest - values
    for exponent, constant in _EXPONENTIALS.items():
        if integer_bits > exponent:
            bit = remainder & (1 << (fraction_bits + exponent))
            result = np.where(bit != 0, doubling_high_mul(result, _constant(constant)), result)
    return np.where(values == 0, _MAX, result)


def _exp_between_quarter_and_zero(values: IntArray) -> IntArray:
    """Computes the exponential between -1/4 and 0 by its series around -1/8, of four terms."""
    centre = _constant(1895147668)
    x = values + _TAYLOR_CENTRE
    square = doubling_high_mul(x, x)
    cube, fourth = doubling_high_mul(square, x), doubling_high_mul(square, square)
    thirds = doubling_high_mul(rounding_divide(fourth, 2) + cube, _constant(715827883))
    return int16(centre + doubling_high_mul(x + rounding_divide(thirds + square, 1), centre))


def _inverse_of_half_sum(values: IntArray) -> IntArray:
    """Computes ``2 / (1 + x)`` of x from 0 to 1 by Newton's method, with two integer bits."""
    total = values + _MAX
    half = np.where(total >= 0, total + 1, total - 1) // 2
    x = _constant(1515870810) + doubling_high_mul(half, _constant(-1010580540))
    for _ in range(_NEWTON_STEPS):
        rest = _ONE_IN_F2 - doubling_high_mul(half, x)
        x = x + int16(doubling_high_mul(x, rest) << 2)
    return x


def _one_over_one_plus(values: IntArray) -> IntArray:
    return int16(_inverse_of_half_sum(values) << 1)


def _one_minus_over_one_plus(values: IntArray) -> IntArray:
    return int16((_inverse_of_half_sum(values) - _ONE_IN_F2) << 2)
