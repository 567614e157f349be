"""Constant operands and tables: through narrowing, training, certificates and export."""

from dataclasses import replace
from pathlib import Path

import known_models
import numpy as np
import pytest
import torch
from certified import assert_certified
from random_layers import Layers
from small_networks import random_inputs

from nets.errors import NetworkError
from nets.execute import IntegerExecutor, accumulator
from nets.execute.accumulation import sum_of_products
from nets.execute.executor import Backend
from nets.importers import network_from_bytes
from nets.narrow import Calibration, RescalerChoice, narrow
from nets.narrow.activations import between_tensors
from nets.narrow.statistics import input_patches, input_sums
from nets.network import PROFILES, Method, QuantizedNetwork, RescaledOperator, Weighted, fingerprint
from nets.oracle.export import export_tflite
from nets.oracle.verify import random_samples, verify_bytes
from nets.train.straight_through import sum_gradients
from nets.train.twin import RescaleAwareTwin

MODELS = Path(__file__).parents[3] / "shared" / "data" / "operators"


STRUCTURES = [
    *(known_models.constants, known_models.functions, known_models.rearrangements, known_models.parts),
    *(known_models.upsampled, known_models.attention, known_models.unsigned, known_models.through_float),
]


@pytest.fixture(params=STRUCTURES)
def model(request: pytest.FixtureRequest) -> bytes:
    return request.param(np.random.default_rng(5))


@pytest.fixture
def network(model: bytes) -> QuantizedNetwork:
    return network_from_bytes(model, "m.tflite")


def narrowed(network: QuantizedNetwork, method: Method, bits: int = 1) -> QuantizedNetwork:
    return narrow(network, {op.name: RescalerChoice(bits, method) for op in network.narrowable_operators()})


def other_scale(network: QuantizedNetwork) -> QuantizedNetwork:
    """The network with other constants, and with other scales between the operators."""
    changed = {
        operator.output: replace(network.tensors[operator.output], scale=network.tensors[operator.output].scale * 1.25)
        for operator in network.operators[:-1]
        if isinstance(operator, RescaledOperator)
    }
    constants = {index: values[..., ::-1].copy() for index, values in network.constants.items()}
    return replace(between_tensors(network, network.with_tensors(changed)), constants=constants)


def test_both_backends_agree(network: QuantizedNetwork) -> None:
    (x,) = random_samples(network, 40, 0)
    other = other_scale(network)
    for each in (network, other):
        expected = IntegerExecutor(each, backend=Backend.TORCH).outputs(x)[0]
        assert (IntegerExecutor(each).outputs(x)[0] == expected).all()
    assert fingerprint(other) != fingerprint(network)


@pytest.mark.parametrize("method", list(Method))
def test_narrowed_networks_follow_int32(network: QuantizedNetwork, method: Method) -> None:
    (x,) = random_samples(network, 200, 1)
    spec = network.tensors[network.outputs[0]]
    design = narrowed(network, method, 8)
    ours, int32 = (IntegerExecutor(each).outputs(x)[0].astype(int) for each in (design, network))
    real = (ours - spec.zero_point) * design.tensors[design.outputs[0]].scale
    assert np.corrcoef(real.ravel(), int32.ravel())[0, 1] > 0.99
    assert narrowed(network, method).constants.keys() == network.constants.keys()


def test_an_absorbing_sum_requantizes_its_constant() -> None:
    network = network_from_bytes(known_models.constants(np.random.default_rng(5)), "m.tflite")
    design = narrowed(network, Method.ABSORB)
    moved = 0
    for index, values in network.constants.items():
        before, after = network.tensors[index], design.tensors[index]
        moved += before.scale != after.scale
        real = (values.astype(float) - before.zero_point) * before.scale
        kept = (design.constants[index].astype(float) - after.zero_point) * after.scale
        assert np.abs(real - kept).max() <= 0.5 * after.scale + 1e-9
    assert moved


def test_calibration_takes_constants(network: QuantizedNetwork) -> None:
    (x,) = random_samples(network, 32, 2)
    choices = {op.name: RescalerChoice(1, Method.ABSORB) for op in network.narrowable_operators()}
    design = Calibration(network, x).narrow(network, choices)
    assert IntegerExecutor(design).outputs(x)[0].shape == (32, 4)


