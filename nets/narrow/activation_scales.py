"""Activations with another quantization: coarser steps for fewer bits, or scales chosen for the multipliers' sake.

An elementwise sum has no weights that could take the ratio of representable to effective scale, but its producers and
consumers have: making an activation's scale slightly coarser moves the ratio into *their* multipliers and biases.
Scales only grow, so that nothing clips that did not clip before; at ``k = 1`` growth is below a factor of two, at ``k``
bits below ``1 + 2**(1 - k)``.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import singledispatch

import numpy as np

from nets.errors import NetworkError
from nets.network.integers import at_width, quantize_bias
from nets.network.network import (
    AveragePool,
    ElementwiseProduct,
    ElementwiseSum,
    MaxPool,
    Mean,
    Operator,
    QuantizedNetwork,
    Requantize,
    TensorSpec,
    Weighted,
    shared_quantization,
)
from nets.network.rescaler import FULL_MULTIPLIER_BITS, neighbouring_scales

_EXACT = 1e-12  # relative; scales are float64 products of float32 values


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
    return between_tensors(network, coarser)


def between_tensors(before: QuantizedNetwork, after: QuantizedNetwork) -> QuantizedNetwork:
    """The operators of ``before`` between the tensors of ``after``; only those that touch a changed one differ."""
    changed = {
        operator.name: _requantized(operator, before, after)
        for operator in before.operators
        if any(before.tensors[index] != after.tensors[index] for index in (*operator.inputs, operator.output))
    }
    return after.with_operators(changed)


def _with_bits(spec: TensorSpec, bits: int) -> TensorSpec:
    scale = spec.scale * (2**spec.bits - 1) / (2**bits - 1)
    low = (spec.q_min - spec.zero_point) * spec.scale
    zero_point = int(np.clip(np.rint(-(2 ** (bits - 1)) - low / scale), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    return replace(spec, scale=scale, zero_point=zero_point, bits=bits)


_RESCALED = (Weighted, ElementwiseSum, ElementwiseProduct, Requantize, Mean)
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
    if isinstance(operator, _RESCALED):
        return at_width(operator, after.tensors, FULL_MULTIPLIER_BITS)
    return operator


def _bound(bound: int, old: TensorSpec, new: TensorSpec) -> int:
    """A clamp's bound: ends of the range stay ends, real 0 stays real 0, anything else the nearest step."""
    if bound in (old.q_min, old.q_max):
        return new.q_min if bound == old.q_min else new.q_max
    value = round((bound - old.zero_point) * old.scale / new.scale) + new.zero_point
    return max(new.q_min, min(new.q_max, value))


def absorb_into_scales(network: QuantizedNetwork, bits: Mapping[str, int]) -> QuantizedNetwork:
    """Choose activation scales so that these operators' multipliers fit their widths exactly.

    Args:
        network: the network at int32 (Q31).
        bits: multiplier width by name of an elementwise sum or product.

    Returns:
        The network with the chosen scales; biases, bounds and rescalers (at full width) follow.

    Raises:
        NetworkError: scales that are tied to each other, or to the network's input, leave no choice.
    """
    scales = _Scales(network)
    for operator in network.operators:
        if operator.name in bits:
            _choose(operator, scales, bits[operator.name])
    return between_tensors(network, scales.chosen())


class _Scales:
    """Scales by group of tensors that share a quantization; a group that was relied on is fixed."""

    def __init__(self, network: QuantizedNetwork) -> None:
        self._network = network
        self._group = shared_quantization(network)
        self._scale = {group: network.tensors[group].scale for group in self._group.values()}
        self._fixed = {self._group[index] for index in network.inputs}

    def __getitem__(self, index: int) -> float:
        return self._scale[self._group[index]]

    def is_fixed(self, index: int) -> bool:
        return self._group[index] in self._fixed

    def fix(self, index: int, scale: float, operator: Operator) -> None:
        """Rely on a scale from now on.

        Raises:
            NetworkError: it was relied on before, at another value.
        """
        if self.is_fixed(index) and abs(scale / self[index] - 1) > _EXACT:
            name = self._network.tensors[index].name
            raise NetworkError(
                f"operator {operator.name!r} cannot absorb: the scale of {name!r} is tied; use method round"
            )
        if not self.is_fixed(index):
            self._scale[self._group[index]] = scale
            self._fixed.add(self._group[index])

    def chosen(self) -> QuantizedNetwork:
        """The network with the chosen scales in its tensors."""
        changed = {
            index: replace(spec, scale=self[index])
            for index, spec in enumerate(self._network.tensors)
            if spec.scale != self[index]
        }
        return self._network.with_tensors(changed)


@singledispatch
def _choose(operator: Operator, scales: _Scales, bits: int) -> None:
    raise NetworkError(f"operator {operator.name!r} has no multiplier that scales could absorb")


@_choose.register
def _(operator: ElementwiseSum, scales: _Scales, bits: int) -> None:
    """Multipliers are ``small / (2 * large)`` and ``2 * large / (2**left_shift * output)``."""
    anchor, other = operator.inputs
    if scales.is_fixed(other) or (not scales.is_fixed(anchor) and scales[other] > scales[anchor]):
        anchor, other = other, anchor
    scales.fix(anchor, scales[anchor], operator)
    scales.fix(other, _coarser_beside(scales[other], scales[anchor], bits), operator)
    common = 2 * max(scales[anchor], scales[other])
    unit = common / 2**operator.left_shift
    scales.fix(operator.output, unit / _below(unit / scales[operator.output], bits), operator)


@_choose.register
def _(operator: ElementwiseProduct, scales: _Scales, bits: int) -> None:
    first, second = (scales[index] for index in operator.inputs)
    for index in operator.inputs:
        scales.fix(index, scales[index], operator)
    product = first * second
    scales.fix(operator.output, product / _below(product / scales[operator.output], bits), operator)


def _coarser_beside(scale: float, anchor: float, bits: int) -> float:
    """The smallest scale at or above ``scale`` whose ratio to the anchor is representable."""
    if scale <= anchor:
        return min(_above(scale / (2 * anchor), bits) * 2 * anchor, anchor)
    return anchor / (2 * _below(anchor / (2 * scale), bits))


def _below(scale: float, bits: int) -> float:
    return _nearly(scale, float(neighbouring_scales(np.array([scale * (1 + _EXACT)]), bits)[0][0]))


def _above(scale: float, bits: int) -> float:
    return _nearly(scale, float(neighbouring_scales(np.array([scale * (1 - _EXACT)]), bits)[1][0]))


def _nearly(scale: float, neighbour: float) -> float:
    """The neighbour; the tolerance around ``scale`` keeps one that is representable already where it is."""
    return neighbour if abs(neighbour / scale - 1) > 0 else scale
