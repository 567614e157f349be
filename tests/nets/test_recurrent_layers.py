"""UNIDIRECTIONAL_SEQUENCE_LSTM and SVDF: exact in LiteRT from fresh states, narrowed, trained, certified, exported."""

import math
from collections.abc import Callable
from pathlib import Path

import known_models
import numpy as np
import pytest
import torch
from certified import assert_certified
from hypothesis import given, settings
from hypothesis import strategies as st
from random_layers import Layers
from recurrent_layers import lstm, svdf

from dse.evaluate import lower
from dse.export.units import units_of
from dse.export.vectors import vectors_of
from nets.errors import NetworkError
from nets.execute import IntegerExecutor
from nets.importers import load_tflite, network_from_bytes
from nets.narrow import Calibration, RescalerChoice, narrow, with_weight_bits
from nets.narrow.certificates import certify
from nets.network import (
    PROFILES,
    STATE_PRODUCT_BITS,
    LstmRecurrence,
    Method,
    NarrowableOperator,
    QuantizedNetwork,
    Weighted,
    fingerprint,
    rescaling,
)
from nets.oracle.export import export_tflite
from nets.oracle.litert import RefusedModelError
from nets.oracle.verify import random_samples, verify_bytes
from nets.train.twin import RescaleAwareTwin

MODELS = Path(__file__).parents[3] / "shared" / "data" / "operators"
EXAMPLES = settings(max_examples=4)
seeds = st.integers(0, 2**32 - 1)


def assert_exact(content: bytes, seed: int, samples: int = 4) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    for profile in PROFILES:
        network = network_from_bytes(content, "m", contract=profile)
        report = verify_bytes(content, "m", profile, *random_samples(network, samples, seed))
        assert report.exact, [check for check in report.tensors if check.mismatches]
        assert {check.operator for check in report.tensors} <= {operator.name for operator in network.operators}


@EXAMPLES
@given(seeds, st.booleans(), st.sampled_from([None, 3]), st.sampled_from([0.0, 0.6]), st.integers(-13, -10))
def test_lstm_layers_are_exact(seed: int, coupled: bool, outputs: int | None, clip: float, exponent: int) -> None:
    layers = Layers(np.random.default_rng(seed), batch=1 + seed % 2)
    first = lstm(layers, layers.input(6, 5), 7, outputs, coupled=coupled, cell_clip=clip, cell_exponent=exponent)
    second = lstm(layers, first, 4, 5, proj_clip=clip)
    assert_exact(layers.content(first, second), seed)


@EXAMPLES
@given(seeds, st.integers(1, 3))
def test_svdf_layers_are_exact(seed: int, rank: int) -> None:
    layers = Layers(np.random.default_rng(seed))
    assert_exact(layers.content(svdf(layers, layers.input(11), 5, rank)), seed)
    assert_exact(known_models.with_svdf(np.random.default_rng(seed)), seed)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_trained_network_is_exact(profile: str) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    path = MODELS / "trained_lstm_int8.tflite"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    network = load_tflite(path, contract=profile)
    assert sum(isinstance(operator, LstmRecurrence) for operator in network.operators) == 1
    assert verify_bytes(path.read_bytes(), "m", profile, *random_samples(network, 4, 0)).exact


def test_a_memory_of_int8_is_that_of_sums_in_integers() -> None:
    """TFLite Micro's form, which LiteRT has no kernel for: against numpy's integers."""
    layers = Layers(np.random.default_rng(2))
    content = layers.content(svdf(layers, layers.input(9), 6, rank=2, wide=False))
    network = network_from_bytes(content, "m")
    feature, time = network.operators[:2]
    assert isinstance(feature, Weighted)
    assert isinstance(time, Weighted)
    (x,) = random_samples(network, 30, 0)
    state = network.tensors[feature.output]

    def rescaled(acc: np.ndarray, operator: Weighted) -> np.ndarray:
        m, r = operator.rescaler.multiplier, operator.rescaler.right_shift
        return ((acc.astype(object) * m + (1 << (r - 1)).astype(object)) >> r).astype(np.int64)

    centred = x.astype(np.int64) - network.tensors[network.inputs[0]].zero_point
    column = np.clip(rescaled(centred @ feature.weights.T.astype(np.int64), feature) + state.zero_point, -128, 127)
    last = time.weights[:, -1, 0].astype(np.int64)  # the other elements of a fresh memory are 0
    acc = ((column - state.zero_point).reshape(-1, 6, 2) * last).sum(axis=2) + time.bias
    expected = np.clip(rescaled(acc, time) + network.tensors[network.outputs[0]].zero_point, -128, 127)
    assert np.array_equal(IntegerExecutor(network).outputs(x)[0], expected)
    with pytest.raises(RefusedModelError, match="operator 0 SVDF, whose state is not int16"):
        verify_bytes(content, "m", "litert_ref", x)


