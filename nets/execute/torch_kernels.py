"""Operators prepared for torch: the exact path that works everywhere, and that the native kernels must equal."""

from collections.abc import Callable
from functools import singledispatch

import torch
from torch import Tensor
from torch.nn import functional

from nets.execute.accumulation import absolute_bound, accumulate, arranged_weights, exact_dtype
from nets.network.contracts import requantize
from nets.network.network import (
    AveragePool,
    Concatenation,
    ElementwiseKind,
    ElementwiseProduct,
    ElementwiseSum,
    MaxPool,
    Mean,
    Operator,
    Pad,
    QuantizedNetwork,
    Requantize,
    Reshape,
    TensorSpec,
    Transpose,
    Weighted,
)
from nets.network.rescaler import Rescaler

Kernel = Callable[[list[Tensor]], Tensor]


@singledispatch
def kernel(operator: Operator, network: QuantizedNetwork) -> Kernel:
    """Prepare an operator: int8 input tensors (batch first) to the int8 output tensor."""
    raise NotImplementedError(f"no kernel for {type(operator).__name__}")


@kernel.register
def _weighted(operator: Weighted, network: QuantizedNetwork) -> Kernel:
    source, target = network.tensors[operator.inputs[0]], network.tensors[operator.output]
    dtype = exact_dtype(absolute_bound(operator, source))
    weights = arranged_weights(operator, dtype)
    bias = torch.tensor(operator.bias, dtype=dtype)
    finish = _finisher(operator.rescaler, target, operator.q_min, operator.q_max)

    def run(inputs: list[Tensor]) -> Tensor:
        centred = inputs[0].to(dtype) - source.zero_point
        result = finish(accumulate(operator, centred, weights, bias).to(torch.int64))
        return result.reshape(centred.shape[0], *target.shape)

    return run


@kernel.register
def _sum(operator: ElementwiseSum, network: QuantizedNetwork) -> Kernel:
    specs = [network.tensors[index] for index in operator.inputs]
    finish = _finisher(operator.rescaler, network.tensors[operator.output], operator.q_min, operator.q_max)
    rescalers = [_scaler(rescaler) for rescaler in operator.input_rescalers]
    sign = 1 if operator.kind is ElementwiseKind.ADD else -1

    def run(inputs: list[Tensor]) -> Tensor:
        left, right = (
            rescale((x.to(torch.int64) - spec.zero_point) << operator.left_shift)
            for x, spec, rescale in zip(inputs, specs, rescalers, strict=True)
        )
        return finish(left + sign * right)

    return run


@kernel.register
def _product(operator: ElementwiseProduct, network: QuantizedNetwork) -> Kernel:
    zeros = [network.tensors[index].zero_point for index in operator.inputs]
    finish = _finisher(operator.rescaler, network.tensors[operator.output], operator.q_min, operator.q_max)
    return lambda inputs: finish((inputs[0].to(torch.int64) - zeros[0]) * (inputs[1].to(torch.int64) - zeros[1]))


@kernel.register
def _requantize(operator: Requantize, network: QuantizedNetwork) -> Kernel:
    zero = network.tensors[operator.inputs[0]].zero_point
    finish = _finisher(operator.rescaler, network.tensors[operator.output], operator.q_min, operator.q_max)
    return lambda inputs: finish(inputs[0].to(torch.int64) - zero)


@kernel.register
def _mean(operator: Mean, network: QuantizedNetwork) -> Kernel:
    zero = network.tensors[operator.inputs[0]].zero_point
    target = network.tensors[operator.output]
    axes = tuple(axis + 1 for axis in operator.axes)
    if operator.float_offset is not None:
        return _float_mean(operator, operator.float_offset, target, axes)
    finish = _finisher(operator.rescaler, target, target.q_min, target.q_max)

    def run(inputs: list[Tensor]) -> Tensor:
        total = (inputs[0].to(torch.int64) - zero).sum(dim=axes)
        return finish(total.reshape(total.shape[0], *target.shape))

    return run


