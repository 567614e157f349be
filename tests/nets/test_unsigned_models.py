"""uint8 models: exact in int8, with the zero point of their weights; patched as uint8."""

from dataclasses import replace
from pathlib import Path

import known_models
import numpy as np
import pytest
from random_layers import Layers

from dse.evaluate import lower
from nets.errors import NetworkError
from nets.execute import IntegerExecutor
from nets.importers import inspect_model, network_from_bytes
from nets.narrow import with_weight_bits
from nets.network import PROFILES, AveragePool, Convolution, QuantizedNetwork, TensorSpec, Weighted
from nets.oracle.patch import patched
from nets.oracle.verify import random_samples, verify_bytes
from nets.writers import tflite_bytes

MODELS = Path(__file__).parents[3] / "shared" / "data" / "operators"


def weighted(network: QuantizedNetwork) -> list[Weighted]:
    return [operator for operator in network.operators if isinstance(operator, Weighted)]


def one_layer(rng: np.random.Generator, axis: int = 0) -> bytes:
    layers = Layers(rng)
    out = layers.depthwise(layers.input(6, 6, 8), per_channel=False)
    layers.unsigned(axis)
    return layers.content(out)


def test_the_file_is_read_by_hand() -> None:
    """The first convolution's outputs at one place, computed from the file's own uint8."""
    layers = Layers(np.random.default_rng(3))
    x = layers.input(1, 1, 5)
    out = layers.conv(x, 4, kernel=(1, 1), per_channel=False)
    layers.unsigned()
    network = network_from_bytes(layers.content(out), "m")
    weights, bias = (layers.writer.tensors[index] for index in layers.writer.operators[0].inputs[1:])
    pixels = np.random.default_rng(0).integers(0, 256, (64, 5))
    stored = np.frombuffer(weights.data or b"", np.uint8).reshape(4, 5).astype(int)
    real = (pixels - layers.zero(x)) @ (stored - weights.zero_points[0]).T + np.frombuffer(bias.data or b"", np.int32)
    steps = real * layers.scale(x) * weights.scales[0] / layers.scale(out) + layers.zero(out)
    samples = (pixels - 128).astype(np.int8).reshape(64, 1, 1, 5)
    ours = IntegerExecutor(network).outputs(samples)[0].reshape(64, 4).astype(int) + 128
    assert (np.abs(ours - np.clip(steps, 0, 255)) <= 0.5 + 1e-6).all()
    assert np.unique(ours).size > 20


def test_an_inspection_shows_the_file_s_types(tmp_path: Path) -> None:
    path = tmp_path / "bytes.tflite"
    path.write_bytes(one_layer(np.random.default_rng(1)))
    facts = inspect_model(path)
    for of_file, of_network in ((facts.inputs, facts.network_inputs), (facts.outputs, facts.network_outputs)):
        assert [tensor.type_name for tensor in of_file] == ["UINT8"]
        assert [tensor.type_name for tensor in of_network] == ["INT8"]
        assert of_file[0].zero_point == (of_network[0].zero_point or 0) + 128


@pytest.mark.parametrize("profile", PROFILES)
def test_every_tensor_is_litert_s(profile: str) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    for seed in range(4):
        content = known_models.unsigned_operators(np.random.default_rng(seed))
        network = network_from_bytes(content, "m", contract=profile)
        report = verify_bytes(content, "m", profile, *random_samples(network, 20, seed))
        assert report.exact, [check for check in report.tensors if check.mismatches]


@pytest.mark.parametrize("axis", [0, 3])
@pytest.mark.parametrize("profile", PROFILES)
def test_xnnpack_leaves_depthwise_weights_of_another_axis(profile: str, axis: int) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    content = one_layer(np.random.default_rng(1), axis)
    network = network_from_bytes(content, "m", contract=profile)
    assert verify_bytes(content, "m", profile, *random_samples(network, 64, 0)).exact


