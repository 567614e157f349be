"""Absorption: the ratio of representable to effective scale moves into weights or activation scales.

An elementwise operator has no weights that could take the ratio, but its producers and consumers have: a slightly
coarser scale of an activation moves the ratio into *their* multipliers and biases.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

import numpy as np

from nets.errors import NetworkError
from nets.narrow.activations import between_tensors
from nets.narrow.choice import RescalerChoice
from nets.narrow.scale_choice import check_window, nearest_scales, window_scales
from nets.narrow.weights import RealWeights, WeightedOperator, requantized
from nets.network import (
    ElementwiseProduct,
    ElementwiseSum,
    FloatArray,
    MatrixProduct,
    Operator,
    QuantizedNetwork,
    along_channels,
    as_weights,
    fixed_quantization,
    neighbouring_scales,
    rescaler_from_scale,
    shared_quantization,
    stored_bits,
    weighted_scale,
)

_EXACT = 1e-12  # relative; scales are float64 products of float32 values


class WeightErrors(Protocol):
    """Judges and makes the integer weights of one layer; without data, by the weights themselves."""

    def variances(self, errors: FloatArray) -> FloatArray:
        """Returns the error of each output, ``[out]``, from errors of its weights in steps, ``[out, ...]``."""
        ...

    def rounded(self, steps: FloatArray, limits: tuple[int, int]) -> FloatArray:
        """Returns integer weights within (smallest, largest), from real ones in steps, ``[out, ...]``."""
        ...


class PlainErrors:
    """Squares of the weights' own errors, and the nearest integers."""

    def variances(self, errors: FloatArray) -> FloatArray:
        """Returns the sum of squares of each output's errors, ``[out]``."""
        total: FloatArray = (errors**2).reshape(errors.shape[0], -1).sum(axis=1)
        return total

    def rounded(self, steps: FloatArray, limits: tuple[int, int]) -> FloatArray:
        """Returns the nearest integers within the limits."""
        return np.clip(np.rint(steps), *limits)


PLAIN: Final = PlainErrors()


def absorb_into_weights(
    operator: WeightedOperator,
    network: QuantizedNetwork,
    choice: RescalerChoice,
    original: RealWeights,
    errors: WeightErrors = PLAIN,
) -> WeightedOperator:
    """Moves the ratio of representable to effective scale into the weight scale.

    Among the representable scales, of the two neighbours or in the window of the choice, each channel takes the one
    whose requantized weights have the smallest error.

    Raises:
        NetworkError: the contract has no such window.
    """
    contract, bits = operator.rescaler.contract, stored_bits(choice.multiplier_bits, operator.rescaler.contract)
    source, target = network.tensors[operator.inputs[0]], network.tensors[operator.output]
    limits, weights = operator.weight_range, original.weights
    scale = weighted_scale(source.scale, operator.weight_scale, target.scale, contract)

    def weight_scale_of(candidate: FloatArray) -> FloatArray:
        return candidate * target.scale / source.scale

    def error_of(candidate: FloatArray) -> FloatArray:
        return error_at(weight_scale_of(candidate), weights, limits, errors)

    if choice.shift_bits is None:
        chosen = nearest_scales(scale, bits, error_of)
    else:
        check_window(choice.shift_bits, contract)
        chosen = window_scales(scale, bits, choice.shift_bits, _live(scale, weights), error_of)
    weight_scale = weight_scale_of(chosen)
    return replace(
        requantized(operator, original, source.scale, weight_scale, operator.weight_bits),
        weights=as_weights(
            errors.rounded(steps_at(weight_scale, weights), limits), operator.weight_bits, operator.weight_zero_point
        ),
        rescaler=rescaler_from_scale(chosen, choice.multiplier_bits, contract),
    )


def steps_at(weight_scale: FloatArray, weights: FloatArray) -> FloatArray:
    """Returns real weights ``[out, ...]`` in steps of a weight scale, ``[out]`` or ``[1]``."""
    return weights / along_channels(weight_scale, weights.ndim)


def error_at(
    weight_scale: FloatArray, weights: FloatArray, limits: tuple[int, int], errors: WeightErrors
) -> FloatArray:
    """Returns the error that the nearest integers have at a weight scale, summed over the outputs that share one.

    Args:
        weight_scale: ``[out]`` or ``[1]``.
        weights: real weights, ``[out, ...]``.
        limits: the smallest and the largest integer.
        errors: judges the weights.

    Returns:
        Errors, shape of ``weight_scale``.
    """
    steps = steps_at(weight_scale, weights)
    each = errors.variances(np.clip(np.rint(steps), *limits) - steps) * weight_scale**2
    return each if weight_scale.size == each.size else each.sum(keepdims=True)


def _live(scale: FloatArray, weights: FloatArray) -> FloatArray:
    """Returns the scales of the channels that have any weight; all scales if none has."""
    live = np.abs(weights).reshape(weights.shape[0], -1).any(axis=1)
    return scale[live] if scale.size > 1 and live.any() else scale


