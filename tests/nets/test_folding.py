"""Rescalers with the constants that hardware holds compute the executor's integers."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import digits_like, mixed, random_inputs

from dse.evaluate import lower
from nets.execute.accumulation import accumulator
from nets.execute.executor import IntegerExecutor
from nets.importers.tflite import load_tflite
from nets.narrow.certificates import certify
from nets.narrow.folding import RescalerConstants, rescaler_constants
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.network.contracts import CONTRACTS, contract_named
from nets.network.operators import (
    SUM_LEFT_SHIFT,
    ElementwiseKind,
    ElementwiseSum,
    FullyConnected,
    Method,
    NarrowableOperator,
    Weighted,
)
from nets.network.quantized_network import QuantizedNetwork
from nets.network.requantization import rescaling
from nets.network.rescaler import Rescaler, rescaler_from_scale
from nets.network.scales import sum_scales
from nets.network.tensors import TensorSpec
from nets.train.twin import RescaleAwareTwin

MODELS = Path("../shared/data/models")
HARDWARE = [name for name, contract in CONTRACTS.items() if contract.hardware]
FOLDING = ("half_up", "floor")


def shifted(values: np.ndarray, right_shift: np.ndarray | int) -> np.ndarray:
    return (values << np.maximum(-right_shift, 0)) >> np.maximum(right_shift, 0)


def as_hardware(
    operator: NarrowableOperator, network: QuantizedNetwork, constants: RescalerConstants, inputs: list[np.ndarray]
) -> np.ndarray:
    """What the rescaler computes from stored inputs, without the executor's rescaling if it is folded."""
    last = constants.stages[-1]
    if isinstance(operator, ElementwiseSum) and constants.folded:
        first, second = (
            ~inputs[each.position].astype(np.int64) if each.complemented else inputs[each.position].astype(np.int64)
            for each in constants.inputs
        )
        acc = shifted(first, constants.stages[0].right_shift) + (second << (operator.left_shift - 1))
    else:
        acc = accumulator(operator, network)([torch.from_numpy(each) for each in inputs]).numpy()
    acc = live(acc, constants) + constants.offset
    assert (acc >= constants.accumulator.low).all()
    assert (acc <= constants.accumulator.high).all()
    half = 1 << (last.operand_bits - 1)
    assert -half <= acc.min()
    assert acc.max() < half
    if constants.folded:
        assert last.multiplier_bits == 1
        return np.clip(shifted(acc, last.right_shift), operator.q_min, operator.q_max)
    rescaler = Rescaler(operator.rescaler.contract, last.multiplier_bits, last.multiplier, last.right_shift)
    scaled = rescaling(rescaler)(torch.from_numpy(acc)).numpy() + network.tensors[operator.output].zero_point
    return np.clip(scaled, operator.q_min, operator.q_max)


def live(values: np.ndarray, constants: RescalerConstants) -> np.ndarray:
    return values if constants.live is None else values[..., constants.live]


def assert_hardware_computes(network: QuantizedNetwork, samples: np.ndarray) -> dict[str, RescalerConstants]:
    tensors = IntegerExecutor(network).tensors(samples)
    constants = rescaler_constants(network)
    for operator in network.narrowable_operators():
        inputs = [tensors[index] for index in operator.inputs]
        own = constants[operator.name]
        computed = as_hardware(operator, network, own, inputs)
        assert (computed == live(tensors[operator.output], own)).all(), operator.name
        if own.live is not None:  # what hardware does not compute is the proven constant
            output = certify(network).tensors[operator.output]
            others = np.setdiff1d(np.arange(output.low.size), own.live)
            assert output.is_point[others].all()
            assert (tensors[operator.output][..., others] == output.low[others]).all()
    return constants


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(HARDWARE), st.sampled_from([1, 1, 1, 2, 31]), st.sampled_from(Method))
def test_small_networks_in_hardware_are_the_executors_and_the_twins(
    seed: int, contract: str, bits: int, method: Method
) -> None:
    module = digits_like(seed % 7, contract=contract)
    choices = {op.name: RescalerChoice(bits, method) for op in module.network.narrowable_operators()}
    network = narrow(module.network, choices, module.originals)
    samples = random_inputs((8, 8, 1), 16, seed)
    constants = assert_hardware_computes(network, samples)
    folds = bits == 1 and contract in FOLDING
    assert all(each.folded == folds for each in constants.values())
    assert all(bool(each.unfolded_because) != folds for each in constants.values())
    exact = IntegerExecutor(network).outputs(samples)[0]
    index = network.outputs[0]
    originals = module.originals if method is Method.ABSORB else None
    assert (RescaleAwareTwin(network, originals).integers(torch.tensor(samples))[index].detach().numpy() == exact).all()


