"""Operators prepared for torch: the exact path that works on every machine and that the native kernels must equal."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from nets.execute.accumulation import accumulator
from nets.network import (
    AveragePool,
    Concatenation,
    MaxPool,
    Mean,
    Operator,
    Pad,
    Pool,
    QuantizedNetwork,
    RescaledOperator,
    Reshape,
    Transpose,
    rescaling,
)

Kernel = Callable[[list[Tensor]], Tensor]


def kernel(operator: Operator, network: QuantizedNetwork) -> Kernel:
    """Prepares an operator: int8 input tensors ``[batch, *shape]`` to the int8 output tensor."""
    match operator:
        case Mean(float_offset=float(offset)):
            return _float_mean(operator, offset, network)
        case RescaledOperator():
            return _rescaled(operator, network)
        case AveragePool():
            return _average_pool(operator)
        case MaxPool():
            return _max_pool(operator)
        case Pad():
            zero = network.tensors[operator.inputs[0]].zero_point
            flat = [amount for pair in reversed(operator.padding) for amount in pair]
            return lambda inputs: functional.pad(inputs[0], flat, value=zero)
        case Concatenation():
            return lambda inputs: torch.cat(inputs, dim=operator.axis + 1)
        case Reshape():
            shape = network.tensors[operator.output].shape
            return lambda inputs: inputs[0].reshape(inputs[0].shape[0], *shape)
        case Transpose():
            axes = (0, *(axis + 1 for axis in operator.permutation))
            return lambda inputs: inputs[0].permute(axes)
    raise NotImplementedError(f"no kernel for {type(operator).__name__}")


def _rescaled(operator: RescaledOperator, network: QuantizedNetwork) -> Kernel:
    """Accumulates, rescales, adds the zero point and clamps."""
    accumulate, rescale = accumulator(operator, network), rescaling(operator.rescaler)
    zero = network.tensors[operator.output].zero_point
    return lambda inputs: (rescale(accumulate(inputs)) + zero).clamp(operator.q_min, operator.q_max).to(torch.int8)


def _float_mean(operator: Mean, float_offset: float, network: QuantizedNetwork) -> Kernel:
    accumulate = accumulator(operator, network)
    scale = torch.tensor(float(operator.rescaler.scale[0]), dtype=torch.float32)
    offset = torch.tensor(float_offset, dtype=torch.float32)

    def run(inputs: list[Tensor]) -> Tensor:
        steps = torch.round(accumulate(inputs).to(torch.float32) * scale + offset)
        return steps.clamp(operator.q_min, operator.q_max).to(torch.int8)

    return run


def _average_pool(operator: AveragePool) -> Kernel:
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


def _max_pool(operator: MaxPool) -> Kernel:
    def run(inputs: list[Tensor]) -> Tensor:
        image = _padded(inputs[0].permute(0, 3, 1, 2).to(torch.float32), operator, float("-inf"))
        result = functional.max_pool2d(image, operator.kernel, operator.stride)
        return result.clamp(operator.q_min, operator.q_max).to(torch.int8).permute(0, 2, 3, 1)

    return run


def _padded(image: Tensor, operator: Pool, value: float) -> Tensor:
    (top, bottom), (left, right) = operator.padding
    return functional.pad(image, (left, right, top, bottom), value=value)
