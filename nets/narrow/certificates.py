"""Certificates: what every accumulator can reach, proven from weights, biases and input ranges alone, without data."""

from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import torch

from nets.network.contracts import requantize
from nets.network.network import (
    AveragePool,
    Concatenation,
    Convolution,
    ElementwiseKind,
    ElementwiseProduct,
    ElementwiseSum,
    Mean,
    Operator,
    Pad,
    QuantizedNetwork,
    Requantize,
    Reshape,
    TensorSpec,
    Transpose,
    Weighted,
)
from nets.network.rescaler import IntArray, Rescaler


@dataclass(frozen=True, eq=False, slots=True)
class Interval:
    """Inclusive integer bounds per channel (the tensor's last axis).

    Attributes:
        low: int64 ``[channels]``.
        high: int64 ``[channels]``.
    """

    low: IntArray
    high: IntArray

    @property
    def signed_bits(self) -> int:
        """Bits of the narrowest two's complement integer that holds every value."""
        low, high = int(self.low.min()), int(self.high.max())
        return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0) + 1

    def hull(self) -> tuple[int, int]:
        """Bounds over all channels."""
        return int(self.low.min()), int(self.high.max())


@dataclass(frozen=True, slots=True)
class StageCertificate:
    """What one multiply-and-shift must accept.

    Attributes:
        operand_bits: signed width in bits of everything that can reach the multiplier.
        multiplier_bits: width in bits of the multiplier.
        right_shift_min: smallest right shift of a channel, in bits.
        right_shift_max: largest, in bits; channels that any larger shift leaves empty are counted at the first
            shift that empties them.
    """

    operand_bits: int
    multiplier_bits: int
    right_shift_min: int
    right_shift_max: int


@dataclass(frozen=True, slots=True)
class RescalerCertificate:
    """Proven sizes of one operator's rescaler.

    Attributes:
        name: of the operator.
        stages: in data order; the accumulator's is the last one.
    """

    name: str
    stages: tuple[StageCertificate, ...]


@dataclass(frozen=True)
class NetworkCertificate:
    """Proven ranges of a whole network.

    Attributes:
        tensors: reachable integers of every activation tensor, by index.
        accumulators: reachable accumulators of every operator with a rescaler, by name.
        rescalers: sizes of every rescaler whose width is a design variable, by name.
    """

    tensors: dict[int, Interval]
    accumulators: dict[str, Interval]
    rescalers: dict[str, RescalerCertificate]


def certify(network: QuantizedNetwork) -> NetworkCertificate:
    """Propagate reachable intervals from the inputs' full range through the network."""
    tensors = {index: _full_range(network.tensors[index]) for index in network.inputs}
    accumulators: dict[str, Interval] = {}
    for operator in network.operators:
        sources = [tensors[index] for index in operator.inputs]
        specs = [network.tensors[index] for index in operator.inputs]
        target = network.tensors[operator.output]
        reached, accumulator = _propagate(operator, sources, specs, target)
        tensors[operator.output] = reached
        if accumulator is not None:
            accumulators[operator.name] = accumulator
    rescalers = {
        operator.name: RescalerCertificate(
            operator.name, _stages(operator, network, tensors, accumulators[operator.name])
        )
        for operator in network.rescaling_operators()
    }
    return NetworkCertificate(tensors, accumulators, rescalers)


def difference_bound(accumulator: Interval, narrow: Rescaler, full: Rescaler) -> int:
    """Largest difference in LSB that a narrow multiplier can make to the int32 one, before the clamp.

    Two values ``d`` apart round to integers at most ``floor(d) + 1`` apart (0 if ``d`` is 0).
    """
    reach = np.maximum(np.abs(accumulator.low), np.abs(accumulator.high))
    apart = reach * np.abs(narrow.scale - full.scale)
    return int(np.where(apart > 0, np.floor(apart) + 1, 0).max())


def _full_range(spec: TensorSpec) -> Interval:
    return _constant(spec.q_min, spec.q_max, spec.shape[-1])


