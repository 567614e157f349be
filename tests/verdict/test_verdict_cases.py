"""Cases in which a recommendation went wrong, and what has to come of each."""

import math
import re
from dataclasses import replace

import pytest
from made_studies import INT32_AREA, Made, Study, int32, right

from dse.design.answers import Answers
from dse.design.metrics import DROP
from dse.design.roles import Role
from dse.verdict import Outcome, Reference, Verdict, verdict_of

VAL, TEST = 2000, 4000
BASELINE = int32(right(VAL, 1800), right(TEST, 3600))


def searched(area: float, val: tuple[int, int], test: tuple[int, int], *, trained: bool = False) -> Made:
    """A design with these numbers of answers lost and gained."""
    return Made(Role.SEARCH, area, right(VAL, 1800, *val), right(TEST, 3600, *test), trained)


def uniform(area: float, val: tuple[int, int], test: tuple[int, int], *, trained: bool = False) -> Made:
    return replace(searched(area, val, test, trained=trained), role=Role.UNIFORM_ABSORB)


def verdict(*designs: Made, **changes: object) -> Verdict:
    return verdict_of(Study((BASELINE, *designs), **changes).results())  # type: ignore[arg-type]


def test_a_trained_design_must_pass_against_int32_trained_alike() -> None:
    """Training lifts int32 by 5 points; a design as good as the deployed int32 has lost all of that."""
    control = Made(Role.CONTROL, INT32_AREA, right(VAL, 1800, 0, 100), right(TEST, 3600, 0, 200), trained=True)
    weak = searched(90, (2, 2), (4, 4), trained=True)
    assert verdict(weak).outcome is Outcome.NO_VERDICT  # without its control nothing is even tested
    alone = verdict(control, weak)
    assert alone.outcome is not Outcome.SHOWN
    (test,) = alone.tested
    deployed, alike = test.comparisons
    assert (deployed.reference, alike.reference) == (Reference.DEPLOYED, Reference.TREATED_ALIKE)
    assert deployed.passed
    assert not alike.passed
    assert alike.low <= 5.0 <= alike.high
    strong = uniform(100, (2, 100), (4, 200), trained=True)
    both = verdict(control, weak, strong)
    assert both.outcome is Outcome.SHOWN
    assert both.recommended is not None
    assert both.recommended.trial == 3


def test_an_untrained_design_needs_no_control() -> None:
    made = verdict(searched(100, (2, 2), (4, 4)))
    assert made.outcome is Outcome.SHOWN
    assert [each.reference for each in made.tested[0].comparisons] == [Reference.DEPLOYED]


def test_a_uniform_design_off_the_front_is_shown_although_the_front_is_not() -> None:
    """A design of the search looks as accurate and cheaper, and fails on the test split: int32 need not be kept."""
    off_front = uniform(200, (1, 1), (2, 2))
    on_front = searched(150, (15, 16), (90, 10))
    made = verdict(off_front, on_front)
    results = Study((BASELINE, off_front, on_front)).results()
    assert 1 not in set(results.front["trial"])
    assert made.outcome is Outcome.SHOWN
    assert made.recommended is not None
    assert made.recommended.trial == 1


def test_what_a_baseline_dominates_is_never_recommended() -> None:
    dominated = searched(120, (4, 2), (1, 1))
    rival = uniform(100, (3, 2), (200, 10))
    made = verdict(rival, dominated)
    assert made.recommended is None or made.recommended.trial != 2
    assert verdict(replace(rival, role=Role.SEARCH), dominated).tested  # of the search, it would stop nothing


def test_what_is_worse_on_the_test_split_is_no_best_guess() -> None:
    """A design looks as accurate as int32 on validation, and loses 5.75 points on the test split."""
    refuted, other = searched(100, (4, 2), (230, 0)), searched(99, (20, 2), (40, 20))
    alone = verdict(refuted)
    assert (alone.outcome, alone.recommended, alone.power, alone.stability) == (Outcome.NOT_SHOWN, None, None, None)
    assert [test.choice.trial for test in alone.tested] == [1]
    assert alone.headline.startswith("Not shown: every design that might be lost more than 1.00 pp")
    assert "trial 1 was the first that failed" in alone.text
    beside = verdict(refuted, other)
    assert beside.outcome is Outcome.NOT_SHOWN
    assert beside.recommended is not None
    assert beside.recommended.trial == 2
    assert beside.stability is not None
    assert beside.stability.share == 1


def test_what_lost_more_than_the_margin_is_no_best_guess_even_if_that_may_be_luck() -> None:
    """It loses 1.25 points on the test split, from 0.6 to 1.9: not shown to be worse than the margin of 1."""
    unlucky, other = searched(100, (4, 2), (110, 60)), searched(150, (20, 2), (60, 40))
    made = verdict(unlucky, other)
    assert made.outcome is not Outcome.SHOWN
    assert made.recommended is not None
    assert made.recommended.trial == 2
    assert verdict(unlucky).recommended is None


