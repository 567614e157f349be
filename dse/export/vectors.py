"""Test vectors of every rescaler: operands from the network's inference, and the ends of the certified intervals."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from dse.export.units import Unit
from nets.execute import IntegerExecutor, accumulator
from nets.network import ActivationArray, IntArray, NarrowableOperator, QuantizedNetwork, Rescaler, rescaling

_Integer = TypeVar("_Integer", bound=np.integer)


@dataclass(frozen=True, eq=False)
class Vectors:
    """Operands and expected outputs of one rescaler; int64, one row each.

    Attributes:
        channel: ``[rows]``; the place among the channels whose output varies.
        operands: ``[rows, 1]`` accumulators that started from the unit's bias, or ``[rows, 2]`` stored inputs of an ADD
            in the order of its ports.
        expected: ``[rows]`` outputs.
        from_network: number of rows from inference; the rest are ends of the certified intervals.
    """

    channel: IntArray
    operands: IntArray
    expected: IntArray
    from_network: int

    def __len__(self) -> int:
        return len(self.expected)


def vectors_of(
    network: QuantizedNetwork, units: tuple[Unit, ...], samples: ActivationArray, rows: int, seed: int
) -> dict[str, Vectors]:
    """Returns the vectors of every unit by operator name.

    Args:
        network: the design, as it ships.
        units: its rescalers.
        samples: integer inputs ``[samples, *shape]`` to run.
        rows: largest number of rows from each unit's inference; every channel's extremes are among them if they fit.
        seed: seed of the choice among the other rows.
    """
    generator = np.random.default_rng(seed)
    takers = [_Taker(unit, network, len(samples), rows, generator) for unit in units]
    for first, tensors in IntegerExecutor(network).every_tensor(samples):
        for taker in takers:
            taker.take(first, tensors)
    return {taker.unit.name: taker.vectors() for taker in takers}


class _Taker:
    """Takes rows of one unit from an inference of few samples at a time.

    Args:
        unit: the unit.
        network: its network.
        samples: number of samples in all.
        rows: largest number of rows.
        generator: draws the elements that are taken beside every channel's extremes.
    """

    def __init__(
        self, unit: Unit, network: QuantizedNetwork, samples: int, rows: int, generator: np.random.Generator
    ) -> None:
        operator = network.operator(unit.name)
        assert isinstance(operator, NarrowableOperator)  # noqa: S101 -- units are made of these only
        self.unit, self._operator, self._rows = unit, operator, rows
        self._accumulator = None if unit.is_add else accumulator(operator, network)
        self._of_one_sample = math.prod(network.tensors[operator.output].shape[:-1]) * _computed(unit, network)
        elements = samples * self._of_one_sample
        self._drawn = np.sort(generator.choice(elements, min(rows, elements), replace=False))
        self._order = generator.permutation(len(self._drawn))
        self._taken: list[tuple[IntArray, IntArray, IntArray]] = []  # places, operands and outputs

    def take(self, first: int, tensors: Mapping[int, ActivationArray]) -> None:
        """Takes the drawn elements and every channel's extremes from samples whose first one has this number."""
        operands, expected = self._operands(tensors), _live(self.unit, tensors[self._operator.output]).reshape(-1)
        start = first * self._of_one_sample
        drawn = self._drawn[slice(*np.searchsorted(self._drawn, (start, start + len(expected))))] - start
        by_channel, channels = operands[:, 0].reshape(-1, self.unit.channels), np.arange(self.unit.channels)
        extremes = [
            each * self.unit.channels + channels for each in (by_channel.argmin(axis=0), by_channel.argmax(axis=0))
        ]
        places = np.concatenate([drawn, *extremes])
        self._taken.append((places + start, operands[places], expected[places].astype(np.int64)))

    def _operands(self, tensors: Mapping[int, ActivationArray]) -> IntArray:
        """Returns what enters the rescaler for every output element, ``[elements, 1 or 2]``."""
        inputs = [tensors[index] for index in self._operator.inputs]
        if self._accumulator is None:
            alike = np.broadcast_arrays(*inputs)
            ports = [alike[each.position].ravel() for each in self.unit.constants.inputs]
            return np.stack(ports, axis=1).astype(np.int64)
        accumulators = self._accumulator([torch.from_numpy(each) for each in inputs]).numpy()
        operands: IntArray = (_live(self.unit, accumulators) + self.unit.constants.offset).reshape(-1, 1)
        return operands

    def vectors(self) -> Vectors:
        """Returns the extremes of every channel, as many drawn elements as fit, and the ends of certified intervals."""
        places, operands, expected = (np.concatenate(each) for each in zip(*self._taken, strict=True))
        places, first = np.unique(places, return_index=True)
        channel = places % self.unit.channels
        kept = self._chosen(places, operands[first, 0], channel)
        channels, values, outputs = channel[kept], operands[first][kept], expected[first][kept]
        if not self.unit.is_add:
            ends = _ends(self._operator, self.unit)
            channels, values, outputs = (
                np.concatenate(pair) for pair in zip((channels, values, outputs), ends, strict=True)
            )
        return Vectors(channels, values, outputs, len(kept))

    def _chosen(self, places: IntArray, operands: IntArray, channel: IntArray) -> IntArray:
        """Returns the rows to keep: the extremes of every channel first, then drawn ones in random order."""
        order = np.lexsort((operands, channel))
        starts = np.flatnonzero(np.diff(channel[order], prepend=-1))
        ends = np.append(starts[1:], len(order)) - 1
        extremes = np.unique(order[np.concatenate([starts, ends])])[: self._rows]
        drawn = np.searchsorted(places, self._drawn[self._order])
        others = drawn[~np.isin(drawn, extremes)][: self._rows - len(extremes)]
        kept: IntArray = np.concatenate([extremes, others]).astype(np.int64)
        return kept


