"""What a test split can show: the chance of an equal design, and how many samples would do."""

import math
from collections.abc import Callable, Sequence

from dse.design import DROP, Figure, chance_to_pass, share_interval
from dse.verdict.candidates import Candidates
from dse.verdict.outcome import Power

WANTED = 0.8  # chance to pass, by which margins and numbers of samples are given
_PILOT = (
    0.6  # two-sided confidence whose upper end is the one-sided 80% limit (Browne, Stat. in Medicine 14:1933, 1995)
)
_MOST_SAMPLES = 2**24


def power_of(
    candidates: Candidates, trial: int, loss: Figure, margin_pp: float, test_samples: Sequence[int], error: float
) -> Power:
    """Returns what the test split can show of a design as accurate as its reference.

    Args:
        candidates: the designs, with their discordances on validation.
        trial: the design whose discordance is taken, in each network the larger one of its references.
        loss: accuracy drop or disagreement; an equal design never disagrees.
        margin_pp: the margin, percentage points.
        test_samples: size of the test split of every network.
        error: one-sided error of the test.
    """
    row = candidates.index(trial)
    shares = [0.0] * len(candidates.members) if row is None or loss is not DROP else _discordances(candidates, row)
    passes = _equal_passes if loss is DROP else _same_passes

    def chance(margin: float, samples: Sequence[int]) -> float:
        """Chance that it passes for every network: their samples are independent."""
        return math.prod(passes(n, q, margin, error) for n, q in zip(samples, shares, strict=True))

    return Power(
        discordance=max(shares),
        error=error,
        chance=chance(margin_pp, test_samples),
        margin_pp=_margin(lambda margin: chance(margin, test_samples)),
        samples=_samples(lambda samples: chance(margin_pp, [samples] * len(shares))),
    )


def _discordances(candidates: Candidates, row: int) -> list[float]:
    """Returns the upper ends of the shares of discordant samples, one per network."""
    shares = []
    for columns in candidates.members:
        counts = [int((part[row, columns] != 0).sum()) for part in (candidates.deployed, candidates.alike)]
        shares.append(share_interval(max(counts), columns.stop - columns.start, _PILOT)[1] / 100)
    return shares


def _equal_passes(samples: int, discordance: float, margin_pp: float, error: float) -> float:
    return chance_to_pass(samples, discordance, margin_pp, error)


def _same_passes(samples: int, _discordance: float, margin_pp: float, error: float) -> float:
    """Returns 1 if a design that always agrees with int32 passes, else 0."""
    return float(share_interval(0, samples, 1 - 2 * error)[1] <= margin_pp)


def _margin(chance: Callable[[float], float]) -> float | None:
    """Returns the smallest margin (pp) with the wanted chance; None if there is none below 100 pp."""
    low, high = 0.0, 100.0
    if chance(high) < WANTED:
        return None
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if chance(middle) >= WANTED else (middle, high)
    return high


def _samples(chance: Callable[[int], float]) -> int:
    """Returns the number of samples with the wanted chance, rounded up to two digits."""
    high = 8
    while chance(high) < WANTED and high < _MOST_SAMPLES:
        high *= 2
    low = high // 2
    while high - low > max(1, high // 200):
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= WANTED else (middle, high)
    unit = int(10 ** max(0, len(str(high)) - 2))
    return math.ceil(high / unit) * unit
