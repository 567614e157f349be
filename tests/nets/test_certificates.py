"""No input escapes the certified ranges, and bounds are reached."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import digits_like, mixed, random_inputs

from nets.execute.executor import IntegerExecutor
from nets.narrow.certificates import Interval, certify
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.network.contracts import CONTRACTS, contract_named
from nets.network.operators import Convolution, FullyConnected, Method
from nets.network.quantized_network import QuantizedNetwork
from nets.network.rescaler import rescaler_from_scale
from nets.network.tensors import TensorSpec

HARDWARE = [name for name, contract in CONTRACTS.items() if contract.hardware]


def fully_connected(weights: np.ndarray, bias: np.ndarray, bits: int = 8) -> QuantizedNetwork:
    out, taps = weights.shape
    tensors = (TensorSpec("x", (taps,), 1.0, 1, bits), TensorSpec("y", (out,), 40.0, -3))
    operator = FullyConnected(
        name="fc_0",
        inputs=(0,),
        output=1,
        weights=weights.astype(np.int8),
        bias=bias.astype(np.int64),
        weight_scale=np.ones(out),
        rescaler=rescaler_from_scale(np.full(out, 1 / 40), 31, contract_named("half_up")),
        q_min=-128,
        q_max=127,
    )
    return QuantizedNetwork("fc", tensors, (operator,), (0,), (1,))


@settings(max_examples=20)
@given(st.data())
def test_interval_is_exactly_what_all_inputs_reach(data: st.DataObject) -> None:
    weights = np.array(
        data.draw(st.lists(st.lists(st.integers(-127, 127), min_size=2, max_size=2), min_size=1, max_size=3))
    )
    bias = np.array(data.draw(st.lists(st.integers(-5000, 5000), min_size=len(weights), max_size=len(weights))))
    network = fully_connected(weights, bias)
    inputs = np.array(list(product(range(-128, 128), repeat=2)), dtype=np.int64) - 1
    reached = inputs @ weights.T + bias
    interval = certify(network).accumulators["fc_0"]
    assert (interval.low == reached.min(axis=0)).all()
    assert (interval.high == reached.max(axis=0)).all()


def test_padded_convolution_reaches_no_more_than_certified() -> None:
    rng = np.random.default_rng(0)
    spec = TensorSpec("x", (2, 2, 1), 1.0, 2, bits=3)  # zero point 2: padding is not in the middle of the range
    operator = Convolution(
        name="conv_0",
        inputs=(0,),
        output=1,
        weights=rng.integers(-9, 9, (3, 2, 2, 1)).astype(np.int8),
        bias=rng.integers(-50, 50, 3),
        weight_scale=np.ones(3),
        rescaler=rescaler_from_scale(np.full(3, 0.25), 31, contract_named("half_up")),
        q_min=-128,
        q_max=127,
        stride=(1, 1),
        dilation=(1, 1),
        padding=((1, 0), (0, 1)),
        groups=1,
    )
    network = QuantizedNetwork("conv", (spec, TensorSpec("y", (2, 2, 3), 4.0, 0)), (operator,), (0,), (1,))
    every = np.array(list(product(range(-4, 4), repeat=4)), dtype=np.int64).reshape(-1, 2, 2) - 2
    padded = np.pad(every, ((0, 0), (1, 0), (0, 1)))
    windows = np.stack([padded[:, i : i + 2, j : j + 2] for i in range(2) for j in range(2)], axis=1)
    reached = np.einsum("nphw,ohw->npo", windows, operator.weights[..., 0].astype(np.int64)) + operator.bias
    interval = certify(network).accumulators["conv_0"]
    assert (reached >= interval.low).all()
    assert (reached <= interval.high).all()
    assert (reached.max(axis=(0, 1)) == interval.high).all(), "an unpadded window reaches the bound"


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from(HARDWARE), st.sampled_from([1, 3, 8, 31]))
def test_no_input_escapes_the_certified_ranges(seed: int, contract: str, bits: int) -> None:
    module = digits_like(seed % 7, contract=contract)
    choices = {op.name: RescalerChoice(bits, Method.ABSORB) for op in module.network.narrowable_operators()}
    network = narrow(module.network, choices, module.originals)
    certificate = certify(network)
    for index, values in IntegerExecutor(network).tensors(random_inputs((8, 8, 1), 64, seed)).items():
        interval = certificate.tensors[index]
        assert (values >= interval.low).all()
        assert (values <= interval.high).all()


def test_pools_flattening_and_dilation_are_covered() -> None:
    _, _, module = mixed()
    certificate = certify(module.network)
    for index, values in IntegerExecutor(module.network).tensors(random_inputs((16, 16, 2), 200)).items():
        assert (values >= certificate.tensors[index].low).all()
        assert (values <= certificate.tensors[index].high).all()


@given(st.integers(-(2**40), 2**40), st.integers(0, 2**40))
def test_signed_bits_is_the_narrowest_width(low: int, span: int) -> None:
    high = low + span
    bits = Interval(np.array([low]), np.array([high])).signed_bits
    assert -(2 ** (bits - 1)) <= low
    assert high < 2 ** (bits - 1)
    assert bits == 1 or not (-(2 ** (bits - 2)) <= low and high < 2 ** (bits - 2))


@pytest.mark.parametrize("zero_point", [0, 3])
def test_partial_sums_contain_the_accumulators_and_the_bias(zero_point: int) -> None:
    """An operand that is never 0 is worth 0 before its product is added."""
    network = fully_connected(np.array([[3, -4]]), np.array([100]))
    spec = replace(network.tensors[0], bits=2, zero_point=zero_point)  # -2 .. 1 less the zero point
    certificate = certify(network.with_tensors({0: spec}))
    accumulator, sums = certificate.accumulators["fc_0"], certificate.partial_sums["fc_0"]
    if zero_point == 0:
        assert (sums.low, sums.high) == (accumulator.low, accumulator.high) == (100 - 10, 100 + 11)
    else:
        assert (accumulator.low, accumulator.high) == (100 - 15 + 8, 100 - 6 + 20)
        assert (sums.low, sums.high) == (100 - 15, 100 + 20)


def test_every_contract_is_certified() -> None:
    for name in CONTRACTS:
        certificate = certify(digits_like(contract=name).network)
        assert certificate.accumulators.keys() == {
            "conv_0", "depthwise_1", "conv_2", "add_3", "conv_4", "fc_7",
        }  # fmt: skip
        assert certificate.partial_sums.keys() == {"conv_0", "depthwise_1", "conv_2", "conv_4", "fc_7"}