@pytest.mark.parametrize("shift_bits", [3, 0])
@pytest.mark.parametrize("contract", FOLDING)
def test_a_network_trained_in_a_window_is_shifts_and_clamps_that_compute_the_twins_integers(
    contract: str, shift_bits: int
) -> None:
    module = digits_like(1, weight_bits=4, contract=contract)
    choices = {op.name: RescalerChoice(1, Method.ABSORB, shift_bits) for op in module.network.narrowable_operators()}
    samples = random_inputs((8, 8, 1), 16)
    twin = RescaleAwareTwin(narrow(module.network, choices, module.originals), module.originals)
    twin(torch.tensor(samples)).sum().backward()
    torch.optim.Adam(twin.parameters(), lr=0.05).step()
    trained = twin.trained_network()
    constants = assert_hardware_computes(trained, samples)
    assert all(each.folded for each in constants.values())
    for each in constants.values():
        assert each.stages[-1].right_shift_max - each.stages[-1].right_shift_min < 2**shift_bits
    exact = IntegerExecutor(trained).tensors(samples)
    ours = twin.integers(torch.tensor(samples))
    assert all((ours[index].detach().numpy() == values).all() for index, values in exact.items())


@pytest.mark.parametrize("bits", [1, 31])
def test_sums_of_equal_scales_and_other_layers_too(bits: int) -> None:
    _, _, module = mixed()
    choices = {op.name: RescalerChoice(bits, Method.ABSORB) for op in module.network.narrowable_operators()}
    network = narrow(module.network, choices, module.originals)
    constants = assert_hardware_computes(network, random_inputs((16, 16, 2), 50))
    add = next(op for op in network.narrowable_operators() if isinstance(op, ElementwiseSum))
    assert float(add.input_rescalers[0].scale[0]) == float(add.input_rescalers[1].scale[0]) == 0.5
    first = constants[add.name].stages[0]
    assert (first.multiplier_bits, first.right_shift_min) == (1, 1 - SUM_LEFT_SHIFT), "an exact half is wiring"


def layer(
    weights: np.ndarray,
    bias: np.ndarray,
    shifts: np.ndarray,
    contract: str,
    target: TensorSpec,
    bounds: tuple[int, int],
) -> QuantizedNetwork:
    """A layer of two 3-bit inputs whose channels are shifts."""
    out = len(weights)
    operator = FullyConnected(
        name="fc_0",
        inputs=(0,),
        output=1,
        weights=weights.astype(np.int8),
        bias=bias.astype(np.int64),
        weight_scale=np.ones(out),
        rescaler=Rescaler(contract_named(contract), 1, np.ones(out, np.int64), shifts.astype(np.int64)),
        q_min=bounds[0],
        q_max=bounds[1],
    )
    return QuantizedNetwork("fc", (TensorSpec("x", (2,), 1.0, 1, 3), target), (operator,), (0,), (1,))


EVERY_INPUT = np.array(list(product(range(-4, 4), repeat=2)), dtype=np.int8)