# The error that a tensor's values have at another scale; a tensor index and the scale to any measure of it.
ScaleError = Callable[[int, float], float]


def unless_clipped(network: QuantizedNetwork) -> ScaleError:
    """Returns the error of scales without data: the finest one of those that clip no value."""
    return lambda index, scale: scale if scale >= network.tensors[index].scale * (1 - _EXACT) else np.inf


def absorb_into_scales(
    network: QuantizedNetwork, bits: Mapping[str, int], error_of: ScaleError | None = None
) -> QuantizedNetwork:
    """Chooses activation scales so that the multipliers of elementwise operators fit their widths exactly.

    Of the next coarser and the next finer scale each tensor takes the one with the smaller error. At ``k = 1`` a scale
    changes by less than a factor of two, at ``k`` bits by less than ``1 + 2**(1 - k)``.

    Args:
        network: the network at int32 (Q31).
        bits: multiplier width in bits, by name of an elementwise sum or product.
        error_of: the error of a tensor at a scale; by default scales only grow, so that no value is newly clipped.

    Returns:
        The network with the chosen scales; biases, bounds and rescalers (at full width) follow.

    Raises:
        NetworkError: scales that are tied to each other, or to the network's input, leave no choice.
    """
    scales = _Scales(network)
    for operator in network.every_operator():
        if operator.name in bits:
            _choose(operator, scales, bits[operator.name], error_of or unless_clipped(network))
    return between_tensors(network, scales.chosen())


class _Scales:
    """Scales by group of tensors that share a quantization; a scale that was relied on is fixed."""

    def __init__(self, network: QuantizedNetwork) -> None:
        self._network = network
        self._group = shared_quantization(network)
        self._scale = {group: network.tensors[group].scale for group in self._group.values()}
        fixed = fixed_quantization(network.operators, with_states=False).union(network.inputs)
        self._fixed = {self._group[index] for index in fixed}

    def __getitem__(self, index: int) -> float:
        return self._scale[self._group[index]]

    def is_fixed(self, index: int) -> bool:
        return self._group[index] in self._fixed

    def fix(self, index: int, scale: float, operator: Operator) -> None:
        """Fixes the scale of a tensor; raises a NetworkError if it is fixed already, at another value."""
        if self.is_fixed(index) and abs(scale / self[index] - 1) > _EXACT:
            name = self._network.tensors[index].name
            raise NetworkError(
                f"operator {operator.name!r} cannot absorb: the scale of {name!r} is tied; use method round"
            )
        if not self.is_fixed(index):
            self._scale[self._group[index]] = scale
            self._fixed.add(self._group[index])

    def chosen(self) -> QuantizedNetwork:
        """Returns the network with the chosen scales in its tensors."""
        changed = {
            index: replace(spec, scale=self[index])
            for index, spec in enumerate(self._network.tensors)
            if spec.scale != self[index]
        }
        return self._network.with_tensors(changed)


def _choose(operator: Operator, scales: _Scales, bits: int, error_of: ScaleError) -> None:
    """Fixes the scales around an elementwise operator so that its multipliers are representable."""
    anchor, other = operator.inputs
    match operator:
        case ElementwiseSum():
            # Two ratios of nets.network.sum_scales are free; the one of the larger input is always 1/2.
            if scales.is_fixed(other) or (not scales.is_fixed(anchor) and scales[other] > scales[anchor]):
                anchor, other = other, anchor
            scales.fix(anchor, scales[anchor], operator)
            beside = _beside(scales[other], scales[anchor], bits)
            scales.fix(other, min(beside, key=partial(error_of, other)), operator)
            unit = 2 * max(scales[anchor], scales[other]) / 2**operator.left_shift
        case ElementwiseProduct() | MatrixProduct():
            for index in operator.inputs:
                scales.fix(index, scales[index], operator)
            unit = scales[anchor] * scales[other]
        case _:
            raise NotImplementedError(f"no activation scales to choose around {type(operator).__name__}")
    ratio = unit / scales[operator.output]
    results = [unit / _representable(ratio, bits, above=above) for above in (False, True)]
    scales.fix(operator.output, min(results, key=partial(error_of, operator.output)), operator)


def _beside(scale: float, anchor: float, bits: int) -> tuple[float, float]:
    """Returns the next coarser and the next finer scale whose ratio to the anchor is representable."""
    if scale <= anchor:
        coarser, finer = (_representable(scale / (2 * anchor), bits, above=above) for above in (True, False))
        return min(coarser * 2 * anchor, anchor), finer * 2 * anchor
    coarser, finer = (_representable(anchor / (2 * scale), bits, above=above) for above in (False, True))
    return anchor / (2 * coarser), anchor / (2 * finer)


def _representable(scale: float, bits: int, *, above: bool) -> float:
    """Returns the next representable scale, or exactly ``scale`` if that is representable already."""
    nudged = scale * (1 - _EXACT if above else 1 + _EXACT)
    neighbour = float(neighbouring_scales(np.array([nudged]), bits)[above][0])
    return neighbour if neighbour / scale != 1 else scale
