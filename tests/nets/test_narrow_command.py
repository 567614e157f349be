"""``dse narrow``: its figures against independent ones, its file, and everything that it refuses."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from random_layers import Layers

import dse.narrowing.file
import dse.narrowing.model
from dse.narrowing import NarrowDocument, NarrowRequest, narrow_model
from dse.narrowing.comparison import score
from dse.narrowing.document import (
    CostDocument,
    FileDocument,
    LayerDocument,
    SamplesDocument,
    ScoreDocument,
    ShareDocument,
)
from dse.narrowing.samples import samples_for
from hwmodels import PresetName
from nets.execute import IntegerExecutor
from nets.importers import load_tflite
from nets.narrow import Calibration, RescalerChoice, narrow
from nets.network import Method, NarrowableOperator, QuantizedNetwork, Weighted, class_count, fingerprint
from nets.oracle import random_samples
from tests.conftest import Cli

SHARED = Path(__file__).parents[3] / "shared" / "data"
SAMPLES, SHAPE, CLASSES = 60, (8, 8, 3), 4


def residual(seed: int) -> bytes:
    """A network whose outputs depend on every layer, with an ADD."""
    layers = Layers(np.random.default_rng(seed))
    x = layers.conv(layers.input(*SHAPE), 12)
    y = layers.conv(layers.depthwise(x), 12, kernel=(1, 1))
    total = layers.elementwise("ADD", x, y)
    return layers.content(layers.softmax(layers.dense(layers.reshape(total, 8 * 8 * 12), CLASSES)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and samples whose labels are those of int32 for all but every fifth sample."""
    path = tmp_path_factory.mktemp("narrow")
    (path / "model.tflite").write_bytes(residual(20))
    network = load_tflite(path / "model.tflite")
    inputs = random_samples(network, SAMPLES, 1)[0]
    labels = predictions(network, inputs)
    labels[::5] = (labels[::5] + 1) % CLASSES
    np.savez(path / "data.npz", x=inputs, y=labels)
    np.savez(path / "unlabelled.npz", x=inputs)
    return path


def predictions(network: QuantizedNetwork, inputs: np.ndarray) -> np.ndarray:
    return IntegerExecutor(network).outputs(inputs)[0].reshape(len(inputs), -1).argmax(axis=1).astype(np.int64)


def request(folder: Path, out: Path, **changes: object) -> NarrowRequest:
    given = {"data": folder / "data.npz", "calibrate": 20, **changes}
    return NarrowRequest(model=folder / "model.tflite", out=out, **given)  # type: ignore[arg-type]


def uniform(network: QuantizedNetwork, choice: RescalerChoice) -> dict[str, RescalerChoice]:
    return {operator.name: choice for operator in network.narrowable_operators()}


@pytest.mark.parametrize("shift_bits", [None, 1])
def test_figures_are_those_of_the_design(folder: Path, tmp_path: Path, cli: Cli, shift_bits: int | None) -> None:
    """Accuracies and integers against networks that are made here, from the samples that the seed gives."""
    out = tmp_path / "out.tflite"
    window = "natural" if shift_bits is None else shift_bits
    arguments = ["--data", folder / "data.npz", "--calibrate", 20, "--shift-bits", window, "--seed", 3, "--json"]
    result = cli("narrow", folder / "model.tflite", *arguments, "--out", out)
    assert result.status == 0, result.err
    document = NarrowDocument.model_validate_json(result.out)
    assert json.loads(result.out)["design"]["drop_pp"] == list(document.design.drop_pp or ())
    network = load_tflite(folder / "model.tflite")
    choices = uniform(network, RescalerChoice(1, Method.ABSORB, shift_bits))
    samples = samples_for(request(folder, out, seed=3), network)
    design = Calibration(network, *samples.calibration, seed=3).narrow(network, choices)
    assert document.network_sha256 == fingerprint(design)
    assert samples.labels is not None
    (inputs,) = samples.test
    rights = [
        100.0 * float((predictions(each, inputs) == samples.labels).mean())
        for each in (network, narrow(network, choices), design)
    ]
    before, after = document.uncalibrated, document.design
    assert before is not None
    assert [document.int32_accuracy_percent, before.accuracy_percent, after.accuracy_percent] == rights
    assert before.drop_pp is not None
    assert before.drop_pp.value == pytest.approx(rights[0] - rights[1])
    same = 100.0 * float((predictions(design, inputs) == predictions(network, inputs)).mean())
    assert after.agreement_percent is not None
    assert after.agreement_percent.low <= after.agreement_percent.value == same <= after.agreement_percent.high
    assert (document.samples.calibration, document.samples.test, after.samples) == (20, 40, 40)
    for read, operator in zip(load_tflite(out).operators, design.operators, strict=True):
        if isinstance(operator, Weighted) and isinstance(read, Weighted):
            assert np.array_equal(read.weights, operator.weights)
            assert np.array_equal(read.bias, operator.bias)
    assert document.file.unexplained == 0


