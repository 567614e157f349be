"""Networks with int16 activations and int8 weights: exact in LiteRT, narrowed, trained, certified and exported."""

from dataclasses import replace
from pathlib import Path

import known_models
import numpy as np
import pytest
import tflite
import torch
from certified import assert_certified
from hypothesis import given, settings
from hypothesis import strategies as st
from random_layers import NONE, Layers

from nets.errors import NetworkError
from nets.execute import IntegerExecutor, accumulator
from nets.importers import network_from_bytes
from nets.narrow import Calibration, RescalerChoice, narrow
from nets.narrow.activations import with_activation_bits
from nets.narrow.certificates import certify
from nets.narrow.statistics import input_sums
from nets.network import PROFILES, ElementwiseSum, Method, QuantizedNetwork, Weighted
from nets.oracle.export import export_tflite
from nets.oracle.verify import random_samples, verify_bytes
from nets.train.twin import RescaleAwareTwin
from nets.writers import tflite_bytes, tosa_bytes

EXAMPLES = settings(max_examples=4)
seeds = st.integers(0, 2**32 - 1)


def assert_exact(content: bytes, seed: int, samples: int = 3) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    for profile in PROFILES:
        network = network_from_bytes(content, "m", contract=profile)
        report = verify_bytes(content, "m", profile, *random_samples(network, samples, seed))
        assert report.exact, [check for check in report.tensors if check.mismatches]


@EXAMPLES
@given(seeds)
def test_networks_with_every_operator_are_exact(seed: int) -> None:
    assert_exact(known_models.wide_activations(np.random.default_rng(seed)), seed)


@EXAMPLES
@given(seeds, st.booleans())
def test_matrices_and_transposed_convolutions_are_exact(seed: int, bias: bool) -> None:
    layers = Layers(np.random.default_rng(seed), wide=True, bias_type="INT64")
    product = layers.matrices(layers.input(2, 8, 5), layers.input(2, 5, 3))
    layers.writer.tensors[product].scales = [layers.scale(product) * 2**12]  # accumulators have 30 bits and more
    content = layers.content(product, layers.transposed(layers.input(4, 5, 3), 4, bias=bias))
    assert_exact(content, seed)
    network = network_from_bytes(content, "m")
    for design in (network, narrow(network, {op.name: RescalerChoice(3) for op in network.narrowable_operators()})):
        made = IntegerExecutor(design).outputs(*random_samples(design, 4, seed))
        assert all(np.abs(each.astype(int)).max() > 100 for each in made)
        twin = RescaleAwareTwin(design)
        carriers = twin.integers(*map(torch.from_numpy, random_samples(design, 4, seed)))
        for index, each in zip(design.outputs, made, strict=True):
            assert np.array_equal(carriers[index].detach().numpy(), each)
    assert_certified(network, *random_samples(network, 4, seed))


@EXAMPLES
@given(seeds)
def test_padding_with_any_integer_and_learned_slopes_of_int8_are_exact(seed: int) -> None:
    layers = Layers(np.random.default_rng(seed), wide=True)
    padded = layers.padded(layers.input(3, 4, 5), (1, 0), (0, 2), (0, 0))
    content = layers.content(layers.parametric_relu(padded, 1, 1, 5))
    assert_exact(content, seed)
    network = network_from_bytes(content, "m", contract="litert_ref")
    x = random_samples(network, 4, seed)
    made = IntegerExecutor(network).outputs(*x)
    assert np.abs(made[0].astype(int)).max() > 1000
    carried = RescaleAwareTwin(network).integers(torch.from_numpy(x[0]))[network.outputs[0]]
    assert np.array_equal(carried.detach().numpy(), made[0])
    assert_certified(network, *x)


def test_learned_slopes_of_int16_are_refused() -> None:
    """LiteRT reads the first half of their bytes, as int8."""
    layers = Layers(np.random.default_rng(0), wide=True)
    x = layers.input(2, 3)
    y = layers.result((2, 3), layers.scale(x))
    layers.writer.operator("PRELU", [x, layers.constant(3)], [y])
    with pytest.raises(NetworkError, match="is INT16; INT8 is needed here"):
        network_from_bytes(layers.content(y), "m")