@settings(max_examples=300)
@given(st.data())
def test_every_reachable_accumulator_gives_the_contracts_integer(data: st.DataObject) -> None:
    """All contracts, shifts to both sides, shifts that empty, dead channels, any zero point and clamp."""
    channels = data.draw(st.integers(1, 4))
    weights = np.array([[data.draw(st.integers(-127, 127)) for _ in range(2)] for _ in range(channels)])
    bias = np.array([data.draw(st.integers(-2000, 2000)) for _ in range(channels)])
    shifts = np.array([data.draw(st.sampled_from([-2, -1, 0, 1, 2, 3, 4, 5, 8, 11, 20, 40, 62])) for _ in bias])
    low = data.draw(st.sampled_from([-128, -100, 0]))
    high = data.draw(st.sampled_from([127, 50, 0]))
    zero_point = data.draw(st.sampled_from([-128, -7, 0, 4, 127]))
    contract = data.draw(st.sampled_from(["half_up", "floor", "half_away"]))
    network = layer(weights, bias, shifts, contract, TensorSpec("y", (channels,), 1.0, zero_point), (low, high))
    (constants,) = assert_hardware_computes(network, EVERY_INPUT).values()
    assert constants.saturates == ((low, high) == (-128, 127))
    if certify(network).tensors[1].is_point.all():
        assert constants.live is not None
        assert constants.live.tolist() == [0]
        return
    left = max(0, -int(live(shifts, constants).min()))
    assert constants.folded == (contract in FOLDING and zero_point % (1 << left) == 0)


@settings(max_examples=60)
@given(st.data())
def test_no_order_of_the_products_leaves_the_accumulator(data: st.DataObject) -> None:
    weights = np.array([[data.draw(st.integers(-127, 127)) for _ in range(2)]])
    bias = np.array([data.draw(st.integers(-500, 500))])
    zero = data.draw(st.sampled_from([-128, 0, 127]))
    shifts = np.array([data.draw(st.integers(0, 12))])
    network = layer(weights, bias, shifts, "half_up", TensorSpec("y", (1,), 1.0, zero), (-128, 127))
    network = network.with_tensors({0: replace(network.tensors[0], zero_point=data.draw(st.integers(-4, 3)))})
    (constants,) = rescaler_constants(network).values()
    half = 1 << (constants.stages[0].operand_bits - 1)
    centred = EVERY_INPUT.astype(np.int64) - network.tensors[0].zero_point
    start = bias + constants.offset
    for order in ((0, 1), (1, 0)):
        sums = start + np.cumsum((centred * weights)[:, order], axis=1)
        assert (-half <= start).all()
        assert (start < half).all()
        assert sums.min() >= -half
        assert sums.max() < half


def test_accumulator_bits_come_from_the_weights() -> None:
    target = TensorSpec("y", (1,), 1.0, 0)
    widths = [
        rescaler_constants(layer(np.full((1, 2), w), np.array([0]), np.array([3]), "half_away", target, (-128, 127)))[
            "fc_0"
        ].stages[0]
        for w in (127, 1)
    ]
    assert [each.operand_bits for each in widths] == [12, 5]  # 2 * 127 * -5 and 2 * -5


def test_a_sum_has_two_stages_its_exact_half_is_wiring() -> None:
    network = digits_like().network
    first, last = rescaler_constants(network)["add_3"].stages
    operator = network.operator("add_3")
    assert isinstance(operator, ElementwiseSum)
    assert first.operand_bits == 9
    assert last.operand_bits <= 9 + operator.left_shift + 1


def sum_network(
    kind: ElementwiseKind, bits: int, scales: tuple[float, float, float], contract: str
) -> QuantizedNetwork:
    specs = [TensorSpec(name, (1,), scale, zero) for name, scale, zero in zip("aby", scales, (3, -100, 7), strict=True)]
    left, right, result = (
        rescaler_from_scale(np.array([each]), bits, contract_named(contract))
        for each in sum_scales(*scales, SUM_LEFT_SHIFT)
    )
    operator = ElementwiseSum(
        name="sum_0",
        inputs=(0, 1),
        output=2,
        rescaler=result,
        q_min=-128,
        q_max=120,
        kind=kind,
        left_shift=SUM_LEFT_SHIFT,
        input_rescalers=(left, right),
    )
    return QuantizedNetwork("sum", tuple(specs), (operator,), (0, 1), (2,))


