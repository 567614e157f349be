"""SOFTMAX along the last axis, step by step as TFLite's kernels compute it.

The reference kernel (``reference/softmax.h``) computes in fixed point, the default one (``optimized_ops.h``), which
XNNPACK leaves in place, in float32 with a table of exponentials. Of int16 there is one kernel (``wide_softmax.py``).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nets.network.contracts import CONTRACTS, FULL_MULTIPLIER_BITS
from nets.network.fixed_point import doubling_high_mul, exponential, reciprocal, rounding_divide_by_pot
from nets.network.operators import Operator
from nets.network.rescaler import rescaler_from_scale
from nets.network.tensors import ActivationArray, TensorSpec
from nets.network.wide_softmax import wide_exponentials, wide_shares

SOFTMAX_OUTPUT = (1 / 256, -128)  # the scale and zero point that runtimes demand
_DIFFERENCES = np.arange(256, dtype=np.int64)  # of the largest input and another one
_INPUT_BITS, _SUM_BITS = 5, 12  # integer bits of scaled differences, and of sums of exponentials


@dataclass(frozen=True, eq=False, kw_only=True)
class Softmax(Operator):
    """Softmax along the last axis; the output's scale is 1/256, its zero point -128, or of int16 2**-15 and 0.

    Attributes:
        beta: factor of the inputs.
        exponentials: of the differences of 0 to 255 steps to the largest input, ``[256]``: int64 in units of 2**-31,
            as the reference kernel has them, or float32, as the default one has. Of int16 ``[65536]``, int64 in units
            of 2**-15.
    """

    beta: float
    exponentials: npt.NDArray[np.int64] | npt.NDArray[np.float32]


def softmax_exponentials(
    beta: float, source: TensorSpec, *, floating: bool
) -> npt.NDArray[np.int64] | npt.NDArray[np.float32]:
    """Computes the exponentials of a softmax of inputs in this quantization, in fixed point or in float32."""
    if source.dtype == np.int16:
        return _frozen(wide_exponentials(beta, source.scale))
    if floating:
        scale = -(np.float32(source.scale) * np.float32(beta))
        exponents = (scale * _DIFFERENCES.astype(np.float32)).astype(np.float64)
        return _frozen(np.exp(exponents).astype(np.float32))
    real = min(beta * source.scale * (1 << (31 - _INPUT_BITS)), float(2**31 - 1))
    rescaler = rescaler_from_scale(np.array([real]), FULL_MULTIPLIER_BITS, CONTRACTS["tflite_double"])
    multiplier, left = int(rescaler.multiplier[0]), FULL_MULTIPLIER_BITS - int(rescaler.right_shift[0])
    farthest = math.floor(((1 << _INPUT_BITS) - 1) * (1 << (31 - _INPUT_BITS)) / 2.0**left)
    near = np.minimum(_DIFFERENCES, farthest)
    scaled = doubling_high_mul(-near << max(left, 0), multiplier)
    return _frozen(np.where(farthest >= _DIFFERENCES, exponential(scaled), 0))


def softmax_of(operator: Softmax, values: ActivationArray) -> ActivationArray:
    """Computes the softmax of int8 or int16 ``[..., length]`` along the last axis."""
    differences = values.max(axis=-1, keepdims=True).astype(np.int64) - values
    exponentials = operator.exponentials[differences]
    if values.dtype == np.int16:
        return wide_shares(exponentials.astype(np.int64)).astype(np.int16)
    if exponentials.dtype == np.float32:
        # Sums are formed one by one, in the order of the elements.
        total = np.add.accumulate(exponentials, axis=-1, dtype=np.float32)[..., -1:]
        share = exponentials * (np.float32(1) / (total * np.float32(SOFTMAX_OUTPUT[0])))
        steps = (share.astype(np.float64) + 0.5).astype(np.int64)
    else:
        total = rounding_divide_by_pot(exponentials, _SUM_BITS).sum(axis=-1, keepdims=True)
        factor, shift = reciprocal(total, _SUM_BITS)
        steps = rounding_divide_by_pot(doubling_high_mul(exponentials, factor), shift + 31 - 8)
    result: ActivationArray = np.clip(steps + SOFTMAX_OUTPUT[1], -128, 127).astype(np.int8)
    return result


def with_input(operator: Softmax, source: TensorSpec) -> Softmax:
    """Returns the operator for inputs of another quantization."""
    floating = operator.exponentials.dtype == np.float32
    return replace(operator, exponentials=softmax_exponentials(operator.beta, source, floating=floating))


def _frozen(values: npt.NDArray[np.generic]) -> npt.NDArray[np.int64] | npt.NDArray[np.float32]:
    values.flags.writeable = False
    return values  # type: ignore[return-value]
