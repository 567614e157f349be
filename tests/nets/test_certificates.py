"""No input escapes the certified ranges, and bounds are reached."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import digits_like, mixed, random_inputs

from nets.execute.executor import IntegerExecutor
from nets.narrow.certificates import Interval, certify
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.network.contracts import CONTRACTS, contract_named, requantize
from nets.network.operators import Convolution, ElementwiseSum, FullyConnected, Method
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


def test_add_has_two_stages_its_exact_half_is_wiring() -> None:
    network = digits_like().network
    stages = certify(network).rescalers["add_3"]
    assert len(stages) == 2
    assert stages[0].operand_bits == 9
    operator = network.operator("add_3")
    assert isinstance(operator, ElementwiseSum)
    assert stages[1].operand_bits <= 9 + operator.left_shift + 1


def test_emptied_channel_does_not_widen_the_shifter() -> None:
    network = fully_connected(np.array([[3, 4], [1, 1]]), np.array([0, 0]))
    operator = network.operator("fc_0")
    assert isinstance(operator, FullyConnected)
    dead = rescaler_from_scale(np.array([1 / 40, 1e-30]), 31, contract_named("half_up"))
    stage = certify(network.with_operators({"fc_0": replace(operator, rescaler=dead)})).rescalers["fc_0"][0]
    assert stage.right_shift_max == stage.operand_bits + 31
    shift = torch.tensor([stage.right_shift_max])
    extremes = torch.tensor([-(2 ** (stage.operand_bits - 1)), 2 ** (stage.operand_bits - 1) - 1])
    scaled = requantize(extremes, torch.tensor([2**31 - 1]), shift, 31, contract_named("half_up"))
    assert scaled.tolist() == [0, 0]


def test_accumulator_bits_come_from_the_weights() -> None:
    wide = certify(fully_connected(np.full((1, 2), 127), np.array([0]))).rescalers["fc_0"][0]
    slim = certify(fully_connected(np.full((1, 2), 1), np.array([0]))).rescalers["fc_0"][0]
    assert (wide.operand_bits, slim.operand_bits) == (16, 10)


def test_every_contract_is_certified() -> None:
    for name in CONTRACTS:
        assert certify(digits_like(contract=name).network).rescalers.keys() == {
            "conv_0", "depthwise_1", "conv_2", "add_3", "conv_4", "fc_7",
        }  # fmt: skip


def test_certificate_of_an_unknown_rescaler_kind_is_not_silently_skipped() -> None:
    network = digits_like().network
    with pytest.raises(KeyError):
        certify(network).rescalers["reshape_6"]
