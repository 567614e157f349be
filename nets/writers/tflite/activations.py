"""The clamps that operators of .tflite files have: those of a few fused activations."""

from tflite import ActivationFunctionType

from nets.importers import activation_range
from nets.network import (
    ElementwiseProduct,
    ElementwiseSum,
    Operator,
    Pool,
    Requantize,
    RescaledOperator,
    TensorSpec,
    Weighted,
)

NONE, RELU, RELU6 = ActivationFunctionType.NONE, ActivationFunctionType.RELU, ActivationFunctionType.RELU6
_FUSED = (NONE, RELU, RELU6, ActivationFunctionType.RELU_N1_TO_1)
_FUSING = (Weighted, ElementwiseSum, ElementwiseProduct, Pool)
_STAND_ALONE = "relu"  # begins the names of operators that are activations


def activation(operator: RescaledOperator | Pool, result: TensorSpec) -> tuple[int, tuple[int, int]]:
    """Returns the activation whose clamp is the tightest around an operator's, and that clamp.

    Args:
        operator: the operator.
        result: its output.
    """
    ranges = {kind: activation_range(operator.name, kind, result) for kind in _possible(operator)}
    holding = {
        kind: (low, high) for kind, (low, high) in ranges.items() if low <= operator.q_min and operator.q_max <= high
    }
    return min(holding.items(), key=lambda entry: entry[1][1] - entry[1][0])


def _possible(operator: Operator) -> tuple[int, ...]:
    """Returns the activations that the operator's kind can have; of equal clamps the first is meant."""
    if isinstance(operator, _FUSING):
        return _FUSED
    if isinstance(operator, Requantize) and operator.name.startswith(_STAND_ALONE):
        return (RELU, RELU6, NONE)
    return (NONE,)
