"""Where a network ends: post-processing left out, cuts, inspection of what cannot be imported."""

import json
from dataclasses import replace
from pathlib import Path

import known_models
import numpy as np
import pytest
import typer
from random_layers import Layers
from typer.testing import CliRunner

from dse.cli.inspect import inspect
from dse.cli.narrow import narrow
from dse.cli.networks import verify
from dse.study.members import NetworkSpec
from dse.study.prepared import _imported as imported_baselines
from nets.errors import NetworkError
from nets.execute import IntegerExecutor
from nets.importers import inspect_model, network_from_bytes
from nets.network import PROFILES, Convolution, QuantizedNetwork, operator_digest
from nets.oracle.export import export_tflite
from nets.oracle.patch import patched
from nets.oracle.verify import random_samples, verify_bytes

app = typer.Typer()
for command in (inspect, verify, narrow):
    app.command()(command)
runner = CliRunner()


def names(network: QuantizedNetwork) -> list[str]:
    return [operator.name for operator in network.operators]


def ends(network: QuantizedNetwork) -> list[str]:
    return [network.tensors[index].name for index in network.outputs]


@pytest.fixture
def residual() -> bytes:
    return known_models.residual(np.random.default_rng(1))


def test_post_processing_is_left_out_with_a_warning() -> None:
    content = known_models.post_processed(np.random.default_rng(0))
    with pytest.warns(UserWarning, match=r"^m: the network ends at .*left out: .*1 ARG_MAX, 1 CUSTOM ''$") as caught:
        network = network_from_bytes(content, "m")
    assert len(caught) == 1
    assert names(network) == ["conv_0", "conv_1", "reshape_2", "conv_3", "reshape_4"]  # nor the LOGISTIC of the scores
    assert [network.tensors[index].shape for index in network.outputs] == [(144,), (72,)]


def test_outputs_that_do_not_exist_are_refused() -> None:
    layers = Layers(np.random.default_rng(0))
    x = layers.conv(layers.input(4, 4, 3), 4)
    layers.writer.operator("ARG_MAX", [x, layers.writer.constant(np.array(3), "INT32")], [layers.writer.integers((1,))])
    content = layers.content(layers.writer.operators[-1].outputs[0], 99)
    with pytest.raises(NetworkError, match=r"^m: the graph refers to tensor 99; the file has 6 tensors"):
        network_from_bytes(content, "m")


def test_the_end_of_a_classifier_gives_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    for make in (known_models.float_borders, known_models.streaming_wakeword, known_models.byte_borders):
        network_from_bytes(make(np.random.default_rng(0)), "m")
    assert not recwarn.list


def test_a_function_that_others_read_too_stays() -> None:
    layers = Layers(np.random.default_rng(0))
    x = layers.conv(layers.input(4, 4, 3), 4)
    gate = layers.logistic(x)
    network = network_from_bytes(layers.content(gate, layers.elementwise("MUL", x, gate)), "m")
    assert names(network) == ["conv_0", "logistic_1", "mul_2"]


def test_operators_that_no_output_needs_are_not_imported() -> None:
    layers = Layers(np.random.default_rng(0))
    x = layers.conv(layers.input(4, 4, 3), 4)
    layers.writer.operator("SIN", [x], [layers.writer.activation((1, 4, 4, 4), 0.1, 0)])
    assert names(network_from_bytes(layers.content(x), "m")) == ["conv_0"]


@pytest.mark.parametrize("float_weights", [False, True])
def test_a_float_part_with_weights_is_refused_with_a_cut(float_weights: bool) -> None:
    layers = Layers(np.random.default_rng(0))
    writer = layers.writer
    x = layers.conv(layers.input(4, 4, 3), 4)
    real = writer.activation((1, 4, 4, 4), 0.0, 0, "FLOAT32")
    writer.operator("DEQUANTIZE", [x], [real])
    if float_weights:
        weights = writer.constant(np.ones((2, 64)), "FLOAT32")
        out = writer.activation((1, 2), 0.0, 0, "FLOAT32")
        writer.operator("FULLY_CONNECTED", [real, weights], [out], "FullyConnectedOptions")
    else:
        squared, back = writer.activation((1, 4, 4, 4), 0.0, 0, "FLOAT32"), writer.activation((1, 4, 4, 4), 0.1, 0)
        writer.operator("MUL", [real, real], [squared], "MulOptions")
        writer.operator("QUANTIZE", [squared], [back])
        out = layers.conv(back, 2)
    content = layers.content(out)
    said = rf"operator 1 DEQUANTIZE ends the integers, but 1 \w+ lie behind it; cut before them, .*\(--cut {x}\)"
    with pytest.raises(NetworkError, match=said):
        network_from_bytes(content, "m")
    assert names(network_from_bytes(content, "m", cut=(x,))) == ["conv_0"]