def test_what_no_contract_reproduces_is_refused() -> None:
    layers = Layers(np.random.default_rng(0))
    out = layers.conv(layers.input(4, 4, 3), 4, per_channel=False)
    layers.unsigned(weight_axis=1)
    content = layers.content(out)
    assert network_from_bytes(content, "m", contract="litert_ref").operators
    with pytest.raises(NetworkError, match=r"litert_xnnpack has no contract for weights of uint8 .* dimension 1"):
        network_from_bytes(content, "m", contract="litert_xnnpack")
    layers = Layers(np.random.default_rng(0))
    x = layers.conv(layers.input(4, 4, 3), 4, per_channel=False)
    out = layers.rearranged("RESIZE_BILINEAR", x, (7, 7, 4), [7, 7], HalfPixelCenters=1)
    layers.unsigned()
    with pytest.raises(NetworkError, match="resizes uint8 in float32"):
        network_from_bytes(layers.content(out), "m", contract="litert_ref")


def test_means_of_uint8_are_rounded_half_up() -> None:
    pool = AveragePool(
        name="average_pool_0", inputs=(0,), output=1, kernel=(1, 2), stride=(1, 2), padding=((0, 0), (0, 0)),
        q_min=-128, q_max=127, centre=-128,
    )  # fmt: skip
    tensors = (TensorSpec("x", (1, 4, 1), 1.0, 0), TensorSpec("y", (1, 2, 1), 1.0, 0))
    network = QuantizedNetwork("m", tensors, (pool,), (0,), (1,))
    x = np.array([-3, 0, 3, 0], np.int8).reshape(1, 1, 4, 1)
    assert IntegerExecutor(network).outputs(x)[0].reshape(-1).tolist() == [-1, 2]
    away = network.with_operators({pool.name: replace(pool, centre=0)})
    assert IntegerExecutor(away).outputs(x)[0].reshape(-1).tolist() == [-2, 2]


def test_weights_less_their_zero_point_take_nine_bits_of_a_mac() -> None:
    network = network_from_bytes(known_models.unsigned(np.random.default_rng(0)), "m")
    assert {work.weight_bits for work in lower(network) if work.macs_per_inference} == {9}
    for operator in weighted(network):
        low, high = operator.weight_range
        assert (low, high) == (-128 - operator.weight_zero_point, 127 - operator.weight_zero_point)
        assert low <= operator.weights.min()
        assert operator.weights.max() <= high
    conv = weighted(network)[0]
    with pytest.raises(NetworkError, match="has weights from"):
        replace(conv, weights=conv.weights + np.int16(256))
    assert all(a is b for a, b in zip(with_weight_bits(network, 8).operators, network.operators, strict=True))
    narrow = with_weight_bits(network, 6)
    assert all((op.weight_zero_point, op.weights.dtype) == (0, np.int8) for op in weighted(narrow))
    assert {work.weight_bits for work in lower(narrow) if work.macs_per_inference} == {6}


def test_an_unchanged_network_leaves_the_bytes_of_its_weights() -> None:
    content = known_models.unsigned(np.random.default_rng(2))
    network = network_from_bytes(content, "m")
    again = network_from_bytes(patched(network, content, "m"), "m")
    for ours, theirs in zip(weighted(network), weighted(again), strict=True):
        assert np.array_equal(ours.weights, theirs.weights)
        assert ours.weight_zero_point == theirs.weight_zero_point
    symmetric = with_weight_bits(network, 6)
    again = network_from_bytes(patched(symmetric, content, "m"), "m")
    for ours, theirs in zip(weighted(symmetric), weighted(again), strict=True):
        assert np.array_equal(ours.weights, theirs.weights)
        assert theirs.weight_zero_point == 0


def test_a_file_of_int8_cannot_hold_them() -> None:
    network = network_from_bytes(known_models.unsigned(np.random.default_rng(0)), "m")
    with pytest.raises(NetworkError, match=r"'conv_0' has weights of zero point -?\d+; int8 files have 0"):
        tflite_bytes(network)
    changed_in_float = network_from_bytes(known_models.through_float(np.random.default_rng(0)), "m")
    with pytest.raises(NetworkError, match=r"'requantize_2' \(Lookup\) cannot be written"):
        tflite_bytes(changed_in_float)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_published_model_is_exact(profile: str) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    path = MODELS / "mobilenet_v1_0.25_128_uint8.tflite"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    network = network_from_bytes(path.read_bytes(), "m", contract=profile)
    assert all(isinstance(operator, Convolution) for operator in weighted(network))
    assert verify_bytes(path.read_bytes(), "m", profile, *random_samples(network, 1, 0)).exact