def _constant(low: int, high: int, channels: int) -> Interval:
    return Interval(np.full(channels, low, np.int64), np.full(channels, high, np.int64))


Reached = tuple[Interval, Interval | None]


@singledispatch
def _propagate(operator: Operator, sources: list[Interval], specs: list[TensorSpec], target: TensorSpec) -> Reached:
    """Reachable output and, where there is a rescaler, reachable accumulator."""
    return sources[0], None  # pools (before their clamp) stay within the hull of their inputs


@_propagate.register
def _(operator: Weighted, sources: list[Interval], specs: list[TensorSpec], target: TensorSpec) -> Reached:
    centred = _centred(sources[0], specs[0])
    accumulator = _weighted_sum(operator, centred)
    return _rescaled(accumulator, operator.rescaler, target, operator.q_min, operator.q_max), accumulator


@_propagate.register
def _(operator: ElementwiseSum, sources: list[Interval], specs: list[TensorSpec], target: TensorSpec) -> Reached:
    left, right = (
        _scaled(_shifted(_centred(source, spec), operator.left_shift), rescaler)
        for source, spec, rescaler in zip(sources, specs, operator.input_rescalers, strict=True)
    )
    if operator.kind is ElementwiseKind.SUB:
        right = Interval(-right.high, -right.low)
    accumulator = Interval(left.low + right.low, left.high + right.high)
    return _rescaled(accumulator, operator.rescaler, target, operator.q_min, operator.q_max), accumulator


@_propagate.register
def _(operator: ElementwiseProduct, sources: list[Interval], specs: list[TensorSpec], target: TensorSpec) -> Reached:
    left, right = (_centred(source, spec) for source, spec in zip(sources, specs, strict=True))
    corners = np.stack([a * b for a in (left.low, left.high) for b in (right.low, right.high)])
    accumulator = Interval(corners.min(axis=0), corners.max(axis=0))
    return _rescaled(accumulator, operator.rescaler, target, operator.q_min, operator.q_max), accumulator


@_propagate.register
def _(operator: Requantize, sources: list[Interval], specs: list[TensorSpec], target: TensorSpec) -> Reached:
    accumulator = _centred(sources[0], specs[0])
    return _rescaled(accumulator, operator.rescaler, target, operator.q_min, operator.q_max), accumulator


@_propagate.register
def _(operator: Mean, sources: list[Interval], specs: list[TensorSpec], target: TensorSpec) -> Reached:
    low, high = _centred(sources[0], specs[0]).hull()
    accumulator = _constant(low * operator.count, high * operator.count, target.shape[-1])
    return _rescaled(accumulator, operator.rescaler, target, target.q_min, target.q_max), accumulator


@_propagate.register
def _(operator: AveragePool, sources: list[Interval], specs: list[TensorSpec], target: TensorSpec) -> Reached:
    clamped = [np.clip(bound, operator.q_min, operator.q_max) for bound in (sources[0].low, sources[0].high)]
    return Interval(*clamped), None


@_propagate.register
def _(operator: Pad, sources: list[Interval], specs: list[TensorSpec], target: TensorSpec) -> Reached:
    low, high = sources[0].hull()
    zero = specs[0].zero_point
    return _constant(min(low, zero), max(high, zero), target.shape[-1]), None


@_propagate.register(Reshape)
@_propagate.register(Transpose)
def _(operator: Operator, sources: list[Interval], specs: list[TensorSpec], target: TensorSpec) -> Reached:
    if target.shape[-1] == specs[0].shape[-1] and isinstance(operator, Reshape):
        return sources[0], None  # the last axis still counts channels
    return _constant(*sources[0].hull(), target.shape[-1]), None


@_propagate.register
def _(operator: Concatenation, sources: list[Interval], specs: list[TensorSpec], target: TensorSpec) -> Reached:
    if operator.axis == len(target.shape) - 1:
        return Interval(np.concatenate([s.low for s in sources]), np.concatenate([s.high for s in sources])), None
    low = np.min([source.low for source in sources], axis=0)
    return Interval(low, np.max([source.high for source in sources], axis=0)), None