def test_the_memory_sizes_the_accumulator_beyond_the_fresh_state() -> None:
    layers = Layers(np.random.default_rng(2))
    network = network_from_bytes(layers.content(svdf(layers, layers.input(9), 6, memory=8)), "m")
    time = network.operator("svdf_time_0")
    assert isinstance(time, Weighted)
    certificate = certify(network)
    column, proven = certificate.tensors[time.inputs[0]], certificate.accumulators[time.name]
    ends = np.stack([np.minimum(column.low, 0), np.maximum(column.high, 0)])[:, :, None]
    weights = time.weights.astype(np.int64).reshape(6, -1)
    assert np.array_equal(proven.high, (weights * ends).max(axis=0).sum(axis=1) + time.bias)
    (workload,) = (each for each in lower(network) if each.name == time.name)
    assert (workload.weight_bits, workload.activation_bits, workload.macs_per_inference) == (16, 16, 48)


@pytest.fixture(params=[known_models.with_lstm, known_models.with_svdf], ids=["lstm", "svdf"])
def content(request: pytest.FixtureRequest) -> bytes:
    make: Callable[[np.random.Generator], bytes] = request.param
    return make(np.random.default_rng(6))


@pytest.fixture
def network(content: bytes) -> QuantizedNetwork:
    return network_from_bytes(content, "m.tflite")


def choices(network: QuantizedNetwork, bits: int, method: Method) -> dict[str, RescalerChoice]:
    return {operator.name: RescalerChoice(bits, method) for operator in network.narrowable_operators()}


@pytest.mark.parametrize("method", list(Method))
def test_narrowed_networks_follow_int32(network: QuantizedNetwork, method: Method) -> None:
    (x,) = random_samples(network, 60, 1)
    design = narrow(network, choices(network, 8, method))
    ours, int32 = (IntegerExecutor(each).outputs(x)[0].astype(int) for each in (design, network))
    assert np.corrcoef(ours.ravel(), int32.ravel())[0, 1] > 0.98
    assert fingerprint(design) != fingerprint(network)


def test_calibration_brings_designs_nearer(network: QuantizedNetwork) -> None:
    (x,) = random_samples(network, 40, 2)
    wanted = IntegerExecutor(network).outputs(x)[0].astype(int)
    chosen = choices(network, 1, Method.ABSORB)
    designs = (narrow(network, chosen), Calibration(network, x).narrow(network, chosen))
    plain, calibrated = (np.abs(IntegerExecutor(each).outputs(x)[0] - wanted).mean() for each in designs)
    assert calibrated < max(plain, 0.05)


def test_the_twin_is_the_executor_and_has_gradients(network: QuantizedNetwork) -> None:
    (x,) = random_samples(network, 6, 3)
    for design in (network, narrow(network, choices(network, 2, Method.ABSORB))):
        twin = RescaleAwareTwin(design, learn_scales=design is network)
        logits = twin.integers(torch.from_numpy(x))[design.outputs[0]]
        assert np.array_equal(logits.detach().numpy(), IntegerExecutor(design).outputs(x)[0])
        (logits**2).sum().backward()
        for name, parameter in twin.named_parameters():
            if name.endswith(".weight"):
                assert parameter.grad is not None, name
                assert bool((parameter.grad != 0).any()), name


def test_certificates_hold(network: QuantizedNetwork) -> None:
    assert_certified(network, *random_samples(network, 40, 4))


