"""A small real study of the digits, checked from outside: every figure of its tables is computed again."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from dse.design.point import DesignPoint
from dse.evaluate.designs import narrowed, shipped
from dse.retraining import retrain
from dse.run import run_study
from dse.store import check
from dse.store.collection import results_of
from dse.store.journal import journal, mark_of
from dse.store.results import StudyResults
from dse.store.run_folder import RunFolder
from dse.store.trials import StudyStore, record_in
from dse.study.loading import load_study
from dse.study.prepared import PreparedStudy, prepare
from dse.study.spec import Study
from nets.execute.executor import IntegerExecutor
from nets.network.quantized_network import QuantizedNetwork
from tests.small_studies import small_spec

TRIALS = 30
OBJECTIVES = ["val_accuracy_drop_pp", "rescaler_area_um2", "rescaler_energy_nj"]


@pytest.fixture(scope="module")
def spec(request: pytest.FixtureRequest) -> Study:
    request.getfixturevalue("trained_once")
    return small_spec(search__trials=TRIALS, search__sampler="tpe", fidelity__epochs=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return RunFolder(tmp_path_factory.mktemp("study") / "run")


@pytest.fixture(scope="module")
def results(spec: Study, folder: RunFolder) -> StudyResults:
    return run_study(spec, folder)


@pytest.fixture(scope="module")
def prepared(spec: Study) -> PreparedStudy:
    return prepare(spec)


@pytest.fixture(scope="module")
def points(folder: RunFolder, request: pytest.FixtureRequest) -> dict[int, DesignPoint]:
    request.getfixturevalue("results")  # runs the study
    trials = StudyStore.load(journal(folder.journal_path), "small").trials()
    return {t.number: DesignPoint.from_json(record.design) for t in trials if (record := record_in(t))}


def predictions(network: QuantizedNetwork, inputs: np.ndarray) -> np.ndarray:
    """Returns the classes that a network predicts, one sample at a time, without the helpers that the study uses."""
    executor = IntegerExecutor(network)
    return np.array([executor.outputs(inputs[i : i + 1])[0].reshape(-1).argmax() for i in range(len(inputs))])


def ships(
    prepared: PreparedStudy, folder: RunFolder, point: DesignPoint, trial: int, fidelity: str
) -> QuantizedNetwork:
    weights = load_file(folder.weights_path / f"{trial}.safetensors") if fidelity == "short_finetune" else None
    return shipped(prepared.members[0], point, weights)


@pytest.mark.usefixtures("results")
def test_the_front_is_that_of_all_trials_by_brute_force(folder: RunFolder) -> None:
    trials, front = pd.read_csv(folder.path / "trials.csv"), pd.read_csv(folder.path / "front.csv")
    complete = trials[trials["state"] == "COMPLETE"]
    assert len(complete) == TRIALS
    values = complete[["expected_accuracy_drop_pp", *OBJECTIVES[1:]]].to_numpy()
    best = [
        int(trial)
        for trial, mine in zip(complete["trial"], values, strict=True)
        if not any((other <= mine).all() and (other < mine).any() for other in values)
    ]
    assert sorted(front["trial"]) == sorted(best)
    assert 1 <= len(best) < TRIALS


def test_files_hold_the_columns_that_were_promised(results: StudyResults, folder: RunFolder) -> None:
    promised = [
        "trial", "val_accuracy", "val_accuracy_drop_pp", "test_accuracy_drop_pp", "ci_low", "ci_high",
        "rescaler_area_um2", "rescaler_energy_nj", "fidelity",
        *(f"{name}.multiplier_bits" for name in results.rescalers),
    ]  # fmt: skip
    front, baselines = (pd.read_csv(folder.path / f"{name}.csv") for name in ("front", "baselines"))
    assert set(promised) <= set(front.columns)
    assert list(front.columns) == list(baselines.columns)
    assert front[promised].notna().all().all()
    parquet = pd.read_parquet(folder.path / "trials.parquet")
    assert parquet["trial"].tolist() == pd.read_csv(folder.path / "trials.csv")["trial"].tolist()
    assert load_study(folder.study_path) == folder.manifest().spec


def test_baselines_are_there(results: StudyResults) -> None:
    assert sorted(results.baselines["role"]) == sorted(
        ["int16", "int32", "int32_finetuned", "uniform_round", "uniform_round", "uniform_absorb", "uniform_absorb"]
    )
    int32 = results.trials[results.trials["role"] == "int32"].iloc[0]
    assert int32["val_accuracy_drop_pp"] == int32["test_accuracy_drop_pp"] == 0
    assert int32["rescaler_area_um2"] == results.trials["rescaler_area_um2"].max()


def test_accuracies_of_the_front_are_computed_again(
    results: StudyResults, prepared: PreparedStudy, folder: RunFolder, points: dict[int, DesignPoint]
) -> None:
    (member,) = prepared.members
    validation, test = member.splits.validation, member.splits.test
    base = {part: predictions(member.network, s.inputs) == s.labels for part, s in (("v", validation), ("t", test))}
    for row in results.front.itertuples():
        network = ships(prepared, folder, points[row.trial], row.trial, row.fidelity)
        hits = predictions(network, validation.inputs) == validation.labels
        assert row.val_accuracy == pytest.approx(100 * hits.mean())
        assert row.val_accuracy_drop_pp == pytest.approx(100 * (base["v"].mean() - hits.mean()))
        hits = predictions(network, test.inputs) == test.labels
        assert row.test_accuracy == pytest.approx(100 * hits.mean())
        assert row.test_accuracy_drop_pp == pytest.approx(100 * (base["t"].mean() - hits.mean()))
        assert row.ci_low <= row.test_accuracy_drop_pp <= row.ci_high


def test_the_search_never_saw_the_test_split(prepared: PreparedStudy) -> None:
    (member,) = prepared.members
    parts = (member.splits.finetune, member.splits.validation, member.splits.test)
    assert sum(map(len, parts)) == 1797
    for name, part in zip(("finetune", "validation", "test"), parts, strict=True):
        share = len(part) / 1797
        assert share == pytest.approx(getattr(member.spec.data, name), abs=0.01)
        counts = np.bincount(part.labels, minlength=10) / len(part)
        assert np.abs(counts - 0.1).max() < 0.02  # stratified


def test_climbing_never_changes_the_cost_but_by_weights(
    results: StudyResults, prepared: PreparedStudy, points: dict[int, DesignPoint]
) -> None:
    """The multipliers of a trained design are those of the design as narrowed; only weights and biases moved."""
    trained = results.trials[results.trials["fidelity"] == "short_finetune"]
    assert len(trained) > 5
    for row in trained.head(3).itertuples():
        network = narrowed(prepared.members[0], points[row.trial])
        widths = {op.name: op.rescaler.multiplier_bits for op in network.narrowable_operators()}
        assert widths == {name: choice.multiplier_bits for name, choice in points[row.trial].choices}


def test_tables_are_rebuilt_from_storage_alone(results: StudyResults, folder: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(tmp_path / "copy")
    copy.path.mkdir()
    for path in (folder.manifest_path, folder.journal_path, mark_of(folder.journal_path)):
        (copy.path / path.name).write_bytes(path.read_bytes())
    pd.testing.assert_frame_equal(results_of(copy).trials, results.trials)
    pd.testing.assert_frame_equal(results_of(copy).layers, results.layers)


def test_the_same_study_again_finds_the_same(spec: Study, results: StudyResults, tmp_path: Path) -> None:
    """Serial studies are lock-step: the same seed gives the same trials, values, weights."""
    again = run_study(spec, RunFolder(tmp_path / "again"))
    changing = ["seconds", "finished"]
    pd.testing.assert_frame_equal(again.trials.drop(columns=changing), results.trials.drop(columns=changing))


@pytest.mark.usefixtures("results")
def test_lost_weights_are_trained_again_bit_for_bit(folder: RunFolder, tmp_path: Path) -> None:
    """From seed and data alone, without the cache; neither a damaged file nor another trial's is left."""
    shutil.copytree(folder.path, tmp_path / "run")
    copy = RunFolder(tmp_path / "run")
    first, second, third = sorted(copy.weights_path.iterdir())[:3]
    whole = {path.name: path.read_bytes() for path in copy.weights_path.iterdir()}
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    third.write_bytes((copy.weights_path / sorted(whole)[3]).read_bytes())
    (finding,) = check(copy)
    assert "dse repair --train trains them again" in str(finding)
    done = retrain(copy)
    assert len(done) == 3
    assert all(line.endswith("its weights are restored") for line in done)
    assert {path.name: path.read_bytes() for path in copy.weights_path.iterdir()} == whole
    assert check(copy) == []
    assert retrain(copy) == []
