"""Exported files hold the design, LiteRT runs them as predicted, and every residual has its reason."""

import re
from dataclasses import replace
from pathlib import Path

import known_models
import numpy as np
import pytest
import tflite
import torch
from random_layers import RELU, RELU6, Layers

from nets.errors import NetworkError
from nets.execute.accumulation import accumulator
from nets.execute.executor import IntegerExecutor
from nets.execute.torch_kernels import kernel
from nets.importers import read_graph
from nets.importers.tflite import load_tflite, network_from_bytes
from nets.narrow import Calibration
from nets.narrow.activations import between_tensors
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.network.contracts import contract_named
from nets.network.operators import Convolution, ElementwiseSum, Method, Requantize, Weighted
from nets.network.profiles import PROFILES
from nets.network.quantized_network import QuantizedNetwork
from nets.network.rescaler import rescaler_from_scale
from nets.oracle.export import check_same_clamps, export_tflite
from nets.oracle.patch import patched
from nets.oracle.residuals import OperatorResidual, explain
from nets.oracle.verify import random_samples

MODELS = Path(__file__).parents[3] / "shared" / "data" / "models"


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "original.tflite"
    path.write_bytes(known_models.residual(np.random.default_rng(6)))
    return path


def narrowed(network: QuantizedNetwork, bits: int, method: Method) -> QuantizedNetwork:
    return narrow(
        network, {op.name: RescalerChoice(bits, method) for op in network.operators if isinstance(op, Weighted)}
    )


@pytest.mark.parametrize("resolver", list(PROFILES))
@pytest.mark.parametrize(("bits", "method"), [(31, "round"), (8, "round"), (3, "round"), (4, "absorb"), (1, "absorb")])
def test_residuals_are_explained(original: Path, tmp_path: Path, bits: int, method: str, resolver: str) -> None:
    design = narrowed(load_tflite(original), bits, Method(method))
    report = export_tflite(design, original, tmp_path / "out.tflite", resolver)
    assert report.explained
    assert [op.operator for op in report.operators] == [op.name for op in design.operators]
    for operator in report.operators:
        assert operator.differences == operator.ties + operator.double_roundings + operator.scale_errors
        assert operator.largest <= 1


@pytest.mark.parametrize("bits", [4, 31])
def test_the_file_holds_the_design(original: Path, tmp_path: Path, bits: int) -> None:
    design = narrowed(load_tflite(original), bits, Method.ABSORB)
    export_tflite(design, original, tmp_path / "out.tflite", "litert_ref")
    again = load_tflite(tmp_path / "out.tflite")
    for ours, theirs in zip(design.operators, again.operators, strict=True):
        if isinstance(ours, Weighted) and isinstance(theirs, Weighted):
            assert np.array_equal(ours.weights, theirs.weights)
            assert np.array_equal(ours.bias, theirs.bias)
            # float32 scales carry 24 bits.
            assert np.allclose(ours.rescaler.scale, theirs.rescaler.scale, rtol=2.0**-22, atol=0)


@pytest.mark.parametrize("resolver", list(PROFILES))
def test_layers_without_a_bias_get_one(tmp_path: Path, resolver: str) -> None:
    layers = Layers(np.random.default_rng(5))
    x = layers.transposed(layers.conv(layers.input(6, 6, 3), 4, bias=False), 4, bias=False)
    x = layers.conv(layers.pool("AVERAGE", x), 5, bias=True)
    content = layers.content(layers.dense(x, 6, bias=False))
    path, out = tmp_path / "m.tflite", tmp_path / "out.tflite"
    path.write_bytes(content)
    network = load_tflite(path)
    choices = {op.name: RescalerChoice(1, Method.ABSORB) for op in network.narrowable_operators()}
    design = Calibration(network, *random_samples(network, 32, 1)).narrow(network, choices)
    report = export_tflite(design, path, out, resolver)
    assert report.explained
    again, before = load_tflite(out), read_graph(content, "m")
    for ours in design.operators:
        if isinstance(ours, Weighted):
            theirs = again.operator(ours.name)
            assert isinstance(theirs, Weighted)
            assert ours.bias.any()
            assert np.array_equal(ours.weights, theirs.weights)
            assert np.array_equal(ours.bias, theirs.bias)
    written = out.read_bytes()
    after = read_graph(written, "m")
    assert len(after.tensors) == len(before.tensors) + 3
    for old, new in zip(before.tensors, after.tensors, strict=False):
        assert (old.name, old.shape, old.type_name) == (new.name.split("] ")[-1], new.shape, new.type_name)
    model = tflite.Model.GetRootAs(written, 0)
    for buffer in (model.Buffers(at) for at in range(model.BuffersLength())):
        data = buffer.DataAsNumpy()
        assert isinstance(data, int) or (data.__array_interface__["data"][0] - _address(written)) % 16 == 0
    assert len(patched(design, written, "m")) - len(written) < len(written) // 4  # a second time nothing is added


