"""An LSTM's recurrence in real numbers, differentiable."""

import torch
from torch import Tensor

from nets.network import GATE_SCALE, LstmRecurrence, StateProduct, TensorSpec

_HIDDEN_UNIT = 2.0**-30  # of the product of two values in steps of 2**-15


def lstm_outputs(operator: LstmRecurrence, target: TensorSpec, inputs: list[Tensor]) -> Tensor:
    """Computes the outputs in real numbers, in steps of their scale, ``[batch, steps, outputs]``, clamped.

    Args:
        operator: the recurrence.
        target: the quantization of its outputs, which is that of its state, too.
        inputs: integers in steps of 2**-12, of a floating dtype, ``[batch, steps, cells]`` for each of its gates.
    """
    gates = [each * GATE_SCALE for each in inputs]
    recurrent = [_real(product, gates[0]) for product in operator.recurrent]
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
        state = _projected(operator, output * torch.tanh(cell))
        made.append(state)
    steps = torch.stack(made, dim=1) / target.scale + target.zero_point
    return steps.clamp(operator.q_min, operator.q_max)


def _projected(operator: LstmRecurrence, hidden: Tensor) -> Tensor:
    if operator.projection is None:
        return hidden
    hidden_scale = _HIDDEN_UNIT / float(operator.hidden_rescaler.scale[0])
    unit = operator.projection.weight_scale * hidden_scale
    bias = torch.tensor(operator.projection.bias * unit, dtype=hidden.dtype, device=hidden.device)
    return hidden @ _real(operator.projection, hidden) + bias


def _real(product: StateProduct, like: Tensor) -> Tensor:
    """Returns the real weights of a product, ``[in, out]``."""
    weights = torch.tensor(product.weights.T, dtype=like.dtype, device=like.device)
    return weights * product.weight_scale
