"""Activations with another quantization: operators follow their tensors' scales, zero points and widths."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from nets.errors import NetworkError
from nets.network import (
    FULL_MULTIPLIER_BITS,
    ActivationArray,
    FilledPad,
    Operator,
    Pool,
    QuantizedNetwork,
    RescaledOperator,
    TensorSpec,
    Weighted,
    fixed_quantization,
    quantize_bias,
    retabulated,
    shared_quantization,
    with_multiplier_bits,
)

_WIDEST = 16  # bits of an activation


def with_activation_bits(network: QuantizedNetwork, bits: Mapping[int, int]) -> QuantizedNetwork:
    """Narrows activations: coarser steps over the same real range; rescalers are at full width again.

    Args:
        network: the network at int32 (Q31).
        bits: width in bits, 4 to 16, by tensor index; tensors that share a quantization take the narrowest of their
            widths and of their present one. Inputs and outputs of the network, and outputs of LOGISTIC, TANH and
            SOFTMAX, keep theirs.

    Raises:
        NetworkError: A width is out of range.
    """
    if wrong := {index: width for index, width in bits.items() if not 4 <= width <= _WIDEST}:
        raise NetworkError(f"activation bits {wrong} are out of range; use 4 to {_WIDEST}")
    group = shared_quantization(network)
    kept = {group[index] for index in fixed_quantization(network.operators).union(network.inputs, network.outputs)}
    widths: dict[int, int] = {}
    for index, width in bits.items():
        widths[group[index]] = min(width, widths.get(group[index], network.tensors[index].bits))
    changed = {
        index: _with_bits(network.tensors[index], widths[of])
        for index, of in group.items()
        if of in widths and of not in kept
    }
    return between_tensors(network, network.with_tensors(changed))


def between_tensors(before: QuantizedNetwork, after: QuantizedNetwork) -> QuantizedNetwork:
    """Puts the operators of ``before`` between the tensors of ``after``; those that touch a changed tensor follow it.

    Their bounds and biases are converted, constants take the nearest steps, and rescalers are rounded anew, at full
    width.
    """
    changed = {
        operator.name: _following(operator, before, after)
        for operator in before.every_operator()
        if any(before.tensors[index] != after.tensors[index] for index in (*operator.inputs, operator.output))
    }
    constants = {
        index: _requantized(values, before.tensors[index], after.tensors[index])
        for index, values in before.constants.items()
    }
    return replace(after.with_operators(changed), constants=constants)


def _requantized(values: ActivationArray, old: TensorSpec, new: TensorSpec) -> ActivationArray:
    if old == new:
        return values
    steps = np.rint((values.astype(np.float64) - old.zero_point) * (old.scale / new.scale)) + new.zero_point
    stored: ActivationArray = np.clip(steps, new.q_min, new.q_max).astype(new.dtype)
    return stored


def _with_bits(spec: TensorSpec, bits: int) -> TensorSpec:
    scale = spec.scale * (2**spec.bits - 1) / (2**bits - 1)
    low = (spec.q_min - spec.zero_point) * spec.scale
    zero_point = int(np.clip(np.rint(-(2 ** (bits - 1)) - low / scale), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    return replace(spec, scale=scale, zero_point=zero_point, bits=bits)


def _following(operator: Operator, before: QuantizedNetwork, after: QuantizedNetwork) -> Operator:
    old, new = before.tensors[operator.output], after.tensors[operator.output]
    if isinstance(operator, RescaledOperator | Pool) and old != new:
        operator = replace(operator, q_min=_bound(operator.q_min, old, new), q_max=_bound(operator.q_max, old, new))
    if isinstance(operator, FilledPad):
        operator = replace(operator, value=_bound(operator.value, old, new))
    source, coarser = before.tensors[operator.inputs[0]], after.tensors[operator.inputs[0]]
    if isinstance(operator, Weighted) and source != coarser:
        coarser_bias = np.array([coarser.scale / source.scale])
        operator = replace(
            operator, bias=quantize_bias(operator.bias.astype(np.float64), coarser_bias, operator.bias_bits)
        )
    if isinstance(operator, RescaledOperator):
        return with_multiplier_bits(operator, after.tensors, FULL_MULTIPLIER_BITS)
    return retabulated(operator, after.tensors)


def _bound(bound: int, old: TensorSpec, new: TensorSpec) -> int:
    """Converts a clamp's bound: ends of the range stay ends, real 0 stays real 0, others take the nearest step."""
    if bound in (old.q_min, old.q_max):
        return new.q_min if bound == old.q_min else new.q_max
    value = round((bound - old.zero_point) * old.scale / new.scale) + new.zero_point
    return max(new.q_min, min(new.q_max, value))
