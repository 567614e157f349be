"""Real weights and biases to integers."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from nets.network.contracts import INT32_MAX, INT32_MIN
from nets.network.tensors import FloatArray, IntArray, WeightArray

_Any = TypeVar("_Any", bound=np.generic)


def weight_limit(bits: int) -> int:
    """Returns the largest magnitude of a symmetric weight of this many bits."""
    return int(2 ** (bits - 1) - 1)


def along_channels(values: npt.NDArray[_Any], ndim: int) -> npt.NDArray[_Any]:
    """Reshapes per-channel values ``[out]`` or ``[1]`` to broadcast along the first of ``ndim`` axes."""
    return values.reshape(-1, *(1,) * (ndim - 1))


def weight_range(bits: int, zero_point: int = 0) -> tuple[int, int]:
    """Returns the smallest and the largest weight.

    Without a zero point they are symmetric, of ``bits`` bits; with one, all that int8 holds less that zero point.
    """
    if zero_point:
        return -128 - zero_point, 127 - zero_point
    return -weight_limit(bits), weight_limit(bits)


def as_weights(values: FloatArray, zero_point: int) -> WeightArray:
    """Returns whole numbers in the type that weights have: int8, or int16 if a zero point was subtracted."""
    return values.astype(np.int16 if zero_point else np.int8)


def quantize_weights(weights: FloatArray, scale: FloatArray, bits: int, zero_point: int = 0) -> WeightArray:
    """Rounds real weights ``[out, ...]`` at ``scale``, ``[out]`` or ``[1]``, to integers of :func:`weight_range`."""
    steps: FloatArray = np.rint(weights / along_channels(scale, weights.ndim))
    return as_weights(np.clip(steps, *weight_range(bits, zero_point)), zero_point)


def quantize_bias(bias: FloatArray, scale: FloatArray) -> IntArray:
    """Rounds a real bias ``[out]`` to integers at ``scale = s_x * s_w``; saturates at int32."""
    return np.clip(np.rint(bias / scale), INT32_MIN, INT32_MAX).astype(np.int64)
