"""Paired comparison of two networks on the same samples: intervals of what one loses, and what can be shown of it."""

import functools
import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_RESAMPLES = 2000  # the ends of the interval then vary by a few percent of its width
_HALVINGS = 48  # of the interval that holds an end: to 1e-14 of a difference of shares
_LEAST_SHARE = 1e-15  # of samples; less, or as little from all of them, is as good as none, or all
_TAIL = 9.0  # standard deviations beyond which a binomial count is neglected: 1e-16 and less


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """Counts of samples on which a design and the baseline differ.

    Attributes:
        samples: number of all samples.
        lost, gained: numbers of samples that only the baseline, or only the design, gets right.
    """

    samples: int
    lost: float
    gained: float

    @property
    def drop_pp(self) -> float:
        """Accuracy drop, baseline minus design, in percentage points."""
        return 100.0 * (self.lost - self.gained) / self.samples


def normal_quantile(share: float) -> float:
    """Returns the value below which this share of a standard normal distribution lies."""
    return NormalDist().inv_cdf(share)


@lru_cache(maxsize=2**12)
def paired_interval(counts: PairedCounts, confidence: float = 0.95) -> tuple[float, float]:
    """Computes the score interval of the accuracy drop, in pp (Tango, Statistics in Medicine 17:891, 1998).

    It keeps its confidence level even with few or no discordant samples, unlike a normal interval.
    """
    z = normal_quantile(0.5 + confidence / 2)
    estimate = (counts.lost - counts.gained) / counts.samples
    level, low, high = np.array([z, -z]), np.array([-1.0, estimate]), np.array([estimate, 1.0])
    for _ in range(_HALVINGS):  # the score falls with the difference
        middle = (low + high) / 2
        above = paired_scores(counts.samples, counts.lost, counts.gained, middle) > level
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return 100.0 * float(low[0]), 100.0 * float(high[1])


