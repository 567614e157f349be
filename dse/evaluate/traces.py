"""Accumulator traces: the operands of a network's rescalers on real inputs, the activity behind energy figures."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch

from hwmodels.traces import Recording, Tile
from nets.datasets import Samples, integers
from nets.execute import IntegerExecutor, accumulator
from nets.network import ActivationArray, QuantizedNetwork, Weighted

# Of the bundled recording: 64 positions, so that a channel lasts about as long as in small feature maps.
_POSITIONS: Final = 64
_PER_TILE: Final = 1024


def spread(samples: Samples, count: int) -> ActivationArray:
    """Returns integer inputs evenly spread over the samples, at most ``count``."""
    count = min(count, len(samples))
    indices = np.arange(count) * (len(samples) // count)
    return integers(samples.inputs[indices])


def accumulator_recording(
    network: QuantizedNetwork,
    samples: ActivationArray,
    name: str,
    *,
    positions: int = _POSITIONS,
    per_tile: int = _PER_TILE,
) -> Recording:
    """Returns neighbouring accumulators of every weighted layer, the trace that ``dse calibrate`` takes.

    Of a layer, every sample gives one tile: consecutive positions from the middle of the feature map, and consecutive
    channels, other ones of every sample.

    Args:
        network: the network.
        samples: integer inputs ``[samples, *shape]``.
        name: name of the recording.
        positions: most positions of a tile if the layer has enough channels.
        per_tile: number of accumulators of a tile if the layer has as many.
    """
    tensors = IntegerExecutor(network).tensors(samples)
    tiles: list[Tile] = []
    for index, operator in enumerate(operator for operator in network.operators if isinstance(operator, Weighted)):
        inputs = [torch.from_numpy(tensors[operator.inputs[0]])]
        values = accumulator(operator, network)(inputs).numpy().astype(np.int64)
        values = values.reshape(len(samples), -1, values.shape[-1])  # channels are the last axis
        scales = np.broadcast_to(operator.rescaler.scale, values.shape[-1:])
        zero_point = network.tensors[operator.output].zero_point
        for rows, columns, acc in _tiles(values, positions, per_tile):
            tiles.append(Tile(index, acc[rows, columns], np.asarray(scales[columns]), zero_point))
    return Recording(name, tuple(tiles))


def _tiles(
    values: np.ndarray[tuple[int, ...], np.dtype[np.int64]], positions: int, per_tile: int
) -> Iterator[tuple[slice, slice, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]]:
    """Yields (positions, channels, accumulators) of each sample, ``[samples, positions, channels]``."""
    samples, height, width = values.shape
    channels = min(width, max(1, per_tile // min(height, positions)))
    rows = min(height, max(1, per_tile // channels))
    first = (height - rows) // 2
    for sample, acc in enumerate(values):
        start = (width - channels) * sample // max(samples - 1, 1)
        yield slice(first, first + rows), slice(start, start + channels), acc
