"""Paired comparison of two networks on the same samples: intervals of what one loses, and what they can resolve."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import norm

_RESAMPLES = 2000  # the ends of the interval then vary by a few percent of its width


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


def paired_interval(counts: PairedCounts, confidence: float = 0.95) -> tuple[float, float]:
    """Computes the score interval of the accuracy drop, in pp (Tango, Statistics in Medicine 17:891, 1998).

    It keeps its confidence level even with few or no discordant samples, unlike a normal interval.
    """
    z = float(norm.ppf(0.5 + confidence / 2))
    estimate = (counts.lost - counts.gained) / counts.samples

    def beyond(level: float, difference: float) -> float:
        return _score(counts, difference) - level

    edge = 1 - 1e-12
    low = -1.0 if beyond(z, -edge) < 0 else brentq(lambda d: beyond(z, d), -edge, estimate)
    high = 1.0 if beyond(-z, edge) > 0 else brentq(lambda d: beyond(-z, d), estimate, edge)
    return 100.0 * low, 100.0 * high


def _score(counts: PairedCounts, difference: float) -> float:
    """Computes Tango's score statistic for a true drop of ``difference`` (a share, not percent)."""
    n, lost, gained = counts.samples, counts.lost, counts.gained
    b = -lost - gained + (2 * n - lost + gained) * difference
    c = -gained * difference * (1 - difference)
    q = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * q + difference * (1 - difference))
    numerator = lost - gained - n * difference
    if variance <= 0:
        return math.copysign(math.inf, numerator) if numerator else 0.0
    return numerator / math.sqrt(variance)


def resolvable_margin(samples: int, discordant: float) -> float:
    """Computes the smallest margin (pp) at which a design of equal accuracy would pass as non-inferior.

    Args:
        samples: size of the test split.
        discordant: samples that exactly one of design and baseline gets right; counted as half lost, half gained.
    """
    return paired_interval(PairedCounts(samples, discordant / 2, discordant / 2))[1]


def share_interval(count: int, samples: int, confidence: float = 0.95) -> tuple[float, float]:
    """Computes Wilson's score interval of a share, in percentage points (JASA 22:209, 1927)."""
    z = float(norm.ppf(0.5 + confidence / 2))
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
