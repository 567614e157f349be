import dataclasses
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_study import Maker

from dse import formats
from dse.design.metrics import DISAGREEMENT, DIVERGENCE, DROP
from dse.formats import MINUS, TIMES
from dse.report.front_rows import MOST_LISTED, front_rows
from dse.report.losses import MANY_SAMPLES, ShownLoss, shown_loss
from dse.report.page import needs
from dse.report.recommendations import recommendation
from dse.report.scene import scene
from dse.report.tiles import front_tiles, smaller, tiles
from dse.store.results import StudyResults
from dse.verdict import Choice, Reference, Verdict, choices


def judged(results: StudyResults) -> tuple[Verdict, Choice]:
    """The verdict on a study and the design that it recommends."""
    verdict = recommendation(results).verdict
    assert verdict.recommended is not None
    return verdict, verdict.recommended


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_a_drop_reads_as_a_change_and_its_interval_turns_round(one: float, other: float) -> None:
    loss, (low, high) = ShownLoss(DROP, 1), sorted((one, other))
    assert loss.value(low) >= loss.value(high)
    assert loss.interval(low, high) == f"{loss.text(high)} to {loss.text(low)}"
    assert ShownLoss(DIVERGENCE, 4).interval(low, high).startswith(ShownLoss(DIVERGENCE, 4).text(low))


def test_a_gain_of_accuracy_is_no_negative_drop() -> None:
    loss = ShownLoss(DROP, 1)
    assert loss.amount(-1.75) == "+1.8 pp"
    assert loss.amount(1.75) == f"{MINUS}1.8 pp"
    assert loss.amount(0.0) == "0.0 pp"
    assert loss.interval(-4.17, 0.42) == f"{MINUS}0.4 to +4.2"
    assert loss.text(math.nan) == "\N{EN DASH}"


def test_decimals_follow_the_number_of_test_samples(typical: StudyResults) -> None:
    for samples, digits in ((MANY_SAMPLES - 1, 1), (MANY_SAMPLES, 2)):
        facts = dataclasses.replace(typical.facts, samples={"test": samples})
        assert shown_loss(facts).digits == digits


def test_costs_have_the_range_of_both_models(typical: StudyResults) -> None:
    verdict, choice = judged(typical)
    area, energy, _ = tiles(choice, verdict, typical.facts)
    by_other = choice.int32["other_rescaler_area_um2"] / choice.figures["other_rescaler_area_um2"]
    by_both = smaller(*sorted((choice.area_ratio, by_other)))
    int16 = choice.int16["rescaler_area_um2"] / choice.area_um2
    assert area.change == f"{by_both} than int32 by both cost models; {smaller(int16, int16)} than int16"
    assert f"{formats.times(int16)} less than int16" in verdict.headline
    assert f"The rescalers' part: area {area.condition}; energy {energy.condition} (" in verdict.text
    shares = choice.area_shares
    without, with_buffers = ((formats.share(a), formats.share(b)) for a, b in (
        (shares.int32, shares.design), (shares.int32_whole, shares.design_whole)
    ))  # fmt: skip
    assert area.condition == (
        f"from {without[0]} to {without[1]} of MACs and rescalers, {with_buffers[0]} to {with_buffers[1]} with buffers"
    )
    assert shares.int32_whole < shares.int32
    assert "with buffers" in energy.condition


def test_shares_without_known_buffers_say_so(typical: StudyResults) -> None:
    _, choice = judged(typical)
    bare = {**choice.figures, "memory_area_um2": math.nan}
    assert dataclasses.replace(choice, figures=bare).area_shares.in_words.endswith("buffers not counted")
    unknown = {**choice.figures, "accelerator_area_um2": math.nan}
    assert dataclasses.replace(choice, figures=unknown).area_shares.in_words == ""


def test_an_accelerator_that_is_the_objective_is_compared_with_its_buffers_too(make: Maker) -> None:
    results = make(trials=150)
    totals = (DROP.name, "accelerator_area_um2", "accelerator_energy_nj")
    whole = dataclasses.replace(results, facts=dataclasses.replace(results.facts, objectives=totals))
    verdict, choice = judged(whole)
    area, *_ = tiles(choice, verdict, whole.facts)
    ratio = (choice.int32["accelerator_area_um2"] + 300_000) / (choice.figures["accelerator_area_um2"] + 300_000)
    assert area.condition == f"MACs and rescalers; {smaller(ratio, ratio)} with buffers"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (7.12, 7.71, f"7.1{TIMES} to 7.7{TIMES} smaller"),
        (7.12, 7.13, f"7.1{TIMES} smaller"),
        (0.5, 0.8, f"1.2{TIMES} to 2.0{TIMES} larger"),
        (0.8, 1.1, f"between 1.2{TIMES} larger and 1.1{TIMES} smaller"),
    ],
)
def test_factors_below_one_are_those_of_something_larger(low: float, high: float, words: str) -> None:
    assert smaller(low, high) == words