def _float_mean(operator: Mean, offset: float, target: TensorSpec, axes: tuple[int, ...]) -> Kernel:
    scale = torch.tensor(float(operator.rescaler.scale[0]), dtype=torch.float32)
    shift = torch.tensor(offset, dtype=torch.float32)

    def run(inputs: list[Tensor]) -> Tensor:
        total = inputs[0].to(torch.int64).sum(dim=axes).to(torch.float32)
        rounded = torch.round(total * scale + shift).clamp(target.q_min, target.q_max).to(torch.int8)
        return rounded.reshape(total.shape[0], *target.shape)

    return run


@kernel.register
def _average_pool(operator: AveragePool, network: QuantizedNetwork) -> Kernel:
    def run(inputs: list[Tensor]) -> Tensor:
        image = _padded(inputs[0].permute(0, 3, 1, 2).to(torch.float32), operator, 0.0)
        # Sums of at most 2**16 int8 values are exact in float32.
        ones = _padded(torch.ones_like(inputs[0][:1, :, :, :1].permute(0, 3, 1, 2), dtype=torch.float32), operator, 0.0)
        total, count = (
            functional.avg_pool2d(x, operator.kernel, operator.stride, divisor_override=1).round().to(torch.int64)
            for x in (image, ones)
        )
        half = count // 2
        rounded = torch.div(torch.where(total > 0, total + half, total - half), count, rounding_mode="trunc")
        return rounded.clamp(operator.q_min, operator.q_max).to(torch.int8).permute(0, 2, 3, 1)

    return run


@kernel.register
def _max_pool(operator: MaxPool, network: QuantizedNetwork) -> Kernel:
    def run(inputs: list[Tensor]) -> Tensor:
        image = _padded(inputs[0].permute(0, 3, 1, 2).to(torch.float32), operator, float("-inf"))
        result = functional.max_pool2d(image, operator.kernel, operator.stride)
        return result.clamp(operator.q_min, operator.q_max).to(torch.int8).permute(0, 2, 3, 1)

    return run


def _padded(image: Tensor, operator: AveragePool | MaxPool, value: float) -> Tensor:
    (top, bottom), (left, right) = operator.padding
    return functional.pad(image, (left, right, top, bottom), value=value)


@kernel.register
def _pad(operator: Pad, network: QuantizedNetwork) -> Kernel:
    zero = network.tensors[operator.inputs[0]].zero_point
    flat = [amount for pair in reversed(operator.padding) for amount in pair]
    return lambda inputs: functional.pad(inputs[0], flat, value=zero)


@kernel.register
def _concatenation(operator: Concatenation, network: QuantizedNetwork) -> Kernel:
    return lambda inputs: torch.cat(inputs, dim=operator.axis + 1)


@kernel.register
def _reshape(operator: Reshape, network: QuantizedNetwork) -> Kernel:
    shape = network.tensors[operator.output].shape
    return lambda inputs: inputs[0].reshape(inputs[0].shape[0], *shape)


@kernel.register
def _transpose(operator: Transpose, network: QuantizedNetwork) -> Kernel:
    axes = (0, *(axis + 1 for axis in operator.permutation))
    return lambda inputs: inputs[0].permute(axes)


def _scaler(rescaler: Rescaler) -> Callable[[Tensor], Tensor]:
    multiplier, right_shift = torch.tensor(rescaler.multiplier), torch.tensor(rescaler.right_shift)
    return lambda acc: requantize(acc, multiplier, right_shift, rescaler.stored_bits, rescaler.contract)


def _finisher(rescaler: Rescaler, target: TensorSpec, q_min: int, q_max: int) -> Callable[[Tensor], Tensor]:
    """Rescale, add the zero point, clamp: int64 accumulators to int8."""
    rescale = _scaler(rescaler)
    return lambda acc: (rescale(acc) + target.zero_point).clamp(q_min, q_max).to(torch.int8)
