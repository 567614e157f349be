"""Accumulator traces: the operands of a network's rescalers on real inputs, the activity behind energy figures."""

import numpy as np
import torch

from hwmodels.traces import AccumulatorTrace
from nets.datasets import Samples, integers
from nets.execute import IntegerExecutor, accumulator
from nets.network import ActivationArray, QuantizedNetwork, Weighted


def spread(samples: Samples, count: int) -> ActivationArray:
    """Returns integer inputs evenly spread over the samples, at most ``count``."""
    count = min(count, len(samples))
    indices = np.arange(count) * (len(samples) // count)
    return integers(samples.inputs[indices])


def accumulator_trace(
    network: QuantizedNetwork, samples: ActivationArray, name: str, per_layer: int = 1024
) -> AccumulatorTrace:
    """Returns consecutive accumulators of every weighted layer, the trace that ``dse calibrate`` takes.

    Args:
        network: the network.
        samples: integer inputs ``[samples, *shape]``; each gives the same number of accumulators.
        name: name of the trace.
        per_layer: number of accumulators of each layer, over all samples.
    """
    tensors = IntegerExecutor(network).tensors(samples)
    parts = []
    for index, operator in enumerate(operator for operator in network.operators if isinstance(operator, Weighted)):
        inputs = [torch.from_numpy(tensors[operator.inputs[0]])]
        values = accumulator(operator, network)(inputs).numpy().reshape(len(samples), -1)
        scales = np.resize(operator.rescaler.scale, values.shape[1])  # channels are the last axis
        count = min(per_layer // len(samples), values.shape[1])
        start = (values.shape[1] - count) // 2 // operator.rescaler.scale.size * operator.rescaler.scale.size
        taken = slice(start, start + count)
        size = count * len(samples)
        parts.append(
            (
                values[:, taken].reshape(-1),
                np.tile(scales[taken], len(samples)),
                np.full(size, index),
                np.full(size, network.tensors[operator.output].zero_point),
            )
        )
    acc, scale, layer, zero_point = (np.concatenate(column) for column in zip(*parts, strict=True))
    return AccumulatorTrace(name, acc, scale, layer, zero_point)
