"""The paired score interval, against its own definition, published examples and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from dse.design.statistics import PairedCounts, paired_interval, resolvable_margin

Z95 = float(norm.ppf(0.975))


def score_by_likelihood(n: int, lost: int, gained: int, difference: float) -> float:
    """Score statistic with the constrained maximum likelihood by numerical search, not by Tango's closed form."""

    def negative(p_gained: float) -> float:
        p_lost = p_gained + difference
        rest = 1 - p_gained - p_lost
        terms = ((lost, p_lost), (gained, p_gained), (n - lost - gained, rest))
        if any(p < 0 or (p == 0 and count) for count, p in terms):
            return math.inf
        return -sum(count * math.log(p) for count, p in terms if count)

    low, high = max(0.0, -difference), (1 - difference) / 2
    minimum = minimize_scalar(negative, bounds=(low, high), method="bounded", options={"xatol": 1e-14})
    gained_share = min((low, float(minimum.x), high), key=negative)
    variance = n * (2 * gained_share + difference - difference**2)
    return (lost - gained - n * difference) / math.sqrt(variance)


@pytest.mark.parametrize(
    ("n", "lost", "gained"), [(100, 10, 3), (50, 5, 5), (846, 31, 24), (400, 1, 0), (30, 12, 2), (719, 0, 9)]
)
def test_ends_are_where_the_score_reaches_the_quantile(n: int, lost: int, gained: int) -> None:
    low, high = (end / 100 for end in paired_interval(PairedCounts(n, lost, gained)))
    assert score_by_likelihood(n, lost, gained, low) == pytest.approx(Z95, abs=2e-3)
    assert score_by_likelihood(n, lost, gained, high) == pytest.approx(-Z95, abs=2e-3)


def test_published_example() -> None:
    """Airway hyper-responsiveness before and after transplantation: the table 1, 1; 7, 12.

    Fagerland, Lydersen and Laake, Statistics in Medicine 33:2850 (2014), give Tango's interval as -0.517 to -0.026.
    """
    low, high = paired_interval(PairedCounts(21, 1, 7))
    assert (round(low / 100, 3), round(high / 100, 3)) == (-0.517, -0.026)


def test_no_discordant_sample() -> None:
    """The score interval has the closed form +- z^2 / (n + z^2) there."""
    low, high = paired_interval(PairedCounts(500, 0, 0))
    end = 100 * Z95**2 / (500 + Z95**2)
    assert (low, high) == pytest.approx((-end, end), rel=1e-6)


COUNTS = st.integers(1, 2000).flatmap(
    lambda n: st.integers(0, n).flatmap(lambda lost: st.tuples(st.just(n), st.just(lost), st.integers(0, n - lost)))
)


@given(COUNTS)
def test_interval_holds_the_estimate_and_mirrors(counts: tuple[int, int, int]) -> None:
    n, lost, gained = counts
    low, high = paired_interval(PairedCounts(n, lost, gained))
    assert -100 <= low <= PairedCounts(n, lost, gained).drop_pp <= high <= 100
    assert low < high
    assert paired_interval(PairedCounts(n, gained, lost)) == pytest.approx((-high, -low), abs=1e-6)


@given(COUNTS)
@settings(max_examples=50)
def test_more_confidence_is_wider(counts: tuple[int, int, int]) -> None:
    pair = PairedCounts(*counts)
    narrow, wide = paired_interval(pair, 0.9), paired_interval(pair, 0.99)
    assert wide[0] <= narrow[0]
    assert narrow[1] <= wide[1]


@pytest.mark.parametrize(("n", "p_lost", "p_gained"), [(300, 0.03, 0.02), (300, 0.01, 0.0), (80, 0.1, 0.1)])
def test_covers_the_truth_as_often_as_it_says(n: int, p_lost: float, p_gained: float) -> None:
    draws = np.random.default_rng(0).multinomial(n, [p_lost, p_gained, 1 - p_lost - p_gained], size=2000)
    truth = 100 * (p_lost - p_gained)
    kept = {}
    for lost, gained, _ in draws:
        if (lost, gained) not in kept:
            low, high = paired_interval(PairedCounts(n, int(lost), int(gained)))
            kept[lost, gained] = low <= truth <= high
    coverage = np.mean([kept[lost, gained] for lost, gained, _ in draws])
    assert 0.93 <= coverage <= 0.985  # 2,000 draws: +-1 point, and counts are discrete


@given(st.integers(10, 3000), st.floats(0, 1))
def test_resolvable_margin_is_the_upper_end_of_an_equal_design(samples: int, share: float) -> None:
    discordant = share * samples
    margin = resolvable_margin(samples, discordant)
    assert margin == paired_interval(PairedCounts(samples, discordant / 2, discordant / 2))[1]
    assert margin > 0
    assert resolvable_margin(4 * samples, 4 * discordant) < margin