def _address(content: bytes) -> int:
    return int(np.frombuffer(content, np.uint8).__array_interface__["data"][0])


def test_names_say_what_rescaler_a_layer_has(original: Path) -> None:
    network = load_tflite(original)
    choices = {
        op.name: RescalerChoice(1, Method.ABSORB, at % 3) if isinstance(op, Weighted) else RescalerChoice(4)
        for at, op in enumerate(network.narrowable_operators())
    }
    design = narrow(network, choices)
    before, after = (
        read_graph(content, "m") for content in (original.read_bytes(), patched(design, original.read_bytes(), "m"))
    )
    renamed = {
        old.name: new.name for old, new in zip(before.tensors, after.tensors, strict=True) if old.name != new.name
    }
    inside = [op for op in design.narrowable_operators() if isinstance(op, Weighted) or op.output not in design.outputs]
    assert len(renamed) == len(inside)
    note = r"\[k=[14], (constant shift -?\d+|shifts -?\d+ to -?\d+ \([1-9]-bit window\))\] "
    assert all(re.fullmatch(note + re.escape(old), new) for old, new in renamed.items())
    assert any("constant" in new for new in renamed.values())
    ends = {*design.inputs, *design.outputs}
    assert not {design.tensors[index].name for index in ends} & set(renamed)  # what users address keeps its name
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert (old.shape, old.type_name) == (new.shape, new.type_name)


def test_a_design_of_a_design_has_one_note(original: Path) -> None:
    def weight_names(content: bytes) -> list[str]:
        return [tensor.name for tensor in read_graph(content, "m").tensors if "[k=" in tensor.name]

    first = patched(narrowed(load_tflite(original), 4, Method.ROUND), original.read_bytes(), "m")
    second = patched(narrowed(network_from_bytes(first, "m"), 2, Method.ROUND), first, "m")
    assert weight_names(second)
    assert all(name.count("[k=") == 1 for name in weight_names(second))
    assert any("[k=2" in name for name in weight_names(second))


def test_an_unchanged_network_leaves_the_file_as_it_was(original: Path) -> None:
    network = load_tflite(original)
    before, after = (network_from_bytes(c, "m", contract="litert_ref") for c in (
        original.read_bytes(), patched(network, original.read_bytes(), "m")
    ))  # fmt: skip
    for ours, theirs in zip(before.operators, after.operators, strict=True):
        if isinstance(ours, Weighted) and isinstance(theirs, Weighted):
            assert np.array_equal(ours.weights, theirs.weights)
            assert np.allclose(ours.weight_scale, theirs.weight_scale, rtol=2.0**-22, atol=0)


def test_an_activation_that_ended_with_int8_becomes_one_without_that_end() -> None:
    """RELU6 of a finer scale ends where int8 ends; with a coarser scale, the design's end is still that of int8."""
    layers = Layers(np.random.default_rng(2))
    ends, inside = (layers.conv(layers.input(4, 4, 3), 4, activation=RELU6) for _ in range(2))
    for index, step in ((ends, 6 / 255), (inside, 10 / 255)):
        layers.writer.tensors[index].scales, layers.writer.tensors[index].zero_points = [step], [-128]
    content = layers.content(ends, inside)
    network = network_from_bytes(content, "m")
    coarser = {at: replace(network.tensors[at], scale=1.5 * network.tensors[at].scale) for at in network.outputs}
    design = between_tensors(network, network.with_tensors(coarser))
    clamps = [(each.q_min, each.q_max) for each in design.operators if isinstance(each, Convolution)]
    assert clamps == [(-128, 127), (-128, 102 - 128)]  # 6 is 102 steps of 15 / 255
    check_same_clamps(design, network_from_bytes(patched(design, content, "m"), "m"))
    again = read_graph(patched(design, content, "m"), "m").operators
    kept = [operator.options(tflite.Conv2DOptions).FusedActivationFunction() for operator in again]
    assert kept == [RELU, RELU6]