@EXAMPLES
@given(seeds, st.sampled_from([3, 40]), st.sampled_from([5e-5, 3e-4, 2e-3]), st.sampled_from([1.0, 0.3]))
def test_a_softmax_is_exact(seed: int, length: int, scale: float, beta: float) -> None:
    layers = Layers(np.random.default_rng(seed), wide=True)
    x = layers.input(4, length, scale=scale)
    y = layers.writer.activation(layers.shape(x), 2.0**-15, 0, "INT16")
    layers.writer.operator("SOFTMAX", [x], [y], "SoftmaxOptions", Beta=beta)
    content = layers.content(layers.transpose(y, 0, 2, 1))
    assert_exact(content, seed, 12)
    network = network_from_bytes(content, "m")
    (x_real,) = random_samples(network, 12, seed)
    (shares,) = IntegerExecutor(network).outputs(x_real)
    wanted = torch.softmax(torch.from_numpy(x_real * (scale * beta)), dim=-1).numpy()
    assert np.abs(shares.swapaxes(1, 2) * 2.0**-15 - wanted).max() < 1e-3
    twin = RescaleAwareTwin(network)
    carried = twin.integers(torch.from_numpy(x_real))[network.outputs[0]]
    assert np.array_equal(carried.detach().numpy(), shares)


def test_a_bias_of_32_bits_of_a_transposed_convolution_is_refused() -> None:
    layers = Layers(np.random.default_rng(0), wide=True)
    with pytest.raises(NetworkError, match="TRANSPOSE_CONV of int16 has a bias of 32 bits"):
        network_from_bytes(layers.content(layers.transposed(layers.input(4, 5, 3), 4)), "m")


@EXAMPLES
@given(seeds, st.booleans())
def test_biases_of_32_bits_and_none_round_as_the_runtime_does(seed: int, per_channel: bool) -> None:
    layers = Layers(np.random.default_rng(seed), wide=True)
    convolved = layers.conv(layers.input(5, 6, 3), 4, activation=NONE, per_channel=per_channel)
    dense = layers.dense(layers.input(40), 30, per_channel=per_channel)
    for operator in layers.writer.operators:
        operator.values["QuantizedBiasType"] = tflite.TensorType.INT32
    unbiased = layers.dense(layers.input(40), 30, per_channel=per_channel, bias=False)
    content = layers.content(convolved, dense, unbiased)
    assert_exact(content, seed, 8)
    rules = {
        profile: [op.rescaler.contract.name for op in network_from_bytes(content, "m", contract=profile).operators]
        for profile in PROFILES
    }
    assert rules["litert_ref"] == ["tflite_double", "float64_half_away", "float64_half_away"]
    assert rules["litert_xnnpack"] == ["ruy_double"] * 3


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
def test_large_elementwise_operators_are_exact(kind: str) -> None:
    """Optimised kernels round otherwise than reference ones, in one integer of ten thousand."""
    layers = Layers(np.random.default_rng(1), wide=True)
    same = layers.elementwise(kind, layers.input(64, 64, 8), layers.input(64, 64, 8))
    broadcast = layers.elementwise(kind, layers.input(64, 64, 8), layers.input(1, 1, 8))
    assert_exact(layers.content(same, broadcast), 1, 6)


def test_a_layer_without_a_bias_may_state_its_type() -> None:
    layers = Layers(np.random.default_rng(2), wide=True)
    dense = layers.dense(layers.input(40), 64, bias=False)
    layers.writer.operators[0].values["QuantizedBiasType"] = tflite.TensorType.INT64
    content = layers.content(dense)
    (operator,) = network_from_bytes(content, "m", contract="litert_xnnpack").narrowable_operators()
    assert operator.rescaler.contract.name == "float64_half_away"
    assert_exact(content, 2, 200)


@EXAMPLES
@given(seeds)
def test_rearranging_operators_and_changes_of_width_are_exact(seed: int) -> None:
    layers = Layers(np.random.default_rng(seed), wide=True)
    x = layers.input(5, 4, 4)
    larger = layers.rearranged("RESIZE_BILINEAR", x, (9, 7, 4), [9, 7], HalfPixelCenters=seed % 2)
    part = layers.rearranged("STRIDED_SLICE", larger, (5, 4, 4), [0, 0, 0, 0], [1, 9, 7, 4], [1, 2, 2, 1])
    most = layers.extremum("MAXIMUM", part, x)
    narrow = layers.writer.activation(layers.shape(most), layers.scale(most) * 300, 5)
    layers.writer.operator("QUANTIZE", [most], [narrow])
    again = layers.requantize("RELU6", layers.requantize("QUANTIZE", narrow, 1 / 256))
    assert_exact(layers.content(layers.reshape(again, 80)), seed)