def test_sums_and_patches_are_those_of_the_accumulators(network: QuantizedNetwork) -> None:
    (x,) = random_samples(network, 6, 4)
    tensors = IntegerExecutor(network).tensors(x)
    for operator in network.operators:
        if isinstance(operator, Weighted):
            inputs = [torch.from_numpy(tensors[operator.inputs[0]])]
            expected = accumulator(operator, network)(inputs).reshape(-1, operator.out_channels).sum(dim=0).numpy()
            sums = input_sums(operator, network, inputs)
            patches = input_patches(operator, network, inputs, seed=0)
            assert (sums.accumulator_totals(operator) + operator.bias * sums.count == expected).all()
            assert (patches.sum(axis=0, dtype=np.int64) == sums.totals).all()
            assert len(patches) == sums.count


def test_gradients_of_layers_are_those_of_their_sums() -> None:
    """Against automatic differentiation."""
    network = network_from_bytes(known_models.upsampled(np.random.default_rng(5)), "m.tflite")
    for operator in network.operators:
        if isinstance(operator, Weighted):
            shape = network.tensors[operator.inputs[0]].shape
            centred = torch.randn(2, *shape, dtype=torch.float64, requires_grad=True)
            weights = torch.tensor(operator.weights, dtype=torch.float64, requires_grad=True)
            ordered = weights.permute(0, 3, 1, 2) if weights.dim() == 4 else weights
            zero = torch.zeros(operator.out_channels, dtype=torch.float64)
            total = sum_of_products(operator, centred, ordered, zero).reshape(
                2, *network.tensors[operator.output].shape
            )
            gradient = torch.randn_like(total)
            total.backward(gradient)
            by_input, by_weight = sum_gradients(
                gradient, centred.detach(), weights.detach(), operator, needs_input=True
            )
            assert by_input is not None
            torch.testing.assert_close(by_input, centred.grad)
            torch.testing.assert_close(by_weight, weights.grad)


def test_the_twin_is_the_executor(network: QuantizedNetwork) -> None:
    x = random_inputs(network.tensors[network.inputs[0]].shape, 8)
    for design in (network, narrowed(network, Method.ABSORB)):
        twin = RescaleAwareTwin(design, learn_scales=design is network)
        exact = IntegerExecutor(design).outputs(x)[0]
        index = design.outputs[0]
        logits = twin.integers(torch.from_numpy(x))[index]
        assert (logits.detach().numpy() == exact).all()
        logits.sum().backward()


def test_a_sum_over_axes_is_trained_and_rescaled() -> None:
    layers = Layers(np.random.default_rng(1))
    x = layers.elementwise("ADD", layers.conv(layers.input(5, 4, 3), 6), layers.constant(6))
    network = network_from_bytes(layers.content(layers.dense(layers.reduced("SUM", x, (1, 2), keep=False), 4)), "m")
    test_the_twin_is_the_executor(network)
    test_certificates_hold(network)
    test_narrowed_networks_follow_int32(network, Method.ABSORB)


def test_certificates_hold(network: QuantizedNetwork) -> None:
    (x,) = random_samples(network, 50, 3)
    for design in (network, narrowed(network, Method.ABSORB)):
        assert_certified(design, x)


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("resolver", list(PROFILES))
def test_exported_designs_are_run_as_predicted(
    model: bytes, network: QuantizedNetwork, tmp_path: Path, method: Method, resolver: str
) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    (tmp_path / "m.tflite").write_bytes(model)
    design = narrowed(network, method, 4)
    report = export_tflite(design, tmp_path / "m.tflite", tmp_path / "out.tflite", resolver)
    assert report.litert
    assert report.explained
    again = network_from_bytes((tmp_path / "out.tflite").read_bytes(), "out.tflite")
    for index, values in design.constants.items():
        assert (again.constants[index] == values).all()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("name", "operators", "constants"), [("mcunetv2_large", 161, 26), ("detection_fpn", 75, 0)])
def test_published_models_are_exact(name: str, operators: int, constants: int, profile: str) -> None:
    """Squeeze-and-excite with constant operands; a detector with a feature pyramid."""
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    model = path.read_bytes()
    network = network_from_bytes(model, "m", contract=profile)
    assert (len(network.operators), len(network.constants)) == (operators, constants)
    assert verify_bytes(model, "m", profile, *random_samples(network, 1, 0)).exact