def test_calibration_never_sees_a_test_sample(folder: Path, tmp_path: Path) -> None:
    network = load_tflite(folder / "model.tflite")
    everything = np.load(folder / "data.npz")
    samples = samples_for(request(folder, tmp_path / "out.tflite"), network)
    rows = [x.tobytes() for x in (*samples.calibration[0], *samples.test[0])]
    assert sorted(rows) == sorted(x.tobytes() for x in everything["x"])
    assert len(set(rows)) == SAMPLES
    assert samples.labels is not None
    label_of = {x.tobytes(): int(y) for x, y in zip(everything["x"], everything["y"], strict=True)}
    assert [label_of[x.tobytes()] for x in samples.test[0]] == samples.labels.tolist()


def test_a_test_part_of_its_own_is_the_test(folder: Path, tmp_path: Path) -> None:
    inputs = np.load(folder / "data.npz")["x"]
    np.savez(tmp_path / "parts.npz", x_train=inputs[:30], x_test=inputs[30:])
    wanted = request(folder, tmp_path / "out.tflite", data=tmp_path / "parts.npz")
    samples = samples_for(wanted, load_tflite(wanted.model))
    assert np.array_equal(samples.test[0], inputs[30:])
    assert {x.tobytes() for x in samples.calibration[0]} < {x.tobytes() for x in inputs[:30]}


def test_layers_say_what_changed(folder: Path, tmp_path: Path) -> None:
    """Shifts, moved channels and changes of weights and biases, counted channel by channel."""
    document = narrow_model(request(folder, tmp_path / "out.tflite", shift_bits=0))
    network = load_tflite(folder / "model.tflite")
    samples = samples_for(request(folder, tmp_path / "out.tflite"), network)
    choices = uniform(network, RescalerChoice(1, Method.ABSORB, 0))
    design = Calibration(network, *samples.calibration).narrow(network, choices)
    assert [layer.name for layer in document.layers] == [op.name for op in network.narrowable_operators()]
    moved_somewhere = 0
    for layer in document.layers:
        before, after = network.operator(layer.name), design.operator(layer.name)
        assert isinstance(after, NarrowableOperator)
        assert layer.first_shift == layer.last_shift == int(after.rescaler.right_shift.min())
        if not isinstance(before, Weighted) or not isinstance(after, Weighted):
            assert (layer.name, layer.weights, layer.largest_bias_change) == ("add_3", 0, 0)
            continue
        source, target = design.tensors[before.inputs[0]].scale, design.tensors[before.output].scale
        natural = source * before.weight_scale / target
        moved = sum(
            not Fraction(chosen) / 2 < Fraction(scale) < Fraction(chosen) * 2
            for scale, chosen in zip(natural, np.broadcast_to(after.rescaler.scale, natural.shape), strict=True)
        )
        assert layer.moved_channels == moved
        moved_somewhere += moved
        shape = (-1, *(1,) * (before.weights.ndim - 1))
        old = before.weights * before.weight_scale.reshape(shape)
        new = after.weights * after.weight_scale.reshape(shape)
        assert layer.largest_weight_change == pytest.approx(
            float((np.abs(new - old) / before.weight_scale.reshape(shape)).max())
        )
        assert layer.weights_changed == int((before.weights != after.weights).sum())
        real_before = before.bias * before.weight_scale * network.tensors[before.inputs[0]].scale
        change = np.abs(after.bias * after.weight_scale * source - real_before)
        assert layer.largest_bias_change == pytest.approx(float(change.max() / target))
    assert moved_somewhere, "random scales span a factor of ten"


