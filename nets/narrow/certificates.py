"""Certificates: the range of every accumulator, proven from weights, biases and input ranges alone, without data."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from nets.network import (
    ActivationArray,
    Concatenation,
    ElementwiseProduct,
    ElementwiseSum,
    Extremum,
    FilledPad,
    FloatAveragePool,
    IntArray,
    LstmRecurrence,
    MatrixProduct,
    Operator,
    Pad,
    PairLookup,
    ParametricRelu,
    Pool,
    QuantizedNetwork,
    Requantize,
    RescaledOperator,
    Rescaler,
    Reshape,
    Sliding,
    Softmax,
    SquaredDifference,
    Sum,
    Tabulated,
    TensorSpec,
    TransposedConvolution,
    Weighted,
    rescaling,
)

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True)
class Interval:
    """Inclusive integer bounds per channel (the tensor's last axis), int64 ``[channels]``."""

    low: IntArray
    high: IntArray

    @property
    def signed_bits(self) -> int:
        """Width in bits of the narrowest two's complement integer that holds every value."""
        low, high = int(self.low.min()), int(self.high.max())
        return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0) + 1

    @property
    def is_point(self) -> BoolArray:
        """Channels that hold a single value, bool ``[channels]``."""
        points: BoolArray = self.low == self.high
        return points

    def plus(self, offset: IntArray | int) -> "Interval":
        """Returns the interval moved by a constant per channel."""
        return Interval(self.low + offset, self.high + offset)

    def of(self, channels: IntArray) -> "Interval":
        """Returns the interval of some channels."""
        return Interval(self.low[channels], self.high[channels])

    def hull(self) -> tuple[int, int]:
        """Returns the bounds over all channels."""
        return int(self.low.min()), int(self.high.max())


@dataclass(frozen=True)
class NetworkCertificate:
    """The proven ranges of a whole network.

    Attributes:
        tensors: reachable integers of every activation tensor, by index.
        accumulators: reachable accumulators of every operator with a rescaler, by name.
        partial_sums: what an accumulator that starts from the bias can hold before its last product, in whatever order
            the products are added, by the name of an operator with weights; it contains the reachable accumulators.
    """

    tensors: dict[int, Interval]
    accumulators: dict[str, Interval]
    partial_sums: dict[str, Interval]


def certify(network: QuantizedNetwork) -> NetworkCertificate:
    """Propagates reachable intervals from the inputs' full range through the network."""
    inputs = ((index, network.tensors[index]) for index in network.inputs)
    tensors = {index: _constant(spec.q_min, spec.q_max, spec.shape[-1]) for index, spec in inputs}
    tensors |= {index: _values(values) for index, values in network.constants.items()}
    accumulators: dict[str, Interval] = {}
    partial_sums: dict[str, Interval] = {}
    for operator in network.every_operator():
        if isinstance(operator, LstmRecurrence):
            tensors |= _begun(operator, network)
        specs = [network.tensors[index] for index in operator.inputs]
        sources = [tensors[index] for index in operator.inputs]
        target = network.tensors[operator.output]
        if isinstance(operator, RescaledOperator):
            centred = [_centred(source, spec) for source, spec in zip(sources, specs, strict=True)]
            accumulator = _accumulator(operator, centred, specs, target.shape[-1])
            accumulators[operator.name] = accumulator
            tensors[operator.output] = _rescaled(operator, accumulator, target)
            if isinstance(operator, Weighted):
                partial_sums[operator.name] = _partial_sums(operator, centred[0], accumulator)
        else:
            tensors[operator.output] = _moved(operator, sources, specs, target)
    return NetworkCertificate(tensors, accumulators, partial_sums)


def _begun(operator: LstmRecurrence, network: QuantizedNetwork) -> dict[int, Interval]:
    """Returns the ranges of what the parts of a recurrence read and no part makes: state, sigmoid and tanh."""
    sigmoid, tanh = operator.hidden.inputs
    largest = network.tensors[tanh].q_max
    bounds = {operator.state: (operator.q_min, operator.q_max), sigmoid: (0, largest), tanh: (-largest, largest)}
    return {index: _constant(low, high, network.tensors[index].shape[-1]) for index, (low, high) in bounds.items()}


