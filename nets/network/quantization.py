"""Real weights and biases to integers."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from nets.network.tensors import FloatArray, Int8Array, IntArray

_Any = TypeVar("_Any", bound=np.generic)


def weight_limit(bits: int) -> int:
    """Returns the largest magnitude of a symmetric weight of this many bits."""
    return int(2 ** (bits - 1) - 1)


def along_channels(values: npt.NDArray[_Any], ndim: int) -> npt.NDArray[_Any]:
    """Reshapes per-channel values ``[out]`` or ``[1]`` to broadcast along the first of ``ndim`` axes."""
    return values.reshape(-1, *(1,) * (ndim - 1))


def quantize_weights(weights: FloatArray, scale: FloatArray, bits: int) -> Int8Array:
    """Rounds real weights ``[out, ...]`` to symmetric integers of ``bits`` bits at ``scale``, ``[out]`` or ``[1]``."""
    limit = weight_limit(bits)
    steps: FloatArray = np.rint(weights / along_channels(scale, weights.ndim))
    return np.clip(steps, -limit, limit).astype(np.int8)


def quantize_bias(bias: FloatArray, scale: FloatArray, bits: int = 32) -> IntArray:
    """Rounds a real bias ``[out]`` to integers of ``bits`` bits at ``scale = s_x * s_w``; saturates."""
    half = 2 ** (bits - 1)
    return np.clip(np.rint(bias / scale), -half, half - 1).astype(np.int64)
