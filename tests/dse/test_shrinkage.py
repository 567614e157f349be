"""Accuracy drops that are expected on other samples: a front by them owes less to luck than one by measured drops."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.design.answers import Answers
from dse.design.evaluation import Level
from dse.design.pareto import non_dominated
from dse.design.point import DesignPoint, Finetune
from dse.design.space import RescalerVariable, SearchSpace
from dse.store.front import front_of
from dse.store.records import TrialRecord, record_of
from dse.store.shrinkage import expected_drops, shrunken, shrunken_from_origin
from dse.study.search import SearchSpec
from nets.network.operators import Method
from tests.fakes import evaluation

SPACE = SearchSpace((RescalerVariable("a", (1, 2, 4, 8), (Method.ROUND,)),), (Finetune.NONE,))
POINT: DesignPoint = SPACE.uniform(4, Method.ROUND, Finetune.NONE)
SAMPLES = 250

Bools = npt.NDArray[np.bool_]


def record(
    right: Bools, baseline: Bools, entropy: float | None, area: float, level: Level = Level.INTEGER
) -> TrialRecord:
    drop = 100 * float(baseline.mean() - right.mean())
    evaluated = evaluation(POINT, level, (drop, area, area))
    answers = Answers.of(len(right), right, None)
    divergence = None if entropy is None else max(entropy, 0.0)
    scored = replace(evaluated, answers=answers, val_cross_entropy_increase=entropy, val_divergence=divergence)
    return record_of(POINT.to_json(), [scored])


@given(st.lists(st.tuples(st.floats(-2, 8), st.floats(0, 0.3)), min_size=3, max_size=20), st.floats(0, 9))
def test_measurements_move_towards_the_line_and_no_further(pairs: list[tuple[float, float]], variance: float) -> None:
    measured, predictor = np.array(pairs).T
    line = shrunken(measured, predictor, np.full(len(pairs), 1e9))
    moved = shrunken(measured, predictor, np.full(len(pairs), variance))
    assert shrunken(measured, predictor, np.zeros(len(pairs))) == pytest.approx(measured)
    assert (np.abs(moved - line) <= np.abs(measured - line) + 1e-6).all()
    assert ((moved - line) * (measured - line) >= -1e-6).all()
    inputs = np.column_stack([np.ones(len(pairs)), predictor])
    assert inputs.T @ (measured - line) == pytest.approx(np.zeros(2), abs=1e-6)  # the line is that of least squares


@given(st.floats(-3, 3), st.integers(0, 99))
def test_the_luck_of_int32_is_taken_from_all_designs(luck: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    predictor, variances = rng.uniform(-0.1, 0.3, 30), rng.uniform(0.5, 2.0, 30)
    measured = 30 * predictor + rng.normal(0, 1, 30)
    expected = shrunken_from_origin(measured, predictor, variances)
    assert shrunken_from_origin(measured + luck, predictor, variances) == pytest.approx(expected)
    assert shrunken(measured + luck, predictor, variances) == pytest.approx(
        shrunken(measured, predictor, variances) + luck
    )


def test_from_the_origin_values_spread_by_a_share_of_the_line() -> None:
    rng = np.random.default_rng(1)
    predictor = rng.uniform(0.01, 0.3, 400)
    truth = 30 * predictor * (1 + rng.normal(0, 0.3, 400))
    variances = np.full(400, 0.5)
    measured = truth + rng.normal(0, np.sqrt(0.5), 400)
    expected = shrunken_from_origin(measured, predictor, variances)
    small, large = predictor < 0.03, predictor > 0.2
    assert expected[small] == pytest.approx(30 * predictor[small], abs=0.5)  # no measured drop is kept there
    assert np.abs(expected - truth)[large].mean() < 0.85 * np.abs(30 * predictor - truth)[large].mean()
    assert np.abs(expected - truth).mean() < 0.85 * np.abs(measured - truth).mean()
    still = shrunken_from_origin(measured, predictor, np.zeros(400))
    assert still == pytest.approx(measured)


def test_without_luck_nothing_is_shrunk_and_without_truth_everything() -> None:
    rng = np.random.default_rng(0)
    entropy = rng.uniform(0, 0.2, 400)
    spread = rng.normal(0, 2, 400)
    kept = shrunken(30 * entropy + spread, entropy, np.full(400, 0.01))
    assert kept == pytest.approx(30 * entropy + spread, abs=0.05)
    lost = shrunken(30 * entropy + spread, entropy, np.full(400, 4.5))  # more than what is seen
    assert np.abs(lost - 30 * entropy).max() < 0.5


def study(seed: int, designs: int = 200) -> tuple[dict[int, TrialRecord], TrialRecord, npt.NDArray[np.float64]]:
    """Returns records of designs on few samples, that of int32, and the true drops; the true front is a line."""
    rng = np.random.default_rng(seed)
    baseline = rng.random(SAMPLES) < 0.9
    area = rng.uniform(1, 10, designs)
    truth = np.maximum(0, rng.gamma(2.0, 1.5, designs) - 0.2 * area)
    records = {}
    for number in range(designs):
        lost = rng.random(SAMPLES) < (0.03 + truth[number] / 100) / baseline.mean()
        gained = rng.random(SAMPLES) < 0.03 / (1 - baseline.mean())
        right = np.where(baseline, ~lost, gained)
        entropy = 0.03 * (truth[number] + rng.normal(0, 0.3))
        records[number] = record(right, baseline, entropy, area[number])
    return records, record(baseline, baseline, 0.0, 100.0), truth


def optimism(seed: int, *, shrink: bool) -> float:
    """Returns by how many points designs of the front lose more than their drop on the front says."""
    records, int32, truth = study(seed)
    front = sorted(front_of(records, SearchSpec(), int32 if shrink else None))
    expected = expected_drops(records, int32)
    shown = [expected[n] if shrink else records[n].figures["val_accuracy_drop_pp"] for n in front]
    return float(np.mean(truth[front] - np.array(shown, dtype=np.float64)))


def test_the_reported_front_owes_less_than_half_a_point_to_luck() -> None:
    measured = [optimism(seed, shrink=False) for seed in range(5)]
    reported = [optimism(seed, shrink=True) for seed in range(5)]
    assert min(measured) > 1.0
    assert abs(np.mean(reported)) < 0.5
    assert max(reported) < 0.7


def test_the_reported_front_is_that_of_expected_drops() -> None:
    records, int32, _ = study(0)
    expected = expected_drops(records, int32)
    values = np.array([(expected[n], *[r.figures[k] for k in SearchSpec().objectives[1:]]) for n, r in records.items()])
    assert front_of(records, SearchSpec(), int32) == set(np.flatnonzero(non_dominated(values)))


def test_what_cannot_be_shrunk_stays_as_it_was_measured() -> None:
    records, int32, _ = study(1, designs=20)
    measured = {number: each.figures["val_accuracy_drop_pp"] for number, each in records.items()}
    assert expected_drops(records, None) == measured
    assert expected_drops({n: records[n] for n in range(7)}, int32) == {n: measured[n] for n in range(7)}
    far = record(np.zeros(SAMPLES, bool), np.ones(SAMPLES, bool), 2.0, 1.0)
    assert expected_drops(records | {99: far}, int32)[99] == 100
    assert expected_drops(records | {99: far}, int32)[0] == expected_drops(records, int32)[0]
    own = expected_drops(records | {98: int32}, int32)[98]
    assert own == 0  # int32 has no sampling variance against itself
    trained = {n: record(np.ones(SAMPLES, bool), np.ones(SAMPLES, bool), 0.0, 1.0, Level.SHORT_FINETUNE) for n in (50,)}
    assert expected_drops(records | trained, int32)[0] == expected_drops(records, int32)[0]  # levels have own lines
    unlabelled = {n: each.model_copy(update={"answers": None}) for n, each in records.items()}
    assert expected_drops(unlabelled, int32) == measured


def test_designs_that_answered_a_part_of_the_samples_keep_their_measured_drop() -> None:
    records, int32, _ = study(0, designs=60)
    baseline = np.arange(SAMPLES) < 225
    some = {100 + n: record(baseline[:63], baseline[:63], 0.01 * n, 1.0, Level.PART) for n in range(60)}
    expected = expected_drops(records | some, int32)
    assert {n: expected[n] for n in some} == {n: r.figures["val_accuracy_drop_pp"] for n, r in some.items()}
    assert {n: expected[n] for n in records} == expected_drops(records, int32)
