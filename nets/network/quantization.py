"""Real weights and biases to integers."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from nets.network.tensors import FloatArray, IntArray, WeightArray

_Any = TypeVar("_Any", bound=np.generic)


def weight_limit(bits: int) -> int:
    """Returns the largest magnitude of a symmetric weight of this many bits."""
    return int(2 ** (bits - 1) - 1)


def along_channels(values: npt.NDArray[_Any], ndim: int) -> npt.NDArray[_Any]:
    """Reshapes per-channel values ``[out]`` or ``[1]`` to broadcast along the first of ``ndim`` axes."""
    return values.reshape(-1, *(1,) * (ndim - 1))


def weight_type(bits: int) -> type[np.int8] | type[np.int16]:
    """Returns the type that weights of this many bits are stored in."""
    return np.int8 if bits <= 8 else np.int16


def weight_range(bits: int, zero_point: int = 0) -> tuple[int, int]:
    """Returns the smallest and the largest weight.

    Without a zero point they are symmetric, of ``bits`` bits; with one, all that int8 holds less that zero point.
    """
    if zero_point:
        return -128 - zero_point, 127 - zero_point
    return -weight_limit(bits), weight_limit(bits)


def as_weights(values: FloatArray, bits: int, zero_point: int) -> WeightArray:
    """Returns whole numbers in the type that weights have: int8, or int16 beyond 8 bits or with a zero point."""
    return values.astype(np.int16 if zero_point else weight_type(bits))


def quantize_weights(weights: FloatArray, scale: FloatArray, bits: int, zero_point: int = 0) -> WeightArray:
    """Rounds real weights ``[out, ...]`` at ``scale``, ``[out]`` or ``[1]``, to integers of :func:`weight_range`."""
    steps: FloatArray = np.rint(weights / along_channels(scale, weights.ndim))
    return as_weights(np.clip(steps, *weight_range(bits, zero_point)), bits, zero_point)


def quantize_bias(bias: FloatArray, scale: FloatArray, bits: int = 32) -> IntArray:
    """Rounds a real bias ``[out]`` to integers of ``bits`` bits at ``scale = s_x * s_w``; saturates."""
    half = 2 ** (bits - 1)
    return np.clip(np.rint(bias / scale), -half, half - 1).astype(np.int64)