@pytest.mark.parametrize("scale", [2.0**-12, 2.0**-11, 2.0**-13, 3e-4, 5e-6, 0.02])
@pytest.mark.parametrize("kind", ["LOGISTIC", "TANH", "LEAKY_RELU"])
def test_tables_are_exact_over_the_whole_range(kind: str, scale: float) -> None:
    litert = pytest.importorskip("nets.oracle.litert")
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    layers = Layers(np.random.default_rng(0), wide=True)
    x = layers.input(2**15, scale=scale)
    made = layers.function(kind, x, -0.7 if kind == "LEAKY_RELU" else None)
    content = layers.content(layers.reshape(made, 2**15, 1))
    inputs = np.arange(-(2**15), 2**15).reshape(2, -1).astype(np.int16)
    for profile in PROFILES.values():
        network = network_from_bytes(content, "m", contract=profile.name, cut=[made])
        (theirs,) = litert.LiteRtRunner(content, profile.runtime).run_all(inputs)
        assert np.array_equal(IntegerExecutor(network).outputs(inputs)[0], theirs[..., 0])


@pytest.fixture(scope="module")
def network() -> QuantizedNetwork:
    return network_from_bytes(known_models.wide_activations(np.random.default_rng(3)), "m.tflite")


def test_accumulators_beyond_32_bits_are_exact() -> None:
    """At inputs that drive one sum of a convolution to its extremes: against Python's integers, and LiteRT."""
    layers = Layers(np.random.default_rng(0), wide=True, bias_type="INT64")
    content = layers.content(layers.conv(layers.input(1, 1, 4096), 3, kernel=(1, 1)))
    for contract in ("half_up", "floor", "half_away", *PROFILES):
        network = network_from_bytes(content, "m", contract=contract)
        (operator,) = network.operators
        assert isinstance(operator, Weighted)
        signs = np.sign(operator.weights[0, 0, 0].astype(np.int64))
        x = np.stack([32767 * signs, -32767 * signs, 9000 * signs]).astype(np.int16)[:, None, None]
        acc = accumulator(operator, network)([torch.from_numpy(x)]).numpy()
        weights = operator.weights.reshape(3, -1).astype(object)
        assert acc.reshape(3, 3).tolist() == (x.reshape(3, -1).astype(object) @ weights.T + operator.bias).tolist()
        assert np.abs(acc).max() > 2**32
        assert certify(network).accumulators[operator.name].signed_bits == int(np.abs(acc).max()).bit_length() + 1
        if contract in PROFILES:
            pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
            assert verify_bytes(content, "m", contract, x).exact


@pytest.mark.parametrize("method", list(Method))
def test_narrowed_networks_follow_int32(network: QuantizedNetwork, method: Method) -> None:
    (x,) = random_samples(network, 100, 1)
    int32 = IntegerExecutor(network).outputs(x)[0].astype(int)
    for bits in (16, 8):
        design = narrow(network, {op.name: RescalerChoice(bits, method) for op in network.narrowable_operators()})
        ours = IntegerExecutor(design).outputs(x)[0] * design.tensors[design.outputs[0]].scale
        assert np.corrcoef(ours.ravel(), int32.ravel())[0, 1] > 0.99
    assert ours.dtype == float


def test_calibration_and_the_twin(network: QuantizedNetwork) -> None:
    (x,) = random_samples(network, 24, 2)
    choices = {op.name: RescalerChoice(1, Method.ABSORB) for op in network.narrowable_operators()}
    plain, calibrated = narrow(network, choices), Calibration(network, x).narrow(network, choices)
    wanted = IntegerExecutor(network).outputs(x)[0] * network.tensors[network.outputs[0]].scale
    errors = [
        np.abs(IntegerExecutor(each).outputs(x)[0] * each.tensors[each.outputs[0]].scale - wanted).mean()
        for each in (plain, calibrated)
    ]
    assert errors[1] < errors[0]
    twin = RescaleAwareTwin(calibrated, learn_scales=True)
    logits = twin.integers(torch.from_numpy(x))[calibrated.outputs[0]]
    assert np.array_equal(logits.detach().numpy(), IntegerExecutor(calibrated).outputs(x)[0])
    logits.sum().backward()
    gradients = [parameter.grad for parameter in twin.parameters() if parameter.grad is not None]
    assert gradients
    assert all(bool(torch.isfinite(each).all()) for each in gradients)