def test_every_rescaler_of_an_lstm_is_a_variable_with_work_and_vectors() -> None:
    network = network_from_bytes(known_models.with_lstm(np.random.default_rng(6)), "m.tflite")
    design = narrow(network, choices(network, 2, Method.ABSORB))
    (recurrence,) = (each for each in design.operators if isinstance(each, LstmRecurrence))
    steps, cells = design.tensors[recurrence.hidden.output].shape
    outputs = design.tensors[recurrence.output].shape[-1]
    workloads = {each.name: each for each in lower(design)}
    assert {part.name for part in recurrence.parts} <= workloads.keys()
    for part in recurrence.parts:
        assert part.rescaler.multiplier_bits == 2
        assert workloads[part.name].rescales_per_inference == math.prod(design.tensors[part.output].shape)
    assert workloads[recurrence.recurrent[0].name].macs_per_inference == steps * cells * outputs
    assert workloads[recurrence.recurrent[0].name].output_bits == STATE_PRODUCT_BITS
    units = units_of(design, {})
    vectors = vectors_of(design, units, random_samples(design, 3, 0)[0], rows=20, seed=0)
    for unit in units:
        operator, rows = design.operator(unit.name), vectors[unit.name]
        assert isinstance(operator, NarrowableOperator)
        operands = torch.from_numpy(
            rows.operands - unit.constants.offset[rows.channel % unit.constants.offset.size, None]
        )
        scaled = rescaling(operator.rescaler)(operands).numpy()[:, 0] + unit.zero_point
        assert np.array_equal(np.clip(scaled, unit.q_min, unit.q_max), rows.expected)


def test_a_state_product_beyond_17_bits_changes_nothing() -> None:
    """TFLite adds the product before it saturates the sum to int16; 17 bits of the product give the same sum."""
    products = np.array([-(2**15), -1, 0, 2**15 - 1])[:, None]
    rescaled = np.arange(-(2**18), 2**18, 37)
    bounds = -(2 ** (STATE_PRODUCT_BITS - 1)), 2 ** (STATE_PRODUCT_BITS - 1) - 1
    saturated = [np.clip(products + each, -(2**15), 2**15 - 1) for each in (rescaled, np.clip(rescaled, *bounds))]
    assert np.array_equal(*saturated)


@pytest.mark.parametrize(("resolver", "method"), list(zip(PROFILES, Method, strict=True)))
def test_exported_designs_are_run_as_predicted(
    content: bytes, network: QuantizedNetwork, tmp_path: Path, resolver: str, method: Method
) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    (tmp_path / "m.tflite").write_bytes(content)
    design = narrow(network, choices(network, 3, method))
    report = export_tflite(design, tmp_path / "m.tflite", tmp_path / "out.tflite", resolver)
    assert report.litert
    assert report.explained
    again = load_tflite(tmp_path / "out.tflite")
    for operator in design.every_operator():
        if isinstance(operator, Weighted):
            same = again.operator(operator.name)
            assert isinstance(same, Weighted)
            assert np.array_equal(same.weights, operator.weights)
            assert np.array_equal(same.bias, operator.bias)


def test_weights_of_16_bits_keep_theirs_unless_named() -> None:
    network = network_from_bytes(known_models.with_svdf(np.random.default_rng(1)), "m")
    time = network.operator("svdf_time_0")
    assert isinstance(time, Weighted)
    assert time.weights.dtype == np.int16
    assert with_weight_bits(network, 4).operator(time.name) is time
    narrower = with_weight_bits(network, {time.name: 8}).operator(time.name)
    assert isinstance(narrower, Weighted)
    assert narrower.weights.dtype == np.int8


@pytest.mark.parametrize(
    ("position", "said"),
    [(9, "has peepholes"), (20, "has layer normalization"), (18, "is INT16; its state has to be a variable of INT8")],
)
def test_forms_that_are_not_supported_are_refused(position: int, said: str) -> None:
    layers = Layers(np.random.default_rng(0))
    y = lstm(layers, layers.input(4, 3), 5)
    operator = layers.writer.operators[0]
    operator.inputs[position] = operator.inputs[19]
    with pytest.raises(NetworkError, match=f"operator 0 UNIDIRECTIONAL_SEQUENCE_LSTM.*{said}"):
        network_from_bytes(layers.content(y), "m")


def test_states_elsewhere_and_other_activations_are_refused() -> None:
    layers = Layers(np.random.default_rng(0))
    x = layers.writer.state((1, 4), 0.1, 0, "INT8")
    with pytest.raises(NetworkError, match="is a state, which lasts from one inference to the next"):
        network_from_bytes(layers.content(layers.elementwise("ADD", layers.input(4), x)), "m")
    layers = Layers(np.random.default_rng(0))
    y = svdf(layers, layers.input(4), 3)
    layers.writer.operators[0].values["FusedActivationFunction"] = 0
    with pytest.raises(NetworkError, match="operator 0 SVDF: activation 0 is not supported; use RELU"):
        network_from_bytes(layers.content(y), "m")