EVERY_PAIR = [
    np.repeat(np.arange(-128, 128), 256).astype(np.int8)[:, None],
    np.tile(np.arange(-128, 128), 256).astype(np.int8)[:, None],
]


@pytest.mark.parametrize("contract", FOLDING)
@pytest.mark.parametrize("kind", ElementwiseKind)
@pytest.mark.parametrize("scales", [(1.0, 0.25, 1.0), (0.125, 0.5, 1.0), (0.5, 0.5, 0.5), (1.0, 2.0**-12, 2.0)])
def test_every_pair_of_a_folded_sum_or_difference(
    kind: ElementwiseKind, contract: str, scales: tuple[float, float, float]
) -> None:
    network = sum_network(kind, 1, scales, contract)
    constants = rescaler_constants(network)["sum_0"]
    assert constants.folded
    assert [each.complemented for each in constants.inputs].count(True) == (kind is ElementwiseKind.SUB)
    operator = next(network.narrowable_operators())
    expected = IntegerExecutor(network).outputs(*EVERY_PAIR)[0]
    assert (as_hardware(operator, network, constants, EVERY_PAIR) == expected).all()
    assert len(np.unique(expected)) > 20


def test_a_sum_whose_input_shift_drops_bits_says_so() -> None:
    constants = rescaler_constants(sum_network(ElementwiseKind.ADD, 1, (1.0, 2.0**-20, 1.0), "half_up"))["sum_0"]
    assert constants.unfolded_because == "an input's shift by 21 bits drops bits before the sum"


def test_a_sum_with_finer_outputs_than_inputs_says_so() -> None:
    constants = rescaler_constants(sum_network(ElementwiseKind.ADD, 1, (0.5, 0.5, 0.25), "half_up"))["sum_0"]
    assert constants.unfolded_because == "the sum's shift by 18 bits takes back fewer than the 19 of both inputs"


@pytest.mark.parametrize(
    ("contract", "bits", "reason"),
    [
        ("half_away", 1, "contract half_away rounds by the accumulator's sign or twice"),
        ("tflite_double", 1, "contract tflite_double rounds by the accumulator's sign or twice"),
        ("half_up", 2, "a multiplier of 2 bits stands between"),
    ],
)
def test_reasons_are_one_line(contract: str, bits: int, reason: str) -> None:
    network = digits_like(contract=contract).network
    choices = {op.name: RescalerChoice(bits) for op in network.narrowable_operators()}
    for each in rescaler_constants(narrow(network, choices)).values():
        assert reason in each.unfolded_because or "input" in each.unfolded_because
        assert "\n" not in each.unfolded_because


def test_a_zero_point_that_no_left_shift_reaches() -> None:
    weights, bias = np.array([[3, 1]]), np.array([0])
    network = layer(weights, bias, np.array([-2]), "half_up", TensorSpec("y", (1,), 1.0, 2), (-128, 127))
    assert (
        rescaler_constants(network)["fc_0"].unfolded_because == "zero point 2 is no multiple of a left shift by 2 bits"
    )


def test_an_accumulator_that_would_not_hold_the_constants_is_not_folded() -> None:
    weights, bias, shifts = np.array([[127, -127]]), np.array([2**24]), np.array([25])
    network = layer(weights, bias, shifts, "half_up", TensorSpec("y", (1,), 1.0, 100), (-128, 127))
    constants = assert_hardware_computes(network, EVERY_INPUT)["fc_0"]
    assert constants.unfolded_because == "the folded accumulator would have 33 bits, more than 32"


