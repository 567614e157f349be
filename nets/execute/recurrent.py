"""The recurrent part of an LSTM layer in exact integers."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from nets.network import (
    GATE_INTEGER_BITS,
    IntArray,
    LstmRecurrence,
    QuantizedNetwork,
    StateProduct,
    fixed_logistic,
    fixed_tanh,
    rescaling,
)

_ONE = 2**15 - 1
_LOWEST, _HIGHEST = -(2**15), 2**15 - 1

_Step = Callable[[Tensor], Tensor]


def lstm_kernel(operator: LstmRecurrence, network: QuantizedNetwork) -> Callable[[list[Tensor]], Tensor]:
    """Prepares a recurrence: int16 ``[batch, steps, cells]`` per gate to int8 outputs ``[batch, steps, outputs]``."""
    target = network.tensors[operator.output]
    recurrent = [state_product(each, target.zero_point) for each in operator.recurrent]
    functions = [fixed_tanh if gate == "cell" else fixed_logistic for gate in operator.gates]
    activations = [_table(function, GATE_INTEGER_BITS) for function in functions]
    tanh, hidden = _table(fixed_tanh, 15 + operator.cell_exponent), _hidden(operator, target.zero_point)

    def run(inputs: list[Tensor]) -> Tensor:
        products = [x.to(torch.int64) for x in inputs]
        batch, steps, cells = products[0].shape
        state = torch.full((batch, target.shape[-1]), target.zero_point, dtype=torch.int64)
        cell = torch.zeros((batch, cells), dtype=torch.int64)
        made = []
        for step in range(steps):
            gates = [
                activate(saturated(product[:, step] + matrix(state)))
                for product, matrix, activate in zip(products, recurrent, activations, strict=True)
            ]
            forget, candidate, output = gates[-3:]
            admitted = gates[0] if "input" in operator.gates else _ONE - forget
            cell = updated_cell(operator, cell, forget, admitted * candidate)
            state = hidden(output * tanh(cell))
            made.append(state)
        return torch.stack(made, dim=1).to(torch.int8)

    return run


def state_product(product: StateProduct, zero_point: int) -> _Step:
    """Prepares a state's product: int64 states ``[batch, in]`` to rescaled int64 ``[batch, out]``."""
    # Sums of at most 2**24 products of 16 bits are exact in float64.
    weights, bias = torch.tensor(product.weights.T, dtype=torch.float64), torch.tensor(product.bias)
    rescale = rescaling(product.rescaler)
    return lambda state: rescale(((state - zero_point).to(torch.float64) @ weights).to(torch.int64) + bias)


def saturated(values: Tensor) -> Tensor:
    """Clamps integers to int16."""
    return values.clamp(_LOWEST, _HIGHEST)


def updated_cell(operator: LstmRecurrence, cell: Tensor, forget: Tensor, admitted: Tensor) -> Tensor:
    """Computes the next cell state from the present one, the forget gate, and what is admitted, in ``2**-30``."""
    added = _divided(admitted, 30 + operator.cell_exponent)
    cell = saturated(_divided(forget * cell, 15) + added)
    return cell.clamp(-operator.cell_clip, operator.cell_clip) if operator.cell_clip else cell


def _divided(values: Tensor, exponent: int) -> Tensor:
    """Divides by ``2**exponent``, rounded half away from zero (gemmlowp's RoundingDivideByPOT)."""
    return torch.sign(values) * ((values.abs() + (1 << (exponent - 1))) >> exponent)


def _table(function: Callable[[IntArray, int], IntArray], integer_bits: int) -> _Step:
    table = torch.from_numpy(function(np.arange(_LOWEST, _HIGHEST + 1, dtype=np.int64), integer_bits))
    return lambda values: table[values - _LOWEST]


def _hidden(operator: LstmRecurrence, output_zero: int) -> _Step:
    """Prepares the way from ``output * tanh(c)`` to the output state."""
    rescale, zero = rescaling(operator.hidden_rescaler), operator.hidden_zero
    if operator.projection is None:
        return lambda values: _rescaled(values, rescale, zero).clamp(operator.q_min, operator.q_max)
    project, clip = state_product(operator.projection, zero), operator.projection_clip

    def run(values: Tensor) -> Tensor:
        hidden = _rescaled(values, rescale, zero).clamp(-128, 127)
        projected = (project(hidden) + output_zero).clamp(operator.q_min, operator.q_max)
        return projected.clamp(-clip, clip) if clip else projected

    return run


def _rescaled(values: Tensor, rescale: _Step, zero: int) -> Tensor:
    return rescale(values.unsqueeze(-1)).squeeze(-1) + zero
