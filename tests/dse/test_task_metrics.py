"""Metrics of outputs: their values, losses and intervals, and functions of the user's own."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from dse.design.metrics import METRIC_LOSS
from dse.errors import StudyError
from dse.export.scored_design import load_design
from dse.report.recommendations import recommendation
from dse.run import run_study
from dse.store.run_folder import RunFolder
from dse.study.prepared import PreparedStudy
from dse.study.task_metrics import Metric, area_under_curve, loss_interval, metric_named
from nets.datasets import Dataset, Samples, load_digits_dataset, load_npz_dataset
from nets.errors import NetworkError
from tests.small_studies import small_spec

ERROR, AUC = metric_named("squared_error", None), metric_named("anomaly_auc", None)
OWN = '''
"""Metrics of this test."""

def confidence(outputs, inputs, targets):
    return outputs.max(axis=1) - outputs.mean(axis=1)

def top_two(outputs, inputs, targets):
    return float((outputs.argsort(axis=1)[:, -2:] == targets[:, None]).any(axis=1).mean())

def wrong_shape(outputs, inputs, targets):
    return outputs

def broken(outputs, inputs, targets):
    raise RuntimeError("no such luck")

answer = 42
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of metrics of the user's own."""
    folder = tmp_path / "python"
    folder.mkdir()
    (folder / "own_metrics.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "own_metrics", raising=False)
    return "own_metrics"


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40))
def test_the_area_under_the_curve_is_that_of_scikit_learn(drawn: list[tuple[int, bool]]) -> None:
    scores, anomalous = np.array(drawn, np.float64).T
    if len(set(anomalous)) < 2:
        assert np.isnan(area_under_curve(scores, anomalous))
    else:
        assert area_under_curve(scores, anomalous) == pytest.approx(roc_auc_score(anomalous, scores))


def test_errors_are_means_over_the_samples() -> None:
    generator = np.random.default_rng(0)
    outputs, targets = generator.normal(size=(2, 30, 4, 4))
    measured = ERROR.measured(outputs, np.zeros((30, 2)), targets.astype(np.float32))
    assert measured.value == pytest.approx(((outputs - targets) ** 2).mean(), rel=1e-6)
    rebuilt = metric_named("reconstruction_error", None).measured(outputs, targets.reshape(30, 16), None)
    assert rebuilt.value == pytest.approx(((outputs - targets) ** 2).mean())


def test_a_loss_is_in_percent_of_int32s() -> None:
    assert ERROR.loss(0.3, 0.2) == pytest.approx(50), "a larger error is worse"
    assert AUC.loss(0.72, 0.9) == pytest.approx(20), "a smaller score is worse"
    assert AUC.loss(0.9, 0.9) == 0
    assert np.isnan(ERROR.loss(0.3, 0.0))


def test_the_interval_holds_the_loss_and_is_paired() -> None:
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(200, 8))
    anomalous = generator.random(200) < 0.3
    reconstructed = inputs + generator.normal(scale=np.where(anomalous, 2.0, 1.0)[:, None], size=inputs.shape)
    near = reconstructed + generator.normal(scale=0.02, size=inputs.shape)
    ours, baseline = (AUC.measured(each, inputs, anomalous) for each in (near, reconstructed))
    low, high = loss_interval(ours, baseline)
    assert low <= AUC.loss(ours.value, baseline.value) <= high
    assert high - low < 2, "an AUC alone is uncertain by several percent; in pairs most of that cancels"
    assert loss_interval(baseline, baseline) == (0, 0)


