"""Narrow multipliers: how a network with k-bit rescalers is made from one with int32 (Q31) rescalers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from nets.errors import NetworkError
from nets.narrow.activation_scales import absorb_into_scales
from nets.network.integers import along_channels, at_width, quantize_bias, quantize_weights, scale_of, weight_limit
from nets.network.network import ElementwiseProduct, ElementwiseSum, Method, Operator, QuantizedNetwork, Weighted
from nets.network.rescaler import (
    FULL_MULTIPLIER_BITS,
    FloatArray,
    neighbouring_scales,
    rescaler_from_scale,
    stored_bits,
)


@dataclass(frozen=True, slots=True, order=True)
class RescalerChoice:
    """Width and method of one rescaler.

    Attributes:
        multiplier_bits: ``k``, 1 (a pure shift) to 31 (int32, Q31), in bits.
        method: ``round`` or ``absorb``.
    """

    multiplier_bits: int
    method: Method = Method.ROUND


@dataclass(frozen=True, eq=False, slots=True)
class RealWeights:
    """What an operator's integer weights stand for, in real units.

    Attributes:
        weights: float64, shape of the operator's weights.
        bias: float64 ``[out]``.
    """

    weights: FloatArray
    bias: FloatArray


def methods_of(operator: Operator) -> tuple[Method, ...]:
    """Ways in which this operator's rescaler can be narrowed.

    Weights absorb the ratio of representable to effective scale; where there are none, the scales of the activations
    around an elementwise operator can.
    """
    absorbing = (Weighted, ElementwiseSum, ElementwiseProduct)
    return (Method.ROUND, Method.ABSORB) if isinstance(operator, absorbing) else (Method.ROUND,)


def real_weights(network: QuantizedNetwork) -> dict[str, RealWeights]:
    """Real weights and biases behind the integers, for every weighted operator by name."""
    return {
        operator.name: RealWeights(
            operator.weights * along_channels(operator.weight_scale, operator.weights.ndim),
            operator.bias * (network.tensors[operator.inputs[0]].scale * operator.weight_scale),
        )
        for operator in network.operators
        if isinstance(operator, Weighted)
    }


def narrow(
    network: QuantizedNetwork,
    choices: Mapping[str, RescalerChoice],
    originals: Mapping[str, RealWeights] | None = None,
) -> QuantizedNetwork:
    """Give rescalers their widths; rescalers that are not named stay as they are.

    Args:
        network: the network at int32 (Q31), whose weight scales are the original ones.
        choices: by operator name.
        originals: real weights to requantize from under ``absorb`` (of the float model, where there is one);
            the integer weights' own values by default.

    Raises:
        NetworkError: an unknown name, a width out of range, a method that the operator does not have, or activation
            scales that leave an elementwise operator no choice.
    """
    originals = originals if originals is not None else real_weights(network)
    for name, choice in choices.items():
        if choice.method not in methods_of(network.operator(name)):
            raise NetworkError(f"operator {name!r} cannot absorb; use method round")
    absorbing = {
        name: choice.multiplier_bits
        for name, choice in choices.items()
        if choice.method is Method.ABSORB and not isinstance(network.operator(name), Weighted)
    }
    if absorbing:
        network = absorb_into_scales(network, absorbing)
    changed: dict[str, Operator] = {}
    for name, choice in choices.items():
        operator = network.operator(name)
        if choice.method is Method.ABSORB and isinstance(operator, Weighted):
            changed[name] = _absorbed(operator, network, choice.multiplier_bits, originals[name])
        else:
            changed[name] = at_width(operator, network.tensors, choice.multiplier_bits)
    return network.with_operators(changed)


def _absorbed(operator: Weighted, network: QuantizedNetwork, bits: int, original: RealWeights) -> Weighted:
    """Move the ratio of representable to effective scale into the weight scale.

    Of the two neighbouring representable scales each channel takes the one whose requantized weights are closer.
    """
    k = stored_bits(bits, operator.rescaler.contract)
    scale = scale_of(operator, network.tensors, operator.weight_scale)
    source, target = network.tensors[operator.inputs[0]], network.tensors[operator.output]
    neighbours = neighbouring_scales(scale, k)
    candidates = [near * target.scale / source.scale for near in neighbours]
    weights = [quantize_weights(original.weights, candidate, operator.weight_bits) for candidate in candidates]
    errors = [
        _per_scale((w * along_channels(s, w.ndim) - original.weights) ** 2, s)
        for w, s in zip(weights, candidates, strict=True)
    ]
    above = errors[1] < errors[0]
    weight_scale = np.where(above, candidates[1], candidates[0])
    chosen = np.where(above, neighbours[1], neighbours[0])
    return replace(
        operator,
        weights=np.where(along_channels(above, weights[0].ndim), weights[1], weights[0]),
        bias=quantize_bias(original.bias, source.scale * weight_scale),
        weight_scale=weight_scale,
        rescaler=rescaler_from_scale(chosen, bits, operator.rescaler.contract),
        method=Method.ABSORB,
    )


def with_weight_bits(
    network: QuantizedNetwork, bits: int | Mapping[str, int], originals: Mapping[str, RealWeights] | None = None
) -> QuantizedNetwork:
    """Requantize weights to fewer bits, per scale symmetric; rescalers stay at full width.

    Args:
        network: the network at int32 (Q31).
        bits: width in bits of the weights, 3 to 8, of all weighted operators or by name; at the present width
            nothing changes.
        originals: real weights to requantize from; the integer weights' own values by default.

    Raises:
        NetworkError: a width out of range, or a name without weights.
    """
    originals = originals if originals is not None else real_weights(network)
    weighted = [operator for operator in network.operators if isinstance(operator, Weighted)]
    widths = {operator.name: bits for operator in weighted} if isinstance(bits, int) else bits
    if unknown := widths.keys() - {operator.name for operator in weighted}:
        raise NetworkError(f"{', '.join(sorted(unknown))}: no weighted operator of {network.name!r} has this name")
    if wrong := {name: width for name, width in widths.items() if not 3 <= width <= 8}:
        raise NetworkError(f"weight bits {wrong} are out of range; use 3 to 8")
    changed: dict[str, Operator] = {
        operator.name: _with_weight_bits(operator, network, widths[operator.name], originals[operator.name])
        for operator in weighted
        if widths.get(operator.name, operator.weight_bits) != operator.weight_bits
    }
    return network.with_operators(changed)


def _with_weight_bits(operator: Weighted, network: QuantizedNetwork, bits: int, original: RealWeights) -> Weighted:
    largest = np.abs(original.weights).reshape(operator.out_channels, -1).max(axis=1)
    if operator.weight_scale.size == 1:
        largest = largest.max(keepdims=True)
    weight_scale = np.where(largest > 0, largest / weight_limit(bits), operator.weight_scale)
    narrowed = replace(
        operator,
        weights=quantize_weights(original.weights, weight_scale, bits),
        bias=quantize_bias(original.bias, network.tensors[operator.inputs[0]].scale * weight_scale),
        weight_scale=weight_scale,
        weight_bits=bits,
    )
    scale = scale_of(narrowed, network.tensors, weight_scale)
    return replace(narrowed, rescaler=rescaler_from_scale(scale, FULL_MULTIPLIER_BITS, operator.rescaler.contract))


def _per_scale(squares: FloatArray, scale: FloatArray) -> FloatArray:
    total: FloatArray = squares.reshape(squares.shape[0], -1).sum(axis=1)
    return total if scale.size > 1 or total.size == 1 else total.sum(keepdims=True)


def inherit_weights(network: QuantizedNetwork, source: QuantizedNetwork) -> QuantizedNetwork:
    """The real weights and biases of a trained design, requantized at the weight scales of another one.

    Fine-tuning that starts from the nearest design already trained needs fewer steps than one from the start.

    Args:
        network: the design to be trained, narrowed; its rescalers stay.
        source: a trained network of the same operators.
    """
    trained = real_weights(source)
    changed: dict[str, Operator] = {}
    for operator in network.operators:
        if isinstance(operator, Weighted):
            bias_scale = network.tensors[operator.inputs[0]].scale * operator.weight_scale
            real = trained[operator.name]
            changed[operator.name] = replace(
                operator,
                weights=quantize_weights(real.weights, operator.weight_scale, operator.weight_bits),
                bias=quantize_bias(real.bias, bias_scale),
            )
    return network.with_operators(changed)