def test_natural_shifts_move_no_channel_and_costs_add_up(folder: Path, tmp_path: Path) -> None:
    document = narrow_model(request(folder, tmp_path / "out.tflite"))
    assert not any(layer.moved_channels for layer in document.layers)
    assert document.cost.area_um2 == pytest.approx(sum(layer.area_um2 or 0 for layer in document.layers))
    assert document.cost.int32_area_um2 == pytest.approx(sum(layer.int32_area_um2 or 0 for layer in document.layers))
    assert document.cost.energy_nj == pytest.approx(sum(layer.energy_nj or 0 for layer in document.layers))
    assert document.cost.area_ratio is not None
    assert document.cost.area_ratio > 2


@pytest.mark.parametrize("preset", [None, "nvdla_small"])
def test_shares_fall_with_the_rescalers_and_with_buffers(
    folder: Path, tmp_path: Path, preset: PresetName | None
) -> None:
    cost = narrow_model(request(folder, tmp_path / "out.tflite", accelerator=preset)).cost
    for share in (cost.area_share, cost.energy_share):
        shares = (share.design_with_buffers, share.design, share.int32)
        assert None not in shares
        assert 0 < (shares[0] or 0) < (shares[1] or 0) < (shares[2] or 0) < 1
        assert 0 < (share.int32_with_buffers or 0) < (share.int32 or 0)
    assert (cost.area_um2 or 0) < (cost.int16_area_um2 or 0) < (cost.int32_area_um2 or 0)
    assert (cost.energy_nj or 0) < (cost.int16_energy_nj or 0) < (cost.int32_energy_nj or 0)
    assert cost.accelerator == ("NVDLA-small-like" if preset else "16 MACs to 1 rescaler in each layer")


def test_a_constant_shift_is_smaller_than_natural_ones(folder: Path, tmp_path: Path) -> None:
    areas = [
        narrow_model(request(folder, tmp_path / f"{bits}.tflite", shift_bits=bits)).cost.area_um2 for bits in (0, None)
    ]
    assert areas[0] is not None
    assert areas[1] is not None
    assert areas[0] < areas[1]


def test_full_width_is_int32_itself(folder: Path, tmp_path: Path) -> None:
    """Nothing changes, nothing is lost, and nothing is saved."""
    wanted = request(folder, tmp_path / "out.tflite", multiplier_bits=31, method=Method.ROUND, calibrate=None)
    document = narrow_model(wanted)
    assert document.network_sha256 == fingerprint(load_tflite(wanted.model))
    assert document.uncalibrated is None
    assert document.design.drop_pp is not None
    assert document.design.drop_pp.value == 0
    assert document.design.agreement_percent is not None
    assert document.design.agreement_percent.value == 100
    assert tuple(document.design.output_error) == (0, 0, 0)
    assert (document.cost.area_ratio, document.cost.energy_ratio) == (1, 1)
    assert not any(layer.weights_changed or layer.largest_bias_change for layer in document.layers)


def test_scores_of_known_outputs(folder: Path) -> None:
    """Four samples of two classes: one lost, one gained, and errors of one step."""
    network = load_tflite(folder / "model.tflite")
    spec = replace(network.tensors[network.outputs[0]], scale=0.5, zero_point=7)
    network = network.with_tensors({network.outputs[0]: spec})
    reference = np.array([[9, 1], [1, 9], [9, 1], [1, 9]], np.int8)
    design = np.array([[9, 1], [9, 1], [1, 9], [1, 8]], np.int8)
    made = score((network, network), ([reference], [design]), np.array([0, 1, 1, 1]))
    assert made.accuracy_percent == 75
    assert made.drop_pp is not None
    assert made.drop_pp.low < made.drop_pp.value == 0 < made.drop_pp.high
    assert made.agreement_percent is not None
    assert made.agreement_percent.value == 50
    squares = [0, (64 + 64) / 2, (64 + 64) / 2, 1 / 2]  # in steps; int32's outputs are 1 and 9: variance 16
    assert made.output_error.value == pytest.approx(np.mean(squares) / 16)
    unlabelled = score((network, network), ([reference], [design]), None)
    assert (unlabelled.accuracy_percent, unlabelled.drop_pp) == (None, None)
    assert unlabelled.output_error == made.output_error


