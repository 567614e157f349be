"""Makes the sampler of a study, which does not propose a design twice."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIIISampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from dse.design import SearchSpace, search_objectives
from dse.evaluate import prices_of
from dse.search.factors import Factors
from dse.search.surrogate_sampler import Beforehand, SurrogateSampler
from dse.store import RememberingSampler
from dse.study import PreparedStudy, Sampler, SearchSpec

Proposer = Callable[[int], BaseSampler]

_POPULATION = 24  # gives several generations in some hundred trials; Optuna's default of 50 gives two or three
_MUTATIONS = 1000  # changes tried before a repeated design is accepted


class DistinctSampler(RememberingSampler):
    """Changes single choices of another sampler's proposal until the design is new.

    Samplers repeat themselves in discrete spaces; a repeated design costs an evaluation and adds no information. A
    proposal depends on the seed, the number of the trial and the trials before it alone, so that a study that was
    stopped and resumed proposes what it would have proposed without the stop.

    Args:
        proposer: returns the sampler that proposes a design for the trial of a number.
        space: the study's search space.
        seed: seed of the changes.
    """

    def __init__(self, proposer: Proposer, space: SearchSpace, seed: int) -> None:
        self._proposer, self._space, self._seed = proposer, space, seed
        self._factors = Factors(space)
        self._seen: set[bytes] = set()

    def remember(self, parameters: dict[str, Any]) -> None:
        """Counts a design of the study as proposed."""
        self._seen.add(self._factors.row(parameters).tobytes())

    def infer_relative_search_space(self, _study: optuna.Study, _trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self._space.distributions)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if "fixed_params" in trial.system_attrs:
            return {}  # a queued trial has its own parameters
        inner = self._proposer(trial.number)
        free = {name: distribution for name, distribution in search_space.items() if not distribution.single()}
        proposed = inner.sample_relative(study, trial, free)
        for name, distribution in search_space.items():
            if name not in proposed:
                proposed[name] = inner.sample_independent(study, trial, name, distribution)
        return self._distinct(self._space.snapped(proposed), np.random.default_rng((self._seed, trial.number)))

    def _distinct(self, proposed: dict[str, Any], generator: np.random.Generator) -> dict[str, Any]:
        for _ in range(_MUTATIONS):
            if self._factors.row(proposed).tobytes() not in self._seen:
                break
            proposed = self._space.mutated(proposed, generator)
        self.remember(proposed)
        return proposed

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 -- Optuna's own signature
        return self._proposer(trial.number).sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._proposer(trial.number).before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Any,  # noqa: ANN401
    ) -> None:
        self._proposer(trial.number).after_trial(study, trial, state, values)


def make_sampler(
    search: SearchSpec, space: SearchSpace, seed: int, study: PreparedStudy | None = None
) -> DistinctSampler:
    """Returns the sampler of a search, seeded; ``study`` is that of :func:`proposer`."""
    return DistinctSampler(proposer(search, space, seed, study), space, seed)


def proposer(search: SearchSpec, space: SearchSpace, seed: int, study: PreparedStudy | None = None) -> Proposer:
    """Returns what gives the sampler that proposes a trial's design, which may repeat an earlier one.

    Args:
        search: the search.
        space: its space.
        seed: seed of the proposals.
        study: the study whose networks are searched, from which the surrogate learns what every choice costs and how
            many samples stand behind a loss; None if it is to learn the costs from the trials.
    """
    if search.sampler == "surrogate":
        objectives = search_objectives(search.objectives)
        surrogate = SurrogateSampler(space, objectives, seed, known_before(study, space, objectives))
        return lambda _number: surrogate
    sampler = search.sampler
    return lambda number: _optunas(sampler, seed, number)


def known_before(study: PreparedStudy | None, space: SearchSpace, objectives: Sequence[str]) -> Beforehand:
    """Returns what is known of a study's designs before any is evaluated."""
    if study is None:
        return Beforehand()
    samples = None if study.spec.is_portfolio else len(study.members[0].splits.validation)
    return Beforehand(samples, prices_of(study, Factors(space).choices, objectives[1:]))


def _optunas(sampler: Sampler, seed: int, number: int) -> BaseSampler:
    """Returns one of Optuna's samplers, made anew for a trial: the state of their generators cannot be stored."""
    own = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # Optuna still calls two of these samplers experimental
        match sampler:
            case "tpe":
                return TPESampler(seed=own, multivariate=True)
            case "nsga2":
                return NSGAIISampler(seed=own, population_size=_POPULATION)
            case "nsga3":
                return NSGAIIISampler(seed=own, population_size=_POPULATION)
            case "qmc":  # its place in the sequence is stored with the study, and the sequence is that of the seed
                return QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
            case _:
                return RandomSampler(own)
