"""Export of a design whose network came from a .tflite file."""

import importlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dse.design import share_interval
from dse.errors import StudyError
from dse.export import DesignDocument, export_design
from dse.export.render import readme
from dse.export.tflite import write_models
from dse.export.units import units_of
from dse.export.vectors import vectors_of
from dse.formats import MINUS
from dse.run import run_study
from dse.store.collection import results_of
from dse.store.run_folder import RunFolder
from dse.study.loading import load_study
from nets.importers.formats import MODEL_FORMATS
from nets.importers.tflite import load_tflite, network_from_bytes
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.network.operators import ElementwiseProduct, ElementwiseSum, FullyConnected, Method, Weighted
from nets.network.profiles import PROFILES
from nets.network.quantized_network import QuantizedNetwork
from tests.small_studies import write_study

NETS_TESTS = Path(__file__).parents[1] / "nets"  # whose writer makes the model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(NETS_TESTS))
        known_models = importlib.import_module("known_models")
    path = tmp_path_factory.mktemp("model") / "wakeword.tflite"
    path.write_bytes(known_models.streaming_wakeword(np.random.default_rng(3)))
    return path


@pytest.fixture(scope="session")
def run(model: Path) -> RunFolder:
    shape = load_tflite(model).tensors[load_tflite(model).inputs[0]].shape
    rng = np.random.default_rng(0)
    np.savez(model.parent / "samples.npz", x=rng.integers(-128, 128, (60, *shape), dtype=np.int8))
    study = write_study(
        model.parent,
        network={"model": str(model)},
        data={"samples": str(model.parent / "samples.npz"), "finetune": 0.3, "validation": 0.4, "test": 0.3},
        fidelity__finetune="none",
        search__trials=5,
        search__objectives=["val_disagreement_pp", "rescaler_area_um2", "rescaler_energy_nj"],
    )
    run_study(load_study(study), RunFolder(model.parent / "run"))
    return RunFolder(model.parent / "run")


@pytest.fixture(scope="session")
def absorbing(run: RunFolder) -> int:
    """A trial whose weights took up the ratio."""
    trials = results_of(run).trials
    return int(trials.loc[trials["role"] == "uniform_absorb", "trial"].iloc[0])


