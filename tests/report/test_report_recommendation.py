import dataclasses
import math

import numpy as np
import pytest
from synthetic_study import Maker

from dse.report import Evidence, recommendation
from dse.report.designs import choices, evidence
from dse.report.recommendations import corrected_upper_end
from dse.store.results import StudyResults


def with_rows(results: StudyResults, **columns: object) -> StudyResults:
    return dataclasses.replace(results, trials=results.trials.assign(**columns))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.5, 1.0, Evidence.NON_INFERIOR),
        (-0.5, 1.0001, Evidence.UNDECIDED),
        (1.0001, 2.0, Evidence.WORSE),
        (1.0, 2.0, Evidence.UNDECIDED),
        (math.nan, math.nan, Evidence.UNTESTED),
    ],
)
def test_evidence_is_read_from_the_ends_of_the_interval(low: float, high: float, expected: Evidence) -> None:
    assert evidence(low, high, 1.0) is expected


@pytest.mark.parametrize("seed", range(8))
def test_cheapest_is_the_cheapest_that_passes_by_brute_force(make: Maker, seed: int) -> None:
    results = make(seed=seed, trials=120)
    rec = recommendation(results)
    front = results.front
    passing = front[(front["ci_high"] <= 1.0) & ~front["role"].isin(["int32", "int32_finetuned"])]
    if passing.empty:
        assert rec.cheapest is None
        return
    assert rec.cheapest is not None
    assert rec.cheapest.area_um2 == passing["rescaler_area_um2"].min()
    assert rec.cheapest.trial in set(passing["trial"])
    assert str(rec.cheapest.trial) in rec.headline


def test_a_design_off_the_front_is_never_recommended(make: Maker) -> None:
    results = make(trials=120)
    tempting = results.trials["role"] == "search"
    cheap = with_rows(results, ci_high=results.trials["ci_high"].where(~tempting | results.trials["on_front"], -5.0))
    rec = recommendation(cheap)
    on_front = set(results.front["trial"])
    assert all(choice is None or choice.trial in on_front for choice in (rec.cheapest, rec.knee))


def test_int32_is_no_recommendation_but_keeping_it_is_said(make: Maker) -> None:
    results = make()
    failing = with_rows(results, ci_high=results.trials["ci_high"].where(results.trials["role"] == "int32", 3.0))
    rec = recommendation(failing)
    assert rec.cheapest is None
    assert rec.headline.startswith("Keep int32")
    assert "3.00 pp" in rec.cheapest_reason


def test_a_margin_the_data_cannot_resolve_is_never_claimed(make: Maker) -> None:
    rec = recommendation(make(test_samples=100, margin_pp=0.5, drop_scale=0.2))
    assert rec.cheapest is None
    assert rec.resolvable_margin_pp is not None
    assert rec.resolvable_margin_pp > 0.5
    assert any("test split is small" in caution for caution in rec.cautions)
    if rec.cheapest_at_resolvable:
        assert rec.cheapest_at_resolvable.ci_high <= rec.resolvable_margin_pp
        assert "Nothing is shown at 0.50 pp" in rec.headline


def test_knee_is_closest_to_the_best_of_each_objective(make: Maker) -> None:
    results = make(front=50)
    rec = recommendation(results)
    near = results.front[results.front["val_accuracy_drop_pp"] <= 5.0]
    values = near[["val_accuracy_drop_pp", "rescaler_area_um2", "rescaler_energy_nj"]].to_numpy()
    scaled = (values - values.min(0)) / (values.max(0) - values.min(0))
    assert rec.knee is not None
    assert rec.knee.trial == near["trial"].iloc[int(np.linalg.norm(scaled, axis=1).argmin())]


def test_nothing_is_recommended_without_a_complete_trial(make: Maker) -> None:
    rec = recommendation(make(front=0))
    assert rec.cheapest is None
    assert rec.knee is None
    assert rec.chosen is None
    assert "no trial is complete" in rec.headline


def test_without_test_scores_nothing_is_claimed(make: Maker) -> None:
    rec = recommendation(make(scored=False))
    assert rec.cheapest is None
    assert "no score on the test split" in rec.headline
    assert rec.knee is not None


def test_correction_for_many_designs_only_widens(make: Maker) -> None:
    results = make(trials=120)
    choice = choices(results, results.front)[-1]
    ends = [corrected_upper_end(choice, tests) for tests in (1, 2, 10, 100)]
    assert ends[0] == pytest.approx(choice.ci_high)
    assert ends == sorted(ends)
    # Bonferroni over 10 at 95% two-sided is the 0.9975 quantile: 2.807 instead of 1.960.
    assert ends[2] - choice.test_loss == pytest.approx((choice.ci_high - choice.test_loss) * 2.807 / 1.960, rel=1e-3)


def test_missing_control_is_a_caution_for_a_finetuned_choice(make: Maker) -> None:
    results = make(roles=("int32",))
    tuned = with_rows(results, finetune="short")
    assert any("control" in caution for caution in recommendation(tuned).cautions)
    untuned = with_rows(results, finetune="none")
    assert not any("control" in caution for caution in recommendation(untuned).cautions)


def test_a_weak_baseline_is_a_caution(make: Maker) -> None:
    results = make()
    control = results.trials["role"] == "int32_finetuned"
    drop = results.trials["val_accuracy_drop_pp"]
    tuned = with_rows(results, finetune="short", val_accuracy_drop_pp=drop.where(~control, -4.0))
    assert any("lifts int32 by 4.00 pp" in caution for caution in recommendation(tuned).cautions)
    fair = with_rows(results, finetune="short", val_accuracy_drop_pp=drop.where(~control, -0.5))
    assert not any("Training alone" in caution for caution in recommendation(fair).cautions)


def test_every_study_gets_words(any_study: StudyResults) -> None:
    rec = recommendation(any_study)
    assert rec.headline
    assert rec.text.startswith(rec.headline)
    assert rec.knee_reason
    assert rec.cheapest_reason
    assert "nan" not in rec.text
