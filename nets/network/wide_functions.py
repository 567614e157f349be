"""LOGISTIC and TANH of int16 in steps of 2**-15, step by step as TFLite computes them.

TFLite interpolates them in a table of sigmoids; its optimised kernels do so unless 3 integer bits hold the input.
Sources: TFLite's ``integer_ops/logistic.h`` and ``tanh.h``; ``optimized_ops.h``.
"""

import numpy as np

from nets.network.fixed_point16 import fixed_logistic, fixed_tanh, int16
from nets.network.sigmoid_table import sigmoid_entries
from nets.network.tensors import IntArray

_INT16_MAX = 2**15 - 1


def wide_logistic(values: IntArray, scale: float, *, optimised: bool) -> IntArray:
    """Computes the logistic function of int16 values at a scale."""
    integer_bits = _integer_bits(scale, (3,))
    if optimised and integer_bits:
        return fixed_logistic(values, 3)
    return _logistic(_table_input(values, scale, integer_bits))


def wide_tanh(values: IntArray, scale: float, *, optimised: bool) -> IntArray:
    """Computes the hyperbolic tangent of int16 values at a scale."""
    integer_bits = _integer_bits(scale, (3, 4))
    if optimised and integer_bits:
        return fixed_tanh(int16(values << (integer_bits - 3)), 3)
    return _tanh(_table_input(values, scale, integer_bits))


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


def _logistic(steps: IntArray) -> IntArray:
    sigmoid = _interpolated_sigmoid(np.abs(steps), 9, _INT16_MAX << 10)
    return np.where(steps >= 0, sigmoid + (1 << 9), (1 << 25) - sigmoid + (1 << 9) - 1) >> 10


def _tanh(steps: IntArray) -> IntArray:
    """Computes ``2 * sigmoid(2 x) - 1``."""
    sigmoid = _interpolated_sigmoid(np.abs(steps), 8, 0xFFFF << 8)
    return np.where(steps >= 0, sigmoid - (1 << 23) + (1 << 7), (1 << 23) - sigmoid + (1 << 7) - 1) >> 8