def test_few_samples_are_enough_to_refute() -> None:
    """Two hundred samples cannot show a design, but this one loses 30 points on them."""
    few = int32(right(VAL, 1800), right(200, 180))
    made = verdict_of(Study((few, Made(Role.SEARCH, 100, right(VAL, 1800, 2, 2), right(200, 180, 60)))).results())
    assert (made.outcome, made.recommended) == (Outcome.NOT_SHOWN, None)
    unclear = verdict_of(Study((few, Made(Role.SEARCH, 100, right(VAL, 1800, 2, 2), right(200, 180, 2)))).results())
    assert unclear.outcome is Outcome.TOO_LITTLE_DATA
    assert unclear.recommended is not None


def test_infeasible_designs_are_not_tested() -> None:
    limit = [{"metric": "rescaler_area_um2", "at_most": 150.0}]
    made = verdict(searched(100, (2, 2), (4, 4)), searched(200, (0, 0), (0, 0)), constraints=limit)
    assert [test.choice.trial for test in made.tested] == [1]


def test_one_test_sample_is_too_little_data() -> None:
    made = verdict_of(
        Study(
            (int32(right(VAL, 1800), right(1, 1)), Made(Role.SEARCH, 100, right(VAL, 1800, 2, 2), right(1, 1)))
        ).results()
    )
    assert made.outcome is Outcome.TOO_LITTLE_DATA
    assert made.headline.startswith("Too little data: ")
    assert made.power is not None
    assert made.power.chance == 0.0
    assert made.power.samples > 300
    assert f"{made.power.samples:,} test samples would do" in made.headline


