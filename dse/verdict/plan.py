"""What will be tested, in which order: chosen on validation alone, before the test split is read."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dse.design import normal_quantile, normal_shares
from dse.store import Look
from dse.verdict.candidates import Candidates, Floats

ERROR = 0.025  # one-sided, of all looks together: the upper end of a 95% interval
_LATER_LOOKS = 0.2  # share of the error that is kept for the looks after each one
_LEAST_ERROR = 1e-12
_LEAST_CHANCE = 0.05  # to pass, for a design to be tested at all

_QUANTILES = [normal_quantile(share) for share in (np.arange(11) + 0.5) / 11]  # in steps of equal probability

Weights = npt.NDArray[np.float32]


def error_of_look(number: int) -> float:
    """Returns the one-sided error of a look at the test split, the first being 1: 2.0%, 0.4%, 0.08% and so on.

    From the fifteenth on it is too small for any sum of them to matter, and kept where quantiles are still exact.
    """
    return max(ERROR * (1 - _LATER_LOOKS) * _LATER_LOOKS ** (number - 1), _LEAST_ERROR)


def next_look(
    candidates: Candidates | None,
    earlier: Sequence[Look],
    margin_pp: float,
    test_samples: Sequence[int],
    trials: int,
    *,
    looks_before: int = 0,
) -> Look:
    """Returns the next look at the test split.

    Args:
        candidates: the designs; None if nothing can be tested.
        earlier: the looks that were taken.
        margin_pp: margin of the study; if there was a look, its margin counts: after the test split has been read, no
            other can be chosen.
        test_samples: size of the test split of every network; none: as many as for validation.
        trials: complete trials of the study.
        looks_before: looks at the same test samples that other runs took, whose results may have led to this study.
    """
    error, margin = error_of_look(looks_before + len(earlier) + 1), earlier[0].margin_pp if earlier else margin_pp
    fresh = None if candidates is None else untested(candidates, earlier)
    sequence = () if fresh is None else planned(fresh, margin, test_samples or fresh.samples, error)
    return Look(error=error, margin_pp=margin, sequence=sequence, trials=trials)


def untested(candidates: Candidates, earlier: Iterable[Look]) -> Candidates:
    """Returns the candidates without those of earlier looks.

    A design is tested once. What is tested then depends on no result of the test split, whether its designs passed.
    """
    tested = [trial for look in earlier for trial in look.sequence]
    return replace(candidates, eligible=candidates.eligible & ~np.isin(candidates.trials, tested))


def planned(candidates: Candidates, margin_pp: float, test_samples: Sequence[int], error: float) -> tuple[int, ...]:
    """Returns the trials to test, in order."""
    everything = np.ones((1, candidates.deployed.shape[1]), dtype=np.float32)
    chances = pass_chances(candidates, everything, margin_pp, test_samples, error)[:, 0]
    return tuple(int(candidates.trials[row]) for row in best_sequence(candidates.costs, chances))


def pass_chances(
    candidates: Candidates, weights: Weights, margin_pp: float, test_samples: Sequence[int], error: float
) -> Floats:
    """Estimates the chance of every design to pass on the test split, ``[designs, resamples]``; 0 if not eligible.

    The estimate is that of a normal approximation of the score test, averaged over the losses that validation leaves
    possible; none is below 0, because narrowing makes nothing better but by luck. The discordance is the one seen, with
    one sample more. The estimate serves to choose what is tested; no error of a test depends on it.

    Args:
        candidates: the designs.
        weights: how often every validation sample counts, ``[resamples, samples]``.
        margin_pp: the margin, percentage points.
        test_samples: size of the test split of every network.
        error: one-sided error of the test.
    """
    chances = np.ones((len(candidates.trials), len(weights)))
    for columns, samples in zip(candidates.members, test_samples, strict=True):
        against = [
            _chances(differences[:, columns], weights[:, columns], margin_pp / 100, samples, error)
            for differences in (candidates.deployed, candidates.alike)
        ]
        chances *= np.minimum(*against)
    chances[~candidates.eligible] = 0.0
    return chances


def _chances(
    differences: npt.NDArray[np.int8], weights: Weights, margin: float, test_samples: int, error: float
) -> Floats:
    samples = differences.shape[1]
    net, differing = (
        (part.astype(np.float32) @ weights.T).astype(np.float64) for part in (differences, np.abs(differences))
    )
    discordance = (differing + 1) / (samples + 2)
    needed = normal_quantile(1 - error) * np.sqrt(np.maximum(discordance, margin) / test_samples)
    of_test, of_validation = np.sqrt(discordance / test_samples), np.sqrt(discordance / samples)
    chances = np.zeros_like(net)
    for quantile in _QUANTILES:
        loss = np.maximum(net / samples + quantile * of_validation, 0.0)
        chances += normal_shares((margin - loss - needed) / of_test) / len(_QUANTILES)
    return chances


def best_sequence(costs: Floats, chances: Floats) -> list[int]:
    """Returns the rows to test in a fixed sequence, dearest first, so that the expected saving is greatest.

    A step saves the logarithm of the cost ratio, so each halving counts alike, and the saving of a step is gained if
    it and all earlier ones pass, as if independently. If no design has a fair chance, the likeliest one is tested.

    Args:
        costs: of the designs, as shares of int32's, ascending, ``[designs]``.
        chances: to pass, ``[designs]``; 0 for designs that must not be tested.
    """
    rows = _worth_testing(costs, chances)
    if not rows:
        return [int(np.argmax(chances))] if chances.max(initial=0.0) > 0 else []
    saved, odds = np.array([0.0, *-np.log(costs[rows])]), np.array([1.0, *chances[rows]])
    worth, following = np.zeros(len(saved)), np.full(len(saved), -1)
    for at in range(len(saved) - 2, -1, -1):
        gains = odds[at + 1 :] * (saved[at + 1 :] - saved[at] + worth[at + 1 :])
        following[at], worth[at] = at + 1 + int(np.argmax(gains)), gains.max()
    sequence, at = [], int(following[0])
    while at > 0:
        sequence.append(rows[at - 1])
        at = int(following[at])
    return sequence


def _worth_testing(costs: Floats, chances: Floats) -> list[int]:
    """Returns the rows with a fair chance that no cheaper one equals or beats, dearest first."""
    kept: list[int] = []
    best = 0.0
    for row in np.lexsort((-chances, costs)):  # cheapest first; of equal costs, the likeliest
        if chances[row] >= _LEAST_CHANCE and chances[row] > best and math.isfinite(costs[row]):
            kept.append(int(row))
            best = chances[row]
    return kept[::-1]
