"""The recurrent part of an LSTM layer in exact integers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nets.execute.accumulation import accumulator
from nets.network import (
    GATE_INTEGER_BITS,
    ActivationArray,
    IntArray,
    LstmRecurrence,
    NarrowableOperator,
    QuantizedNetwork,
    fixed_logistic,
    fixed_tanh,
    rescaling,
)

_ONE = 2**15 - 1
_LOWEST, _HIGHEST = -(2**15), 2**15 - 1

_Step = Callable[[Tensor], Tensor]
_Steps = dict[int, Tensor]  # int64 [batch, steps, width] by tensor index


def lstm_kernel(operator: LstmRecurrence, network: QuantizedNetwork) -> Callable[[list[Tensor]], Tensor]:
    """Prepares a recurrence: int16 ``[batch, steps, cells]`` per gate to int8 outputs ``[batch, steps, outputs]``."""
    steps = _all_steps(operator, network)
    return lambda inputs: steps(inputs)[operator.output].to(torch.int8)


def inner_tensors(
    operator: LstmRecurrence, network: QuantizedNetwork, inputs: list[ActivationArray]
) -> dict[int, ActivationArray]:
    """Computes the tensors that a recurrence's parts read and make, ``[batch, steps, width]``, by their index."""
    made = _all_steps(operator, network)([torch.from_numpy(each) for each in inputs])
    return {index: values.numpy().astype(network.tensors[index].dtype) for index, values in made.items()}


def _all_steps(operator: LstmRecurrence, network: QuantizedNetwork) -> Callable[[list[Tensor]], _Steps]:
    """Prepares a recurrence: from its inputs to its output and the tensors of its parts."""
    target = network.tensors[operator.output]
    recurrent = [_part(each, network) for each in operator.recurrent]
    functions = [fixed_tanh if gate == "cell" else fixed_logistic for gate in operator.gates]
    activations = [_table(function, GATE_INTEGER_BITS) for function in functions]
    tanh, hidden = _table(fixed_tanh, 15 + operator.cell_exponent), _part(operator.hidden, network)
    projection = None if operator.projection is None else _part(operator.projection, network)
    at_output, at_tanh = operator.hidden.inputs

    def run(inputs: list[Tensor]) -> _Steps:
        products = [x.to(torch.int64) for x in inputs]
        batch, steps, cells = products[0].shape
        state = torch.full((batch, target.shape[-1]), target.zero_point, dtype=torch.int64)
        cell = torch.zeros((batch, cells), dtype=torch.int64)
        made: dict[int, list[Tensor]] = {}

        def note(index: int, values: Tensor) -> Tensor:
            made.setdefault(index, []).append(values)
            return values

        for step in range(steps):
            note(operator.state, state)
            gates = [
                activate(saturated(product[:, step] + note(part.output, run_part([state]))))
                for product, part, run_part, activate in zip(
                    products, operator.recurrent, recurrent, activations, strict=True
                )
            ]
            forget, candidate, output = gates[-3:]
            admitted = gates[0] if "input" in operator.gates else _ONE - forget
            cell = updated_cell(operator, cell, forget, admitted * candidate)
            opened = note(at_output, output), note(at_tanh, tanh(cell))
            state = note(operator.hidden.output, hidden(list(opened)))
            if operator.projection is not None and projection is not None:
                state = _clipped(note(operator.projection.output, projection([state])), operator.projection_clip)
            note(operator.output, state)
        return {index: torch.stack(values, dim=1) for index, values in made.items()}

    return run


def _part(part: NarrowableOperator, network: QuantizedNetwork) -> Callable[[list[Tensor]], Tensor]:
    """Prepares one part, for one step: int64 ``[batch, width]`` per input to int64 ``[batch, width]``."""
    tensors = {index: network.tensors[index] for index in (*part.inputs, part.output)}
    one_step = network.with_tensors({at: replace(spec, shape=spec.shape[1:]) for at, spec in tensors.items()})
    accumulate, rescale = accumulator(part, one_step), rescaling(part.rescaler)
    zero_point = network.tensors[part.output].zero_point
    return lambda inputs: (rescale(accumulate(inputs)) + zero_point).clamp(part.q_min, part.q_max)


def _clipped(values: Tensor, limit: int) -> Tensor:
    return values.clamp(-limit, limit) if limit else values


def saturated(values: Tensor) -> Tensor:
    """Clamps integers to int16."""
    return values.clamp(_LOWEST, _HIGHEST)


def updated_cell(operator: LstmRecurrence, cell: Tensor, forget: Tensor, admitted: Tensor) -> Tensor:
    """Computes the next cell state from the present one, the forget gate, and what is admitted, in ``2**-30``."""
    added = _divided(admitted, 30 + operator.cell_exponent)
    cell = saturated(_divided(forget * cell, 15) + added)
    return _clipped(cell, operator.cell_clip)


def _divided(values: Tensor, exponent: int) -> Tensor:
    """Divides by ``2**exponent``, rounded half away from zero (gemmlowp's RoundingDivideByPOT)."""
    return torch.sign(values) * ((values.abs() + (1 << (exponent - 1))) >> exponent)


def _table(function: Callable[[IntArray, int], IntArray], integer_bits: int) -> _Step:
    table = torch.from_numpy(function(np.arange(_LOWEST, _HIGHEST + 1, dtype=np.int64), integer_bits))
    return lambda values: table[values - _LOWEST]
