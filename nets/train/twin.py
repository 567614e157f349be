"""The differentiable twin: its forward pass is the integer executor, bit for bit; gradients go straight through.

The executor runs the network of the present integers; float32 copies of its integer tensors carry the gradients (see
nets.train.straight_through). Training and deployment cannot differ, because there is one implementation of the
arithmetic. It runs on the CPU, even if gradients are computed on another device.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nets.execute import IntegerExecutor, stored_type
from nets.narrow import RealWeights
from nets.network import Operator, QuantizedNetwork, RescaledOperator, Weighted, retabulated, with_multiplier_bits
from nets.train.straight_through import CurrentWeights, weighted_sum
from nets.train.surrogates import surrogate_outputs
from nets.train.trainable import ActivationScales, TrainableWeights


class RescaleAwareTwin(nn.Module):
    """A trainable network that computes the integers of the deployed one.

    Args:
        network: the design to be trained, its rescalers already narrowed.
        originals: real weights by operator name to start from, if they round to the network's integers; those that
            do not, and operators without a name among them, start from the integers.
        learn_scales: whether weight and activation scales are trained too; multipliers are then derived and
            narrowed anew at every step, by each operator's own method. Layers under ``absorb`` keep their window: their
            right shifts stay among those from the smallest to the largest of the design.
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
                    network.tensors[operator.output].q_max,
                    (originals or {}).get(operator.name),
                    learned_scale=learn_scales,
                )

    def integers(self, *inputs: Tensor) -> dict[int, Tensor]:
        """Computes every activation's integers, float32, by tensor index, with gradients.

        Args:
            inputs: int8, int16 or float32 integers ``[batch, *shape]``, channels last, one per network input.
        """
        network, current = self._current()
        types = (stored_type(network.tensors[index]) for index in network.inputs)
        integers = (x.detach().to(stored).cpu().numpy() for x, stored in zip(inputs, types, strict=True))
        exact = IntegerExecutor(network).tensors(*integers)
        carriers = {index: x.to(torch.float32) for index, x in zip(network.inputs, inputs, strict=True)}
        device = inputs[0].device
        carriers |= {index: torch.from_numpy(exact[index]).to(device, torch.float32) for index in network.constants}
        for operator in network.operators:
            sources = [carriers[index] for index in operator.inputs]
            made = torch.from_numpy(exact[operator.output]).to(sources[0].device)
            if isinstance(operator, Weighted):
                zeros = (network.tensors[operator.inputs[0]].zero_point, network.tensors[operator.output].zero_point)
                outputs = weighted_sum(sources[0], current[operator.name], made, zeros)
            else:
                outputs = surrogate_outputs(operator, network, self._scales, sources, made)
            carriers[operator.output] = outputs
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
                elif operator.name not in current:
                    changed[operator.name] = retabulated(operator, network.tensors)
        return network.with_operators(changed), current