def _computed(unit: Unit, network: QuantizedNetwork) -> int:
    """Returns how many channels of its operator's output the unit computes."""
    live, shape = unit.constants.live, network.tensors[network.operator(unit.name).output].shape
    return shape[-1] if live is None else live.size


def _live(unit: Unit, values: npt.NDArray[_Integer]) -> npt.NDArray[_Integer]:
    """Returns the channels, the last axis, that the unit computes."""
    return values if unit.constants.live is None else values[..., unit.constants.live]


def _of_live(unit: Unit, rescaler: Rescaler) -> Rescaler:
    """Returns the operator's own rescaler of the channels that the unit computes."""
    if unit.constants.live is None or rescaler.multiplier.size == 1:
        return rescaler
    live = unit.constants.live
    return replace(rescaler, multiplier=rescaler.multiplier[live], right_shift=rescaler.right_shift[live])


def _ends(operator: NarrowableOperator, unit: Unit) -> tuple[IntArray, IntArray, IntArray]:
    """Returns channels, operands and outputs at both ends of every channel's certified interval.

    Outputs are those of the operator's own rescaler, which knows neither folded constants nor moved shifts.
    """
    channels = np.tile(np.arange(unit.channels), 2)
    interval = unit.constants.accumulator
    low, high = (
        _per_channel(bound, edge, unit.channels)
        for bound, edge in ((interval.low, interval.low.min()), (interval.high, interval.high.max()))
    )
    operands = np.stack([low, high]).astype(np.int64)
    scaled = (
        rescaling(_of_live(unit, operator.rescaler))(torch.from_numpy(operands - unit.constants.offset)).numpy().ravel()
    )
    return channels, operands.reshape(-1, 1), np.clip(scaled + unit.zero_point, unit.q_min, unit.q_max)


def _per_channel(bound: IntArray, edge: np.int64, channels: int) -> IntArray:
    """Returns a bound per channel; the edge of all if the channels share one set of parameters."""
    return bound if bound.size == channels else np.full(channels, edge)
