"""The training experiment: its cases, their evaluation, and drops against int32 trained alike."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from dse.study.prepared import PreparedStudy
from nets.network.operators import Method
from studies.experiments.training import SETTINGS, Case, Fold, cases, evaluate, interval, markdown, rows


def test_every_case_has_a_reference_among_the_cases() -> None:
    every = cases()
    assert len(set(every)) == len(every)
    assert {case.reference for case in every} <= set(every)
    assert all(case.reference.trained == case.trained for case in every)


def test_an_interval_is_that_of_the_mean() -> None:
    differences = np.array([0.0, 1.0, 1.0, 0.0, -1.0, 0.5])
    low, mean, high = interval(differences)
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    assert mean == pytest.approx(100 * differences.mean())
    assert (low, high) == pytest.approx((mean - 196 * error, mean + 196 * error), abs=100 * error * 1e-4)
    assert norm.cdf((high - mean) / (100 * error)) == pytest.approx(0.975)


def test_drops_are_against_int32_trained_alike() -> None:
    narrow = Case(weight_bits=8, multiplier_bits=2, method=Method.ABSORB, trained=True)
    right = {narrow: np.array([1.0, 0.0, 1.0, 0.0]), narrow.reference: np.array([1.0, 1.0, 1.0, 0.0])}
    table = rows(right)
    assert table[narrow].accuracy_percent == 50
    assert table[narrow].drop_against_int32_trained_alike_pp == 25
    assert table[narrow.reference].drop_against_int32_trained_alike_pp == 0
    page = markdown("digits", table, seeds=1, samples=4)
    assert "50.00 (+25.00; " in page
    assert "| 31 | as round | as round | 75.00 | as round |" in page


@pytest.mark.parametrize("trained", [False, True])
def test_a_case_says_which_test_samples_are_right(digits: PreparedStudy, trained: bool) -> None:
    (member,) = digits.members
    test = member.splits.test.take(np.arange(100))
    fold = Fold(
        digits.members[0].network,
        dict(digits.members[0].originals),
        digits.members[0].splits.finetune,
        test,
        np.arange(100),
    )
    settings = replace(SETTINGS["digits"], epochs=1)
    int32 = evaluate(fold, Case(4, 31, Method.ROUND, trained), settings)
    narrow = evaluate(fold, Case(4, 1, Method.ROUND, trained), settings)
    assert int32.shape == narrow.shape == (100,)
    assert int32.mean() > 0.9
    assert narrow.mean() < int32.mean()
