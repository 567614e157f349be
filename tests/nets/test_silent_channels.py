"""Channels whose output is constant: without weights they size no accumulator, and no output changes."""

from dataclasses import replace

import numpy as np
from small_networks import digits_like, random_inputs

from dse.evaluate import lower
from nets.execute import IntegerExecutor
from nets.narrow.certificates import certify
from nets.narrow.silence import silenced
from nets.network import Convolution, QuantizedNetwork, Weighted, with_multiplier_bits

NAME = "conv_2"


def with_a_dead_filter(network: QuantizedNetwork) -> QuantizedNetwork:
    """A filter of large weights with the scale near 1e-10 that converters give to filters that training emptied."""
    operator = network.operator(NAME)
    assert isinstance(operator, Convolution)
    weights, scale, bias = (values.copy() for values in (operator.weights, operator.weight_scale, operator.bias))
    weights[1], scale[1], bias[1] = 127, 1e-10, -(10**6)
    dead = replace(operator, weights=weights, weight_scale=scale, bias=bias)
    return network.with_operators({NAME: with_multiplier_bits(dead, network.tensors, 31)})


def operand_bits(network: QuantizedNetwork) -> dict[str, int]:
    return {work.name: work.stages[-1].operand_bits for work in lower(network)}


def test_a_dead_filter_sizes_nothing_and_no_tensor_changes() -> None:
    alive = digits_like().network
    network = with_a_dead_filter(alive)
    shipped = silenced(network)
    operator, before = shipped.operator(NAME), network.operator(NAME)
    assert isinstance(operator, Weighted)
    assert isinstance(before, Weighted)
    assert not operator.weights[1].any()
    assert np.array_equal(np.delete(operator.weights, 1, 0), np.delete(before.weights, 1, 0))
    assert np.array_equal(np.delete(operator.bias, 1), np.delete(before.bias, 1))
    assert abs(operator.bias[1]) < 10**6
    proven = certify(network).accumulators[NAME]
    assert proven.low[1] <= operator.bias[1] <= proven.high[1]
    x = random_inputs((8, 8, 1), 32)
    ours, theirs = (IntegerExecutor(each).tensors(x) for each in (network, shipped))
    assert all(np.array_equal(ours[index], theirs[index]) for index in ours)
    assert proven.signed_bits > operand_bits(network)[NAME]
    assert operand_bits(network)[NAME] <= operand_bits(alive)[NAME]
    assert lower(network) == lower(shipped)
    assert silenced(shipped).operator(NAME).bias[1] == operator.bias[1]  # type: ignore[attr-defined]


def test_operators_that_may_share_weights_in_a_file_stay() -> None:
    network = with_a_dead_filter(digits_like().network)
    operator = network.operator(NAME)
    twin = replace(operator, name="conv_9", output=len(network.tensors))
    spec = network.tensors[operator.output]
    both = replace(network, tensors=(*network.tensors, spec), operators=(*network.operators, twin))
    kept = silenced(both)
    assert kept.operator(NAME) is operator
    assert operand_bits(both)[NAME] > operand_bits(network)[NAME]
