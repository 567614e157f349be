import dataclasses
import math

import pytest
from synthetic_study import Maker

from dse.report import Evidence, recommendation
from dse.store.results import StudyResults
from dse.verdict import Outcome
from dse.verdict.designs import evidence


def with_rows(results: StudyResults, **columns: object) -> StudyResults:
    return dataclasses.replace(results, trials=results.trials.assign(**columns))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.5, 1.0, Evidence.WITHIN),
        (-0.5, 1.0001, Evidence.UNDECIDED),
        (1.0001, 2.0, Evidence.WORSE),
        (1.0, 2.0, Evidence.UNDECIDED),
        (math.nan, math.nan, Evidence.UNTESTED),
    ],
)
def test_evidence_is_read_from_the_ends_of_the_interval(low: float, high: float, expected: Evidence) -> None:
    assert evidence(low, high, 1.0) is expected


@pytest.mark.parametrize("seed", range(6))
def test_the_recommended_design_is_named_by_what_it_is(make: Maker, seed: int) -> None:
    rec = recommendation(make(seed=seed, trials=80))
    (name, choice), *others = rec.recommended.items()
    assert not others
    assert choice == rec.verdict.recommended
    assert (name == "recommended") == (rec.verdict.outcome is Outcome.SHOWN)
    assert f"trial {choice.trial}" in rec.verdict.headline


def test_nothing_is_recommended_without_a_complete_trial(make: Maker) -> None:
    rec = recommendation(make(front=0))
    assert rec.recommended == {}
    assert "no trial is complete" in rec.verdict.headline


def test_the_best_uniform_design_is_the_one_that_the_gain_is_stated_against(make: Maker) -> None:
    rec = recommendation(make(seed=4, trials=120, test_samples=20_000))
    gain = rec.verdict.gain_over_uniform
    assert gain is not None
    assert gain.rival.role.is_uniform
    assert rec.best_uniform == gain.rival
    assert rec.verdict.recommended is not None
    assert gain.rival.val_loss <= max(rec.verdict.recommended.val_loss, 0.0)


def test_missing_control_is_a_caution_for_a_finetuned_choice(make: Maker) -> None:
    results = make(roles=("int32",))
    tuned = with_rows(results, finetune="short")
    assert any("same fine-tuning is missing" in caution for caution in recommendation(tuned).verdict.cautions)
    untuned = with_rows(results, finetune="none")
    assert not any("fine-tuning" in caution for caution in recommendation(untuned).verdict.cautions)


def test_a_weak_baseline_is_a_caution(make: Maker) -> None:
    results = make()
    control = results.trials["role"] == "int32_finetuned"
    drop = results.trials["val_accuracy_drop_pp"]
    tuned = with_rows(results, finetune="short", val_accuracy_drop_pp=drop.where(~control, -4.0))
    assert any("lifts int32 by 4.00 pp" in caution for caution in recommendation(tuned).verdict.cautions)
    fair = with_rows(results, finetune="short", val_accuracy_drop_pp=drop.where(~control, -0.5))
    assert not any("Training alone" in caution for caution in recommendation(fair).verdict.cautions)


def test_every_study_gets_words(any_study: StudyResults) -> None:
    verdict = recommendation(any_study).verdict
    assert verdict.headline
    assert verdict.text.startswith(verdict.headline)
    assert "nan" not in verdict.text
