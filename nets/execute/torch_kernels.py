"""Operators prepared for torch: the exact path that works on every machine and that the native kernels must equal."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nets.execute.accumulation import accumulator
from nets.execute.recurrent import lstm_kernel
from nets.network import (
    AveragePool,
    Concatenation,
    Extremum,
    FilledPad,
    FloatAveragePool,
    Interpolation,
    LstmRecurrence,
    MaxPool,
    Operator,
    Pad,
    PairLookup,
    ParametricRelu,
    Pool,
    QuantizedNetwork,
    Rearrangement,
    ReducedExtremum,
    RescaledOperator,
    Reshape,
    Softmax,
    Stack,
    Sum,
    Tabulated,
    TensorSpec,
    Transpose,
    rescaling,
    softmax_of,
)

Kernel = Callable[[list[Tensor]], Tensor]


def kernel(operator: Operator, network: QuantizedNetwork) -> Kernel:
    """Prepares an operator: int8 or int16 input tensors ``[batch, *shape]`` to the output tensor."""
    match operator:
        case Sum(float_offset=float(offset)):
            return _float_sum(operator, offset, network)
        case LstmRecurrence():
            return lstm_kernel(operator, network)
        case RescaledOperator():
            return _rescaled(operator, network)
        case FloatAveragePool():
            return _float_pool(operator, network)
        case AveragePool():
            return _pool(operator, partial(_averages, centre=operator.centre), network)
        case MaxPool():
            return _pool(operator, _maxima, network)
        case ParametricRelu():
            return _parametric_relu(operator, network)
    return _computed(operator) or _mover(operator, network)


def _computed(operator: Operator) -> Kernel | None:
    """Prepares an operator whose outputs follow from its inputs' integers alone; None if it is another one."""
    match operator:
        case Tabulated():
            table, lowest = torch.tensor(operator.table), len(operator.table) // 2
            return lambda inputs: table[inputs[0].to(torch.int64) + lowest]
        case Softmax():
            return lambda inputs: torch.from_numpy(softmax_of(operator, inputs[0].numpy()))
        case PairLookup():
            return _pairs(operator)
        case Interpolation():
            return lambda inputs: _interpolated(operator, inputs[0])
        case Extremum():
            choose = torch.maximum if operator.largest else torch.minimum
            return lambda inputs: choose(inputs[0], inputs[1])
    return None


def _mover(operator: Operator, network: QuantizedNetwork) -> Kernel:
    """Prepares an operator that only moves or chooses integers."""
    match operator:
        case Pad() | FilledPad():
            zero = network.tensors[operator.inputs[0]].zero_point
            value = operator.value if isinstance(operator, FilledPad) else zero
            flat = [amount for pair in reversed(operator.padding) for amount in pair]
            return lambda inputs: functional.pad(inputs[0], flat, value=value)
        case Concatenation():
            return lambda inputs: torch.cat(inputs, dim=operator.axis + 1)
        case Stack():
            return lambda inputs: torch.stack(inputs, dim=operator.axis + 1)
        case Reshape():
            shape = network.tensors[operator.output].shape
            return lambda inputs: inputs[0].reshape(inputs[0].shape[0], *shape)
        case Rearrangement():
            at, made = torch.tensor(operator.positions.reshape(-1)), operator.positions.shape
            return lambda inputs: _flat(inputs[0]).index_select(1, at.to(inputs[0].device)).reshape(-1, *made)
        case ReducedExtremum():
            reduce, shape = torch.amax if operator.largest else torch.amin, network.tensors[operator.output].shape
            over = [axis + 1 for axis in operator.axes]
            return lambda inputs: reduce(inputs[0], dim=over).reshape(-1, *shape)
        case Transpose():
            axes = (0, *(axis + 1 for axis in operator.permutation))
            return lambda inputs: inputs[0].permute(axes)
    raise NotImplementedError(f"no kernel for {type(operator).__name__}")


def _parametric_relu(operator: ParametricRelu, network: QuantizedNetwork) -> Kernel:
    source, target = network.tensors[operator.inputs[0]], network.tensors[operator.output]
    positive, negative = rescaling(operator.positive), rescaling(operator.negative)
    slopes = torch.tensor(operator.slopes)

    def run(inputs: list[Tensor]) -> Tensor:
        centred = inputs[0].to(torch.int64) - source.zero_point
        steps = torch.where(centred >= 0, positive(centred), negative(centred * slopes))
        return (steps + target.zero_point).clamp(target.q_min, target.q_max).to(stored_type(target))

    return run


def _flat(values: Tensor) -> Tensor:
    return values.reshape(len(values), -1)


def _interpolated(operator: Interpolation, image: Tensor) -> Tensor:
    total = weighted_neighbours(operator, image.to(torch.int64))
    half = 1 << (2 * operator.fraction_bits - 1)
    if operator.half_up:
        return ((total + half) >> 2 * operator.fraction_bits).to(image.dtype)
    away = torch.where(total > 0, total + half, total - half)
    return torch.div(away, 2 * half, rounding_mode="trunc").to(image.dtype)