@pytest.fixture(scope="session")
def exported(run: RunFolder, absorbing: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_design(run.path, absorbing, tmp_path_factory.mktemp("out") / "design", rows=40, samples=6).parent


def test_a_file_per_resolver_with_every_difference_explained(exported: Path) -> None:
    document = DesignDocument.model_validate_json((exported / "design.json").read_text(encoding="utf-8"))
    assert [model.resolver for model in document.tflite] == list(PROFILES)
    for model_document in document.tflite:
        assert model_document.refused is None
        assert model_document.explained
        assert model_document.litert_equals_prediction is not False
        assert model_document.explained_samples == 6
        assert model_document.samples == 24  # the whole validation split
        assert model_document.agreement is not None
        low, high = share_interval(round(24 * model_document.agreement), 24)
        assert (model_document.agreement_low, model_document.agreement_high) == (low / 100, high / 100)
        assert document.files[str(model_document.file)] == model_document.sha256
        assert sum(op.unexplained for op in model_document.operators) == 0


def test_files_hold_the_narrowed_integers(exported: Path, model: Path) -> None:
    original, narrow = load_tflite(model), load_tflite(exported / "model.litert_ref.tflite")
    document = DesignDocument.model_validate_json((exported / "design.json").read_text(encoding="utf-8"))
    absorbing = [rescaler for rescaler in document.rescalers if rescaler.method == "absorb"]
    for rescaler in document.rescalers:
        ours = narrow.operator(rescaler.name)
        assert rescaler.bias is not None
        assert rescaler.folded == (rescaler.stages[-1].multiplier_bits == 1)
        live = slice(None) if rescaler.live_channels is None else list(rescaler.live_channels)
        np.testing.assert_array_equal(ours.bias[live] + rescaler.offset, rescaler.bias)  # the file keeps its own form
    assert any(
        not np.array_equal(narrow.operator(r.name).weights, original.operator(r.name).weights) for r in absorbing
    )


def test_readme_says_how_far_the_runtime_differs(exported: Path) -> None:
    text = (exported / "README.md").read_text(encoding="utf-8")
    for resolver in PROFILES:
        assert f"`model.{resolver}.tflite`: the narrowed model" in text
    assert "Every difference is explained" in text
    assert re.search(r"On 24 validation samples \d+\.\d% \(95% interval \d+\.\d to \d+\.\d%\)", text)
    assert "On the first 6 of them" in text


def test_readme_states_the_losses_that_the_study_has(exported: Path) -> None:
    document = DesignDocument.model_validate_json((exported / "design.json").read_text(encoding="utf-8"))
    lost = document.accuracy.val_disagreement_pp
    text = (exported / "README.md").read_text(encoding="utf-8")
    assert lost is not None
    assert f"| disagreement with int32 | {lost:.3f} pp on validation, " in text
    assert f"| divergence from int32 | {document.accuracy.val_divergence:.3f} on validation, " in text
    assert "accuracy |" not in text
    of_values = {"val_disagreement_pp": None, "val_metric_loss": 1.25, "test_metric_loss": -0.5}
    interval = {"test_metric_loss_low": -0.75, "test_metric_loss_high": 0.25}
    other = document.model_copy(update={"accuracy": document.accuracy.model_copy(update=of_values | interval)})
    stated = readme(other, (), "values", 6)
    line = f"1.250% on validation, {MINUS}0.500% on test, 95% interval {MINUS}0.750 to 0.250"
    assert f"| loss of the metric against int32 | {line} |" in stated
    assert "disagreement" not in stated
    assert "same largest output" not in stated


def test_document_with_models_obeys_the_schema(exported: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    document, schema = (json.loads((exported / name).read_text()) for name in ("design.json", "design.schema.json"))
    jsonschema.validate(document, schema)


def test_a_refusal_is_reported(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(NETS_TESTS))
        other.write_bytes(importlib.import_module("known_models").residual(np.random.default_rng(0)))
    documents = write_models(load_tflite(model), other, np.zeros((1, 30, 40), np.int8), tmp_path / "out")
    assert all(document.file is None and document.refused for document in documents)
    assert list((tmp_path / "out").iterdir()) == []


def elementwise(kind: str) -> QuantizedNetwork:
    """Two convolutions joined by an elementwise operator."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(NETS_TESTS))
        layers = importlib.import_module("random_layers").Layers(np.random.default_rng(0))
    x = layers.input(6, 6, 3)
    joined = layers.elementwise(kind, layers.conv(x, 4), layers.conv(x, 4))
    return network_from_bytes(layers.content(joined), f"{kind}.tflite", contract="half_up")


@pytest.mark.parametrize("bits", [1, 4, 31])
def test_products_are_exported(bits: int) -> None:
    network = elementwise("MUL")
    product = next(op for op in network.operators if isinstance(op, ElementwiseProduct))
    network = narrow(network, {product.name: RescalerChoice(bits)})
    units = units_of(network, {})
    samples = np.random.default_rng(0).integers(-128, 128, (8, 6, 6, 3), dtype=np.int8)
    unit, rows = units[-1], vectors_of(network, units, samples, 400, 0)[product.name]
    assert (unit.name, unit.module, unit.fields) == (product.name, "rescaler" if bits == 1 else "rescaler_constant", ())
    multiplier, shift = int(unit.stages[0].multiplier[0]), int(unit.stages[0].right_shift[0])
    for operand, expected in zip(rows.operands[:, 0], rows.expected, strict=True):
        rounded = (int(operand) * multiplier + (1 << (shift - 1))) >> shift
        assert min(max(rounded + unit.zero_point, unit.q_min), unit.q_max) == expected
    assert len(set(rows.expected.tolist())) > 20


@pytest.mark.parametrize("shift_bits", [0, 2])
def test_files_of_designs_with_shift_windows_are_explained(model: Path, shift_bits: int, tmp_path: Path) -> None:
    network = load_tflite(model, contract="half_up")
    choices = {op.name: RescalerChoice(1, Method.ABSORB, shift_bits) for op in network.narrowable_operators()}
    design = narrow(network, choices)
    for unit in units_of(design, {}):
        assert unit.folded
        assert unit.workload.stages[-1].shift_bits <= shift_bits
    shape = network.tensors[network.inputs[0]].shape
    samples = np.random.default_rng(1).integers(-128, 128, (8, *shape), dtype=np.int8)
    for document in write_models(design, model, samples, tmp_path / "out"):
        assert document.refused is None
        assert document.explained
        assert document.litert_equals_prediction is not False
        assert sum(operator.unexplained for operator in document.operators) == 0


def test_a_difference_is_exported_unless_the_subtracted_input_is_multiplied() -> None:
    network = elementwise("SUB")
    difference = next(op for op in network.operators if isinstance(op, ElementwiseSum))
    scaled = float(difference.input_rescalers[1].scale[0]) != 0.5
    exchanged = replace(difference, inputs=difference.inputs[::-1], input_rescalers=difference.input_rescalers[::-1])
    multiplied, halved = (difference, exchanged) if scaled else (exchanged, difference)
    with pytest.raises(StudyError, match=rf"operator '{difference.name}': a SUB whose subtracted input has a mult"):
        units_of(network.with_operators({difference.name: multiplied}), {})
    unit = units_of(network.with_operators({difference.name: halved}), {})[-1]
    assert [each.complemented for each in unit.constants.inputs] == [False, True]


@pytest.mark.parametrize("original", [None, Path("model.other")])
def test_a_network_without_a_file_to_patch_gets_a_new_one(
    model: Path, original: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODEL_FORMATS, ".other", replace(MODEL_FORMATS[".tflite"], name="other", suffix=".other"))
    design = narrow(
        load_tflite(model), {op.name: RescalerChoice(1) for op in load_tflite(model).narrowable_operators()}
    )
    documents = write_models(design, original, np.zeros((2, 30, 40), np.int8), tmp_path)
    assert [document.resolver for document in documents] == list(PROFILES)
    for document in documents:
        assert document.explained
        assert document.litert_equals_prediction is not False
        written = load_tflite(tmp_path / str(document.file))
        for ours, theirs in zip(design.narrowable_operators(), written.narrowable_operators(), strict=True):
            assert isinstance(ours, Weighted)
            np.testing.assert_array_equal(ours.weights, theirs.weights)


def test_a_model_that_changed_since_is_noticed(run: RunFolder, absorbing: int, model: Path, tmp_path: Path) -> None:
    content = model.read_bytes()
    changed = bytearray(content)
    dense = next(op for op in load_tflite(model).operators if isinstance(op, FullyConnected))
    weights = dense.weights.tobytes()
    place = content.find(weights)
    assert place > 0
    changed[place] ^= 0x40
    model.write_bytes(changed)
    try:
        with pytest.raises(
            StudyError, match=r"network\.model: .*wakeword\.tflite changed since this run began; restore it"
        ):
            export_design(run.path, absorbing, tmp_path / "out")
    finally:
        model.write_bytes(content)
