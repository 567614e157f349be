"""The paired score interval, against its own definition, published examples and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom, norm

from dse.design.statistics import (
    PairedCounts,
    _binomial,
    _fair_shares,
    _most_lost,
    chance_to_pass,
    normal_shares,
    paired_interval,
)

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


def chance_by_enumeration(n: int, discordance: float, margin_pp: float, error: float) -> float:
    """Over every table: how often the upper end of the interval of an equal design is within the margin."""
    chance = 0.0
    for differing in range(n + 1):
        share = math.comb(n, differing) * discordance**differing * (1 - discordance) ** (n - differing)
        for lost in range(differing + 1):
            if paired_interval(PairedCounts(n, lost, differing - lost), 1 - 2 * error)[1] <= margin_pp:
                chance += share * math.comb(differing, lost) / 2**differing
    return chance


@pytest.mark.parametrize(
    ("n", "discordance", "margin_pp", "error"),
    [
        (40, 0.1, 12.0, 0.025),
        (40, 0.0, 12.0, 0.025),
        (40, 0.0, 8.0, 0.025),
        (30, 0.5, 20.0, 0.02),
        (25, 0.3, 5.0, 0.004),
    ],
)
def test_chance_to_pass_is_that_of_all_tables(n: int, discordance: float, margin_pp: float, error: float) -> None:
    expected = chance_by_enumeration(n, discordance, margin_pp, error)
    assert chance_to_pass(n, discordance, margin_pp, error) == pytest.approx(expected, abs=1e-9)


def test_chance_to_pass_is_what_simulated_tests_show() -> None:
    n, discordance, margin, error = 1500, 0.02, 1.0, 0.02
    half = discordance / 2
    draws = np.random.default_rng(1).multinomial(n, [half, half, 1 - discordance], size=4000)
    passes = {
        (int(lost), int(gained)): paired_interval(PairedCounts(n, int(lost), int(gained)), 1 - 2 * error)[1] <= margin
        for lost, gained, _ in np.unique(draws, axis=0)
    }
    seen = np.mean([passes[int(lost), int(gained)] for lost, gained, _ in draws])
    assert chance_to_pass(n, discordance, margin, error) == pytest.approx(seen, abs=0.03)  # 4 standard errors


@given(st.integers(50, 5000), st.floats(0, 0.2), st.floats(0.1, 5), st.floats(0.001, 0.1))
@settings(max_examples=50, deadline=None)
def test_chance_to_pass_grows_with_margin_and_error(n: int, discordance: float, margin: float, error: float) -> None:
    chance = chance_to_pass(n, discordance, margin, error)
    assert -1e-9 <= chance <= 1 + 1e-9
    assert chance_to_pass(n, discordance, 1.2 * margin, error) >= chance - 1e-9
    assert chance_to_pass(n, discordance, margin, 1.2 * error) >= chance - 1e-9


@pytest.mark.parametrize(("least", "counts"), [(0, 90), (1, 300), (50, 500), (4000, 900)])
@pytest.mark.parametrize("margin", [0.004, 0.02])
def test_shares_of_a_fair_coin_are_scipys(least: int, counts: int, margin: float) -> None:
    """They are sums along a path through Pascal's triangle there, and incomplete beta functions in SciPy."""
    tosses = np.arange(least, least + counts, dtype=np.float64)
    most = _most_lost(3 * (least + counts), tosses, margin, 1.96)
    known = np.where(most < 0, 0.0, binom.cdf(np.maximum(most, 0), np.maximum(tosses, 1), 0.5))
    possible = tosses > 0
    assert _fair_shares(tosses, most)[possible] == pytest.approx(known[possible], abs=1e-10)
    assert 0 < known[possible][-1] < 1


@given(st.integers(1, 5000), st.floats(0, 1), st.data())
def test_binomial_probabilities_are_scipys(trials: int, share: float, data: st.DataObject) -> None:
    low = data.draw(st.integers(0, trials))
    counts = np.arange(low, data.draw(st.integers(low, trials)) + 1, dtype=np.float64)
    assert _binomial(trials, share, counts) == pytest.approx(binom.pmf(counts, trials, share), abs=1e-9)


def test_normal_shares_are_scipys() -> None:
    values = np.linspace(-40, 40, 801).reshape(3, 267)
    assert normal_shares(values) == pytest.approx(norm.cdf(values), abs=2e-7)
