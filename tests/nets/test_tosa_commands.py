"""TOSA files in commands and studies, in exports, and in Vela, the compiler of Ethos-U."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from random_layers import Layers

import nets.oracle.tosa_export
from dse.errors import StudyError
from dse.export.tosa import write_tosa
from dse.narrowing import NarrowRequest, TosaFileDocument, narrow_model
from dse.study.prepared import prepare
from nets.errors import NetworkError
from nets.execute import IntegerExecutor
from nets.importers import load_tosa, network_from_bytes
from nets.narrow import RescalerChoice, narrow
from nets.network import ActivationArray, QuantizedNetwork
from nets.oracle import LostIntegersError, export_tosa, random_samples
from nets.writers import save_tflite, save_tosa
from tests.conftest import Cli
from tests.small_studies import small_spec


def small(seed: int = 3, contract: str = "half_up") -> QuantizedNetwork:
    layers = Layers(np.random.default_rng(seed))
    x = layers.conv(layers.input(6, 6, 2), 8)
    total = layers.elementwise("ADD", x, layers.depthwise(x))
    content = layers.content(layers.dense(layers.reshape(total, 288), 4))
    return network_from_bytes(content, "small.tflite", contract=contract)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_tosa(small(), tmp_path / "model.tosa", batch=2)
    return tmp_path / "model.tosa"


def test_verify_compares_every_tensor_with_the_reference_model(model: Path, cli: Cli) -> None:
    pytest.importorskip("tosa_reference_model", reason="tosa-tools is not installed")
    result = cli("verify", model, "--samples", "5", "--json")  # the file's batch is 2
    assert result.status == 0, result.err
    (report,) = json.loads(result.out)
    assert (report["runtime"], report["samples"], report["exact"]) == ("TOSA reference model", 5, True)
    assert {"conv", "depthwise", "add", "fc"} <= {check["operator"].split("_")[0] for check in report["tensors"]}
    assert all(check["elements"] for check in report["tensors"])
    assert "every integer equal" in cli("verify", model, "--samples", "2").out


def test_a_network_ends_at_a_tensor_of_the_file(model: Path, cli: Cli) -> None:
    whole = load_tosa(model)
    middle = whole.operators[1]
    name = whole.tensors[middle.output].name
    network = load_tosa(model, cut=[name])
    assert [op.name for op in network.operators] == [op.name for op in whole.operators[:2]]
    samples = random_samples(network, 4, 0)
    wanted = IntegerExecutor(whole).tensors(*samples)[middle.output]
    assert np.array_equal(IntegerExecutor(network).outputs(*samples)[0], wanted)
    shown = cli("inspect", model, "--cut", name, "--json")
    assert shown.status == 0, shown.err
    facts = json.loads(shown.out)
    assert facts["importable"]
    assert facts["rescalers"] == 2
    assert [each["name"] for each in facts["network_outputs"]] == [name]
    assert "can be imported" in cli("inspect", model).out
    refused = cli("verify", model, "--cut", "nothing")
    assert refused.status == 2
    assert "cut: 'nothing' is no tensor" in refused.err
    pytest.importorskip("tosa_reference_model", reason="tosa-tools is not installed")
    (report,) = json.loads(cli("verify", model, "--samples", "4", "--cut", name, "--json").out)
    assert report["exact"]
    assert len(report["tensors"]) == 2


def test_verify_finds_a_differing_integer(model: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = IntegerExecutor.tensors

    def wrong(executor: IntegerExecutor, *inputs: ActivationArray) -> dict[int, ActivationArray]:
        tensors = honest(executor, *inputs)
        last = executor.network.operators[-1].output
        tensors[last] = tensors[last] ^ 1
        return tensors

    pytest.importorskip("tosa_reference_model", reason="tosa-tools is not installed")
    monkeypatch.setattr(IntegerExecutor, "tensors", wrong)
    result = cli("verify", model, "--samples", "2")
    assert result.status == 1
    assert "DIFFERENCES" in result.out


def test_a_design_is_narrowed_from_and_to_tosa(model: Path, tmp_path: Path) -> None:
    wanted = NarrowRequest(model=model, out=tmp_path / "narrow.tosa", multiplier_bits=2, calibrate=8)
    file = narrow_model(wanted).file
    assert isinstance(file, TosaFileDocument)
    assert file.sound
    read = load_tosa(tmp_path / "narrow.tosa")
    assert {operator.rescaler.multiplier_bits for operator in read.narrowable_operators()} <= {1, 2}


def test_a_file_that_computes_other_integers_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, other = small(), small(4)
    monkeypatch.setattr(nets.oracle.tosa_export, "tosa_network", lambda *_: other)
    with pytest.raises(LostIntegersError, match="read again, computes other integers"):
        export_tosa(network, tmp_path / "model.tosa", *random_samples(network, 4, 0))
    assert list(tmp_path.iterdir()) == []


def test_an_export_has_a_tosa_file_or_says_why_not(tmp_path: Path) -> None:
    network = small()
    design = narrow(network, {op.name: RescalerChoice(1) for op in network.narrowable_operators()})
    (samples,) = random_samples(design, 3, 1)
    document = write_tosa(design, samples, tmp_path)
    assert (document.file, document.samples, document.refused) == ("model.tosa", 3, None)
    expected = IntegerExecutor(design).outputs(samples)
    np.testing.assert_array_equal(IntegerExecutor(load_tosa(tmp_path / "model.tosa")).outputs(samples), expected)
    floor = write_tosa(small(contract="floor"), samples, tmp_path / "none")
    assert floor.file is None
    assert str(floor.refused).startswith("conv_0 rounds by contract floor")
    assert not (tmp_path / "none").exists()


def test_a_study_takes_a_tosa_model_for_what_needs_no_scales(model: Path, tmp_path: Path) -> None:
    inputs = random_samples(small(), 120, 1)[0]
    labels = IntegerExecutor(small()).outputs(inputs)[0].reshape(120, -1).argmax(axis=1)
    np.savez(tmp_path / "samples.npz", x=inputs, y=labels)

    def study(finetune: str, **data: object) -> object:
        parts = {"finetune": 0.3, "validation": 0.4, "test": 0.3, **data}
        return prepare(
            small_spec(network={"model": str(model)}, data=parts, fidelity__finetune=finetune)
        ).baseline_val_accuracy

    samples = {"samples": str(tmp_path / "samples.npz")}
    assert study("none", **samples) == 100
    with pytest.raises(StudyError, match=r"model\.tosa: TOSA states no scales .* needed for fidelity\.finetune"):
        study("short", **samples)
    with pytest.raises(StudyError, match=r"TOSA states no scales .* needed for digits: real inputs"):
        study("none", dataset="digits")


def test_what_is_missing_is_named(model: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tosa_reference_model", None)
    result = cli("verify", model)
    assert result.status == 2
    assert "tosa-tools is not installed" in result.err
    assert cli("verify", model, "--cut", "conv_0").status == 2


def test_a_file_for_vela_is_read_by_it(tmp_path: Path) -> None:
    """Vela puts every operator of a narrowed design on the NPU, from .tosa and from .tflite."""
    pytest.importorskip("ethosu.vela", reason="ethos-u-vela is not installed")
    network = small()
    design = narrow(network, {op.name: RescalerChoice(3) for op in network.narrowable_operators()})
    save_tosa(design, tmp_path / "design.tosa")
    assert "CPU operators = 0 (0.0%)" in vela(tmp_path, "design.tosa", "ethos-u85-256")
    save_tflite(design, tmp_path / "design.tflite")
    assert "CPU operators = 0 (0.0%)" in vela(tmp_path, "design.tflite", "ethos-u55-128")


def vela(folder: Path, name: str, accelerator: str) -> str:
    command = [sys.executable, "-m", "ethosu.vela", name, "--accelerator-config", accelerator]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_a_batch_that_is_not_the_files_is_refused(model: Path) -> None:
    with pytest.raises(NetworkError, match="input 'input_0' takes int8"):
        IntegerExecutor(load_tosa(model)).outputs(np.zeros((2, 5, 6, 2), np.int8))