def test_operators_of_constants_alone_and_shapes_that_do_not_fit_are_refused() -> None:
    layers = Layers(np.random.default_rng(0))
    layers.input(5, 4, 3)
    alone = layers.content(layers.elementwise("ADD", layers.constant(1, 2, 3), layers.constant(1, 2, 3)))
    with pytest.raises(NetworkError, match="operator 0 ADD reads constants alone"):
        network_from_bytes(alone, "m")
    layers = Layers(np.random.default_rng(0), batch=2)
    of_batch = layers.content(layers.elementwise("ADD", layers.input(4, 3), layers.constant(2, 4, 3)))
    with pytest.raises(NetworkError, match=r"has shape \[2, 4, 3\]; a batch of 1 and 2 others fit"):
        network_from_bytes(of_batch, "m")


def test_constants_of_another_shape_are_refused() -> None:
    network = network_from_bytes(known_models.constants(np.random.default_rng(5)), "m.tflite")
    index = next(iter(network.constants))
    with pytest.raises(NetworkError, match="constant 'c4' of 'm' has shape"):
        replace(network, constants={**network.constants, index: np.zeros((1, 1), np.int8)})


@pytest.mark.parametrize(
    ("kind", "shape", "arguments", "options", "said"),
    [
        ("SLICE", (2, 4, 3), ([0, 9, 0, 0], [-1, 2, -1, -1]), {}, r"makes shape \[0, 4, 3\]"),
        ("SLICE", (2, 4, 3), ([0, 0, 0], [-1, 2]), {}, "do not fit"),
        ("SLICE", (5, 4, 3), ([1, 0, 0, 0], [1, -1, -1, -1]), {}, "takes 1 samples from 1 on"),
        ("GATHER", (5, 2, 3), ([0, 7],), {"Axis": 2}, "arguments do not fit"),
        ("GATHER", (5, 4, 3), ([0],), {"Axis": 0}, "along axis 0; the batch has to stay"),
        ("TILE", (5, 4, 3), ([2, 1, 1, 1],), {}, r"repeats \[2, 1, 1, 1\] times"),
        ("TILE", (5, 4, 3), ([1, 2**14, 2**14, 1],), {}, "repeats"),
        ("REVERSE_V2", (5, 4, 3), ([0],), {}, "reverses the batch"),
        ("DEPTH_TO_SPACE", (10, 8, 1), (), {"BlockSize": 2}, "blocks of 2 do not divide 3 channels"),
        ("SPACE_TO_DEPTH", (2, 2, 12), (), {"BlockSize": 2}, r"blocks of 2 do not divide \[5, 4\]"),
        ("RESIZE_NEAREST_NEIGHBOR", (5, 4, 3), ([0, 4],), {}, r"resizes to \[0, 4\]"),
        ("RESIZE_NEAREST_NEIGHBOR", (5, 4, 3), ([2**14, 2**14],), {}, "makes shape"),
        ("RESIZE_NEAREST_NEIGHBOR", (15, 372827, 3), ([15, 372827],), {}, "move more than"),
        ("RESIZE_BILINEAR", (5, 4, 3), ([5, 0],), {}, r"to \[5, 0\]; use 1 to 16384"),
        ("RESIZE_BILINEAR", (9, 9, 3), ([9, 9],), {"AlignCorners": 1, "HalfPixelCenters": 1}, "use one of them"),
        ("STRIDED_SLICE", (4, 4, 3), ([1, 0], [2, 4], [1, 0]), {}, "do not fit"),
        ("STRIDED_SLICE", (5, 4, 3), ([0], [1], [1]), {"NewAxisMask": 1}, "new dimensions"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    kind: str, shape: tuple[int, ...], arguments: tuple[list[int], ...], options: dict[str, int], said: str
) -> None:
    layers = Layers(np.random.default_rng(0))
    output = layers.rearranged(kind, layers.input(5, 4, 3), shape, *arguments, **options)
    with pytest.raises(NetworkError, match=f"operator 0 {kind}.*{said}"):
        network_from_bytes(layers.content(output), "m")


def test_extrema_of_different_scales_are_refused() -> None:
    layers = Layers(np.random.default_rng(0))
    output = layers.extremum("MAXIMUM", layers.input(5, 4, 3), layers.input(5, 4, 3))
    with pytest.raises(NetworkError, match="operator 0 MAXIMUM only moves integers, but its scales"):
        network_from_bytes(layers.content(output), "m")


def test_functions_whose_outputs_runtimes_fix_are_refused_elsewhere() -> None:
    layers = Layers(np.random.default_rng(0))
    output = layers.function("TANH", layers.input(5, 4, 3))
    layers.writer.tensors[output].scales = [0.1]
    with pytest.raises(NetworkError, match="operator 0 TANH has an output of scale"):
        network_from_bytes(layers.content(layers.reshape(output, 60)), "m")
