"""The searches that are compared, by name; all of them start with the same uniform designs."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from dse.design import DEFAULT_OBJECTIVES, DIVERGENCE
from dse.search import Rows, SurrogateSampler
from studies.experiments.search.problem import REFERENCE, History, Problem

_POPULATION = 24  # as in dse.search: several generations in some hundred trials


class Search(ABC):
    """One search, made for a problem, a number of evaluations and a seed."""

    def __init__(self, problem: Problem, evaluations: int, seed: int) -> None:
        self.problem, self.evaluations, self.seed = problem, evaluations, seed
        self.generator = np.random.default_rng(seed)

    @abstractmethod
    def propose(self, history: History) -> Rows:
        """Returns the next design to evaluate, a row; one that was evaluated already is changed by the caller."""


class Surrogate(Search):
    """The project's own sampler, as studies use it."""

    knows_divergence, knows_prices = True, True

    def __init__(self, problem: Problem, evaluations: int, seed: int) -> None:
        super().__init__(problem, evaluations, seed)
        factors = History.empty(problem).factors
        self._sampler = SurrogateSampler(
            problem.space,
            DEFAULT_OBJECTIVES,
            seed,
            samples=problem.samples,
            prices=problem.prices(factors) if self.knows_prices else None,
            reference=REFERENCE,
        )
        self._study = optuna.create_study(directions=["minimize"] * 3, sampler=self._sampler)
        self._told = 0

    def propose(self, history: History) -> Rows:
        for row, seen in zip(history.rows[self._told :], history.seen[self._told :], strict=True):
            figures = {DIVERGENCE.name: seen.divergence} if self.knows_divergence else {}
            self._study.add_trial(
                optuna.trial.create_trial(
                    params=history.factors.parameters(row),
                    distributions=dict(self.problem.space.distributions),
                    values=(seen.loss, *seen.costs),
                    user_attrs=figures,
                )
            )
        self._told = len(history.rows)
        trial = self._study.ask()
        proposed = self._sampler.sample_relative(self._study, self._study.trials[-1], dict(self.problem.space.distributions))
        self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return history.factors.row(proposed)
