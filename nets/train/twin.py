"""The differentiable twin: its forward pass is the integer executor, bit for bit; gradients go straight through.

The executor runs the network of the present integers; float32 copies of its int8 tensors carry the gradients (see
nets.train.straight_through). Training and deployment cannot differ, because there is one implementation of the
arithmetic. It runs on the CPU, even if gradients are computed on another device.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from nets.execute import IntegerExecutor, kernel
from nets.narrow import RealWeights
from nets.network import (
    AveragePool,
    Concatenation,
    ElementwiseProduct,
    ElementwiseSum,
    MaxPool,
    Mean,
    Operator,
    Pad,
    QuantizedNetwork,
    Requantize,
    RescaledOperator,
    Reshape,
    Transpose,
    Weighted,
    with_multiplier_bits,
)
from nets.train.straight_through import exactly, scaled_sum, weighted_sum
from nets.train.trainable import ActivationScales, CurrentWeights, TrainableWeights

Step = Callable[[list[Tensor], Tensor], Tensor]  # float32 inputs and exact int8 outputs to float32 outputs


class RescaleAwareTwin(nn.Module):
    """A trainable network that computes the integers of the deployed one.

    Args:
        network: The design to be trained, its rescalers already narrowed.
        originals: Real weights by operator name to start from, at the operators' own weight scales; the integers
            themselves if a name is missing. Rounded, they must give the network's integers.
        learn_scales: Whether weight and activation scales are trained too; multipliers are then derived and
            narrowed anew at every step, by each operator's own method.
    """

    def __init__(
        self,
        network: QuantizedNetwork,
        originals: Mapping[str, RealWeights] | None = None,
        *,
        learn_scales: bool = False,
    ) -> None:
        super().__init__()
        self._start = network
        self._scales = ActivationScales(network, learned=learn_scales)
        self._weights = nn.ModuleDict()
        for operator in network.operators:
            if isinstance(operator, Weighted):
                self._weights[operator.name] = TrainableWeights(
                    operator,
                    network.tensors[operator.inputs[0]].scale,
                    (originals or {}).get(operator.name),
                    learned_scale=learn_scales,
                )

    def integers(self, *inputs: Tensor) -> dict[int, Tensor]:
        """Computes every activation's integers, float32, by tensor index, with gradients.

        Args:
            inputs: int8 or float32 integers ``[batch, *shape]``, channels last, one per network input.
        """
        network, current = self._current()
        exact = IntegerExecutor(network).tensors(*(x.detach().to(torch.int8).cpu().numpy() for x in inputs))
        carriers = {index: x.to(torch.float32) for index, x in zip(network.inputs, inputs, strict=True)}
        for operator in network.operators:
            sources = [carriers[index] for index in operator.inputs]
            integers = torch.from_numpy(exact[operator.output]).to(sources[0].device)
            step = (
                _weighted(operator, network, current[operator.name])
                if isinstance(operator, Weighted)
                else _step(operator, network, self._scales)
            )
            carriers[operator.output] = step(sources, integers)
        return carriers

    def forward(self, *inputs: Tensor) -> Tensor:
        """Computes the real logits of the first output: ``scale * (q - zero_point)``, float32 ``[batch, classes]``."""
        index = self._start.outputs[0]
        spec = self._start.tensors[index]
        return (self.integers(*inputs)[index] - spec.zero_point) * spec.scale

    def trained_network(self) -> QuantizedNetwork:
        """Returns the integer network of the present weights, biases and scales."""
        return self._current()[0]

    def _current(self) -> tuple[QuantizedNetwork, dict[str, CurrentWeights]]:
        network = self._scales.network()
        current = {
            name: module.current(self._scales, network)
            for name, module in self._weights.items()
            if isinstance(module, TrainableWeights)
        }
        changed: dict[str, Operator] = {name: weights.operator for name, weights in current.items()}
        if self._scales.change is not None:
            for operator in network.operators:
                if isinstance(operator, RescaledOperator) and operator.name not in current:
                    bits = operator.rescaler.multiplier_bits
                    changed[operator.name] = with_multiplier_bits(operator, network.tensors, bits)
        return network.with_operators(changed), current


def _weighted(operator: Weighted, network: QuantizedNetwork, current: CurrentWeights) -> Step:
    zeros = (network.tensors[operator.inputs[0]].zero_point, network.tensors[operator.output].zero_point)
    return lambda sources, exact: weighted_sum(
        sources[0], current.weights, current.bias, current.scale, exact, operator, zeros
    )


def _step(operator: Operator, network: QuantizedNetwork, scales: ActivationScales) -> Step:
    """Prepares an operator without weights."""
    zeros = tuple(network.tensors[index].zero_point for index in operator.inputs)
    first = operator.inputs[0]
    match operator:
        case ElementwiseSum():
            gains = torch.stack([scales.scale(first), float(operator.sign) * scales.scale(operator.inputs[1])])
            shares = (gains / scales.scale(operator.output)).to(torch.float32)
            return lambda sources, exact: scaled_sum(sources[0], sources[1], shares, exact, operator, zeros)
        case ElementwiseProduct():
            gain = scales.scale(first) * scales.scale(operator.inputs[1]) / scales.scale(operator.output)
            return _scaled(operator, network, gain, lambda sources: (sources[0] - zeros[0]) * (sources[1] - zeros[1]))
        case Requantize():
            gain = scales.scale(first) / scales.scale(operator.output)
            return _scaled(operator, network, gain, lambda sources: sources[0] - zeros[0])
        case Mean():
            gain = scales.scale(first) / (scales.scale(operator.output) * operator.count)
            axes = tuple(axis + 1 for axis in operator.axes)
            return _scaled(operator, network, gain, lambda sources: (sources[0] - zeros[0]).sum(dim=axes))
        case AveragePool():
            return _average_pool(operator)
        case MaxPool():
            return _max_pool(operator, float(network.tensors[first].q_min))
        case Pad() | Concatenation() | Reshape() | Transpose():
            # These only move integers, in any dtype, and are differentiable as they are.
            move = kernel(operator, network)
            return lambda sources, _exact: move(sources)
    raise NotImplementedError(f"no differentiable twin for {type(operator).__name__}")


def _scaled(
    operator: RescaledOperator, network: QuantizedNetwork, gain: Tensor, total: Callable[[list[Tensor]], Tensor]
) -> Step:
    """Prepares a step with the gradient of ``clamp(total * gain + zero_point)``."""
    zero = network.tensors[operator.output].zero_point

    def step(sources: list[Tensor], exact: Tensor) -> Tensor:
        smooth = (total(sources).reshape(exact.shape) * gain + zero).clamp(operator.q_min, operator.q_max)
        return exactly(smooth.to(torch.float32), exact)

    return step


def _average_pool(operator: AveragePool) -> Step:
    (top, bottom), (left, right) = operator.padding

    def step(sources: list[Tensor], exact: Tensor) -> Tensor:
        image = sources[0].permute(0, 3, 1, 2)
        padded = functional.pad(image, (left, right, top, bottom))
        ones = functional.pad(torch.ones_like(image[:1, :1]), (left, right, top, bottom))
        total, count = (
            functional.avg_pool2d(x, operator.kernel, operator.stride, divisor_override=1) for x in (padded, ones)
        )
        smooth = (total / count).clamp(operator.q_min, operator.q_max).permute(0, 2, 3, 1)
        return exactly(smooth, exact)

    return step


def _max_pool(operator: MaxPool, lowest: float) -> Step:
    (top, bottom), (left, right) = operator.padding

    def step(sources: list[Tensor], exact: Tensor) -> Tensor:
        image = functional.pad(sources[0].permute(0, 3, 1, 2), (left, right, top, bottom), value=lowest)
        pooled = functional.max_pool2d(image, operator.kernel, operator.stride)
        return exactly(pooled.clamp(operator.q_min, operator.q_max).permute(0, 2, 3, 1), exact)

    return step