def _values(constant: ActivationArray) -> Interval:
    """Returns the interval of each channel of a constant."""
    channels = constant.astype(np.int64).reshape(-1, constant.shape[-1])
    return Interval(channels.min(axis=0), channels.max(axis=0))


def _constant(low: int, high: int, channels: int) -> Interval:
    return Interval(np.full(channels, low, np.int64), np.full(channels, high, np.int64))


def _centred(interval: Interval, spec: TensorSpec) -> Interval:
    return Interval(interval.low - spec.zero_point, interval.high - spec.zero_point)


def _partial_sums(operator: Weighted, centred: Interval, accumulator: Interval) -> Interval:
    """Returns what the sums of some of the products, and the bias, reach: an operand not added yet is worth 0."""
    with_zero = Interval(np.minimum(centred.low, 0), np.maximum(centred.high, 0))
    unchanged = (with_zero.low == centred.low).all() and (with_zero.high == centred.high).all()
    return accumulator if unchanged else _weighted(operator, with_zero)


def _moved(operator: Operator, sources: list[Interval], specs: list[TensorSpec], target: TensorSpec) -> Interval:
    """Returns the reachable output of an operator without a rescaler."""
    source, channels = sources[0], target.shape[-1]
    match operator:
        case LstmRecurrence():
            return _constant(operator.q_min, operator.q_max, channels)
        case Tabulated() | PairLookup() | FloatAveragePool():
            low, high = _function(operator, [each.hull() for each in sources], specs[0], target)
            return _constant(low, high, channels)
        case Pool():
            return Interval(*(np.clip(bound, operator.q_min, operator.q_max) for bound in (source.low, source.high)))
        case Extremum():
            choose = np.maximum if operator.largest else np.minimum
            return Interval(*(choose(sources[0].low, sources[1].low), choose(sources[0].high, sources[1].high)))
        case ParametricRelu():
            return _constant(*_relu_bounds(operator, source.hull(), specs[0], target), channels)
        case Softmax():
            return _constant(target.q_min, target.q_max, channels)
        case Pad() | FilledPad():
            low, high = source.hull()
            value = operator.value if isinstance(operator, FilledPad) else specs[0].zero_point
            return _constant(min(low, value), max(high, value), channels)
        case Concatenation():
            return _joined(sources, along_channels=operator.axis == len(target.shape) - 1)
        case Reshape() if channels == specs[0].shape[-1]:
            return source  # one that keeps the last axis keeps the channels
    hulls = [each.hull() for each in sources]
    return _constant(min(low for low, _ in hulls), max(high for _, high in hulls), channels)


