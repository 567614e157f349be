"""An LSTM's recurrence in real numbers, differentiable."""

import torch
from torch import Tensor

from nets.network import GATE_SCALE, FullyConnected, LstmRecurrence, QuantizedNetwork


def lstm_outputs(operator: LstmRecurrence, network: QuantizedNetwork, inputs: list[Tensor]) -> Tensor:
    """Computes the outputs in real numbers, in steps of their scale, ``[batch, steps, outputs]``, clamped.

    Args:
        operator: the recurrence.
        network: its network.
        inputs: integers in steps of 2**-12, of a floating dtype, ``[batch, steps, cells]`` for each of its gates.
    """
    target = network.tensors[operator.output]
    gates = [each * GATE_SCALE for each in inputs]
    recurrent = [_real(product, network, gates[0]) for product in operator.recurrent]
    state = gates[0].new_zeros((gates[0].shape[0], target.shape[-1]))
    cell = gates[0].new_zeros((gates[0].shape[0], gates[0].shape[2]))
    made = []
    for step in range(gates[0].shape[1]):
        sums = [gate[:, step] + state @ matrix for gate, matrix in zip(gates, recurrent, strict=True)]
        forget, candidate, output = torch.sigmoid(sums[-3]), torch.tanh(sums[-2]), torch.sigmoid(sums[-1])
        admitted = torch.sigmoid(sums[0]) if "input" in operator.gates else 1 - forget
        cell = forget * cell + admitted * candidate
        if operator.cell_clip:
            limit = operator.cell_clip * 2.0**operator.cell_exponent
            cell = cell.clamp(-limit, limit)
        state = _projected(operator, network, output * torch.tanh(cell))
        made.append(state)
    steps = torch.stack(made, dim=1) / target.scale + target.zero_point
    return steps.clamp(operator.q_min, operator.q_max)


def _projected(operator: LstmRecurrence, network: QuantizedNetwork, hidden: Tensor) -> Tensor:
    gates, made = (network.tensors[index] for index in (operator.hidden.inputs[0], operator.hidden.output))
    hidden = hidden * (float(operator.hidden.rescaler.scale[0]) * made.scale / gates.scale**2)
    if operator.projection is None:
        return hidden
    unit = float(operator.projection.rescaler.scale[0]) * network.tensors[operator.projection.output].scale
    bias = torch.tensor(operator.projection.bias * unit, dtype=hidden.dtype, device=hidden.device)
    return hidden @ _real(operator.projection, network, hidden) + bias


def _real(product: FullyConnected, network: QuantizedNetwork, like: Tensor) -> Tensor:
    """Returns the real weights that a product's integers stand for under its rescaler, ``[in, out]``."""
    source, target = (network.tensors[index].scale for index in (product.inputs[0], product.output))
    weights = torch.tensor(product.weights.T, dtype=like.dtype, device=like.device)
    return weights * (float(product.rescaler.scale[0]) * target / source)
