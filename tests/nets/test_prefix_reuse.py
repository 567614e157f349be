"""Reuse of shared layers gives the integers of a fresh run, and really reuses."""

from dataclasses import replace

import known_models
import numpy as np
import pytest

from nets.execute.executor import IntegerExecutor
from nets.execute.prefix import PrefixEvaluator, tensor_keys
from nets.importers.tflite import network_from_bytes
from nets.network.operators import Weighted
from nets.network.quantized_network import QuantizedNetwork
from nets.network.rescaler import rescaler_from_scale
from nets.oracle.verify import random_samples


@pytest.fixture
def network() -> QuantizedNetwork:
    return network_from_bytes(known_models.residual(np.random.default_rng(4)), "m")


def with_width(network: QuantizedNetwork, name: str, bits: int) -> QuantizedNetwork:
    operator = network.operator(name)
    assert isinstance(operator, Weighted)
    rescaler = rescaler_from_scale(operator.rescaler.scale, bits, operator.rescaler.contract)
    return network.with_operators({name: replace(operator, rescaler=rescaler)})


@pytest.mark.parametrize("remember", [True, False])
@pytest.mark.parametrize("limit", [2**30, 20_000, 0])
def test_equals_a_fresh_run_for_every_design(network: QuantizedNetwork, limit: int, remember: bool) -> None:
    samples = random_samples(network, 5, 1)
    evaluator = PrefixEvaluator(*samples, limit_bytes=limit)
    evaluator.outputs(network)
    weighted = [op.name for op in network.operators if isinstance(op, Weighted)]
    for name in weighted:
        for bits in (31, 4, 1):
            design = with_width(network, name, bits)
            got, expected = evaluator.outputs(design, remember=remember), IntegerExecutor(design).outputs(*samples)
            assert all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True))
            assert evaluator.kept_bytes <= limit


def test_only_what_a_change_reaches_is_computed_again(network: QuantizedNetwork) -> None:
    evaluator = PrefixEvaluator(*random_samples(network, 3, 1))
    evaluator.outputs(network)
    assert evaluator.computed == len(network.operators)
    last = [op.name for op in network.operators if isinstance(op, Weighted)][-1]
    evaluator.outputs(with_width(network, last, 2))
    assert evaluator.computed == len(network.operators) + 1
    evaluator.outputs(network)
    assert evaluator.computed == len(network.operators) + 1


def test_equal_integers_from_other_objects_are_recognised(network: QuantizedNetwork) -> None:
    again = network_from_bytes(known_models.residual(np.random.default_rng(4)), "another name")
    assert tensor_keys(network) == tensor_keys(again)


@pytest.mark.parametrize("change", ["bias", "weights", "q_min", "stride", "padding", "rescaler"])
def test_every_field_enters_the_key(network: QuantizedNetwork, change: str) -> None:
    operator = network.operators[0]
    values = {
        "bias": operator.bias + 1,
        "weights": -np.maximum(operator.weights, -127),
        "q_min": operator.q_min + 1,
        "stride": (2, 2),
        "padding": ((0, 0), (1, 1)),
        "rescaler": rescaler_from_scale(operator.rescaler.scale, 3, operator.rescaler.contract),
    }
    changed = network.with_operators({operator.name: replace(operator, **{change: values[change]})})
    assert tensor_keys(network)[operator.output] != tensor_keys(changed)[operator.output]
