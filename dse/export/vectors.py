"""Test vectors of every rescaler: operands from the network's inference, and the ends of the certified intervals."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from dse.export.units import Unit
from nets.execute import IntegerExecutor, accumulator
from nets.network import Int8Array, IntArray, NarrowableOperator, QuantizedNetwork, Rescaler, rescaling


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
    network: QuantizedNetwork, units: tuple[Unit, ...], samples: Int8Array, rows: int, seed: int
) -> dict[str, Vectors]:
    """Returns the vectors of every unit by operator name.

    Args:
        network: the design, as it ships.
        units: its rescalers.
        samples: int8 inputs ``[samples, *shape]`` to run.
        rows: largest number of rows from each unit's inference; every channel's extremes are among them if they fit.
        seed: seed of the choice among the other rows.
    """
    tensors = IntegerExecutor(network).tensors(samples)
    generator = np.random.default_rng(seed)
    return {unit.name: _of_unit(unit, network, tensors, rows, generator) for unit in units}


def _of_unit(
    unit: Unit,
    network: QuantizedNetwork,
    tensors: Mapping[int, Int8Array],
    rows: int,
    generator: np.random.Generator,
) -> Vectors:
    operator = network.operator(unit.name)
    assert isinstance(operator, NarrowableOperator)  # noqa: S101 -- units are made of these only
    operands = _operands(unit, operator, network, tensors)
    expected = _live(unit, tensors[operator.output].astype(np.int64))
    channel = np.broadcast_to(np.arange(expected.shape[-1]) % unit.channels, expected.shape)
    kept = _chosen(operands, channel.ravel(), rows, generator)
    channels, values, outputs = channel.ravel()[kept], operands[kept], expected.ravel()[kept]
    if not unit.is_add:
        ends = _ends(operator, unit)
        channels, values, outputs = (
            np.concatenate(pair) for pair in zip((channels, values, outputs), ends, strict=True)
        )
    return Vectors(channels, values, outputs, len(kept))


def _operands(
    unit: Unit, operator: NarrowableOperator, network: QuantizedNetwork, tensors: Mapping[int, Int8Array]
) -> IntArray:
    """Returns what enters the rescaler for every output element of the run, ``[elements, 1 or 2]``."""
    inputs = [tensors[index] for index in operator.inputs]
    if unit.is_add:
        return np.stack([inputs[each.position].ravel() for each in unit.constants.inputs], axis=1).astype(np.int64)
    accumulators = accumulator(operator, network)([torch.from_numpy(each) for each in inputs]).numpy()
    operands: IntArray = (_live(unit, accumulators) + unit.constants.offset).reshape(-1, 1)
    return operands


def _live(unit: Unit, values: IntArray) -> IntArray:
    """Returns the channels, the last axis, that the unit computes."""
    return values if unit.constants.live is None else values[..., unit.constants.live]


def _of_live(unit: Unit, rescaler: Rescaler) -> Rescaler:
    """Returns the operator's own rescaler of the channels that the unit computes."""
    if unit.constants.live is None or rescaler.multiplier.size == 1:
        return rescaler
    live = unit.constants.live
    return replace(rescaler, multiplier=rescaler.multiplier[live], right_shift=rescaler.right_shift[live])


def _chosen(operands: IntArray, channel: IntArray, rows: int, generator: np.random.Generator) -> IntArray:
    """Returns the rows to keep: the extremes of every channel first, then others drawn without repetition."""
    order = np.lexsort((operands[:, 0], channel))
    starts = np.flatnonzero(np.diff(channel[order], prepend=-1))
    ends = np.append(starts[1:], len(order)) - 1
    extremes = np.unique(order[np.concatenate([starts, ends])])[:rows]
    others = np.setdiff1d(np.arange(len(operands)), extremes, assume_unique=True)
    drawn = generator.permutation(others)[: max(0, rows - len(extremes))]
    kept: IntArray = np.concatenate([extremes, drawn]).astype(np.int64)
    return kept


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
