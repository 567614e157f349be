"""Narrow multipliers: how a network with k-bit rescalers is made from one with int32 (Q31) rescalers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from nets.errors import NetworkError
from nets.network import (
    AveragePool,
    ElementwiseProduct,
    ElementwiseSum,
    MaxPool,
    Mean,
    Method,
    Operator,
    QuantizedNetwork,
    Requantize,
    TensorSpec,
    Weighted,
    shared_quantization,
)
from nets.rescaler import (
    FULL_MULTIPLIER_BITS,
    FloatArray,
    IntArray,
    effective_scale,
    neighbouring_scales,
    rescaler_from_scale,
    stored_bits,
)

INT32_MAX = 2**31 - 1


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
    """Ways in which this operator's rescaler can be narrowed: only weights can absorb."""
    return (Method.ROUND, Method.ABSORB) if isinstance(operator, Weighted) else (Method.ROUND,)


def real_weights(network: QuantizedNetwork) -> dict[str, RealWeights]:
    """Real weights and biases behind the integers, for every weighted operator by name."""
    return {
        operator.name: RealWeights(
            operator.weights * _along_channels(operator.weight_scale, operator.weights.ndim),
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
        NetworkError: an unknown name, a width out of range, or ``absorb`` for an operator without weights.
    """
    originals = originals if originals is not None else real_weights(network)
    changed: dict[str, Operator] = {}
    for name, choice in choices.items():
        operator = network.operator(name)
        if choice.method not in methods_of(operator):
            raise NetworkError(f"operator {name!r} has no weights to absorb into; use method round")
        if choice.method is Method.ABSORB and isinstance(operator, Weighted):
            changed[name] = _absorbed(operator, network, choice.multiplier_bits, originals[name])
        else:
            changed[name] = at_width(operator, network.tensors, choice.multiplier_bits)
    return network.with_operators(changed)


@singledispatch
def at_width(operator: Operator, tensors: tuple[TensorSpec, ...], bits: int) -> Operator:
    """The operator with rescalers rounded anew from its tensors' scales, ``bits`` wide.

    Raises:
        NetworkError: the operator has no rescaler.
    """
    raise NetworkError(f"operator {operator.name!r} has no rescaler whose width can be chosen")


@at_width.register
def _(operator: Weighted, tensors: tuple[TensorSpec, ...], bits: int) -> Operator:
    scale = _scale_of(operator, tensors, operator.weight_scale)
    return replace(
        operator,
        rescaler=rescaler_from_scale(scale, bits, operator.rescaler.contract),
        method=Method.ROUND,
    )


@at_width.register
def _(operator: ElementwiseSum, tensors: tuple[TensorSpec, ...], bits: int) -> Operator:
    scales = [tensors[index].scale for index in operator.inputs]
    common = 2 * max(scales)
    contracts = [rescaler.contract for rescaler in operator.input_rescalers]
    left, right = (
        rescaler_from_scale(np.array([scale / common]), bits, contract)
        for scale, contract in zip(scales, contracts, strict=True)
    )
    output = np.array([common / (2**operator.left_shift * tensors[operator.output].scale)])
    return replace(
        operator,
        input_rescalers=(left, right),
        rescaler=rescaler_from_scale(output, bits, operator.rescaler.contract),
    )


@at_width.register
def _(operator: ElementwiseProduct, tensors: tuple[TensorSpec, ...], bits: int) -> Operator:
    first, second = (tensors[index].scale for index in operator.inputs)
    scale = np.array([first * second / tensors[operator.output].scale])
    return replace(operator, rescaler=rescaler_from_scale(scale, bits, operator.rescaler.contract))


@at_width.register
def _(operator: Requantize, tensors: tuple[TensorSpec, ...], bits: int) -> Operator:
    scale = np.array([tensors[operator.inputs[0]].scale / tensors[operator.output].scale])
    return replace(operator, rescaler=rescaler_from_scale(scale, bits, operator.rescaler.contract))


@at_width.register
def _(operator: Mean, tensors: tuple[TensorSpec, ...], bits: int) -> Operator:
    scale = np.array([tensors[operator.inputs[0]].scale / (tensors[operator.output].scale * operator.count)])
    return replace(operator, rescaler=rescaler_from_scale(scale, bits, operator.rescaler.contract))


def _absorbed(operator: Weighted, network: QuantizedNetwork, bits: int, original: RealWeights) -> Weighted:
    """Move the ratio of representable to effective scale into the weight scale.

    Of the two neighbouring representable scales each channel takes the one whose requantized weights are closer.
    """
    k = stored_bits(bits, operator.rescaler.contract)
    scale = _scale_of(operator, network.tensors, operator.weight_scale)
    source, target = network.tensors[operator.inputs[0]], network.tensors[operator.output]
    neighbours = neighbouring_scales(scale, k)
    candidates = [near * target.scale / source.scale for near in neighbours]
    weights = [quantize_weights(original.weights, candidate, operator.weight_bits) for candidate in candidates]
    errors = [
        _per_scale((w * _along_channels(s, w.ndim) - original.weights) ** 2, s)
        for w, s in zip(weights, candidates, strict=True)
    ]
    above = errors[1] < errors[0]
    weight_scale = np.where(above, candidates[1], candidates[0])
    chosen = np.where(above, neighbours[1], neighbours[0])
    return replace(
        operator,
        weights=np.where(_along_channels(above, weights[0].ndim), weights[1], weights[0]),
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
    scale = _scale_of(narrowed, network.tensors, weight_scale)
    return replace(narrowed, rescaler=rescaler_from_scale(scale, FULL_MULTIPLIER_BITS, operator.rescaler.contract))


def weight_limit(bits: int) -> int:
    """Largest magnitude of a symmetric weight of this many bits."""
    return int(2 ** (bits - 1) - 1)


def quantize_weights(weights: FloatArray, scale: FloatArray, bits: int) -> npt.NDArray[np.int8]:
    """Round real weights ``[out, ...]`` to symmetric integers at ``scale``, ``[out]`` or ``[1]``."""
    limit = weight_limit(bits)
    steps: FloatArray = np.rint(weights / _along_channels(scale, weights.ndim))
    return np.clip(steps, -limit, limit).astype(np.int8)


def quantize_bias(bias: FloatArray, scale: FloatArray) -> IntArray:
    """Round a real bias ``[out]`` to int32 integers at ``scale = s_x * s_w``; saturates like a register."""
    return np.clip(np.rint(bias / scale), -INT32_MAX - 1, INT32_MAX).astype(np.int64)


def _scale_of(operator: Weighted, tensors: tuple[TensorSpec, ...], weight_scale: FloatArray) -> FloatArray:
    source, target = tensors[operator.inputs[0]], tensors[operator.output]
    return effective_scale(source.scale, weight_scale, target.scale, operator.rescaler.contract)


_Any = TypeVar("_Any", bound=np.generic)


def _along_channels(values: npt.NDArray[_Any], ndim: int) -> npt.NDArray[_Any]:
    return values.reshape(-1, *(1,) * (ndim - 1))


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


def with_activation_bits(network: QuantizedNetwork, bits: Mapping[int, int]) -> QuantizedNetwork:
    """Narrow activations: coarser steps over the same real range; rescalers are at full width again.

    Args:
        network: the network at int32 (Q31).
        bits: width in bits, 4 to 8, by tensor index; tensors that share a quantization take the narrowest of theirs.
            Inputs and outputs of the network keep theirs.

    Raises:
        NetworkError: a width out of range.
    """
    if wrong := {index: width for index, width in bits.items() if not 4 <= width <= 8}:
        raise NetworkError(f"activation bits {wrong} are out of range; use 4 to 8")
    group = shared_quantization(network)
    kept = {group[index] for index in (*network.inputs, *network.outputs)}
    widths: dict[int, int] = {}
    for index, width in bits.items():
        widths[group[index]] = min(width, widths.get(group[index], 8))
    changed = {
        index: _with_bits(network.tensors[index], widths[of])
        for index, of in group.items()
        if of in widths and of not in kept
    }
    coarser = network.with_tensors(changed)
    return coarser.with_operators({op.name: _requantized(op, network, coarser) for op in network.operators})


def _with_bits(spec: TensorSpec, bits: int) -> TensorSpec:
    scale = spec.scale * (2**spec.bits - 1) / (2**bits - 1)
    low = (spec.q_min - spec.zero_point) * spec.scale
    zero_point = int(np.clip(np.rint(-(2 ** (bits - 1)) - low / scale), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    return replace(spec, scale=scale, zero_point=zero_point, bits=bits)


_BOUNDED = (Weighted, ElementwiseSum, ElementwiseProduct, Requantize, AveragePool, MaxPool)


def _requantized(operator: Operator, before: QuantizedNetwork, after: QuantizedNetwork) -> Operator:
    """The operator between tensors of new quantization: bounds, bias and rescalers follow."""
    old, new = before.tensors[operator.output], after.tensors[operator.output]
    if isinstance(operator, _BOUNDED) and old != new:
        operator = replace(operator, q_min=_bound(operator.q_min, old, new), q_max=_bound(operator.q_max, old, new))
    source, coarser = before.tensors[operator.inputs[0]], after.tensors[operator.inputs[0]]
    if isinstance(operator, Weighted) and source != coarser:
        coarser_bias = np.array([coarser.scale / source.scale])
        operator = replace(operator, bias=quantize_bias(operator.bias.astype(np.float64), coarser_bias))
    if hasattr(operator, "rescaler"):
        return at_width(operator, after.tensors, FULL_MULTIPLIER_BITS)
    return operator


def _bound(bound: int, old: TensorSpec, new: TensorSpec) -> int:
    """A clamp's bound: ends of the range stay ends, real 0 stays real 0, anything else the nearest step."""
    if bound in (old.q_min, old.q_max):
        return new.q_min if bound == old.q_min else new.q_max
    value = round((bound - old.zero_point) * old.scale / new.scale) + new.zero_point
    return max(new.q_min, min(new.q_max, value))