def test_own_functions_give_one_number_or_one_for_each_sample(own: str) -> None:
    outputs, labels = np.random.default_rng(2).normal(size=(50, 10)), np.arange(50) % 10
    each = metric_named(f"{own}:confidence", "error").measured(outputs, outputs, labels)
    assert each.value == pytest.approx((outputs.max(axis=1) - outputs.mean(axis=1)).mean())
    together = metric_named(f"{own}:top_two", None).measured(outputs, outputs, labels)
    assert together.value == np.mean([y in x.argsort()[-2:] for x, y in zip(outputs, labels, strict=True)])
    assert together.of(np.array([0, 0])) in (0, 1)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("absent", "cannot be imported .AttributeError"),
        ("answer", "is no function"),
        ("broken", "failed: RuntimeError: no such luck"),
        ("wrong_shape", r"gives \[4, 3\]; it should give one number, or one for each of the 4 samples"),
    ],
)
def test_own_functions_that_fail_are_named(own: str, function: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        metric_named(f"{own}:{function}", None).measured(np.zeros((4, 3)), np.zeros((4, 3)), None)


def test_a_metric_needs_its_targets() -> None:
    values = np.zeros((4, 3))
    for name, targets, said in (
        ("squared_error", None, "needs target"),
        ("squared_error", np.zeros((4, 2)), r"target is \[2\] a sample, and the network's output \[3\]"),
        ("anomaly_auc", None, "needs y"),
        ("anomaly_auc", np.array([0, 1, 2, 0]), "needs y"),
    ):
        with pytest.raises(StudyError, match=said):
            _ = metric_named(name, None).measured(values, values, targets).value
    with pytest.raises(StudyError, match=r"target is \[3, 5, 5\] a sample, and the network's output \[5, 5, 3\]"):
        ERROR.measured(np.zeros((4, 5, 5, 3)), values, np.zeros((4, 3, 5, 5)))  # channels first
    with pytest.raises(StudyError, match="are for autoencoders"):
        AUC.measured(values, np.zeros((4, 2)), np.array([0, 1, 0, 1]))


@pytest.mark.parametrize("metric", ["os.system", "own_metrics:", ":f", "a:b:c", "psnr"])
def test_what_is_no_metric_is_refused_in_the_study_file(metric: str) -> None:
    with pytest.raises(StudyError, match=r"data\.metric"):
        small_spec(data__metric=metric)


def test_a_metric_is_asked_for_by_its_loss() -> None:
    with pytest.raises(StudyError, match=r"val_metric_loss is of a metric; give data.metric"):
        small_spec(search__objectives=[METRIC_LOSS.name, "rescaler_area_um2"])
    with pytest.raises(StudyError, match="metric_kind = 'error' is for a metric of your own"):
        small_spec(data__metric="anomaly_auc", data__metric_kind="error")


def test_targets_are_read_from_the_samples(tmp_path: Path) -> None:
    x, target = np.zeros((4, 2), np.int8), np.arange(8.0).reshape(4, 2)
    np.savez(path := tmp_path / "samples.npz", x=x, target=target)
    assert load_npz_dataset(path).samples.take(np.array([2])).targets == pytest.approx(target[[2]])
    np.savez(path, x_train=x, x_test=x, target_train=target)
    with pytest.raises(NetworkError, match="give x and y"):
        load_npz_dataset(path)
    for bad, said in ((target[:3], "give equally many"), (target * np.nan, "no finite"), (x.astype(str), "numbers")):
        np.savez(path, x=x, target=bad)
        with pytest.raises(NetworkError, match=said):
            load_npz_dataset(path)


def test_a_study_of_values_is_judged_by_its_metric(
    digits: PreparedStudy, own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = digits.members[0]
    monkeypatch.setattr("dse.study.prepared._trained", lambda *_: (lambda _contract: member.network, member.originals))
    spec = small_spec(
        network__outputs="values",
        data__metric=f"{own}:top_two",
        search__objectives=[METRIC_LOSS.name, "rescaler_area_um2"],
        search__trials=8,
        fidelity__finetune="none",
    )
    results = run_study(spec, folder := RunFolder(tmp_path / "run"))
    int32, narrow = results.int32.iloc[0], results.trials.set_index("trial")
    assert int32["val_metric_loss"] == 0
    assert 0.5 < int32["val_metric"] <= 1, "targets are the labels: the network names the right digit among two"
    ones = narrow[narrow["role"] == "uniform_round"].sort_values("rescaler_area_um2").iloc[0]
    assert ones["val_metric_loss"] == pytest.approx(100 * (1 - ones["val_metric"] / int32["val_metric"]))
    tested = narrow["test_metric_loss"].dropna()
    assert len(tested)
    assert (narrow["test_metric_loss_low"].dropna() <= tested + 1e-9).all()
    assert "loss of the metric" in folder.report_path.read_text(encoding="utf-8")
    assert any("metric that the study file names" in each for each in recommendation(results).verdict.cautions)

    def no_imports(name: str) -> None:
        raise AssertionError(f"{name} of a run folder was imported")

    monkeypatch.setattr("dse.study.task_metrics._own_function", no_imports)
    design = load_design(folder, int(int32["trial"]), samples=4)
    assert len(design.samples) == 4


def test_a_changed_function_is_another_study(own: str, tmp_path: Path) -> None:
    before = metric_named(f"{own}:top_two", None)
    (tmp_path / "python" / "own_metrics.py").write_text(OWN + "\n# changed\n", encoding="utf-8")
    assert metric_named(f"{own}:top_two", None) != before
    assert isinstance(before, Metric)


def test_labels_of_values_are_targets() -> None:
    dataset = load_digits_dataset()
    assert isinstance(dataset, Dataset)
    bare = dataset.without_labels().samples
    assert isinstance(bare, Samples)
    assert bare.known_labels is None
    assert bare.targets is dataset.samples.known_labels