def test_values_have_no_largest_output_that_agrees(tmp_path: Path, cli: Cli) -> None:
    layers = Layers(np.random.default_rng(2))
    path = tmp_path / "detector.tflite"
    path.write_bytes(layers.content(layers.conv(layers.input(4, 4, 3), 5)))
    assert class_count(load_tflite(path)) is None
    result = cli("narrow", path, "--calibrate", 8, "--out", tmp_path / "out.tflite")
    assert result.status == 0, result.err
    assert "agree" not in result.out
    assert "of the output integers differ from the design's" in result.out
    assert "error %" in result.out


def test_it_prints_tables(folder: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = tmp_path / "out.tflite"
    arguments = [folder / "model.tflite", "--data", folder / "unlabelled.npz", "--calibrate", 20, "--out", out]
    result = cli("narrow", *arguments)
    assert result.status == 0, result.err
    for text in ("uncalibrated", "\n calibrated", "agreement %", "All rescalers", "are the design's", "40 samples"):
        assert text in result.out, text
    for operator in load_tflite(folder / "model.tflite").narrowable_operators():
        assert f" {operator.name} " in result.out
    assert "Note: no labels (y) in --data" in result.out
    assert "(16 MACs to 1 rescaler in each layer)" in result.out
    assert "…" not in result.out, "everything fits a terminal of 80 columns"


def test_without_data_it_says_so(folder: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "out.tflite"
    result = cli("narrow", folder / "model.tflite", "--calibrate", 8, "--out", out)
    assert result.status == 0, result.err
    assert "synthetic inputs" in result.out
    assert "they are no accuracies" in result.out
    assert "acc" not in result.out.split("Outputs against")[1].split("calibrated")[1].split("All rescalers")[0]
    assert out.exists()


BAD = [
    (["--multiplier-bits", 0], "--multiplier-bits is 0; use 1 (a pure shift) to 31 (int32)"),
    (["--multiplier-bits", 32], "--multiplier-bits is 32"),
    (["--shift-bits", -1], "--shift-bits is -1; use 0 (one constant shift) to 5, or natural"),
    (["--shift-bits", 6], "--shift-bits is 6"),
    (["--shift-bits", "wide"], "--shift-bits is 'wide'; use a number of bits from 0, or natural"),
    (["--shift-bits", 0, "--method", "round"], "use method absorb"),
    (["--method", "guess"], "--method is 'guess'; use absorb or round"),
    (["--method", "round", "--calibrate", 8], "method round freezes weights and biases"),
    (["--calibrate", -3], "--calibrate is -3; use 0 (none) or a number of samples"),
    (["--calibrate", 45], "has 60 samples; --calibrate 45 takes 45, and the test at least 16 others"),
    (["--contract", "nonsense"], "nonsense"),
    (["--contract", "xnnpack_fp32"], "no rescaler is built for contract 'xnnpack_fp32'"),
    (["--technology", "nonsense"], "nonsense"),
    (["--accelerator", "tpu"], "--accelerator is 'tpu'; use one of nvdla_small, ethos_u55_256, gemmini, finn"),
    (["--input-offset", 100], "outside int8"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=lambda value: "_".join(map(str, value))[:40])
def test_bad_options_are_refused(folder: Path, tmp_path: Path, cli: Cli, arguments: list[object], message: str) -> None:
    out = tmp_path / "out.tflite"
    result = cli("narrow", folder / "model.tflite", "--data", folder / "data.npz", "--out", out, *arguments)
    assert result.status == 2
    assert result.err.startswith("dse: ")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert (result.out, list(tmp_path.iterdir())) == ("", [])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((40, 3, 3), np.int8)}, "samples have shape [3, 3]"),
        ({"x": np.zeros((40, *SHAPE), np.float32)}, "x is float32"),
        ({"x": np.full((40, *SHAPE), 200)}, "spans 200 to 200, outside int8"),
        ({"x_train": np.zeros((40, *SHAPE), np.int8), "x_test": np.zeros((4, *SHAPE), np.int8)}, "4 for testing"),
        ({"x": np.zeros((40, *SHAPE), np.int8), "y": np.zeros(39, np.int64)}, "give equally many"),
        ({"z": np.zeros(4)}, "give x and y"),
    ],
)
def test_bad_samples_are_refused(
    folder: Path, tmp_path: Path, cli: Cli, arrays: dict[str, np.ndarray], message: str
) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)  # type: ignore[arg-type]
    out = tmp_path / "out.tflite"
    result = cli("narrow", folder / "model.tflite", "--data", tmp_path / "bad.npz", "--calibrate", 8, "--out", out)
    assert (result.status, result.err.count("\n")) == (2, 1), result.err
    assert message in result.err
    assert not out.exists()


