"""The search experiment's arithmetic: curves, and evaluations to a share."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.design.pareto import hypervolume, relative_costs
from dse.study.prepared import PreparedStudy, correct_answers, right_answers
from studies.experiments.search import Outcome, curve, looked_at, median_to, table, variants


@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_a_curve_is_the_hypervolume_of_all_outcomes_so_far(count: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(-1, 7, size=(count, 3)) / [1, 5, 5]
    relative = relative_costs(values, np.ones(3))
    run = [Outcome(tuple(map(float, row)), 0.0) for row in values]
    assert np.allclose(curve(run, (0.0, 1.0, 1.0)), [hypervolume(relative[: n + 1]) for n in range(count)])


def test_the_median_seed_counts_those_that_never_get_there() -> None:
    shares = np.array([[0.1, 0.5, 0.9], [0.1, 0.9, 0.9], [0.1, 0.2, 0.3]])
    assert median_to(shares, 0.9) == 3
    assert median_to(shares, 0.1) == 1
    assert math.isinf(median_to(shares[[0, 2, 2]], 0.9))


def test_the_table_compares_with_the_quickest_plain_sampler() -> None:
    random, nsga2, tpe, *_, ours = variants(plain=True, starts=0)
    rising = np.linspace(0.0, 1.0, 11)[None]  # 90% at the tenth evaluation, 99% at the eleventh
    slow, never, quick = rising * 0.95, rising * 0.5, np.array([[0.0, 0.92, 1.0]])
    curves = {random: never, nsga2: slow, tpe: never, ours: quick}
    rows = table(curves, {variant: np.ones_like(shares) for variant, shares in curves.items()})
    titles, *body = ([cell.strip() for cell in row.split("|")[1:-1]] for row in (rows[0], rows[2], rows[-1]))
    at = titles.index("to 90%")
    assert titles[: at + 4] == ["variant", "3", "11", "to 90%", "times", "to 99%", "times"]
    assert body[0][at : at + 2] == ["over 11 (0/1)", ""]
    assert body[1][: at + 4] == [
        "surrogate + uniform widths",
        "1.000 (1.000)",
        "",
        "2 (1/1)",
        "5.5",
        "3 (1/1)",
        "over 3.7",
    ]


def test_a_smaller_validation_share_is_spread_over_the_split(digits: PreparedStudy) -> None:
    (fewer,) = looked_at(digits, 50).members
    assert len(fewer.splits.validation) == 50
    expected = correct_answers(digits.members[0].network, fewer.splits.validation)
    assert (right_answers(fewer.baseline_outputs, fewer.splits.validation) == expected).all()
    assert looked_at(digits, None) is digits
