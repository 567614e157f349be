"""Channels whose output is proven constant, without weights: nothing that they sum can size an accumulator."""

from collections import Counter
from dataclasses import replace

import numpy as np

from nets.digests import digest
from nets.narrow.certificates import BoolArray, Interval, NetworkCertificate, certify
from nets.network import IntArray, QuantizedNetwork, WeightArray, Weighted


def silenced(network: QuantizedNetwork) -> QuantizedNetwork:
    """Returns the network with no weights in the channels whose output is proven constant; every output stays equal.

    Such a channel keeps a bias that gives its constant: of every accumulator that it could reach, each of which does,
    the one nearest to 0.
    """
    certificate = certify(network)
    silent = silent_channels(network, certificate)
    return network.with_operators(
        {
            operator.name: _silenced(operator, certificate.accumulators[operator.name], silent[operator.name])
            for operator in network.operators
            if isinstance(operator, Weighted) and silent[operator.name].any()
        }
    )


def silent_channels(network: QuantizedNetwork, certificate: NetworkCertificate) -> dict[str, BoolArray]:
    """Returns which channels of each operator with weights are silenced, ``[out]``, by name.

    Operators whose weights or biases are those of another operator, too, have none: a model file may hold them once.
    """
    weighted = [operator for operator in network.operators if isinstance(operator, Weighted)]
    dead = {op.name: certificate.tensors[op.output].is_point & np.ones(op.out_channels, np.bool_) for op in weighted}
    if not any(channels.any() for channels in dead.values()):
        return dead
    copies = Counter(_content(values) for operator in weighted for values in (operator.weights, operator.bias))
    own = {op.name for op in weighted if copies[_content(op.weights)] == copies[_content(op.bias)] == 1}
    return {name: channels & (name in own) for name, channels in dead.items()}


def without_reach(interval: Interval, accumulator: Interval, silent: BoolArray) -> Interval:
    """Returns an interval of sums whose silent channels hold their bias alone.

    Args:
        interval: reachable accumulators or partial sums.
        accumulator: reachable accumulators.
        silent: which channels are silenced.
    """
    bias = _nearest_to_zero(accumulator)
    return Interval(np.where(silent, bias, interval.low), np.where(silent, bias, interval.high))


def _silenced(operator: Weighted, accumulator: Interval, silent: BoolArray) -> Weighted:
    weights = operator.weights.copy()
    weights[silent] = 0
    return replace(operator, weights=weights, bias=np.where(silent, _nearest_to_zero(accumulator), operator.bias))


def _nearest_to_zero(interval: Interval) -> IntArray:
    nearest: IntArray = np.clip(np.zeros_like(interval.low), interval.low, interval.high)
    return nearest


def _content(values: WeightArray | IntArray) -> bytes:
    return digest(repr(values.shape).encode(), np.ascontiguousarray(values).tobytes())