def test_bad_files_are_refused(folder: Path, tmp_path: Path, cli: Cli) -> None:
    model, existing = tmp_path / "model.tflite", tmp_path / "existing.tflite"
    model.write_bytes((folder / "model.tflite").read_bytes())
    existing.write_bytes(b"precious")
    (tmp_path / "text.tflite").write_text("no model", encoding="utf-8")
    refused = {
        ("nowhere.tflite", "out.tflite"): "nowhere.tflite",
        ("text.tflite", "out.tflite"): "text.tflite",
        ("model.tflite", "model.tflite"): "is the model itself",
        ("model.tflite", "existing.tflite"): "exists; give another file, or --force",
        ("model.tflite", "out.bin"): "ends in .tflite",
    }
    for (source, target), message in refused.items():
        result = cli("narrow", tmp_path / source, "--calibrate", 4, "--out", tmp_path / target)
        assert (result.status, result.err.count("\n")) == (2, 1), result.err
        assert message in result.err
    assert existing.read_bytes() == b"precious"
    assert model.read_bytes() == (folder / "model.tflite").read_bytes()
    assert cli("narrow", model, "--calibrate", 4, "--out", existing, "--force").status == 0
    assert load_tflite(existing).operators
    assert sorted(path.name for path in tmp_path.iterdir()) == ["existing.tflite", "model.tflite", "text.tflite"]


def test_tied_scales_are_named(tmp_path: Path, cli: Cli) -> None:
    """The scales of two network inputs are both given: an ADD of them cannot absorb."""
    layers = Layers(np.random.default_rng(0))
    left, right = layers.input(4, 4, 3, scale=0.05), layers.input(4, 4, 3, scale=0.03)
    (tmp_path / "tied.tflite").write_bytes(layers.content(layers.elementwise("ADD", left, right)))
    result = cli("narrow", tmp_path / "tied.tflite", "--out", tmp_path / "out.tflite")
    assert result.status == 2
    assert "operator 'add_0' cannot absorb: the scale of 't0' is tied; use method round" in result.err
    assert not (tmp_path / "out.tflite").exists()
    done = cli("narrow", tmp_path / "tied.tflite", "--method", "round", "--out", tmp_path / "out.tflite")
    assert done.status == 0, done.err


def test_a_model_without_rescalers_is_refused(tmp_path: Path, cli: Cli) -> None:
    layers = Layers(np.random.default_rng(0))
    (tmp_path / "pool.tflite").write_bytes(layers.content(layers.pool("MAX", layers.input(4, 4, 3), (2, 2), (2, 2))))
    result = cli("narrow", tmp_path / "pool.tflite", "--out", tmp_path / "out.tflite")
    assert result.status == 2
    assert "has no convolution, fully connected layer, ADD, SUB or MUL to narrow" in result.err


def test_a_file_that_is_not_the_design_is_not_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = load_tflite

    def dishonest(path: Path, *, cut: tuple[str, ...]) -> QuantizedNetwork:
        network = honest(path, cut=cut)
        first = next(op for op in network.operators if isinstance(op, Weighted))
        return network.with_operators({first.name: replace(first, bias=first.bias + 1)})

    monkeypatch.setattr(dse.narrowing.file, "load_tflite", dishonest)
    with pytest.raises(dse.narrowing.file.LostDesignError, match="other weights or biases"):
        narrow_model(request(folder, tmp_path / "out.tflite"))
    assert list(tmp_path.iterdir()) == []