class TestDeadChannels:
    """Channels of a constant output have no constants, and widen neither shifter nor accumulator."""

    weights = np.array([[100, -100], [60, 50], [90, 90], [-70, 20]])
    bias = np.array([10, -5, 40, 7])

    def constants(
        self, shifts: list[int], zero_point: int, contract: str = "half_up", bias: np.ndarray | None = None
    ) -> RescalerConstants:
        target = TensorSpec("y", (4,), 1.0, zero_point)
        bias = self.bias if bias is None else bias
        network = layer(self.weights, bias, np.array(shifts), contract, target, (-128, 127))
        return assert_hardware_computes(network, EVERY_INPUT)["fc_0"]

    @pytest.mark.parametrize("contract", HARDWARE)
    @pytest.mark.parametrize("zero_point", [-128, 5, 127])
    def test_flushed(self, zero_point: int, contract: str) -> None:
        constants = self.constants([3, 4, 30 if contract == "tflite_double" else 60, 4], zero_point, contract)
        assert constants.live is not None
        emptied_is_dead = contract != "floor" or zero_point == -128  # it is 0 or -1 there
        assert constants.live.tolist() == ([0, 1, 3] if emptied_is_dead else [0, 1, 2, 3])
        if emptied_is_dead:
            assert constants.stages[-1].right_shift.tolist() == [3, 4, 4]
            assert constants.offset.shape == constants.accumulator.low.shape == (3,)

    def test_sums_below_zero_at_a_relu_size_no_accumulator(self) -> None:
        dead = self.constants([3, 4, 9, 4], -128, bias=np.array([10, -5, -9_000_000, 7]))
        small = self.constants([3, 4, 9, 4], -128, bias=np.array([10, -5, -9_000, 7]))
        assert dead.live is not None
        assert dead.live.tolist() == [0, 1, 3]
        assert dead.stages[-1].operand_bits == small.stages[-1].operand_bits <= 13

    def test_a_layer_without_a_live_channel_keeps_the_first(self) -> None:
        constants = self.constants([40, 50, 60, 45], -128)
        assert constants.live is not None
        assert constants.live.tolist() == [0]
        assert constants.stages[-1].right_shift.size == 1

    def test_at_full_width_too(self) -> None:
        network = digits_like().network
        operator = network.operator("conv_2")
        assert isinstance(operator, Weighted)
        rescaler = operator.rescaler
        for zero in (False, True):
            shift = rescaler.right_shift.copy()
            shift[0] = 62
            multiplier = np.where(zero & (np.arange(shift.size) == 0), 0, rescaler.multiplier)
            dead = replace(operator, rescaler=replace(rescaler, right_shift=shift, multiplier=multiplier))
            flushed = network.with_operators({"conv_2": dead})
            constants = assert_hardware_computes(flushed, random_inputs((8, 8, 1), 16))["conv_2"]
            assert constants.live is not None
            assert 0 not in constants.live
            kept = rescaler.right_shift[constants.live]
            assert constants.stages[-1].right_shift.tolist() == kept.tolist()
            work = {each.name: each for each in lower(flushed)}["conv_2"]
            pixels = np.prod(flushed.tensors[operator.output].shape[:-1])
            assert work.channels == constants.live.size
            assert work.rescales_per_inference == pixels * work.channels
            assert work.macs_per_inference == pixels * work.channels * operator.weights[0].size


@pytest.mark.skipif(not MODELS.exists(), reason="needs the models of ../shared/data")
@pytest.mark.parametrize("bits", [31, 1])
@pytest.mark.parametrize("name", ["kws_ref_model", "pretrainedResnet_quant"])
def test_real_models(name: str, bits: int) -> None:
    network = load_tflite(MODELS / f"{name}.tflite", contract="half_up")
    choices = {op.name: RescalerChoice(bits, Method.ABSORB) for op in network.narrowable_operators()}
    network = narrow(network, choices)
    samples = random_inputs(network.tensors[network.inputs[0]].shape, 2)
    constants = assert_hardware_computes(network, samples)
    assert all(each.folded == (bits == 1) for each in constants.values())
