"""Makes the sampler of a study, which does not propose a design twice."""

import warnings
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIIISampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from dse.design import SearchSpace
from dse.search.surrogate_sampler import SurrogateSampler
from dse.store import RememberingSampler
from dse.study import SearchSpec

_POPULATION = 24  # gives several generations in some hundred trials; Optuna's default of 50 gives two or three
_MUTATIONS = 1000  # changes tried before a repeated design is accepted


class DistinctSampler(RememberingSampler):
    """Changes single choices of another sampler's proposal until the design is new.

    Samplers repeat themselves in discrete spaces; a repeated design costs an evaluation and adds no information. The
    seed is that of the changes.
    """

    def __init__(self, inner: BaseSampler, space: SearchSpace, seed: int) -> None:
        self._inner, self._space = inner, space
        self._generator = np.random.default_rng(seed)
        self._seen: set[str] = set()

    def remember(self, parameters: dict[str, Any]) -> None:
        """Counts a design of the study as proposed."""
        self._seen.add(self._space.point(parameters).digest)

    def infer_relative_search_space(self, _study: optuna.Study, _trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self._space.distributions)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if "fixed_params" in trial.system_attrs:
            return {}  # a queued trial has its own parameters
        inner_space = self._inner.infer_relative_search_space(study, trial)
        proposed = self._inner.sample_relative(study, trial, inner_space)
        for name, distribution in search_space.items():
            if name not in proposed:
                proposed[name] = self._inner.sample_independent(study, trial, name, distribution)
        return self._distinct(self._space.snapped(proposed))

    def _distinct(self, proposed: dict[str, Any]) -> dict[str, Any]:
        for _ in range(_MUTATIONS):
            if self._space.point(proposed).digest not in self._seen:
                break
            proposed = self._space.mutated(proposed, self._generator)
        self.remember(proposed)
        return proposed

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 -- Optuna's own signature
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._inner.before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Any,  # noqa: ANN401
    ) -> None:
        self._inner.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        self._inner.reseed_rng()


def make_sampler(search: SearchSpec, space: SearchSpace, seed: int) -> DistinctSampler:
    """Returns the study's sampler, seeded."""
    return DistinctSampler(proposer(search, space, seed), space, seed)


def proposer(search: SearchSpec, space: SearchSpace, seed: int) -> BaseSampler:
    """Returns the sampler that proposes designs, which may repeat themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # Optuna still calls two of these samplers experimental
        match search.sampler:
            case "surrogate":
                return SurrogateSampler(space, search.objectives, seed)
            case "tpe":
                return TPESampler(seed=seed, multivariate=True)
            case "nsga2":
                return NSGAIISampler(seed=seed, population_size=_POPULATION)
            case "nsga3":
                return NSGAIIISampler(seed=seed, population_size=_POPULATION)
            case "qmc":
                return QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
            case "random":
                return RandomSampler(seed)