def test_an_unexplained_difference_ends_with_status_1(
    folder: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = dse.narrowing.model.write_file

    def dishonest(*arguments: object) -> object:
        return honest(*arguments).model_copy(update={"unexplained": 1})  # type: ignore[arg-type]

    monkeypatch.setattr(dse.narrowing.model, "write_file", dishonest)
    arguments = [folder / "model.tflite", "--calibrate", 4, "--out", tmp_path / "out.tflite"]
    result = cli("narrow", *arguments)
    assert result.status == 1
    assert "1 unexplained" in result.out


def test_a_model_that_litert_refuses_is_narrowed(
    folder: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is not installed")

    def refuse(**_arguments: object) -> None:
        raise ValueError("Tensor 33 has invalid quantization parameters.\nTensor 34 too.")

    monkeypatch.setattr(interpreter, "Interpreter", refuse)
    result = cli("narrow", folder / "model.tflite", "--calibrate", 4, "--out", tmp_path / "out.tflite")
    assert result.status == 0, result.err
    assert "LiteRT's BUILTIN resolver refuses the model: Tensor 33 has invalid quantization parameters." in result.out
    verified = cli("verify", folder / "model.tflite", "--samples", 1)
    assert (verified.status, verified.err.count("\n")) == (2, 1)


def test_labels_that_do_not_fit_are_not_used(folder: Path, tmp_path: Path) -> None:
    inputs = np.load(folder / "data.npz")["x"]
    np.savez(tmp_path / "wrong.npz", x=inputs, y=np.full(SAMPLES, CLASSES))
    document = narrow_model(request(folder, tmp_path / "out.tflite", data=tmp_path / "wrong.npz"))
    assert document.design.accuracy_percent is None
    assert document.notes == ("the labels are not used: they go up to 4, the model has 4 outputs",)
    worst = (predictions(load_tflite(folder / "model.tflite"), inputs) + 1) % CLASSES
    np.savez(tmp_path / "chance.npz", x=inputs, y=worst)
    document = narrow_model(request(folder, tmp_path / "chance.tflite", data=tmp_path / "chance.npz"))
    assert document.int32_accuracy_percent == 0
    assert "no more than by chance" in document.notes[0]


@pytest.mark.parametrize(
    ("model", "data", "offset"),
    [("kws_ref_model", "kws01", 0), ("pretrainedResnet_quant", "cifar10_subset", -128)],
)
def test_published_models_keep_their_accuracy(tmp_path: Path, model: str, data: str, offset: int) -> None:
    """As pure shifts, calibrated with 64 samples: int32's accuracy, and most of int32's area gone."""
    path, samples = SHARED / "models" / f"{model}.tflite", SHARED / "samples" / f"{data}.npz"
    if not path.is_file() or not samples.is_file():
        pytest.skip(f"{path} or {samples} is not there")
    document = narrow_model(
        NarrowRequest(model=path, out=tmp_path / "out.tflite", data=samples, input_offset=offset, calibrate=64)
    )
    assert document.design.drop_pp is not None
    assert document.design.drop_pp.low <= 0.5
    assert document.design.drop_pp.value <= 1.0
    assert document.uncalibrated is not None
    assert document.design.output_error.value < document.uncalibrated.output_error.value
    assert document.cost.area_ratio is not None
    assert document.cost.area_ratio > 4
    assert document.file.sound


def test_the_page_describes_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "narrow.md").read_text(encoding="utf-8").splitlines()
    parts = (NarrowDocument, SamplesDocument, ScoreDocument, LayerDocument, CostDocument, ShareDocument, FileDocument)
    rows = [f"| `{name}` | {field.description} |" for part in parts for name, field in part.model_fields.items()]
    assert [row for row in rows if row not in page] == []
    assert [line for line in page if line.startswith("| `") and line not in rows] == []