@pytest.mark.parametrize("resolver", list(PROFILES))
def test_a_clamp_of_its_own_becomes_one_without_that_end(tmp_path: Path, resolver: str) -> None:
    layers = Layers(np.random.default_rng(2))
    ends, inside = (layers.requantize("RELU6", layers.conv(layers.input(4, 4, 3), 4)) for _ in range(2))
    for index, step in ((ends, 6 / 255), (inside, 10 / 255)):
        layers.writer.tensors[index].scales, layers.writer.tensors[index].zero_points = [step], [-128]
    path = tmp_path / "m.tflite"
    path.write_bytes(layers.content(layers.pad(ends, (1, 1), (0, 0), (0, 0)), inside))
    network = load_tflite(path)
    coarser = {at: replace(network.tensors[at], scale=1.5 * network.tensors[at].scale) for at in network.outputs}
    design = between_tensors(network, network.with_tensors(coarser | {
        op.output: replace(network.tensors[op.output], scale=1.5 * network.tensors[op.output].scale)
        for op in network.operators if isinstance(op, Requantize)
    }))  # fmt: skip
    assert export_tflite(design, path, tmp_path / "out.tflite", resolver).explained
    again = read_graph((tmp_path / "out.tflite").read_bytes(), "m").operators
    assert [raw.kind for raw in again if raw.kind.startswith("RELU")] == ["RELU", "RELU6"]


def test_a_narrow_add_is_a_scale_error(original: Path, tmp_path: Path) -> None:
    network = load_tflite(original)
    add = next(op for op in network.operators if isinstance(op, ElementwiseSum))
    design = narrow(network, {add.name: RescalerChoice(3)})
    for resolver in PROFILES:
        report = export_tflite(design, original, tmp_path / "out.tflite", resolver)
        residual = next(op for op in report.operators if op.operator == add.name)
        assert residual.scale_errors > 0
        assert report.explained


def explained(design: QuantizedNetwork, runtime: QuantizedNetwork, inputs: list[torch.Tensor]) -> OperatorResidual:
    """Returns the residual of the first operator, run by torch."""
    ours, theirs = (kernel(each.operators[0], each)(inputs).numpy() for each in (design, runtime))
    return explain(design, runtime, 0, inputs, (ours, theirs))


def test_other_weights_are_not_explained_away(original: Path) -> None:
    """The classification can fail: a difference that no rounding makes is unexplained."""
    network = load_tflite(original)
    operator = network.operators[0]
    assert isinstance(operator, Convolution)
    damaged = network.with_operators({operator.name: replace(operator, bias=operator.bias + 500)})
    inputs = [torch.from_numpy(x) for x in random_samples(network, 4, 0)]
    residual = explained(network, damaged, inputs)
    assert residual.differences > 0
    assert residual.unexplained == residual.differences


def test_ties_and_double_roundings_are_told_apart() -> None:
    network = network_from_bytes(known_models.residual(np.random.default_rng(6)), "m")
    operator = network.operators[0]
    assert isinstance(operator, Convolution)
    inputs = [torch.from_numpy(x) for x in random_samples(network, 16, 0)]
    halves = rescaler_from_scale(np.full(operator.out_channels, 2.0**-9), 1, contract_named("half_up"))
    shift = network.with_operators({operator.name: replace(operator, rescaler=halves)})
    other = replace(halves, contract=contract_named("half_away"))
    residual = explained(shift, shift.with_operators({operator.name: replace(operator, rescaler=other)}), inputs)
    changed = shift.operators[0]
    assert isinstance(changed, Convolution)
    acc = accumulator(changed, shift)(inputs).numpy()
    rounded = (acc + 256 >> 9) + network.tensors[operator.output].zero_point
    inside = (rounded >= operator.q_min) & (rounded - 1 <= operator.q_max) & (rounded - 1 >= operator.q_min)
    expected = int(((acc % 512 == 256) & (acc < 0) & inside & (rounded <= operator.q_max)).sum())
    assert residual.ties == residual.differences == expected


def test_a_network_of_another_file_is_refused(original: Path, tmp_path: Path) -> None:
    other = network_from_bytes(known_models.streaming_wakeword(np.random.default_rng(0)), "other")
    with pytest.raises(NetworkError, match=r"in this file|not imported|do not fit"):
        export_tflite(other, original, tmp_path / "out.tflite", "litert_ref")
    assert not (tmp_path / "out.tflite").exists()


def test_the_resolver_is_named(original: Path, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="'half_up' is no profile of a LiteRT resolver"):
        export_tflite(load_tflite(original), original, tmp_path / "out.tflite", "half_up")


@pytest.mark.parametrize("resolver", list(PROFILES))
@pytest.mark.parametrize("name", ["kws_ref_model", "pretrainedResnet_quant"])
def test_published_models(name: str, resolver: str, tmp_path: Path) -> None:
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    design = narrowed(load_tflite(path), 2, Method.ABSORB)
    samples = random_samples(design, 3, 1)
    report = export_tflite(design, path, tmp_path / "out.tflite", resolver, *samples)
    assert report.explained
    runtime = IntegerExecutor(load_tflite(tmp_path / "out.tflite", contract=resolver)).outputs(*samples)
    ours = IntegerExecutor(design).outputs(*samples)
    assert report.outputs_differing == np.mean(ours[0] != runtime[0])