def _centred(interval: Interval, spec: TensorSpec) -> Interval:
    return Interval(interval.low - spec.zero_point, interval.high - spec.zero_point)


def _shifted(interval: Interval, bits: int) -> Interval:
    return Interval(interval.low << bits, interval.high << bits)


def _weighted_sum(operator: Weighted, centred: Interval) -> Interval:
    weights = operator.weights.astype(np.int64).reshape(operator.out_channels, -1)
    low, high = _operand_bounds(operator, centred, weights.shape[1])
    positive, negative = np.maximum(weights, 0), np.minimum(weights, 0)
    return Interval(
        (positive * low + negative * high).sum(axis=1) + operator.bias,
        (positive * high + negative * low).sum(axis=1) + operator.bias,
    )


def _operand_bounds(operator: Weighted, centred: Interval, taps: int) -> tuple[IntArray, IntArray]:
    """Bounds of the operand at every weight, ``[out or 1, taps]``; a padded tap may also see 0."""
    low, high = centred.low, centred.high
    if not isinstance(operator, Convolution):
        repeats = taps // low.size  # an input that the layer flattens
        return np.tile(low, repeats)[None], np.tile(high, repeats)[None]
    if any(amount for pair in operator.padding for amount in pair):
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    per_group = operator.weights.shape[3]
    group = np.arange(operator.out_channels) // (operator.out_channels // operator.groups)
    channel = group[:, None] * per_group + np.arange(per_group)
    positions = operator.weights.shape[1] * operator.weights.shape[2]
    return np.tile(low[channel], positions), np.tile(high[channel], positions)


def _scaled(interval: Interval, rescaler: Rescaler) -> Interval:
    """Every contract is monotone in the accumulator, so the ends map to the ends."""
    multiplier, shift = torch.tensor(rescaler.multiplier), torch.tensor(rescaler.right_shift)
    low, high = (
        requantize(torch.from_numpy(bound), multiplier, shift, rescaler.stored_bits, rescaler.contract).numpy()
        for bound in (interval.low, interval.high)
    )
    return Interval(low, high)


def _rescaled(interval: Interval, rescaler: Rescaler, target: TensorSpec, q_min: int, q_max: int) -> Interval:
    scaled = _scaled(interval, rescaler)
    low, high = (np.clip(bound + target.zero_point, q_min, q_max) for bound in (scaled.low, scaled.high))
    return Interval(low, high)


@singledispatch
def _stages(
    operator: Operator, network: QuantizedNetwork, tensors: dict[int, Interval], accumulator: Interval
) -> tuple[StageCertificate, ...]:
    raise NotImplementedError(f"{type(operator).__name__} has no rescaler of its own")


@_stages.register(Weighted)
@_stages.register(ElementwiseProduct)
def _(
    operator: Weighted | ElementwiseProduct,
    network: QuantizedNetwork,
    tensors: dict[int, Interval],
    accumulator: Interval,
) -> tuple[StageCertificate, ...]:
    return (_stage(operator.rescaler, accumulator.signed_bits),)


@_stages.register
def _(
    operator: ElementwiseSum, network: QuantizedNetwork, tensors: dict[int, Interval], accumulator: Interval
) -> tuple[StageCertificate, ...]:
    """The input at the larger scale is halved exactly, by wiring; the left shift of the other is wiring too."""
    stages = []
    for index, rescaler in zip(operator.inputs, operator.input_rescalers, strict=True):
        if float(rescaler.scale[0]) != 0.5:
            bits = _centred(tensors[index], network.tensors[index]).signed_bits
            stages.append(_stage(rescaler, bits, wired_left_shift=operator.left_shift))
    return (*stages, _stage(operator.rescaler, accumulator.signed_bits))


def _stage(rescaler: Rescaler, operand_bits: int, wired_left_shift: int = 0) -> StageCertificate:
    k = rescaler.stored_bits
    shifts = np.minimum(rescaler.right_shift - wired_left_shift, operand_bits + k)
    return StageCertificate(operand_bits, k, int(shifts.min()), int(shifts.max()))
