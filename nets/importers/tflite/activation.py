"""Fused activations as output integers, as TFLite's CalculateActivationRangeQuantized computes them."""

import math

import numpy as np
import tflite

from nets.errors import NetworkError
from nets.network import TensorSpec

_INFINITY = math.inf
_REAL_RANGES = {
    tflite.ActivationFunctionType.NONE: (-_INFINITY, _INFINITY),
    tflite.ActivationFunctionType.RELU: (0.0, _INFINITY),
    tflite.ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
    tflite.ActivationFunctionType.RELU6: (0.0, 6.0),
}
# Real bounds of the operators that do nothing else.
CLAMPS = {
    "RELU": (0.0, _INFINITY),
    "RELU6": (0.0, 6.0),
    "RELU_0_TO_1": (0.0, 1.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


def activation_range(raw: object, activation: int, result: TensorSpec) -> tuple[int, int]:
    """Returns the smallest and the largest output integer under a fused activation, which has to be a clamp.

    Args:
        raw: the operator, named in errors.
        activation: its activation, as the schema numbers them.
        result: its output.
    """
    if activation not in _REAL_RANGES:
        raise NetworkError(
            f"{raw}: fused activation {activation} is not supported; use none, RELU, RELU6, RELU_N1_TO_1"
        )
    return clamp_range(raw, _REAL_RANGES[activation], result)


def clamp_range(raw: object, real: tuple[float, float], result: TensorSpec) -> tuple[int, int]:
    """Returns the smallest and the largest output integer within real bounds."""
    low, high = real
    q_min, q_max = max(result.q_min, _quantized(low, result)), min(result.q_max, _quantized(high, result))
    if q_min > q_max:
        raise NetworkError(f"{raw}: no int8 output lies in the range of its activation, {low} to {high}")
    return q_min, q_max


def _quantized(real: float, spec: TensorSpec) -> int:
    if math.isinf(real):
        return spec.q_min if real < 0 else spec.q_max
    steps = float(np.float32(real) / np.float32(spec.scale))  # a float32 division, then C's roundf
    return spec.zero_point + int(math.copysign(math.floor(abs(steps) + 0.5), steps))
