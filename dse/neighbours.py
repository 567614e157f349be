"""A sampler for widths: small steps from designs that are on the front already."""

from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from dse.pareto import non_dominated
from dse.space import SearchSpace

_LEAP = 0.2  # share of changes that go to any value of the space, not to the next one
_FIRST = 8  # random designs before there is a front worth the name


class NeighbourSampler(BaseSampler):
    """Takes a design of the front and changes one to three of its choices, mostly to the next width up or down.

    Costs rise with every width and accuracy mostly does, so the neighbours of good designs are good ones: a model of
    the objectives is not needed to find them.

    Args:
        space: the study's space.
        seed: of all choices.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space = space
        self._generator = np.random.default_rng(seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self._space.distributions)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        told = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(told) < _FIRST:
            return {key: self._any(values) for key, values in self._space.values.items()}
        parents = _front(told)
        changed = self._space.snapped(parents[self._generator.integers(len(parents))].params)
        free = [key for key, values in self._space.values.items() if len(values) > 1]
        changes = min(len(free), 1 + self._generator.binomial(2, 0.25))
        for key in self._generator.choice(free, size=changes, replace=False) if free else ():
            changed[str(key)] = self._step(self._space.values[str(key)], changed[str(key)])
        return changed

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 -- Optuna's own signature
        return self._any(self._space.values[param_name])

    def _step(self, values: tuple[str | int, ...], present: object) -> str | int:
        at = values.index(present)
        if isinstance(present, int) and self._generator.uniform() >= _LEAP:
            near = [i for i in (at - 1, at + 1) if 0 <= i < len(values)]
            return values[near[self._generator.integers(len(near))]]
        return self._any(tuple(value for value in values if value != present))

    def _any(self, values: tuple[str | int, ...]) -> str | int:
        return values[self._generator.integers(len(values))]


def _front(told: list[FrozenTrial]) -> list[FrozenTrial]:
    """The best of the trials that keep every constraint, or of all where none does."""
    kept = [trial for trial in told if all(excess <= 0 for excess in trial.constraints.values())] or told
    best = non_dominated(np.array([trial.values for trial in kept]))
    return [trial for trial, on_front in zip(kept, best, strict=True) if on_front]
