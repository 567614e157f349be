"""How much the recommendation, and its gain, depend on which samples happen to be in the validation split."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dse.verdict.candidates import BoolArray, Candidates, Floats
from dse.verdict.outcome import Stability
from dse.verdict.plan import Weights, best_sequence, pass_chances

RESAMPLES = 200
_TAIL = 0.025


def resampled(candidates: Candidates, resamples: int = RESAMPLES) -> Weights:
    """Returns how often every validation sample is drawn, each network's with replacement from its own, with one seed.

    Returns:
        float32 ``[resamples, samples]``.
    """
    generator = np.random.default_rng(0)
    drawn = []
    for columns in candidates.members:
        count = columns.stop - columns.start
        drawn.append(generator.multinomial(count, np.full(count, 1 / count), size=resamples))
    return np.concatenate(drawn, axis=1).astype(np.float32)


@dataclass(frozen=True)
class Rule:
    """What leads from a validation split to a recommendation, besides the designs.

    Attributes:
        margin_pp: the margin, percentage points.
        test_samples: size of the test split of every network.
        error: one-sided error of the last look.
        earlier: whether the designs that earlier looks tested are shown, by row; they are not tested again.
        passes: whether a trial passes on the test split; None if it is not scored.
        refuted: whether a design lost more than the margin on the test split, which is no guess then, ``[designs]``.
    """

    margin_pp: float
    test_samples: Sequence[int]
    error: float
    earlier: Mapping[int, bool]
    passes: Callable[[int], bool | None]
    refuted: BoolArray


def stability_of(candidates: Candidates, row: int, rule: Rule, weights: Weights) -> Stability:
    """Returns how often resamples of the validation samples lead to the same recommendation.

    Every resample plans its own sequence, which is tested with the scores at hand; a design without one passes if that
    is likelier than not on the resample.

    Args:
        candidates: the designs.
        row: the recommended one.
        rule: the rest of the decision.
        weights: how often every sample counts, ``[resamples, samples]``.
    """
    chances = pass_chances(candidates, weights, rule.margin_pp, rule.test_samples, rule.error)
    chosen = Counter(_recommended(candidates, chances[:, index], rule) for index in range(len(weights)))
    return Stability(chosen[row] / len(weights), len(chosen), len(weights))


def _recommended(candidates: Candidates, chances: Floats, rule: Rule) -> int | None:
    fresh = chances.copy()
    fresh[list(rule.earlier)] = 0.0
    passed = [row for row, shown in rule.earlier.items() if shown]
    for row in best_sequence(candidates.costs, fresh):
        known = rule.passes(int(candidates.trials[row]))
        if not (chances[row] >= 0.5 if known is None else known):
            break
        passed.append(row)
    if passed:
        return min(passed)  # rows are in order of their costs
    return next(iter(best_sequence(candidates.costs, np.where(rule.refuted, 0.0, chances))), None)


def rival_of(candidates: Candidates, row: int) -> int | None:
    """Returns the cheapest baseline that loses at most as much as a design on validation, in every network.

    Being better than int32 does not count; for a design that was trained, being better than int32 trained alike.
    """
    everything = np.ones((1, candidates.deployed.shape[1]), dtype=np.float32)
    rival = _rivals(candidates, row, everything)[0]
    return None if rival < 0 else int(rival)


def gain_interval(candidates: Candidates, row: int, weights: Weights) -> tuple[float, float]:
    """Returns the 95% interval of the share of the rival's cost that a design saves, over resamples."""
    rivals = _rivals(candidates, row, weights)
    saved = 1 - candidates.costs[row] / candidates.costs[rivals[rivals >= 0]]
    if not len(saved):
        return float("nan"), float("nan")
    low, high = np.quantile(saved, [_TAIL, 1 - _TAIL])
    return float(low), float(high)


def _rivals(candidates: Candidates, row: int, weights: Weights) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Returns the row of the rival in every resample, ``[resamples]``; -1 if no baseline is as accurate."""
    baselines = np.flatnonzero(candidates.baseline)
    keeps = np.ones((len(baselines), len(weights)), dtype=bool)
    for columns in candidates.members:
        drawn = weights[:, columns].T
        lost = candidates.deployed[:, columns].astype(np.float32) @ drawn
        training = lost[row] - candidates.alike[row, columns].astype(np.float32) @ drawn  # what int32 loses by it
        lost = np.maximum(lost, np.minimum(training, 0.0))  # no credit for luck, but for training
        keeps &= lost[baselines] <= lost[row]
    return np.where(keeps.any(axis=0), baselines[keeps.argmax(axis=0)], -1)
