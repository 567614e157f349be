"""Explicit padding of sliding windows as the schema's SAME or VALID."""

from tflite import Padding

from nets.errors import NetworkError
from nets.importers import window
from nets.network import Convolution, Pool, TensorSpec


def scheme(operator: Convolution | Pool, source: TensorSpec, result: TensorSpec) -> int | None:
    """Returns the scheme that gives an operator's padding and output sizes, or None if there is none."""
    for padding in (Padding.VALID, Padding.SAME):
        try:
            sizes, pads = window(operator.name, source.shape[:2], *geometry(operator), padding)
        except NetworkError:
            continue
        if pads == operator.padding and sizes == result.shape[:2]:
            return int(padding)
    return None


def geometry(operator: Convolution | Pool) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Returns kernel, stride and dilation, each (vertical, horizontal)."""
    if isinstance(operator, Pool):
        return operator.kernel, operator.stride, (1, 1)
    return (operator.weights.shape[1], operator.weights.shape[2]), operator.stride, operator.dilation