def test_accuracy_has_the_intervals_of_the_verdict_against_both_references(make: Maker) -> None:
    for seed in range(2):
        results = make(seed=seed, trials=80)
        verdict, choice = judged(results)
        loss = shown_loss(results.facts)
        *_, accuracy = tiles(choice, verdict, results.facts)
        assert accuracy.after == f"{choice.figures['test_accuracy']:.1f}%"
        assert accuracy.before == f"{choice.int32['test_accuracy']:.1f}"
        assert verdict.evidence is not None
        for each in verdict.evidence.comparisons:
            text = accuracy.change if each.reference is Reference.DEPLOYED else accuracy.condition
            assert f"{loss.amount(each.loss)}, " in text
            assert f"interval {loss.interval(each.low, each.high)}" in text


def test_without_labels_the_agreement_is_shown(typical: StudyResults) -> None:
    verdict, choice = judged(typical)
    known = dict(zip(DISAGREEMENT.on_test, (2.4, 1.1, 4.6), strict=True))
    choice = dataclasses.replace(choice, figures=dict(choice.figures) | known)
    verdict = dataclasses.replace(verdict, loss=DISAGREEMENT, recommended=choice, tested=())
    *_, agreement = tiles(choice, verdict, typical.facts)
    assert agreement.after == "97.6%"
    assert agreement.change == "disagreement 2.4 pp, 95% interval 1.1 to 4.6"
    assert "no labels" in agreement.condition


def test_a_design_that_was_trained_says_so(make: Maker) -> None:
    designs = choices(results := make(trials=60), results.trials[results.trials["state"] == "COMPLETE"])
    assert {bool(needs(choice)) for choice in designs} == {True, False}
    for choice in designs:
        assert any("retrained weights" in each for each in needs(choice)) == choice.is_finetuned


def test_unscored_designs_show_validation_and_say_so(make: Maker) -> None:
    results = make(scored=False)
    verdict, choice = judged(results)
    *_, accuracy = tiles(choice, verdict, results.facts)
    assert "not scored on test" in accuracy.condition
    assert accuracy.after == f"{choice.figures['val_accuracy']:.1f}%"


def test_without_a_recommendation_the_front_is_shown_from_end_to_end(typical: StudyResults) -> None:
    narrow = [choice for choice in scene(typical).front if not choice.role.is_int32]
    area, _, loss = front_tiles(scene(typical).front, typical.facts, shown_loss(typical.facts))
    ends = [formats.rounded(extreme(choice.area_um2 for choice in narrow)) for extreme in (min, max)]
    assert area.after == f"{ends[0]} to {ends[1]} µm²"
    assert loss.change == "pp"
    assert front_tiles([], typical.facts, shown_loss(typical.facts)) == ()


def test_designs_of_equal_figures_are_one_row(typical: StudyResults) -> None:
    front, names = scene(typical).front, typical.rescalers
    twins = [dataclasses.replace(front[0], trial=900), dataclasses.replace(front[0], trial=901)]
    rows = front_rows([front[0], twins[0], *front[1:], twins[1]], names)
    assert [row.choice.trial for row in rows] == [row.choice.trial for row in front_rows(front, names)]
    assert set(rows[0].alike) >= {900, 901}
    other = dataclasses.replace(front[0], trial=902, figures=dict(front[0].figures) | {DROP.on_test[0]: 3.21})
    assert len(front_rows([front[0], other], names)) == 2  # equal on validation, but not on test


@pytest.mark.parametrize("rescalers", [6, MOST_LISTED + 6])
def test_rows_mark_what_differs_from_the_row_above(make: Maker, rescalers: int) -> None:
    results = make(trials=120, rescalers=rescalers, front=12)
    rows = front_rows(scene(results).front, results.rescalers)
    assert len(rows) > 2
    assert not any(differs for _, differs in rows[0].cells)
    for above, row in pairwise(rows):
        assert any(differs for _, differs in row.cells) == (above.choice.cells != row.choice.cells)


def test_rows_that_count_alike_name_what_differs(make: Maker) -> None:
    results = make(rescalers=30, front=2, trials=20)
    first, second = scene(results).front[:2]
    exchanged = (first.multiplier_bits[1], first.multiplier_bits[0], *first.multiplier_bits[2:])
    assert exchanged != first.multiplier_bits
    second = dataclasses.replace(second, multiplier_bits=exchanged, methods=first.methods)
    row = front_rows([first, second], results.rescalers)[1]
    assert row.cells[-1] == (f"conv_0 {second.cells[0]}, conv_1 {second.cells[1]}", True)
