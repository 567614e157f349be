"""What is planned for the test, what a test split can show, and how the designs are chosen."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_studies import Made, Study, int32, right

from dse.design.metrics import DROP
from dse.design.roles import Role
from dse.design.statistics import PairedCounts, paired_interval
from dse.verdict import Outcome, verdict_of
from dse.verdict.candidates import Candidates
from dse.verdict.plan import best_sequence, next_look, pass_chances
from dse.verdict.power import power_of
from dse.verdict.resampling import gain_interval, resampled, rival_of

VAL, TEST = 1000, 2000


def expected_saving(sequence: tuple[int, ...], costs: list[float], chances: list[float]) -> float:
    """The saving that a sequence brings on average if steps pass independently, by its definition."""
    total, odds, before = 0.0, 1.0, 1.0
    for row in sequence:
        odds *= chances[row]
        total += odds * math.log(before / costs[row])
        before = costs[row]
    return total


@given(st.lists(st.tuples(st.floats(0.01, 0.99), st.floats(0.05, 1.0)), min_size=1, max_size=6))
def test_no_other_sequence_saves_more(designs: list[tuple[float, float]]) -> None:
    designs.sort()
    costs, chances = [cost for cost, _ in designs], [chance for _, chance in designs]
    sequence = best_sequence(np.array(costs), np.array(chances))
    assert [costs[row] for row in sequence] == sorted((costs[row] for row in sequence), reverse=True)
    rows = range(len(designs) - 1, -1, -1)  # dearest first
    best = max(
        expected_saving(each, costs, chances)
        for size in range(1, len(designs) + 1)
        for each in itertools.combinations(rows, size)
    )
    assert expected_saving(tuple(sequence), costs, chances) == pytest.approx(best)


def test_without_any_fair_chance_the_likeliest_design_is_tested() -> None:
    assert best_sequence(np.array([0.1, 0.2, 0.3]), np.array([0.0, 0.04, 0.01])) == [1]
    assert best_sequence(np.array([0.1, 0.2]), np.array([0.0, 0.0])) == []


def candidates(*counts: tuple[int, int], baseline: tuple[int, ...] = ()) -> Candidates:
    """Designs, cheapest first, with these numbers of validation answers lost and gained."""
    reference = right(VAL, 900).astype(np.int8)
    differences = np.array([reference - right(VAL, 900, *each).astype(np.int8) for each in counts])
    return Candidates(
        trials=np.arange(len(counts)),
        costs=np.linspace(0.1, 1.0, len(counts)),
        eligible=np.array([row not in baseline for row in range(len(counts))]),
        baseline=np.array([row in baseline for row in range(len(counts))]),
        deployed=differences,
        alike=differences,
        members=(slice(0, VAL),),
    )


def test_the_likelihood_to_pass_falls_with_loss_and_discordance_and_gives_no_credit_for_luck() -> None:
    designs = candidates((30, 10), (10, 10), (2, 2), (0, 0), (0, 8), (0, 30))
    everything = np.ones((1, VAL), dtype=np.float32)
    chances = pass_chances(designs, everything, 1.0, (TEST,), 0.02)[:, 0]
    assert list(chances[:4]) == sorted(chances[:4])
    assert chances[0] < 0.05 < 0.95 < chances[3]
    assert chances[5] < chances[3]  # much better on validation only means that it differs more


@pytest.mark.parametrize("lost", [0, 5, 20])
def test_the_likelihood_to_pass_is_about_what_happens(lost: int) -> None:
    """A design whose validation counts are the truth: how often it passes over simulated validation and test splits."""
    rng = np.random.default_rng(0)
    shares = ((lost + 10) / VAL, 10 / VAL)
    predicted, passed = [], []
    for _ in range(200):
        val, test = (rng.multinomial(n, [*shares, 1 - sum(shares)]) for n in (VAL, TEST))
        designs = candidates((int(val[0]), int(val[1])))
        predicted.append(pass_chances(designs, np.ones((1, VAL), np.float32), 1.5, (TEST,), 0.02)[0, 0])
        passed.append(paired_interval(PairedCounts(TEST, int(test[0]), int(test[1])), 0.96)[1] <= 1.5)
    assert np.mean(predicted) == pytest.approx(np.mean(passed), abs=0.15)  # an order is all that is asked of it


def test_a_trained_design_is_only_as_likely_to_pass_as_against_its_control() -> None:
    designs = candidates((2, 2), (2, 2))
    against = designs.alike.copy()
    against[1, 900:950] = 1  # int32 trained alike gets 50 more right
    chances = pass_chances(replace(designs, alike=against), np.ones((1, VAL), np.float32), 1.0, (TEST,), 0.02)[:, 0]
    assert chances[0] > 0.5
    assert chances[1] < 0.001


def test_later_looks_keep_the_margin_of_the_first() -> None:
    designs = candidates((2, 2))
    first = next_look(designs, (), 1.0, (TEST,), 5)
    second = next_look(designs, (first,), 3.0, (TEST,), 9)
    assert (first.margin_pp, second.margin_pp) == (1.0, 1.0)
    assert second.error < first.error
    assert next_look(None, (), 1.0, (TEST,), 5).sequence == ()


def test_a_design_is_tested_once() -> None:
    designs = candidates((2, 2), (2, 1), (1, 1))
    first = next_look(designs, (), 1.0, (TEST,), 5)
    second = next_look(designs, (first,), 1.0, (TEST,), 6)
    third = next_look(designs, (first, second), 1.0, (TEST,), 7)
    sequences = [set(look.sequence) for look in (first, second, third)]
    assert sequences[0]
    assert sequences[1]
    assert sum(map(len, sequences)) == len(set.union(*sequences))


def test_margin_and_samples_are_those_with_a_chance_of_80_percent() -> None:
    """Simulated tests of an equal design, at the discordance that the figures assume."""
    rng = np.random.default_rng(2)
    made = power_of(candidates((10, 10)), 0, DROP, 1.0, (TEST,), 0.02)
    assert 0.02 < made.discordance < 0.03  # 20 of 1000, and not certain
    assert made.margin_pp is not None

    def passes(samples: int, margin_pp: float) -> float:
        half = made.discordance / 2
        draws = rng.multinomial(samples, [half, half, 1 - made.discordance], size=2000)
        return float(
            np.mean(
                [
                    paired_interval(PairedCounts(samples, int(lost), int(gained)), 0.96)[1] <= margin_pp
                    for lost, gained, _ in draws
                ]
            )
        )

    assert passes(TEST, made.margin_pp) == pytest.approx(0.8, abs=0.04)
    assert passes(made.samples, 1.0) == pytest.approx(0.81, abs=0.04)
    assert passes(TEST, 1.0) == pytest.approx(made.chance, abs=0.04)


def test_no_difference_on_validation_promises_nothing_for_sure() -> None:
    made = power_of(candidates((0, 0)), 0, DROP, 0.3, (TEST,), 0.02)
    assert made.discordance > 0
    assert made.chance < 1


def test_the_rival_is_the_cheapest_baseline_as_accurate() -> None:
    designs = candidates((5, 2), (0, 4), (9, 2), (5, 2), (0, 0), baseline=(2, 3, 4))
    assert rival_of(designs, 0) == 3
    assert rival_of(designs, 1) == 4  # better than int32 is no better than equal
    assert rival_of(candidates((1, 0), (9, 0), baseline=(1,)), 0) is None
    low, high = gain_interval(designs, 0, resampled(designs))
    assert low <= 1 - designs.costs[0] / designs.costs[3] <= high


def test_resamples_are_drawn_from_each_network_alone() -> None:
    weights = resampled(replace(candidates((1, 1)), members=(slice(0, 300), slice(300, VAL))), 50)
    assert (weights[:, :300].sum(axis=1) == 300).all()
    assert (weights[:, 300:].sum(axis=1) == 700).all()
    assert (weights != weights[0]).any()
    assert (weights == resampled(replace(candidates((1, 1)), members=(slice(0, 300), slice(300, VAL))), 50)).all()


def test_a_resumed_study_keeps_what_it_has_shown_and_pays_for_another_look() -> None:
    first = Made(Role.SEARCH, 300, right(VAL, 900, 1, 1), right(TEST, 1800, 2, 2))
    later = Made(Role.SEARCH, 100, right(VAL, 900, 1, 1), right(TEST, 1800, 2, 2))
    reference = int32(right(VAL, 900), right(TEST, 1800))
    once = verdict_of(Study((reference, first, later)).results())
    twice = verdict_of(Study((reference, first, later), looks=(2, 3)).results())
    assert [(test.choice.trial, test.look) for test in once.tested] == [(2, 1)]
    assert [(test.choice.trial, test.look) for test in twice.tested] == [(1, 1), (2, 2)]
    assert twice.tested[1].error == pytest.approx(0.024)  # the first look passed and hands its error on
    assert twice.recommended is not None
    assert twice.recommended.trial == 2
    assert any("read 2 times" in caution for caution in twice.cautions)
    guessed = Study((reference, *(replace(each, test=right(TEST, 1800, 30, 10)) for each in (first, later))), (2, 3))
    guess = verdict_of(guessed.results())
    assert (guess.outcome, guess.recommended and guess.recommended.trial) == (Outcome.NOT_SHOWN, 2)
    assert guess.stability is not None
    assert guess.stability.share > 0.5  # the guess is over all designs, whichever look tested them
    failing = replace(first, test=right(TEST, 1800, 60, 2))
    strict = verdict_of(Study((reference, failing, later), looks=(2, 3)).results())
    assert [(test.choice.trial, round(test.error, 4), test.passed) for test in strict.tested] == [
        (1, 0.02, False),
        (2, 0.004, True),
    ]
