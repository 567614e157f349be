"""gemmlowp's fixed-point arithmetic of 32 bits, as TFLite's reference kernels use it, on int64 arrays.

A number of ``i`` integer bits is an integer in units of ``2**-(31 - i)``. Source: gemmlowp's ``fixedpoint.h``; the
reciprocals are those of TFLite's ``kernels/internal/common.h``.
"""

import numpy as np

from nets.network.contracts import INT32_MAX, INT32_MIN
from nets.network.tensors import IntArray

_HALF_THREE, _HALF_SQRT_2 = 3 << 27, 1518500250  # with 3 integer bits, and with none
_EXP_EIGHTH, _THIRD = 1895147668, 715827883  # exp(-1/8) and 1/3
_EXP_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)  # exp(-2**n), n from -2 on
_48_OVER_17, _32_OVER_17 = 1515870810, 1010580540  # with 2 integer bits


def doubling_high_mul(left: IntArray, right: IntArray | int) -> IntArray:
    """Computes SaturatingRoundingDoublingHighMul; no operand pair is INT32_MIN twice."""
    product = left * np.int64(right) if isinstance(right, int) else left * right
    nudged = product + np.where(product >= 0, 2**30, 1 - 2**30)
    result: IntArray = np.sign(nudged) * (np.abs(nudged) >> 31)
    return result


def rounding_divide_by_pot(values: IntArray, exponent: IntArray | int) -> IntArray:
    """Computes RoundingDivideByPOT: half away from zero; the exponent is at least 0."""
    mask = (np.int64(1) << exponent) - 1
    result: IntArray = (values >> exponent) + ((values & mask) > (mask >> 1) + (values < 0))
    return result


def shifted_left(values: IntArray, exponent: int) -> IntArray:
    """Computes SaturatingRoundingMultiplyByPOT of a positive exponent."""
    result: IntArray = np.clip(values << exponent, INT32_MIN, INT32_MAX)
    return result


def multiplied(values: IntArray, multiplier: IntArray | int, shift: IntArray | int) -> IntArray:
    """Computes MultiplyByQuantizedMultiplier with two roundings; a positive shift is left."""
    product = doubling_high_mul(values << np.maximum(shift, 0), multiplier)
    return rounding_divide_by_pot(product, np.maximum(-np.asarray(shift), 0))


def inverse_square_root(values: IntArray) -> tuple[IntArray, IntArray]:
    """Computes GetInvSqrtQuantizedMultiplierExp of integers from 1 to 2**29: multipliers and left shifts."""
    pairs = (31 - np.frexp(values.astype(np.float64))[1].astype(np.int64)) // 2 - 1
    shift, scaled = 11 - pairs, values << (2 * pairs)
    half = rounding_divide_by_pot(scaled >> 1, 1)
    x = np.full(values.shape, 1 << 28, np.int64)
    for _ in range(5):
        cube = shifted_left(doubling_high_mul(doubling_high_mul(x, x), x), 6)
        x = shifted_left(doubling_high_mul(x, _HALF_THREE) - doubling_high_mul(half, cube), 3)
    root = doubling_high_mul(x, _HALF_SQRT_2) << np.maximum(-shift, 0)
    one = values == 1
    return np.where(one, INT32_MAX, root), np.where(one, 0, -np.maximum(shift, 0))


def exponential(values: IntArray) -> IntArray:
    """Computes exp_on_negative_values: of numbers from -32 to 0 with 5 integer bits, results with none."""
    quarter = 1 << 24
    within = (values & (quarter - 1)) - quarter
    result, rest = _near_zero(shifted_left(within, 5)), within - values
    for at, factor in enumerate(_EXP_POWERS):
        result = np.where(rest & (quarter << at), doubling_high_mul(result, factor), result)
    exact: IntArray = np.where(values == 0, INT32_MAX, result)
    return exact


def _near_zero(values: IntArray) -> IntArray:
    """Computes the exponential from -1/4 to 0, without integer bits, by its Taylor series at -1/8."""
    x = values + (1 << 28)
    square = doubling_high_mul(x, x)
    fourth = rounding_divide_by_pot(doubling_high_mul(square, square), 2)
    cubes = doubling_high_mul(fourth + doubling_high_mul(square, x), _THIRD)
    return _EXP_EIGHTH + doubling_high_mul(x + rounding_divide_by_pot(cubes + square, 1), _EXP_EIGHTH)


def reciprocal(values: IntArray, integer_bits: int) -> tuple[IntArray, IntArray]:
    """Computes GetReciprocal of positive numbers: factors from 1/2 to 1, without integer bits, and right shifts."""
    zeros = 32 - np.frexp(values.astype(np.float64))[1].astype(np.int64)
    half = ((values << zeros) - (1 << 31) + INT32_MAX + 1) // 2  # RoundingHalfSum with 1
    x = _48_OVER_17 + doubling_high_mul(half, -_32_OVER_17)
    for _ in range(3):
        x = x + shifted_left(doubling_high_mul(x, (1 << 29) - doubling_high_mul(half, x)), 2)
    return shifted_left(x, 1), integer_bits - zeros
