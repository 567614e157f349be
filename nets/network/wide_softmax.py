"""SOFTMAX of int16, step by step as TFLite computes it: exponentials and a reciprocal from interpolated tables.

Sources: TFLite's ``reference/softmax.h`` (``SoftmaxInt16``) and the tables of ``internal/common.h``
(``LUTPopulateInt16``). Both resolvers run it.
"""

import functools
import math
from collections.abc import Callable

import numpy as np

from nets.network.contracts import CONTRACTS, FULL_MULTIPLIER_BITS
from nets.network.rescaler import rescaler_from_scale
from nets.network.tensors import IntArray

_MIN, _MAX = -(2**15), 2**15 - 1
_STEPS = 512  # intervals of a table
_REACH = 10.0  # the table of exponentials ends at exp(-10)
_ALL = 2**16 - 1  # steps from the smallest to the largest int16


def wide_exponentials(beta: float, scale: float) -> IntArray:
    """Returns the exponentials, in steps of 2**-15, of the differences of 0 to 65535 steps to the largest input.

    Args:
        beta: factor of the inputs.
        scale: real value of one of their steps.
    """
    import torch  # tables are made at import, but operators are described without torch, too

    from nets.network.requantization import rescaling

    stretch = rescaler_from_scale(
        np.array([scale * beta / (_REACH / _ALL)]), FULL_MULTIPLIER_BITS, CONTRACTS["tflite_double"]
    )
    differences = -torch.arange(_ALL + 1, dtype=torch.int64).reshape(-1, 1)
    steps = rescaling(stretch)(differences).numpy().reshape(-1) + _MAX
    return _interpolated(_exponential_table(), np.clip(steps, _MIN, _MAX))


def wide_shares(exponentials: IntArray) -> IntArray:
    """Divides exponentials ``[..., length]`` by their sum along the last axis, in steps of 2**-15."""
    total = exponentials.sum(axis=-1, keepdims=True)
    bits = np.frexp(total.astype(np.float64))[1].astype(np.int64)  # of the sum, exact below 2**53
    mantissa = ((total << (31 - bits)) + (1 << 13)) >> 14
    factor = _interpolated(_reciprocal_table(), np.clip(mantissa - (1 << 15) - (1 << 16), _MIN, _MAX))
    shift = bits - 1
    shares: IntArray = np.clip((exponentials * factor + (1 << (shift - 1))) >> shift, 0, _MAX)
    return shares


@functools.cache
def _exponential_table() -> IntArray:
    return _table(-_REACH, 0.0, math.exp)


@functools.cache
def _reciprocal_table() -> IntArray:
    return _table(0.0, 1.0, lambda x: 1.0 / (1.0 + x))


def _table(first: float, last: float, function: Callable[[float], float]) -> IntArray:
    """Returns the ends of the intervals, moved so that the error in their middle is halved; ``[513]``."""
    step, unit = (last - first) / _STEPS, (_ALL + 1) / 2.0
    ends = [_rounded(function(first + at * step) * unit) for at in range(_STEPS)]
    entries = []
    for at, end in enumerate(ends):
        after = function(first + (at + 1) * step) * unit
        middle = _rounded(function(first + at * step + step / 2) * unit)
        entries.append(end - _rounded((_rounded((after + end) / 2) - middle) / 2))
    entries.append(_rounded(function(last) * unit))
    return np.clip(np.array(entries, np.int64), _MIN, _MAX)


def _rounded(value: float) -> int:
    """Rounds half away from zero, as C's round does."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def _interpolated(table: IntArray, values: IntArray) -> IntArray:
    """Looks int16 values up; every interval has 128 of them."""
    at, share = 256 + (values >> 7), values & 127
    values_between: IntArray = table[at] + (((table[at + 1] - table[at]) * share + 64) >> 7)
    return values_between
