"""Real weights behind an operator's integers, and their requantization."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from nets.errors import NetworkError
from nets.network import (
    FULL_MULTIPLIER_BITS,
    FloatArray,
    QuantizedNetwork,
    Weighted,
    along_channels,
    quantize_bias,
    quantize_weights,
    weight_limit,
    with_multiplier_bits,
)

WeightedOperator = TypeVar("WeightedOperator", bound=Weighted)

_MOST_BITS = 8  # of weights that can be requantized


@dataclass(frozen=True, eq=False, slots=True)
class RealWeights:
    """What an operator's integer weights (in their shape) and bias ``[out]`` stand for, in real units, float64."""

    weights: FloatArray
    bias: FloatArray


def real_weights(network: QuantizedNetwork) -> dict[str, RealWeights]:
    """Computes the real weights and biases behind the integers of every weighted operator, by name."""
    return {
        operator.name: RealWeights(
            operator.weights * along_channels(operator.weight_scale, operator.weights.ndim),
            operator.bias * (network.tensors[operator.inputs[0]].scale * operator.weight_scale),
        )
        for operator in network.every_operator()
        if isinstance(operator, Weighted)
    }


def requantized(
    operator: WeightedOperator, real: RealWeights, input_scale: float, weight_scale: FloatArray, bits: int
) -> WeightedOperator:
    """Returns the operator with real weights and biases rounded at other scales; its rescaler stays.

    Weights get ``bits`` bits at ``weight_scale``, ``[out]`` or ``[1]``, biases ``input_scale * weight_scale``. A zero
    point of the weights stays at their present width; at others they are symmetric.
    """
    zero_point = operator.weight_zero_point if bits == operator.weight_bits else 0
    return replace(
        operator,
        weights=quantize_weights(real.weights, weight_scale, bits, zero_point),
        bias=quantize_bias(real.bias, input_scale * weight_scale, operator.bias_bits),
        weight_scale=weight_scale,
        weight_bits=bits,
        weight_zero_point=zero_point,
    )


def with_weight_bits(
    network: QuantizedNetwork, bits: int | Mapping[str, int], originals: Mapping[str, RealWeights] | None = None
) -> QuantizedNetwork:
    """Requantizes weights to fewer bits, symmetric for each scale; rescalers stay at full width.

    Args:
        network: the network at int32 (Q31).
        bits: width of the weights in bits, 3 to 8, of all operators with int8 weights, or by name; at the present
            width nothing changes.
        originals: real weights to requantize from; the values of the integer weights by default.

    Raises:
        NetworkError: A width is out of range, or a name has no weights.
    """
    originals = originals if originals is not None else real_weights(network)
    weighted = [operator for operator in network.every_operator() if isinstance(operator, Weighted)]
    of_int8 = [operator for operator in weighted if operator.weight_bits <= _MOST_BITS]
    widths = {operator.name: bits for operator in of_int8} if isinstance(bits, int) else bits
    if unknown := widths.keys() - {operator.name for operator in weighted}:
        raise NetworkError(f"{', '.join(sorted(unknown))}: no weighted operator of {network.name!r} has this name")
    if wrong := {name: width for name, width in widths.items() if not 3 <= width <= _MOST_BITS}:
        raise NetworkError(f"weight bits {wrong} are out of range; use 3 to {_MOST_BITS}")
    return network.with_operators(
        {
            operator.name: _with_weight_bits(operator, network, widths[operator.name], originals[operator.name])
            for operator in weighted
            if widths.get(operator.name, operator.weight_bits) != operator.weight_bits
        }
    )


def _with_weight_bits(operator: Weighted, network: QuantizedNetwork, bits: int, real: RealWeights) -> Weighted:
    largest = np.abs(real.weights).reshape(operator.out_channels, -1).max(axis=1)
    if operator.weight_scale.size == 1:
        largest = largest.max(keepdims=True)
    # Scales are float32 values, as in models; a rounded one still holds the largest weight.
    chosen = np.where(largest > 0, largest / weight_limit(bits), operator.weight_scale)
    weight_scale = chosen.astype(np.float32).astype(np.float64)
    source = network.tensors[operator.inputs[0]]
    narrowed = requantized(operator, real, source.scale, weight_scale, bits)
    return with_multiplier_bits(narrowed, network.tensors, FULL_MULTIPLIER_BITS)


def inherit_weights(network: QuantizedNetwork, source: QuantizedNetwork) -> QuantizedNetwork:
    """Requantizes the real weights and biases of a trained design at the weight scales of another design.

    Fine-tuning that starts from the nearest trained design needs fewer steps than fine-tuning from the start.

    Args:
        network: the design to be trained, narrowed; its rescalers stay.
        source: A trained network of the same operators.
    """
    trained = real_weights(source)
    return network.with_operators(
        {
            operator.name: requantized(
                operator,
                trained[operator.name],
                network.tensors[operator.inputs[0]].scale,
                operator.weight_scale,
                operator.weight_bits,
            )
            for operator in network.operators
            if isinstance(operator, Weighted)
        }
    )
