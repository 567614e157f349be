"""Trainable weights, biases and, optionally, scales; and the integers that they presently stand for.

Weights are held as shares of their channel's full scale, biases as shares of the output's, scales as log2 of their
change, so that one learning rate suits all of them at every weight width. Master values are float64: they round to
exactly the integers that the quantizer made of the same real values.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from nets.narrow import RealWeights
from nets.network import (
    FloatArray,
    Method,
    QuantizedNetwork,
    Rescaler,
    Weighted,
    along_channels,
    as_weights,
    fixed_quantization,
    shared_quantization,
    with_multiplier_bits,
)
from nets.train.straight_through import CurrentWeights, rounded

_SMALLEST_SCALE = 2.0**-62  # a dead channel's bias moves nothing, but must not divide by 0


class ActivationScales(nn.Module):
    """Scales of all activations; those of the network's inputs, outputs and constants are fixed.

    Args:
        network: the network whose scales are the starting point.
        learned: whether the other scales are trained.
    """

    def __init__(self, network: QuantizedNetwork, *, learned: bool) -> None:
        super().__init__()
        self._network = network
        self._group = shared_quantization(network)
        tied = fixed_quantization(network.operators).union(network.inputs, network.outputs, network.constants)
        fixed = {self._group[index] for index in tied}
        free = sorted(set(self._group.values()) - fixed) if learned else []
        self._position = {group: position for position, group in enumerate(free)}
        self.change = nn.Parameter(torch.zeros(len(free), dtype=torch.float64)) if free else None

    def scale(self, index: int) -> Tensor:
        """Returns the present scale of a tensor, a float64 scalar with its gradient."""
        scale = torch.tensor(self._network.tensors[index].scale, dtype=torch.float64)
        position = self._position.get(self._group[index])
        if self.change is None or position is None:
            return scale
        return scale.to(self.change.device) * torch.exp2(self.change[position])

    def network(self) -> QuantizedNetwork:
        """Returns the network with the present activation scales; its operators still have the original ones."""
        if self.change is None:
            return self._network
        tensors = self._network.tensors
        changed = {
            index: replace(tensors[index], scale=float(self.scale(index).detach()))
            for index, group in self._group.items()
            if group in self._position
        }
        return self._network.with_tensors(changed)


class TrainableWeights(nn.Module):
    """Trainable weights, bias and, optionally, weight scale of one operator.

    Args:
        operator: the operator whose integers and rescaler are the starting point.
        input_scale: scale of its input; the bias's integers are in units of ``input_scale * weight_scale``.
        output_full_scale: largest integer of its output's type.
        original: real weights behind the integers, or None if they are unknown.
        learned_scale: whether the weight scale is trained.
    """

    _bias_unit: Tensor
    _weight_scale: Tensor

    def __init__(
        self,
        operator: Weighted,
        input_scale: float,
        output_full_scale: int,
        original: RealWeights | None,
        *,
        learned_scale: bool,
    ) -> None:
        super().__init__()
        self._operator, self._input_scale = operator, input_scale
        self._limits = operator.weight_range
        self._full_scale = max(map(abs, self._limits))
        unit = torch.tensor(output_full_scale / np.maximum(operator.rescaler.scale, _SMALLEST_SCALE))
        self.register_buffer("_bias_unit", unit, persistent=False)
        self.register_buffer("_weight_scale", torch.tensor(operator.weight_scale), persistent=False)
        self.weight = nn.Parameter(torch.tensor(_steps(operator, original) / self._full_scale))
        self.bias = nn.Parameter(torch.tensor(operator.bias.astype(np.float64)) / unit)
        self.change = nn.Parameter(torch.zeros_like(self._weight_scale)) if learned_scale else None

    def current(self, scales: ActivationScales, network: QuantizedNetwork) -> CurrentWeights:
        """Computes integers and effective scale of the present master values.

        Args:
            scales: present activation scales.
            network: the network with the same scales in its tensors.
        """
        if self.change is None and scales.change is None:
            represented = torch.tensor(self._operator.rescaler.scale, device=self.weight.device)
            return self._integers(self._operator, represented, None, None)
        source, target = scales.scale(self._operator.inputs[0]), scales.scale(self._operator.output)
        weight_scale = self._weight_scale if self.change is None else self._weight_scale * torch.exp2(self.change)
        effective = source * weight_scale / target
        operator = replace(self._operator, weight_scale=weight_scale.detach().cpu().numpy())
        operator = with_multiplier_bits(operator, network.tensors, operator.rescaler.multiplier_bits)
        if operator.method is Method.ABSORB:
            operator = replace(operator, rescaler=self._within_window(operator.rescaler))
        represented = torch.tensor(operator.rescaler.scale, device=effective.device)
        if operator.method is Method.ABSORB:
            # The ratio of representable to effective scale moves into the weight scale, as in nets.narrow.absorption.
            weight_scale = weight_scale * (represented / effective.detach())
        operator = replace(operator, weight_scale=weight_scale.detach().cpu().numpy())
        growth = weight_scale / self._weight_scale
        # The represented value, with the effective scale's relative gradient.
        scale = represented * (effective / effective.detach())
        return self._integers(operator, scale, growth, growth * (source / self._input_scale))

    def _within_window(self, rescaler: Rescaler) -> Rescaler:
        """Returns a rescaler whose right shifts are among those from the smallest to the largest at the start."""
        shifts = self._operator.rescaler.right_shift
        return replace(rescaler, right_shift=np.clip(rescaler.right_shift, shifts.min(), shifts.max()))

    def _integers(
        self, operator: Weighted, scale: Tensor, weight_growth: Tensor | None, bias_growth: Tensor | None
    ) -> CurrentWeights:
        """Rounds the master values at scales that have grown by these factors since the start."""
        steps, bias = self.weight * self._full_scale, self.bias * self._bias_unit
        if weight_growth is not None and bias_growth is not None:
            steps = steps / weight_growth.reshape(-1, *(1,) * (steps.dim() - 1))
            bias = bias / bias_growth
        weights = rounded(steps.clamp(*self._limits))
        half = 2 ** (operator.bias_bits - 1)
        bias = rounded(bias.clamp(-half, half - 1))
        integers = replace(
            operator,
            weights=as_weights(weights.detach().cpu().numpy(), operator.weight_bits, operator.weight_zero_point),
            bias=bias.detach().cpu().numpy().astype(np.int64),
        )
        return CurrentWeights(integers, weights.to(torch.float32), bias, scale.to(torch.float32))


def _steps(operator: Weighted, original: RealWeights | None) -> FloatArray:
    """Returns the operator's weights in steps of the weight scale, before rounding.

    An original that rounds to another integer, because calibration chose that integer or because the window leaves the
    weight scale too fine for it, gives way to the integer: at the edge of the integer's step instead, the first
    training steps would undo calibration.
    """
    whole = operator.weights.astype(np.float64)
    if original is None:
        return whole
    steps = original.weights / along_channels(operator.weight_scale, operator.weights.ndim)
    return np.where(np.rint(steps) == whole, steps, whole)