@pytest.mark.parametrize("profile", PROFILES)
def test_quantization_changed_in_float_is_one_operator(profile: str) -> None:
    content = known_models.through_float(np.random.default_rng(0))
    network = network_from_bytes(content, "m", contract=profile)
    assert names(network) == ["conv_0", "requantize_2", "reshape_3", "fc_4"]
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    assert verify_bytes(content, "m", profile, *random_samples(network, 50, 0)).exact


def test_a_cut_network_is_the_beginning_of_the_whole_one(residual: bytes) -> None:
    whole = network_from_bytes(residual, "m")
    at = whole.operator("mul_6").output
    spec = whole.tensors[at]
    for cut in (spec.name, str(spec.file_index), spec.file_index):
        network = network_from_bytes(residual, "m", cut=(cut,))
        assert names(network) == names(whole)[:7]
        assert ends(network) == [spec.name]
    samples = random_samples(whole, 3, 0)
    assert np.array_equal(IntegerExecutor(network).outputs(*samples)[0], IntegerExecutor(whole).tensors(*samples)[at])


def test_several_cuts_keep_what_each_needs(residual: bytes) -> None:
    whole = network_from_bytes(residual, "m")
    first, second = (whole.tensors[whole.operator(name).output].name for name in ("conv_0", "pad_1"))
    network = network_from_bytes(residual, "m", cut=(second, first, second))
    assert (names(network), ends(network)) == (["conv_0", "pad_1"], [second, first])


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        ("t31x", r"cut: 't31x' is no tensor; give a name, or an index from 0 to 31; similar names: 't31'"),
        ("999", "cut: '999' is no tensor"),
        ("\u00b2", "cut: '.' is no tensor"),
        (-1, "cut: '-1' is no tensor"),
        ("t0", "cut: tensor 0 't0' is an input or a constant"),
        (1, "cut: tensor 1 'c1' is an input or a constant"),
    ],
)
def test_cuts_that_name_no_result_are_refused(residual: bytes, cut: str | int, said: str) -> None:
    with pytest.raises(NetworkError, match=f"^m: {said}"):
        network_from_bytes(residual, "m", cut=(cut,))


def test_names_that_tensors_share_need_an_index(residual: bytes) -> None:
    shared = residual.replace(b"t4\0", b"t3\0")
    assert shared != residual
    with pytest.raises(NetworkError, match="several tensors are called 't3': 3, 4; give an index"):
        network_from_bytes(shared, "m", cut=("t3",))
    assert len(network_from_bytes(shared, "m", cut=("4",)).outputs) == 1