def weighted_neighbours(operator: Interpolation, image: Tensor) -> Tensor:
    """Computes the sums of four neighbours ``[batch, *shape]``, in units of ``2**(-2 * fraction_bits)``; any dtype."""
    for axis, neighbours in ((1, operator.rows), (2, operator.columns)):
        first, second, share = (
            torch.tensor(values, device=image.device)
            for values in (neighbours.first, neighbours.second, neighbours.share)
        )
        share = share.reshape(-1, *(1,) * (3 - axis)).to(image.dtype)
        rest = (1 << operator.fraction_bits) - share
        image = image.index_select(axis, first) * rest + image.index_select(axis, second) * share
    return image


def _rescaled(operator: RescaledOperator, network: QuantizedNetwork) -> Kernel:
    """Accumulates, rescales, adds the zero point and clamps."""
    accumulate, rescale = accumulator(operator, network), rescaling(operator.rescaler)
    target = network.tensors[operator.output]
    zero, stored = target.zero_point, stored_type(target)
    return lambda inputs: (rescale(accumulate(inputs)) + zero).clamp(operator.q_min, operator.q_max).to(stored)


def stored_type(spec: TensorSpec) -> torch.dtype:
    """Returns torch's type of a tensor's integers: int8 up to 8 bits, int16 beyond."""
    return torch.int8 if spec.dtype == np.int8 else torch.int16


def _float_sum(operator: Sum, float_offset: float, network: QuantizedNetwork) -> Kernel:
    accumulate = accumulator(operator, network)
    scale = torch.tensor(float(operator.rescaler.scale[0]), dtype=torch.float32)
    offset = torch.tensor(float_offset, dtype=torch.float32)

    def run(inputs: list[Tensor]) -> Tensor:
        steps = torch.round(accumulate(inputs).to(torch.float32) * scale + offset)
        return steps.clamp(operator.q_min, operator.q_max).to(torch.int8)

    return run


def _pool(operator: Pool, reduce: Callable[[Tensor, Pool], Tensor], network: QuantizedNetwork) -> Kernel:
    # Sums of at most 2**16 int8 values are exact in float32, of int16 values in float64.
    stored = stored_type(network.tensors[operator.output])
    exact = torch.float32 if stored is torch.int8 else torch.float64

    def run(inputs: list[Tensor]) -> Tensor:
        reduced = reduce(inputs[0].permute(0, 3, 1, 2).to(exact), operator)
        return reduced.clamp(operator.q_min, operator.q_max).to(stored).permute(0, 2, 3, 1)

    return run


def _averages(image: Tensor, operator: Pool, *, centre: int) -> Tensor:
    sums = (
        functional.avg_pool2d(_padded(x, operator, 0.0), operator.kernel, operator.stride, divisor_override=1)
        for x in (image, torch.ones_like(image[:1, :1]))
    )
    total, count = (each.round().to(torch.int64) for each in sums)
    total, half = total - centre * count, count // 2
    return centre + torch.div(torch.where(total > 0, total + half, total - half), count, rounding_mode="trunc")


def _float_pool(operator: FloatAveragePool, network: QuantizedNetwork) -> Kernel:
    """Prepares an average whose dequantized values are summed in float32, row by row."""
    source, target = network.tensors[operator.inputs[0]], network.tensors[operator.output]
    height, width = target.shape[:2]

    def run(inputs: list[Tensor]) -> Tensor:
        image = (inputs[0].permute(0, 3, 1, 2).to(torch.float32) - source.zero_point) * source.scale
        padded, counted = (_padded(x, operator, 0.0) for x in (image, torch.ones_like(image[:1, :1])))
        total, count = torch.zeros(()), torch.zeros(())
        for y in range(operator.kernel[0]):
            for x in range(operator.kernel[1]):
                rows = slice(y, y + (height - 1) * operator.stride[0] + 1, operator.stride[0])
                columns = slice(x, x + (width - 1) * operator.stride[1] + 1, operator.stride[1])
                total, count = total + padded[:, :, rows, columns], count + counted[:, :, rows, columns]
        steps = torch.round(total / count / target.scale + (target.zero_point + operator.offset)) - operator.offset
        return steps.clamp(operator.q_min, operator.q_max).to(torch.int8).permute(0, 2, 3, 1)

    return run


def _pairs(operator: PairLookup) -> Kernel:
    table = torch.tensor(operator.table.reshape(-1))
    return lambda inputs: table[(inputs[0].to(torch.int64) + 128) * 256 + inputs[1].to(torch.int64) + 128]


def _maxima(image: Tensor, operator: Pool) -> Tensor:
    return functional.max_pool2d(_padded(image, operator, float("-inf")), operator.kernel, operator.stride)


def _padded(image: Tensor, operator: Pool, value: float) -> Tensor:
    (top, bottom), (left, right) = operator.padding
    return functional.pad(image, (left, right, top, bottom), value=value)


def real_pool(operator: Pool, image: Tensor, lowest: float) -> Tensor:
    """Pools an image ``[batch, channels, height, width]`` in real numbers, without clamp; differentiable.

    Args:
        operator: the pool.
        image: of a floating dtype; zero points are 0 or do not matter.
        lowest: what a maximum takes padding for: at most the smallest element.
    """
    if isinstance(operator, MaxPool):
        return functional.max_pool2d(_padded(image, operator, lowest), operator.kernel, operator.stride)
    total, count = (
        functional.avg_pool2d(_padded(x, operator, 0.0), operator.kernel, operator.stride, divisor_override=1)
        for x in (image, torch.ones_like(image[:1, :1]))
    )
    return total / count