@pytest.mark.parametrize("lost", [0, 10, 30, 60, 200])
@pytest.mark.parametrize("samples", [100, 1000, 10_000])
def test_headlines_name_no_margin_but_the_one_that_was_asked_for(lost: int, samples: int) -> None:
    correct = samples * 9 // 10
    test = right(samples, correct, lost * samples // 10_000, 0)
    study = Study((int32(right(VAL, 1800), right(samples, correct)), Made(Role.SEARCH, 100, right(VAL, 1800, 2), test)))
    made = verdict_of(study.results())
    assert set(re.findall(r"([\d.]+) pp", made.headline)) == {"1.00"}
    passed = [test for test in made.tested if test.passed]
    assert (made.outcome is Outcome.SHOWN) == bool(passed)
    assert made.headline.startswith({
        Outcome.SHOWN: "Take trial 1, ",
        Outcome.NOT_SHOWN: "Not shown: ",
        Outcome.TOO_LITTLE_DATA: "Too little data: ",
    }[made.outcome])  # fmt: skip


def test_int32_at_chance_gives_no_verdict() -> None:
    made = verdict(searched(100, (2, 2), (4, 4)), most_frequent=3600)
    assert made.outcome is Outcome.NO_VERDICT
    assert made.recommended is None
    assert "most frequent class" in made.headline
    assert verdict(searched(100, (2, 2), (4, 4)), most_frequent=3599).outcome is Outcome.SHOWN


def test_an_equal_design_gains_nothing_over_a_uniform_one() -> None:
    made = verdict(uniform(100, (2, 2), (4, 4)), searched(100, (2, 2), (4, 4)))
    assert made.gain_over_uniform is not None
    assert made.gain_over_uniform.saved == 0
    assert "gained nothing" in made.text


def test_a_best_guess_says_why_a_uniform_design_as_good_on_validation_is_none() -> None:
    made = verdict(uniform(90, (2, 4), (200, 4)), searched(100, (2, 6), (30, 4)))
    assert made.outcome is not Outcome.SHOWN
    assert made.recommended is not None
    assert made.recommended.trial == 2
    assert "costs no more" in made.text
    assert ", but lost 4.90 pp on the test split, so it is no better guess." in made.text


def test_the_gain_is_over_the_cheapest_uniform_design_as_accurate() -> None:
    made = verdict(uniform(200, (2, 2), (4, 4)), uniform(120, (4, 2), (4, 4)), searched(100, (2, 2), (4, 4)))
    gain = made.gain_over_uniform
    assert gain is not None
    assert gain.rival.trial == 1
    assert gain.saved == pytest.approx(0.5)
    assert gain.low <= gain.saved <= gain.high
    assert math.isclose(gain.low, 1 - 100 / 120)  # on some resamples the cheaper uniform design is as accurate


def test_a_trained_rival_has_to_keep_what_training_gains() -> None:
    """Both uniform designs beat the deployed int32, but one of them loses half of what training lifts int32 by."""
    control = Made(Role.CONTROL, INT32_AREA, right(VAL, 1800, 0, 100), right(TEST, 3600, 0, 200), trained=True)
    weak, strong = uniform(110, (2, 50), (2, 100), trained=True), uniform(150, (2, 99), (2, 199), trained=True)
    made = verdict(control, weak, strong, searched(100, (2, 98), (2, 200), trained=True))
    assert made.recommended is not None
    assert made.recommended.trial == 4
    assert made.gain_over_uniform is not None
    assert made.gain_over_uniform.rival.trial == 3
    assert "better than int32 trained alike does not count" in made.text
    lucky = verdict(control, weak, strong, searched(100, (2, 140), (2, 200), trained=True))
    assert lucky.gain_over_uniform is not None
    assert lucky.gain_over_uniform.rival.role is Role.CONTROL  # no uniform design keeps all that training gains


def test_every_network_of_a_portfolio_has_to_pass() -> None:
    def made(lost: int) -> Verdict:
        val = {"one": right(VAL, 1800), "two": right(VAL, 1500)}
        test = {"one": right(TEST, 3600), "two": right(TEST, 3000)}
        worse = {"one": test["one"], "two": right(TEST, 3000, lost)}
        designs = (Made(Role.INT32, INT32_AREA, val, test), Made(Role.SEARCH, 100, val, worse))
        return verdict_of(Study(designs).results())

    assert made(4).outcome is Outcome.SHOWN
    failed = made(100)
    assert failed.outcome is Outcome.NOT_SHOWN
    assert [(each.member, each.passed) for each in failed.tested[0].comparisons] == [("one", True), ("two", False)]
    assert "against the deployed int32 of two" in failed.text


def test_disagreement_is_judged_by_the_share_of_other_answers() -> None:
    shown = verdict(searched(100, (1, 1), (8, 8)), disagreement=True)
    assert shown.outcome is Outcome.SHOWN
    assert shown.tested[0].comparisons[0].loss == pytest.approx(0.4)
    assert shown.power is not None
    assert (shown.power.discordance, shown.power.chance) == (0.0, 1.0)
    failed = verdict(searched(100, (1, 1), (30, 30)), disagreement=True)  # no drop, but 1.5% of the answers differ
    assert failed.outcome is Outcome.NOT_SHOWN


@pytest.mark.parametrize("lost", [4, 100])
def test_a_divergence_is_searched_and_the_accuracy_is_judged(lost: int) -> None:
    results = Study((BASELINE, searched(100, (2, 2), (lost, 4)))).results()
    objectives = ("val_divergence", *results.facts.objectives[1:])
    made = verdict_of(replace(results, facts=replace(results.facts, objectives=objectives)))
    assert made.loss is DROP
    assert made.margin_pp == 1.0
    assert (made.outcome is Outcome.SHOWN) == (lost == 4)
    assert any("the verdict is about the accuracy drop" in caution for caution in made.cautions)


def test_values_that_are_no_classes_have_no_verdict() -> None:
    results = Study((BASELINE, searched(100, (2, 2), (4, 4)))).results()
    objectives = ("val_divergence", *results.facts.objectives[1:])
    records = {trial: record.model_copy(update={"answers": Answers(VAL)}) for trial, record in results.records.items()}
    facts = replace(results.facts, objectives=objectives)
    made = verdict_of(replace(results, records=records, facts=facts))
    assert (made.outcome, made.recommended) == (Outcome.NO_VERDICT, None)
    assert "outputs that are no classes have no margin" in made.headline


def test_an_inherited_fine_tune_is_a_caution() -> None:
    control = Made(Role.CONTROL, INT32_AREA, right(VAL, 1800), right(TEST, 3600), trained=True)
    results = Study((BASELINE, control, searched(100, (2, 2), (4, 4), trained=True))).results()
    assert not any("trained longer" in caution for caution in verdict_of(results).cautions)
    heir = results.records[2].model_copy(update={"heir_of": 1})
    made = verdict_of(replace(results, records={**results.records, 2: heir}))
    assert any("weights of trial 1, so it was trained longer" in caution for caution in made.cautions)


def test_before_the_test_split_is_read_there_is_a_guess_and_no_verdict() -> None:
    made = verdict(searched(100, (2, 2), (4, 4)), looks=())
    assert made.outcome is Outcome.NO_VERDICT
    assert made.recommended is not None
    assert made.recommended.trial == 1
    assert "test split has not been read" in made.headline


def test_a_later_margin_changes_nothing() -> None:
    failing = searched(100, (2, 2), (60, 5))
    results = Study((BASELINE, failing)).results()
    assert verdict_of(results).outcome is Outcome.NOT_SHOWN
    relaxed = replace(results, facts=replace(results.facts, margin_pp=5.0))
    made = verdict_of(relaxed)
    assert made.outcome is Outcome.NOT_SHOWN
    assert made.margin_pp == 1.0
    assert any("a margin that is chosen later shows nothing" in caution for caution in made.cautions)


def test_the_recommendation_is_stable_where_one_design_is_far_better() -> None:
    lone = verdict(searched(100, (2, 2), (4, 4)))
    assert lone.stability is not None
    assert (lone.stability.share, lone.stability.designs) == (1.0, 1)
    many = [searched(100 + 10 * i, (45 - i, 15), (8, 8)) for i in range(15)]  # dearer is a little more accurate
    mixed = verdict(*many)
    assert mixed.stability is not None
    assert mixed.stability.share < 1
    assert mixed.stability.designs > 1
