"""Gradients of operators without weights: exact integer results forward, a differentiable surrogate backward."""

import numpy as np
import torch
from torch import Tensor

from nets.execute import kernel, matrix_product, real_pool, weighted_neighbours
from nets.network import (
    AveragePool,
    Concatenation,
    ElementwiseProduct,
    ElementwiseSum,
    Extremum,
    FilledPad,
    Interpolation,
    LstmRecurrence,
    MatrixProduct,
    MaxPool,
    Mean,
    Operator,
    Pad,
    PairLookup,
    ParametricRelu,
    QuantizedNetwork,
    Rearrangement,
    ReducedExtremum,
    Requantize,
    RescaledOperator,
    Reshape,
    Softmax,
    SquaredDifference,
    Stack,
    Sum,
    Tabulated,
    Transpose,
)
from nets.train.recurrent import lstm_outputs
from nets.train.straight_through import exactly, scaled_sum
from nets.train.trainable import ActivationScales


def surrogate_outputs(
    operator: Operator, network: QuantizedNetwork, scales: ActivationScales, inputs: list[Tensor], exact: Tensor
) -> Tensor:
    """Returns the exact integer outputs of an operator without weights as float32, with its gradient.

    Args:
        operator: the operator.
        network: its network, with the present scales.
        scales: the present scales, with their gradients.
        inputs: float32 integers, one tensor per input.
        exact: the exact outputs.
    """
    zeros = [network.tensors[index].zero_point for index in operator.inputs]
    if isinstance(operator, ElementwiseSum):
        gains = torch.stack([scales.scale(operator.inputs[0]), operator.sign * scales.scale(operator.inputs[1])])
        gains = (gains / scales.scale(operator.output)).to(torch.float32)
        return scaled_sum(inputs[0], inputs[1], gains, exact, operator, tuple(zeros))
    if isinstance(operator, SquaredDifference):
        reals = [(x - zero) * scales.scale(i) for x, zero, i in zip(inputs, zeros, operator.inputs, strict=True)]
        steps = (reals[0] - reals[1]) ** 2 / scales.scale(operator.output) + network.tensors[operator.output].zero_point
        return exactly(steps.clamp(operator.q_min, operator.q_max).to(torch.float32), exact)
    if isinstance(operator, RescaledOperator):
        centred = [x - zero for x, zero in zip(inputs, zeros, strict=True)]
        real = _accumulated(operator, centred, exact) * _gain(operator, scales)
        zero_point = network.tensors[operator.output].zero_point
        return exactly((real + zero_point).clamp(operator.q_min, operator.q_max).to(torch.float32), exact)
    return _unscaled(operator, network, scales, inputs, exact)


def _gain(operator: RescaledOperator, scales: ActivationScales) -> Tensor:
    """Returns the effective scale of an operator's accumulator."""
    gain = scales.scale(operator.inputs[0]) / scales.scale(operator.output)
    match operator:
        case ElementwiseProduct() | MatrixProduct():
            return gain * scales.scale(operator.inputs[1])
        case Mean():
            return gain / operator.count
    return gain


def _accumulated(operator: RescaledOperator, centred: list[Tensor], exact: Tensor) -> Tensor:
    """Returns the accumulator of inputs less their zero points, in the shape of the exact outputs."""
    match operator:
        case ElementwiseProduct():
            return centred[0] * centred[1]
        case MatrixProduct():
            return matrix_product(operator, centred[0], centred[1])
        case Requantize():
            return centred[0]
        case Sum():
            return centred[0].sum(dim=tuple(axis + 1 for axis in operator.axes)).reshape(exact.shape)
    raise NotImplementedError(f"no differentiable twin for {type(operator).__name__}")


def _unscaled(
    operator: Operator, network: QuantizedNetwork, scales: ActivationScales, inputs: list[Tensor], exact: Tensor
) -> Tensor:
    """Returns the outputs of an operator without rescaler."""
    source = network.tensors[operator.inputs[0]]
    match operator:
        case AveragePool() | MaxPool():
            pooled = real_pool(operator, inputs[0].permute(0, 3, 1, 2), source.q_min)
            return exactly(pooled.clamp(operator.q_min, operator.q_max).permute(0, 2, 3, 1), exact)
        case Interpolation():
            return exactly(weighted_neighbours(operator, inputs[0]) / 4**operator.fraction_bits, exact)
        case Tabulated():
            slopes = _slopes(operator).to(inputs[0].device)
            return exactly(inputs[0] * slopes[inputs[0].detach().to(torch.int64) + len(slopes) // 2], exact)
        case ParametricRelu():
            target = network.tensors[operator.output]
            centred = inputs[0] - source.zero_point
            slopes = torch.from_numpy(operator.slopes * operator.slope_scale).to(inputs[0].device)
            gain = scales.scale(operator.inputs[0]) / scales.scale(operator.output)
            steps = centred * torch.where(centred >= 0, 1.0, slopes) * gain + target.zero_point
            return exactly(steps.clamp(target.q_min, target.q_max).to(torch.float32), exact)
        case LstmRecurrence():
            return exactly(lstm_outputs(operator, network, inputs), exact)
        case PairLookup():
            return exactly(_along_slopes(operator, inputs), exact)
        case Softmax():
            step = (scales.scale(operator.inputs[0]) * operator.beta).to(torch.float32)
            shares = torch.softmax((inputs[0] - source.zero_point) * step, dim=-1)
            target = network.tensors[operator.output]
            return exactly(shares / target.scale + target.zero_point, exact)
        case Pad() | FilledPad() | Concatenation() | Stack() | Reshape() | Transpose() | Rearrangement():
            return kernel(operator, network)(inputs)  # they only move integers, in any dtype
        case Extremum() | ReducedExtremum():
            return kernel(operator, network)(inputs)  # they choose integers, and are differentiable as they are
    raise NotImplementedError(f"no differentiable twin for {type(operator).__name__}")


def _along_slopes(operator: PairLookup, inputs: list[Tensor]) -> Tensor:
    """Returns the sum of both inputs, each times the slope of the table along it."""
    at = [x.detach().to(torch.int64) + 128 for x in inputs]
    steps = np.gradient(operator.table.astype(np.float32))
    slopes = [torch.from_numpy(step).to(inputs[0].device)[at[0], at[1]] for step in steps]
    return inputs[0] * slopes[0] + inputs[1] * slopes[1]


def _slopes(operator: Tabulated) -> Tensor:
    """Returns the slope of a table at each of its inputs, float32, shape of the table."""
    return torch.from_numpy(np.gradient(operator.table.astype(np.float32)))