def test_certificates_hold(network: QuantizedNetwork) -> None:
    assert_certified(network, *random_samples(network, 30, 3))


@pytest.mark.parametrize("resolver", list(PROFILES))
def test_exported_designs_are_run_as_predicted(tmp_path: Path, resolver: str) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    content = known_models.wide_activations(np.random.default_rng(4))
    (tmp_path / "m.tflite").write_bytes(content)
    network = network_from_bytes(content, "m")
    choices = {op.name: RescalerChoice(4, Method.ABSORB) for op in network.narrowable_operators()}
    report = export_tflite(narrow(network, choices), tmp_path / "m.tflite", tmp_path / "out.tflite", resolver)
    assert report.litert
    assert report.explained


def test_narrower_activations_are_stored_as_int8(network: QuantizedNetwork) -> None:
    inner = next(op.output for op in network.operators if isinstance(op, Weighted))
    narrower = with_activation_bits(network, {inner: 8})
    assert narrower.tensors[inner].dtype == np.int8
    (x,) = random_samples(network, 50, 5)
    ours, theirs = (IntegerExecutor(each).outputs(x)[0].astype(int) for each in (narrower, network))
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.95


def test_sums_of_wide_operands_leave_room_in_32_bits(network: QuantizedNetwork) -> None:
    assert {op.left_shift for op in network.operators if isinstance(op, ElementwiseSum)} == {15}


def test_what_no_runtime_has_is_refused() -> None:
    layers = Layers(np.random.default_rng(0), wide=True)
    x = layers.input(4, 4, 2)
    with pytest.raises(NetworkError, match="operator 0 ELU: ELU of int16"):
        network_from_bytes(layers.content(layers.function("ELU", x)), "m")
    layers = Layers(np.random.default_rng(0), wide=True)
    x = layers.input(4, 4, 2)
    layers.writer.tensors[x].zero_points = [3]
    with pytest.raises(NetworkError, match="has zero point 3; of int16 it has to be 0"):
        network_from_bytes(layers.content(layers.requantize("RELU", x)), "m")
    layers = Layers(np.random.default_rng(0), wide=True)
    x, y = layers.input(4, scale=0.5), layers.input(4, scale=0.25)
    out = layers.writer.activation((1, 4), 0.5, 0, "INT16")
    layers.writer.operator("ADD", [x, y], [out], "AddOptions", PotScaleInt16=True)
    with pytest.raises(NetworkError, match="operator 0 ADD is of the form for power-of-two scales"):
        network_from_bytes(layers.content(out), "m")
    layers = Layers(np.random.default_rng(0), wide=True)
    x = layers.input(4, 4, 2)
    out = layers.writer.activation((1, 4, 4, 2), layers.scale(x), 0)
    layers.writer.operator("RELU", [x], [out])
    with pytest.raises(NetworkError, match=r"operator 0 RELU has tensors of \[16, 8\] bits"):
        network_from_bytes(layers.content(out), "m")


def test_operators_of_int8_alone_are_refused() -> None:
    layers = Layers(np.random.default_rng(0), wide=True)
    squares = layers.squared_difference(layers.input(4), layers.input(4))
    with pytest.raises(NetworkError, match="operator 0 SQUARED_DIFFERENCE has tensors of INT16"):
        network_from_bytes(layers.content(squares), "m")


def test_files_of_int8_alone_are_not_written(network: QuantizedNetwork) -> None:
    with pytest.raises(NetworkError, match=r"only int8 is written to \.tosa"):
        tosa_bytes(network)
    with pytest.raises(NetworkError, match=r"only int8 is written to \.tflite"):
        tflite_bytes(network)


def test_sums_of_many_extreme_inputs_are_exact(network: QuantizedNetwork) -> None:
    operator = next(op for op in network.operators if isinstance(op, Weighted))
    one = torch.full((1, *network.tensors[operator.inputs[0]].shape), -(2**15), dtype=torch.int16)
    alone, together = (input_sums(operator, network, [one.repeat(count, 1, 1, 1)]) for count in (1, 300))
    assert (together.totals == 300 * alone.totals).all()


def test_a_network_of_other_inputs_is_refused(network: QuantizedNetwork) -> None:
    (x,) = random_samples(network, 1, 0)
    with pytest.raises(NetworkError, match="takes int16"):
        IntegerExecutor(network).outputs(x.astype(np.int8))
    changed = replace(network.tensors[network.inputs[0]], bits=8)
    assert changed.dtype == np.int8
