"""Statistics of what a layer's weights multiply: exact sums, and samples for covariances."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nets.execute import spread
from nets.narrow.covariance import group_count
from nets.network import ActivationArray, IntArray, QuantizedNetwork, Sliding, TensorSpec, Weighted

# Output positions that a covariance is computed from; with 8,192 instead of 4,096 no figure of the results changes.
_POSITIONS = 4096
_AT_ONCE = 2**8  # so many int8 add up to no more than an int16, and as many int16 to an int32


@dataclass(frozen=True, eq=False, slots=True)
class InputSums:
    """Sums over samples and output positions of what each weight of a layer multiplies.

    Attributes:
        totals: int64 ``[height * width, in]`` of a convolution, ``[1, in]`` of a fully connected layer: inputs less
            their zero point; padding counts as 0.
        count: the number of accumulators of one output channel that were summed.
    """

    totals: IntArray
    count: int

    def accumulator_totals(self, operator: Weighted) -> IntArray:
        """Returns the sum of each output channel's accumulators, without biases, int64 ``[out]``, exact."""
        groups = group_count(operator)
        outputs = operator.out_channels // groups
        weights = operator.weights.astype(np.int64).reshape(groups, outputs, len(self.totals), -1)
        seen = self.totals.reshape(len(self.totals), groups, -1)
        totals: IntArray = np.einsum("gokc,kgc->go", weights, seen).reshape(-1)
        return totals


def input_sums(operator: Weighted, network: QuantizedNetwork, inputs: Sequence[Tensor]) -> InputSums:
    """Sums a layer's inputs, given as chunks ``[samples, *shape]``."""
    zero = network.tensors[operator.inputs[0]].zero_point
    samples = sum(len(chunk) for chunk in inputs)
    image = _summed(inputs) - zero * samples
    if not isinstance(operator, Sliding):
        rows = image.reshape(-1, operator.weights.shape[1])
        return InputSums(rows.sum(axis=0, keepdims=True), samples * len(rows))
    image = spread(torch.from_numpy(image[None]), operator)[0].numpy()
    height, width = network.tensors[operator.output].shape[:2]
    padded = np.pad(image, (*operator.padding, (0, 0)))
    windows = [
        padded[_strided(row, operator.stride[0], height), _strided(column, operator.stride[1], width)]
        for row, column in _offsets(operator)
    ]
    return InputSums(np.stack([window.sum(axis=(0, 1)) for window in windows]), samples * height * width)


def _summed(chunks: Sequence[Tensor]) -> IntArray:
    """Returns the sum over all samples, int64 ``[*shape]``, added in fewer bits as far as that is exact: it is faster.

    Chunks may be single samples, so that a sum of each would take as much memory as all activations in int64.
    """
    narrow = np.int16 if chunks[0].dtype is torch.int8 else np.int32
    total, held, count = np.zeros(chunks[0].shape[1:], np.int64), np.zeros(chunks[0].shape[1:], narrow), 0
    for chunk in chunks:
        for piece in torch.split(chunk, _AT_ONCE):
            if count + len(piece) > _AT_ONCE:
                total += held
                held[...] = 0
                count = 0
            values = piece.numpy()
            held += values[0] if len(values) == 1 else values.sum(axis=0, dtype=narrow)
            count += len(piece)
    return total + held


def input_patches(
    operator: Weighted, network: QuantizedNetwork, inputs: Sequence[Tensor], seed: int
) -> npt.NDArray[np.int16]:
    """Returns what a layer's weights multiply at some output positions, less the zero point.

    Args:
        operator: the layer.
        network: its network.
        inputs: its inputs, int8 or int16 chunks ``[samples, *shape]``.
        seed: seed of the choice of positions, if there are more than are needed.

    Returns:
        int16 ``[positions, height * width, in]`` of a convolution, ``[positions, 1, in]`` of a fully connected layer,
        whose positions are the samples unless its input has several rows.
    """
    zero = network.tensors[operator.inputs[0]].zero_point
    values = np.concatenate([chunk.numpy() for chunk in inputs])
    if not isinstance(operator, Sliding):
        rows = values.reshape(-1, 1, operator.weights.shape[1])
        if len(rows) > len(values):
            rows = rows[_some(len(rows), seed)]
        return rows.astype(np.int16) - np.int16(zero)
    values = spread(torch.from_numpy(values), operator, zero).numpy()
    height, width = network.tensors[operator.output].shape[:2]
    chosen = _some(len(values) * height * width, seed)
    sample, row, column = np.unravel_index(chosen, (len(values), height, width))
    (top, _), (left, _) = operator.padding
    taps = [
        _at(values, sample, row * operator.stride[0] + y - top, column * operator.stride[1] + x - left, zero)
        for y, x in _offsets(operator)
    ]
    return np.stack(taps, axis=1)


def _some(available: int, seed: int) -> IntArray:
    """Returns the positions that a covariance is computed from, in order."""
    if available <= _POSITIONS:
        return np.arange(available)
    return np.sort(np.random.default_rng(seed).choice(available, _POSITIONS, replace=False))


@dataclass(frozen=True, eq=False, slots=True)
class ValueCounts:
    """How often a tensor had each of its integers.

    Attributes:
        spec: the tensor's quantization.
        values: the integers of the tensor's type less the zero point, int64.
        counts: int64, same shape.
    """

    spec: TensorSpec
    values: IntArray
    counts: IntArray

    def error_at(self, scale: float) -> float:
        """Returns the sum of squared errors that the values have at another scale, in squared steps of the present one.

        Values beyond the range are clipped; rounding adds a twelfth of a squared step each.
        """
        ratio, spec = scale / self.spec.scale, self.spec
        low, high = ((bound - spec.zero_point) * ratio for bound in (spec.q_min, spec.q_max))
        clipped = np.clip(self.values, low, high) - self.values
        return float((self.counts * (clipped**2 + ratio**2 / 12)).sum())


def value_counts(spec: TensorSpec, chunks: Sequence[Tensor]) -> ValueCounts:
    """Counts the integers of a tensor, given as chunks ``[samples, *shape]`` of its type."""
    unsigned, size = np.dtype(f"u{spec.dtype}"), 1 << 8 * spec.dtype.itemsize
    counted = [np.bincount(chunk.numpy().reshape(-1).view(unsigned), minlength=size) for chunk in chunks]
    integers = np.arange(size, dtype=unsigned).view(spec.dtype).astype(np.int64)
    return ValueCounts(spec, integers - spec.zero_point, np.sum(counted, axis=0).astype(np.int64))


def _offsets(operator: Sliding) -> list[tuple[int, int]]:
    """Returns the (row, column) offset of each position of the kernel, in the order of the weights."""
    _, height, width, _ = operator.weights.shape
    return [(y * operator.dilation[0], x * operator.dilation[1]) for y in range(height) for x in range(width)]


def _strided(start: int, stride: int, count: int) -> slice:
    return slice(start, start + stride * (count - 1) + 1, stride)


def _at(values: ActivationArray, sample: IntArray, row: IntArray, column: IntArray, zero: int) -> npt.NDArray[np.int16]:
    """Returns the values at these positions less the zero point, int16 ``[positions, in]``; 0 outside of the image."""
    _, height, width, _ = values.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    taken = values[sample, np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)].astype(np.int16) - np.int16(zero)
    taken[~inside] = 0
    return taken
