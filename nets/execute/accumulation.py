"""Exact accumulation: integer sums of products in floating point, only where a bound proves them exact.

A sum of integer products is exact in a floating-point format, in any order of summation, while the sum of the
absolute values of all its terms stays at or below the largest integer up to which every integer is representable:
2**24 in float32, 2**53 in float64 (IEEE 754).
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nets.network.network import Convolution, FullyConnected, TensorSpec, Weighted

FLOAT32_EXACT = 2**24
FLOAT64_EXACT = 2**53


def absolute_bound(operator: Weighted, input_spec: TensorSpec) -> int:
    """Largest possible sum of absolute values of one output's terms, bias included.

    ``max over channels of (sum |w|) * max |x - z| + |b|``; the bound that the proof of exactness needs.
    """
    reach = max(abs(input_spec.q_min - input_spec.zero_point), abs(input_spec.q_max - input_spec.zero_point))
    weights = np.abs(operator.weights.astype(np.int64)).reshape(operator.out_channels, -1)
    return int((weights.sum(axis=1) * reach + np.abs(operator.bias)).max())


def exact_dtype(bound: int) -> torch.dtype:
    """The narrowest floating-point type in which sums of at most this absolute value are exact."""
    if bound <= FLOAT32_EXACT:
        return torch.float32
    if bound <= FLOAT64_EXACT:
        return torch.float64
    raise OverflowError(f"accumulators may reach {bound}, beyond exact float64 sums")


def accumulate(operator: Weighted, centred: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """Accumulators of a weighted operator.

    Args:
        operator: a convolution or fully connected layer.
        centred: ``x - zero_point``, ``[batch, height, width, channels]`` or ``[batch, features]``, in an exact dtype.
        weights: as :func:`arranged_weights` gives them, same dtype.
        bias: ``[out]``, same dtype.

    Returns:
        Accumulators, channels last, same dtype; integers.
    """
    if isinstance(operator, FullyConnected):
        return functional.linear(centred.reshape(-1, weights.shape[1]), weights, bias)
    assert isinstance(operator, Convolution)  # noqa: S101 -- narrows the type; Weighted has these two
    image = centred.permute(0, 3, 1, 2)
    (top, bottom), (left, right) = operator.padding
    symmetric = top == bottom and left == right
    if not symmetric:
        image = functional.pad(image, (left, right, top, bottom))
    result = functional.conv2d(
        image,
        weights,
        bias,
        stride=operator.stride,
        padding=(top, left) if symmetric else 0,
        dilation=operator.dilation,
        groups=operator.groups,
    )
    return result.permute(0, 2, 3, 1)


def arranged_weights(operator: Weighted, dtype: torch.dtype) -> Tensor:
    """Weights in the layout of :func:`accumulate`: ``[out, in / groups, height, width]`` or ``[out, in]``."""
    weights = torch.tensor(operator.weights, dtype=dtype)
    if isinstance(operator, FullyConnected):
        return weights
    return weights.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