def paired_scores(
    samples: int, lost: npt.ArrayLike, gained: npt.ArrayLike, differences: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Computes Tango's score statistic for true drops of ``differences`` (shares, not percent), element by element.

    It is the difference seen minus the true one, over its standard deviation under the truth that fits the counts best.
    """
    n, b, c, d = samples, np.asarray(lost, float), np.asarray(gained, float), np.asarray(differences, float)
    linear = -b - c + (2 * n - b + c) * d
    constant = -c * d * (1 - d)
    share = (np.sqrt(np.maximum(linear**2 - 8 * n * constant, 0.0)) - linear) / (4 * n)  # gained, under that truth
    variance = n * (2 * share + d * (1 - d))
    numerator = b - c - n * d
    certain = np.where(numerator == 0, 0.0, np.copysign(np.inf, numerator))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, numerator / np.sqrt(np.maximum(variance, 0.0)), certain)


def chance_to_pass(samples: int, discordance: float, margin_pp: float, error: float) -> float:
    """Computes the chance that a design of equal accuracy passes: the upper end of its interval is within the margin.

    It is exact for independent samples, over all counts of samples that only one of design and baseline gets right.

    Args:
        samples: size of the test split.
        discordance: share of samples that exactly one of the two gets right, half of them each.
        margin_pp: the margin, percentage points.
        error: one-sided error of the test; the interval has a confidence of 1 - 2 * error.
    """
    mean, deviation = samples * discordance, math.sqrt(samples * discordance * (1 - discordance))
    low = max(0, math.floor(mean - _TAIL * deviation - _TAIL))
    differing = np.arange(low, min(samples, math.ceil(mean + _TAIL * deviation + _TAIL**2)) + 1, dtype=np.float64)
    most = _most_lost(samples, differing, margin_pp / 100, normal_quantile(1 - error))
    passes = np.where(differing == 0, most == 0, _fair_shares(differing, most))
    return min(1.0, float((_binomial(samples, discordance, differing) * passes).sum()))


def _most_lost(samples: int, differing: Floats, margin: float, z: float) -> Floats:
    """Returns how many of so many differing samples may be lost if the margin is to be kept; -1 if not even none."""
    low, high = np.full(len(differing), -1.0), differing + 1
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        passes = (middle < 0) | (paired_scores(samples, middle, differing - middle, margin) <= -z)
        low, high = np.where(passes, middle, low), np.where(passes, high, middle)
    return low


def _fair_shares(tosses: Floats, most: Floats) -> Floats:
    """Computes the chances of at most so many heads in so many tosses of a fair coin.

    SciPy has the function, but takes a quarter of a second to import.

    Args:
        tosses: consecutive whole numbers, ascending, ``[counts]``.
        most: of heads, ``[counts]``: from -1, and each the one before or one more.
    """
    heads = np.maximum(most, 0)
    rises = np.diff(heads) > 0
    # From C(d, m) to C(d + 1, m) or C(d + 1, m + 1), as logarithms; less log(2) for the toss.
    ratios = np.log(tosses[1:]) - np.log(np.where(rises, heads[1:], tosses[1:] - heads[1:])) - math.log(2)
    exact = np.exp(_log_fair(tosses[0], heads[0]) + np.concatenate([[0.0], np.cumsum(ratios)]))
    # One more toss turns half of the cases with the most heads into one too many; one more head is allowed back.
    changes = np.where(rises, exact[1:], 0.0) - exact[:-1] / 2
    first = _binomial(int(tosses[0]), 0.5, np.arange(heads[0] + 1)).sum()
    shares: Floats = np.where(most < 0, 0.0, first + np.concatenate([[0.0], np.cumsum(changes)]))
    return np.clip(shares, 0.0, 1.0)


def _log_fair(tosses: float, heads: float) -> float:
    """Returns the logarithm of the chance of so many heads in so many tosses of a fair coin."""
    return math.lgamma(tosses + 1) - math.lgamma(heads + 1) - math.lgamma(tosses - heads + 1) - tosses * math.log(2)


def _binomial(trials: int, share: float, counts: Floats) -> Floats:
    """Computes binomial probabilities of consecutive ``counts``, ascending."""
    share = min(max(share, _LEAST_SHARE), 1 - _LEAST_SHARE)
    low = float(counts[0])
    first = math.lgamma(trials + 1) - math.lgamma(low + 1) - math.lgamma(trials - low + 1)
    first += low * math.log(share) + (trials - low) * math.log1p(-share)
    ratios = np.log((trials - counts[:-1]) / counts[1:]) + math.log(share) - math.log1p(-share)
    probabilities: Floats = np.exp(first + np.concatenate([[0.0], np.cumsum(ratios)]))
    return probabilities


def normal_shares(values: Floats) -> Floats:
    """Computes the share of a standard normal distribution below each value, to 2e-7.

    SciPy's function is exact, but takes a quarter of a second to import.
    """
    return np.interp(values, *_normal_table())


@functools.cache
def _normal_table() -> tuple[Floats, Floats]:
    grid = np.linspace(-_TAIL, _TAIL, 9001)
    return grid, np.array([math.erfc(-value / math.sqrt(2)) / 2 for value in grid])


def share_interval(count: float, samples: int, confidence: float = 0.95) -> tuple[float, float]:
    """Computes Wilson's score interval of a share, in percentage points (JASA 22:209, 1927)."""
    z = normal_quantile(0.5 + confidence / 2)
    share, weight = count / samples, z * z / samples
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / samples + weight / (4 * samples))
    return 100.0 * max(middle - half, 0.0), 100.0 * min(middle + half, 1.0)


def mean_interval(values: npt.NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float]:
    """Computes the percentile bootstrap interval of a mean (Efron, 1979), with a fixed seed.

    Args:
        values: one value per sample, ``[samples]``.
        confidence: share of repeated experiments whose interval holds the true mean.
    """
    generator, tail = np.random.default_rng(0), (1 - confidence) / 2
    means = [generator.choice(values, len(values)).mean() for _ in range(_RESAMPLES)]
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