def _function(
    operator: Tabulated | PairLookup | FloatAveragePool,
    hulls: list[tuple[int, int]],
    source: TensorSpec,
    target: TensorSpec,
) -> tuple[int, int]:
    """Returns the smallest and the largest output of a table, or of an average between two quantizations."""
    if isinstance(operator, FloatAveragePool):
        ratio = source.scale / target.scale
        low, high = ((bound - source.zero_point) * ratio + target.zero_point for bound in hulls[0])
        # Rounding in float32 moves a mean by less than a step.
        reached = np.clip([np.floor(low) - 1, np.ceil(high) + 1], operator.q_min, operator.q_max)
        return int(reached[0]), int(reached[1])
    zeros = [size // 2 for size in operator.table.shape]
    places = (slice(low + zero, high + zero + 1) for (low, high), zero in zip(hulls, zeros, strict=True))
    reachable = operator.table[tuple(places)]
    return int(reachable.min()), int(reachable.max())


def _relu_bounds(
    operator: ParametricRelu, hull: tuple[int, int], source: TensorSpec, target: TensorSpec
) -> tuple[int, int]:
    """Returns the bounds of PRELU's outputs: of each of its integers, with the extreme slopes."""
    centred = torch.arange(hull[0], hull[1] + 1).reshape(-1, 1) - source.zero_point
    slopes = torch.tensor([int(operator.slopes.min()), int(operator.slopes.max())])
    negative = rescaling(operator.negative)(torch.clamp(centred, max=0) * slopes)
    steps = torch.where(centred >= 0, rescaling(operator.positive)(centred), negative) + target.zero_point
    return max(int(steps.min()), target.q_min), min(int(steps.max()), target.q_max)


def _joined(sources: list[Interval], *, along_channels: bool) -> Interval:
    lows, highs = [each.low for each in sources], [each.high for each in sources]
    if along_channels:
        return Interval(np.concatenate(lows), np.concatenate(highs))
    return Interval(np.min(lows, axis=0), np.max(highs, axis=0))


def _accumulator(
    operator: RescaledOperator, centred: list[Interval], specs: list[TensorSpec], channels: int
) -> Interval:
    """Returns what can reach an operator's last rescaler, given its inputs less their zero points."""
    match operator:
        case Weighted():
            return _weighted(operator, centred[0])
        case ElementwiseSum():
            left, right = (
                _scaled(Interval(each.low << operator.left_shift, each.high << operator.left_shift), rescaler)
                for each, rescaler in zip(centred, operator.input_rescalers, strict=True)
            )
            if operator.sign < 0:
                right = Interval(-right.high, -right.low)
            return Interval(left.low + right.low, left.high + right.high)
        case ElementwiseProduct():
            left, right = centred
            corners = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
            return Interval(np.min(corners, axis=0), np.max(corners, axis=0))
        case SquaredDifference():
            return _squares(operator, centred)
        case MatrixProduct():
            hulls = [each.hull() for each in centred]
            products = [left * right * operator.depth(specs[0].shape) for left in hulls[0] for right in hulls[1]]
            return _constant(min(products), max(products), channels)
        case Requantize():
            return centred[0]
        case Sum():
            low, high = centred[0].hull()
            return _constant(low * operator.count, high * operator.count, channels)
    raise NotImplementedError(f"no certified accumulator for {type(operator).__name__}")


def _squares(operator: SquaredDifference, centred: list[Interval]) -> Interval:
    left, right = (
        _scaled(Interval(each.low << operator.left_shift, each.high << operator.left_shift), rescaler)
        for each, rescaler in zip(centred, operator.input_rescalers, strict=True)
    )
    low, high = left.low - right.high, left.high - right.low
    least = np.where((low <= 0) & (high >= 0), 0, np.minimum(low**2, high**2))
    return Interval(least, np.maximum(low**2, high**2))


def _weighted(operator: Weighted, centred: Interval) -> Interval:
    weights = operator.weights.astype(np.int64).reshape(operator.out_channels, -1)
    low, high = _operand_bounds(operator, centred, weights.shape[1])
    positive, negative = np.maximum(weights, 0), np.minimum(weights, 0)
    return Interval(
        (positive * low + negative * high).sum(axis=1) + operator.bias,
        (positive * high + negative * low).sum(axis=1) + operator.bias,
    )


def _operand_bounds(operator: Weighted, centred: Interval, taps: int) -> tuple[IntArray, IntArray]:
    """Returns bounds of the operand at every weight, ``[out or 1, taps]``; others also see 0."""
    low, high = centred.low, centred.high
    if not isinstance(operator, Sliding):
        repeats = taps // low.size  # an input that the layer flattens
        return np.tile(low, repeats)[None], np.tile(high, repeats)[None]
    if isinstance(operator, TransposedConvolution) or any(amount for pair in operator.padding for amount in pair):
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    per_group = operator.weights.shape[3]
    group = np.arange(operator.out_channels) // (operator.out_channels // operator.groups)
    channel = group[:, None] * per_group + np.arange(per_group)
    positions = operator.weights.shape[1] * operator.weights.shape[2]
    return np.tile(low[channel], positions), np.tile(high[channel], positions)


def _scaled(interval: Interval, rescaler: Rescaler) -> Interval:
    """Rescales an interval: every contract is monotone in the accumulator, so the ends map to the ends."""
    rescale = rescaling(rescaler)
    return Interval(*(rescale(torch.from_numpy(bound)).numpy() for bound in (interval.low, interval.high)))


def _rescaled(operator: RescaledOperator, accumulator: Interval, target: TensorSpec) -> Interval:
    scaled = _scaled(accumulator, operator.rescaler)
    shifted = (bound + target.zero_point for bound in (scaled.low, scaled.high))
    return Interval(*(np.clip(bound, operator.q_min, operator.q_max) for bound in shifted))