def test_a_cut_design_is_patched_into_the_whole_file(residual: bytes, tmp_path: Path) -> None:
    """What lies behind the cut keeps its bytes, and LiteRT is compared on the network alone."""
    network = network_from_bytes(residual, "m", cut=("t3",))
    conv = network.operators[0]
    assert isinstance(conv, Convolution)
    halved = replace(conv, weights=conv.weights // 2)
    whole, again = (
        network_from_bytes(each, "m")
        for each in (residual, patched(network.with_operators({conv.name: halved}), residual, "m"))
    )
    for ours, theirs in zip(whole.operators, again.operators, strict=True):
        same = operator_digest(ours) == operator_digest(theirs)
        assert same == (ours.name != conv.name)
    assert np.array_equal(again.operator(conv.name).weights, halved.weights)
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    (tmp_path / "m.tflite").write_bytes(residual)
    report = export_tflite(network, tmp_path / "m.tflite", tmp_path / "out.tflite", "litert_ref")
    assert (report.litert, len(report.operators)) == (True, len(network.operators))


def test_verify_and_narrow_take_cuts(residual: bytes, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    model, out = tmp_path / "m.tflite", tmp_path / "narrow.tflite"
    model.write_bytes(residual)
    checked = runner.invoke(app, ["verify", str(model), "--samples", "2", "--cut", "t3", "--json"])
    assert checked.exit_code == 0, checked.output
    assert [len(report["tensors"]) for report in json.loads(checked.stdout)] == [1, 1]
    made = runner.invoke(app, ["narrow", str(model), "--out", str(out), "--cut", "t3", "--calibrate", "0", "--json"])
    assert made.exit_code == 0, made.output
    assert [layer["name"] for layer in json.loads(made.stdout)["layers"]] == ["conv_0"]


def broken() -> bytes:
    layers = Layers(np.random.default_rng(0))
    writer = layers.writer
    x = layers.conv(layers.input(6, 6, 3), 4)
    for _ in range(2):
        sine = writer.activation((1, 6, 6, 4), 0.1, 0)
        writer.operator("SIN", [x], [sine])
        x = layers.conv(sine, 4, bias=False)
    return layers.content(layers.concatenate([x, layers.input(6, 6, 2)], 3))


def test_inspection_of_a_model_that_cannot_be_imported(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(broken())
    facts = inspect_model(path)
    assert not facts.importable
    assert facts.refusal is None
    assert [(each.kind, each.count, each.first) for each in facts.blockers] == [("SIN", 2, 1), ("CONCATENATION", 1, 5)]
    assert "scales, zero points" in facts.blockers[1].reason or "scales or zero points" in facts.blockers[1].reason
    assert (facts.rescalers, facts.rescaler_channels) == (3, 12)
    assert facts.parameters == 4 * 9 * 3 + 4 + 2 * 4 * 9 * 4
    assert facts.weight_bytes == facts.parameters + 3 * 4  # a bias of int32
    assert facts.macs == 36 * 4 * 9 * (3 + 4 + 4)
    assert facts.advice is not None
    assert "--cut 3)" in facts.advice
    assert inspect_model(path, cut=("3",)).importable
    with pytest.raises(NetworkError, match=r"^m\.tflite: cut: 'no' is no tensor"):
        inspect_model(path, cut=("no",))


def test_inspection_agrees_with_the_import(residual: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(residual)
    facts, network = inspect_model(path), network_from_bytes(residual, "m")
    assert facts.importable
    assert sum(kind.imported for kind in facts.kinds) == len(network.operators)
    assert facts.rescalers == len(list(network.narrowable_operators()))
    assert [tensor.name for tensor in facts.network_outputs] == ends(network)


def test_inspection_of_post_processing_and_of_float_models(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(known_models.post_processed(np.random.default_rng(0)))
    facts = inspect_model(path)
    assert facts.importable
    assert {kind.kind: kind.left_out for kind in facts.kinds}["CUSTOM ''"] == 1
    layers = Layers(np.random.default_rng(0))
    real = layers.writer.activation((1, 4), 0.0, 0, "FLOAT32")
    layers.writer.inputs.append(real)
    layers.writer.operator("TANH", [real], [out := layers.writer.activation((1, 4), 0.0, 0, "FLOAT32")])
    path.write_bytes(layers.content(out))
    facts = inspect_model(path)
    assert (facts.importable, facts.blockers) == (False, ())
    assert facts.refusal == "tensor 0 't0' is FLOAT32; only full-integer models are supported"


def test_the_inspect_command_fits_into_80_columns(tmp_path: Path) -> None:
    path = tmp_path / "a_model_with_a_long_name.tflite"
    path.write_bytes(broken())
    shown = runner.invoke(app, ["inspect", str(path)], env={"COLUMNS": "80"})
    assert shown.exit_code == 0, shown.output
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert "cannot be imported" in shown.stdout
    assert "rescalers   3 operators, 12 channels" in shown.stdout
    document = json.loads(runner.invoke(app, ["inspect", str(path), "--json"]).stdout)
    assert document["importable"] is False
    assert document["blockers"][0]["kind"] == "SIN"


def test_a_study_s_network_ends_at_its_cut(residual: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(residual)
    spec = NetworkSpec(model=tmp_path / "m.tflite", cut=("t3", 3))
    networks, originals = imported_baselines(spec, tmp_path / "m.tflite")
    assert names(networks("floor")) == ["conv_0"] == list(originals)
    assert NetworkSpec.model_validate(spec.model_dump(mode="json")) == spec
