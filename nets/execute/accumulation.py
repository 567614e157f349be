"""Exact accumulators: integer sums of products in floating point, only if a bound proves them exact.

A sum of integer products is exact in a floating-point format, in any order of summation, while the sum of the
absolute values of all its terms stays at or below the largest integer up to which every integer is representable:
2**24 in float32, 2**53 in float64 (IEEE 754).
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nets.network import (
    ElementwiseProduct,
    ElementwiseSum,
    IntArray,
    MatrixProduct,
    QuantizedNetwork,
    Requantize,
    RescaledOperator,
    Sliding,
    SquaredDifference,
    Sum,
    TensorSpec,
    TransposedConvolution,
    Weighted,
    rescaling,
)

FLOAT32_EXACT = 2**24
FLOAT64_EXACT = 2**53

Accumulator = Callable[[list[Tensor]], Tensor]


def accumulator(operator: RescaledOperator, network: QuantizedNetwork) -> Accumulator:
    """Prepares what an operator's last rescaler receives.

    Returns:
        A function of integer input tensors ``[batch, *shape]`` that computes int64 accumulators in the output's shape.

    Raises:
        OverflowError: the accumulators could leave the range of exact sums.
    """
    zeros = [network.tensors[index].zero_point for index in operator.inputs]
    match operator:
        case Weighted():
            return _weighted(operator, network)
        case ElementwiseSum():
            return _sum(operator, zeros)
        case ElementwiseProduct():
            return lambda inputs: (inputs[0].to(torch.int64) - zeros[0]) * (inputs[1].to(torch.int64) - zeros[1])
        case SquaredDifference():
            return _squares(operator, zeros)
        case MatrixProduct():
            return _matrices(operator, network)
        case Requantize():
            return lambda inputs: inputs[0].to(torch.int64) - zeros[0]
        case Sum():
            zero = 0 if operator.float_offset is not None else zeros[0]  # XNNPACK's form sums with the zero point
            shape = network.tensors[operator.output].shape
            axes = tuple(axis + 1 for axis in operator.axes)
            return lambda inputs: (inputs[0].to(torch.int64) - zero).sum(dim=axes).reshape(inputs[0].shape[0], *shape)
    raise NotImplementedError(f"no accumulator for {type(operator).__name__} in {network.name!r}")


def _weighted(operator: Weighted, network: QuantizedNetwork) -> Accumulator:
    source, target = network.tensors[operator.inputs[0]], network.tensors[operator.output]
    dtype = exact_dtype(absolute_bound(operator, source))
    weights = arranged_weights(operator, dtype)
    bias = torch.tensor(operator.bias, dtype=dtype)

    def sums(inputs: list[Tensor]) -> Tensor:
        centred = inputs[0].to(dtype) - source.zero_point
        total = sum_of_products(operator, centred, weights, bias).to(torch.int64)
        return total.reshape(centred.shape[0], *target.shape)

    return sums


def _sum(operator: ElementwiseSum, zeros: list[int]) -> Accumulator:
    left, right = (rescaling(rescaler) for rescaler in operator.input_rescalers)

    def sums(inputs: list[Tensor]) -> Tensor:
        first = left((inputs[0].to(torch.int64) - zeros[0]) << operator.left_shift)
        second = right((inputs[1].to(torch.int64) - zeros[1]) << operator.left_shift)
        return first + operator.sign * second

    return sums


def _squares(operator: SquaredDifference, zeros: list[int]) -> Accumulator:
    left, right = (rescaling(rescaler) for rescaler in operator.input_rescalers)

    def sums(inputs: list[Tensor]) -> Tensor:
        first, second = (
            (x.to(torch.int64) - zero) << operator.left_shift for x, zero in zip(inputs, zeros, strict=True)
        )
        return (left(first) - right(second)) ** 2

    return sums


def _matrices(operator: MatrixProduct, network: QuantizedNetwork) -> Accumulator:
    specs = [network.tensors[index] for index in operator.inputs]
    dtype = exact_dtype(operator.depth(specs[0].shape) * reach(specs[0]) * reach(specs[1]))

    def sums(inputs: list[Tensor]) -> Tensor:
        centred = [x.to(dtype) - spec.zero_point for x, spec in zip(inputs, specs, strict=True)]
        return matrix_product(operator, *centred).to(torch.int64)

    return sums


def matrix_product(operator: MatrixProduct, left: Tensor, right: Tensor) -> Tensor:
    """Multiplies matrices, inputs less their zero points ``[batch, *shape]``, in any dtype; differentiable."""
    first, second = (
        x.transpose(-2, -1) if swapped else x for x, swapped in zip((left, right), operator.transposed, strict=True)
    )
    return first @ second


def absolute_bound(operator: Weighted, input_spec: TensorSpec) -> int:
    """Computes the largest of :func:`absolute_bounds`; the bound that the proof of exactness needs."""
    return int(absolute_bounds(operator, input_spec).max())


def absolute_bounds(operator: Weighted, input_spec: TensorSpec) -> IntArray:
    """Computes, for each output channel, the largest possible sum of absolute values of its terms, bias included.

    ``sum |w| * max |x - z| + |b|``, int64 ``[out]``.
    """
    weights = np.abs(operator.weights.astype(np.int64)).reshape(operator.out_channels, -1)
    bounds: IntArray = weights.sum(axis=1) * reach(input_spec) + np.abs(operator.bias)
    return bounds


def reach(spec: TensorSpec) -> int:
    """Returns the largest ``|x - z|`` of a tensor."""
    return max(abs(spec.q_min - spec.zero_point), abs(spec.q_max - spec.zero_point))


def exact_dtype(bound: int) -> torch.dtype:
    """Returns the narrowest floating-point type in which sums of at most this absolute value are exact.

    Raises:
        OverflowError: Float64 is too narrow.
    """
    if bound <= FLOAT32_EXACT:
        return torch.float32
    if bound <= FLOAT64_EXACT:
        return torch.float64
    raise OverflowError(f"accumulators may reach {bound}, beyond exact float64 sums")


def sum_of_products(operator: Weighted, centred: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """Computes the sums of products of a weighted operator in floating point.

    Args:
        operator: A convolution or fully connected layer.
        centred: ``x - zero_point``, ``[batch, height, width, channels]`` or ``[batch, features]``, in an exact dtype.
        weights: the result of :func:`arranged_weights`, same dtype.
        bias: ``[out]``, same dtype.

    Returns:
        Integers, channels last, same dtype.
    """
    if not isinstance(operator, Sliding):
        return functional.linear(centred.reshape(-1, weights.shape[1]), weights, bias)
    image = spread(centred, operator).permute(0, 3, 1, 2)
    if image.shape[1] == 1:
        image, weights = _of_one_channel(image), _of_one_channel(weights)
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


def _of_one_channel(values: Tensor) -> Tensor:
    """Returns ``[any, 1, height, width]`` with the strides of torch's default layout.

    In those of channels last, torch 2.13 (oneDNN 3.12) computes wrong float32 sums of an image of one channel if the
    output has one column and the horizontal stride is 2.
    """
    return values.reshape(len(values), *values.shape[2:]).unsqueeze(1)


def spread(image: Tensor, operator: Sliding, fill: int = 0) -> Tensor:
    """Returns the image that an operator's weights slide over, without padding.

    Args:
        image: ``[batch, height, width, channels]``.
        operator: the operator; a transposed convolution takes elements with others between them.
        fill: what these others are.
    """
    if not isinstance(operator, TransposedConvolution):
        return image
    batch, height, width, channels = image.shape
    rows, columns = operator.spacing
    apart = image.new_full((batch, (height - 1) * rows + 1, (width - 1) * columns + 1, channels), fill)
    apart[:, ::rows, ::columns] = image
    return apart


def arranged_weights(operator: Weighted, dtype: torch.dtype) -> Tensor:
    """Returns weights in the layout of :func:`sum_of_products`: ``[out, in / groups, y, x]`` or ``[out, in]``."""
    weights = torch.tensor(operator.weights, dtype=dtype)
    if not isinstance(operator, Sliding):
        return weights
    return weights.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
