"""Disagreement and divergence: the figures that need no labels, their intervals, and studies that have no others."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy.special import softmax
from scipy.stats import entropy

from dse.design.evaluation import Evaluation, Job, Level, TestScore
from dse.design.metrics import DISAGREEMENT, DIVERGENCE, DROP, LOSSES, Figure
from dse.design.point import Finetune
from dse.design.statistics import mean_interval, share_interval
from dse.errors import StudyError
from dse.evaluate.designs import narrowed
from dse.evaluate.evaluator import Evaluator, weakest
from dse.evaluate.outputs import divergences, real_outputs, squared_errors
from dse.report.recommendations import recommendation
from dse.report.terminal import show
from dse.run import run_study
from dse.store.collection import results_of
from dse.store.run_folder import RunFolder
from dse.study.prepared import PreparedStudy, outputs_of, prepare
from dse.verdict import Outcome
from nets.datasets import BUILT_IN_DATASETS, Samples, load_digits_dataset
from nets.execute import IntegerExecutor
from nets.network.operators import Method
from tests.small_studies import small_spec


@given(st.integers(0, 2**32 - 1))
def test_the_divergence_is_that_of_kullback_and_leibler(seed: int) -> None:
    generator = np.random.default_rng(seed)
    ours, theirs = generator.normal(scale=3, size=(2, 6, 10))
    expected = [entropy(softmax(p), softmax(q)) for p, q in zip(theirs, ours, strict=True)]
    assert divergences(ours, theirs) == pytest.approx(np.array(expected))
    assert divergences(theirs, theirs) == pytest.approx(0, abs=1e-15)
    assert divergences(ours + 5, theirs) == pytest.approx(divergences(ours, theirs)), "a constant changes no softmax"


def test_values_have_a_squared_error_in_units_of_their_variance(digits: PreparedStudy) -> None:
    network = digits.members[0].network
    baseline = np.random.default_rng(0).normal(scale=4, size=(500, 10))
    mean = np.full_like(baseline, baseline.mean())
    assert squared_errors(mean, baseline, network).mean() == pytest.approx(1), "the mean alone explains no variance"
    constant = np.zeros((3, 10))
    step = network.tensors[network.outputs[0]].scale
    assert squared_errors(constant + step, constant, network) == pytest.approx(1), "one step, if nothing varies"


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_of_a_share_holds_it(counts: tuple[int, int]) -> None:
    count, samples = counts
    low, high = share_interval(count, samples)
    assert 0 <= low <= 100 * count / samples + 1e-9
    assert 100 * count / samples - 1e-9 <= high <= 100
    assert low < high


def test_wilsons_interval_of_a_published_example() -> None:
    """Newcombe, Statistics in Medicine 17:857 (1998), table I, method 3: 81 of 263, and 0 of 20."""
    assert share_interval(81, 263) == pytest.approx((25.53, 36.62), abs=0.01)
    assert share_interval(0, 20) == pytest.approx((0, 16.11), abs=0.01)


def test_the_bootstrap_covers_the_mean_of_a_skewed_quantity() -> None:
    generator, held = np.random.default_rng(1), 0
    for _ in range(40):
        low, high = mean_interval(generator.exponential(size=200))
        held += low <= 1 <= high
    assert 34 <= held <= 40
    values = generator.exponential(size=50)
    assert mean_interval(values) == mean_interval(values), "the seed is fixed"


def test_both_figures_are_counted_from_the_outputs(digits: PreparedStudy) -> None:
    member, space = digits.members[0], digits.space
    point = space.uniform(2, Method.ROUND, Finetune.NONE)
    evaluator = Evaluator(digits)
    evaluation = evaluator.run(Job(0, point, Level.INTEGER))
    assert isinstance(evaluation, Evaluation)
    network = narrowed(member, point)
    ours = IntegerExecutor(network).outputs(member.splits.validation.inputs)[0].reshape(-1, 10)
    theirs = IntegerExecutor(member.network).outputs(member.splits.validation.inputs)[0].reshape(-1, 10)
    assert evaluation.val_disagreement_pp == pytest.approx(100 * (ours.argmax(1) != theirs.argmax(1)).mean())
    assert evaluation.val_disagreement_pp is not None
    assert evaluation.val_accuracy_drop_pp is not None
    assert evaluation.val_disagreement_pp >= abs(evaluation.val_accuracy_drop_pp) > 0
    real = divergences(real_outputs(network, ours), real_outputs(member.network, theirs))
    assert evaluation.val_divergence == pytest.approx(real.mean())
    score = evaluator.run(Job(0, point, Level.TEST, None, evaluation.network_sha256))
    assert isinstance(score, TestScore)
    test_ours, test_theirs = (outputs_of(each, member.splits.test).argmax(1) for each in (network, member.network))
    assert score.differing == (test_ours != test_theirs).sum()
    low, high = share_interval(score.differing, score.samples)
    assert score.interval(DISAGREEMENT) == (pytest.approx(100 * score.differing / score.samples), low, high)
    mean, low, high = score.interval(DIVERGENCE)
    assert low < mean < high
    int32 = evaluator.run(Job(0, space.uniform(31, Method.ROUND, Finetune.NONE), Level.INTEGER))
    assert isinstance(int32, Evaluation)
    assert (int32.val_disagreement_pp, int32.val_divergence) == (0, 0)


def test_scores_without_labels_have_no_accuracy() -> None:
    score = TestScore(100, None, None, None, differing=3, divergence=0.1, divergence_low=0.05, divergence_high=0.2)
    assert score.accuracy is None
    assert all(math.isnan(value) for value in score.interval(DROP))
    other = replace(score, differing=2, divergence_high=0.3)
    assert weakest([score, other], DISAGREEMENT) is score
    assert weakest([score, other], DIVERGENCE) is other


def without_labels(prepared: PreparedStudy, loss: Figure) -> PreparedStudy:
    """The digits study as it would be if its file had no labels."""
    objectives = [loss.name, "rescaler_area_um2", "rescaler_energy_nj"]
    spec = small_spec(search__objectives=objectives, search__trials=9, fidelity__finetune="none")
    member = prepared.members[0]
    parts = {part: Samples(getattr(member.splits, part).inputs) for part in ("finetune", "validation", "test")}
    member = replace(member, spec=spec.members[0], splits=replace(member.splits, **parts))
    return replace(prepared, spec=spec, members=(member,))


@pytest.mark.parametrize("loss", [DISAGREEMENT, DIVERGENCE])
def test_a_study_without_labels_runs_to_its_report(
    digits: PreparedStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: Figure
) -> None:
    unlabelled = without_labels(digits, loss)
    monkeypatch.setattr("dse.run.prepare", lambda _: unlabelled)
    results = run_study(unlabelled.spec, folder := RunFolder(tmp_path / "run"))
    assert results.facts.loss is loss
    assert results.trials["val_accuracy"].isna().all()
    assert results.trials["ci_high"].isna().all()
    scored = results.trials[results.trials["role"] != "search"]
    assert scored[loss.on_test[2]].notna().all()
    int32 = results.int32.iloc[0]
    assert int32[loss.name] == 0
    rec = recommendation(results_of(folder))
    assert rec.verdict.loss is DISAGREEMENT  # the one of the two that has a margin
    assert any("disagreement" in caution for caution in rec.verdict.cautions)
    if loss is DIVERGENCE:
        assert rec.verdict.outcome is not Outcome.NO_VERDICT
        assert any("about the disagreement with int32" in caution for caution in rec.verdict.cautions)
    page = folder.report_path.read_text(encoding="utf-8")
    assert f"Validation {loss.word}" in page
    assert "Validation accuracy change" not in page
    console = Console(width=140, record=True)
    show(results, recommendation(results), console)
    assert loss.word in console.export_text()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, 'network.outputs = "values" have no val_accuracy_drop_pp; use val_divergence in its place'),
        (
            {"search__objectives": ["val_divergence", "rescaler_area_um2"]},
            '"values" have no labels to train with, but fidelity.finetune = \'short\'; use "none"',
        ),
        (
            {
                "search__objectives": ["val_divergence", "rescaler_area_um2"],
                "search__constraints": [{"metric": "val_disagreement_pp", "at_most": 1}],
            },
            "have no val_disagreement_pp",
        ),
    ],
)
def test_values_have_a_divergence_only(changes: dict[str, object], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        small_spec(network__outputs="values", **changes)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_may_stand_first(loss: Figure) -> None:
    spec = small_spec(search__objectives=[loss.name, "rescaler_area_um2"], data__metric="squared_error")
    assert spec.search.objectives[0] == loss.name


def test_a_file_without_labels_needs_an_objective_without_labels(
    digits: PreparedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = digits.members[0].network
    monkeypatch.setitem(BUILT_IN_DATASETS, "digits", lambda: load_digits_dataset().without_labels())
    monkeypatch.setattr("dse.study.prepared._trained", lambda *_: (lambda _contract: network, {}))
    with pytest.raises(StudyError, match=r"digits: has no labels \(y\) for val_accuracy_drop_pp; use val_disagreement"):
        prepare(small_spec())
    objectives = ["val_disagreement_pp", "rescaler_area_um2"]
    with pytest.raises(StudyError, match=r"has no labels \(y\) to train with, but fidelity.finetune = 'short'"):
        prepare(small_spec(search__objectives=objectives))
    prepared = prepare(small_spec(search__objectives=objectives, fidelity__finetune="none"))
    assert prepared.baseline_val_accuracy is None
