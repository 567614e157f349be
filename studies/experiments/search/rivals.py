"""The searches that are compared, by name; all of them start with the same uniform designs."""

from abc import ABC, abstractmethod
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from dse.design import DIVERGENCE, FloatMatrix, hypervolume, non_dominated
from dse.search import Beforehand, Factors, Rows, SurrogateSampler, probes, promising
from studies.experiments.search.problem import OBJECTIVES, History, Problem

_POPULATION = 24  # as in studies: several generations in some hundred trials


class Search(ABC):
    """One search.

    Args:
        problem: what is searched.
        factors: its space.
        evaluations: number of evaluations at the end.
        seed: of all that is drawn.
    """

    def __init__(self, problem: Problem, factors: Factors, evaluations: int, seed: int) -> None:
        self.problem, self.factors, self.evaluations, self.seed = problem, factors, evaluations, seed
        self.generator = np.random.default_rng(seed)

    @abstractmethod
    def propose(self, history: History) -> Rows:
        """Returns the next design to evaluate, a row; the caller changes it if it was evaluated already."""


class Surrogate(Search):
    """The project's own sampler, as studies use it."""

    knows_divergence, knows_prices = True, True

    def __init__(self, problem: Problem, factors: Factors, evaluations: int, seed: int) -> None:
        super().__init__(problem, factors, evaluations, seed)
        prices = problem.prices(factors) if self.knows_prices else None
        known = Beforehand(problem.samples, prices)
        self._sampler = SurrogateSampler(problem.space, OBJECTIVES, seed, known)
        self._study = optuna.create_study(directions=["minimize"] * len(OBJECTIVES), sampler=self._sampler)

    def propose(self, history: History) -> Rows:
        """Returns the sampler's proposal."""
        space = dict(self.problem.space.distributions)
        known = len(self._study.trials)
        for row, seen in zip(history.rows[known:], history.seen[known:], strict=True):
            figures = {DIVERGENCE.name: seen.divergence} if self.knows_divergence else {}
            parameters, values = self.factors.parameters(row), (seen.loss, *seen.costs)
            self._study.add_trial(
                create_trial(params=parameters, distributions=space, values=values, user_attrs=figures)
            )
        trial = FrozenTrial(
            len(history.rows), TrialState.RUNNING, None, None, None, {}, {}, {}, {}, {}, len(history.rows)
        )
        return self.factors.row(self._sampler.sample_relative(self._study, trial, space))


class LossOnly(Surrogate):
    """The same without the divergence of the outputs."""

    knows_divergence = False


class LearnedCosts(Surrogate):
    """The same without costs that are known beforehand."""

    knows_prices = False


class Optunas(Search):
    """One of Optuna's samplers; it sees every factor as the index of its value, in order of the widths."""

    def __init__(self, problem: Problem, factors: Factors, evaluations: int, seed: int) -> None:
        super().__init__(problem, factors, evaluations, seed)
        sizes = [(at, int(factors.sizes[at])) for at in np.flatnonzero(factors.sizes > 1)]
        self._space: dict[str, BaseDistribution] = {str(at): IntDistribution(0, size - 1) for at, size in sizes}
        self._study = optuna.create_study(directions=["minimize"] * len(OBJECTIVES), sampler=self.sampler())
        self._known = 0
        self._asked: optuna.Trial | None = None

    @abstractmethod
    def sampler(self) -> BaseSampler:
        """Returns the sampler, seeded."""

    def propose(self, history: History) -> Rows:
        """Returns the sampler's proposal."""
        for row, values in zip(history.rows[self._known :], history.values[self._known :].tolist(), strict=True):
            parameters = {key: int(row[int(key)]) for key in self._space}
            if self._asked is not None and self._asked.params == parameters:
                self._study.tell(self._asked, values)
                self._asked = None
                continue
            self._study.add_trial(
                create_trial(
                    params=parameters,
                    distributions=self._space,
                    values=values,
                    system_attrs={NSGAIISampler._get_generation_key(): 0},  # noqa: SLF001 -- members of the first one
                )
            )
        if self._asked is not None:  # it was a repetition, which the caller changed
            self._study.tell(self._asked, state=TrialState.FAIL)
        self._known = len(history.rows)
        self._asked = self._study.ask(self._space)
        row = np.zeros(len(self.factors.factors), dtype=np.intp)
        for key, value in self._asked.params.items():
            row[int(key)] = value
        return row


class Random(Optunas):
    """Random designs."""

    def sampler(self) -> BaseSampler:
        """Returns it, seeded."""
        return RandomSampler(self.seed)


class Tpe(Optunas):
    """Optuna's multivariate TPE."""

    def sampler(self) -> BaseSampler:
        """Returns it, seeded."""
        return TPESampler(seed=self.seed, multivariate=True)


class Nsga2(Optunas):
    """Optuna's NSGA-II; the uniform designs are members of the first generation."""

    def sampler(self) -> BaseSampler:
        """Returns it, seeded."""
        return NSGAIISampler(seed=self.seed, population_size=_POPULATION)


class Gp(Optunas):
    """Optuna's Gaussian-process sampler."""

    def sampler(self) -> BaseSampler:
        """Returns it, seeded."""
        return GPSampler(seed=self.seed, deterministic_objective=True)


class Sensitivity(Search):
    """Probes of single rescalers, then the designs that dynamic programming over their sums selects.

    If the probes of single rescalers take more than half of the evaluations, kinds of rescalers are probed.
    """

    def __init__(self, problem: Problem, factors: Factors, evaluations: int, seed: int) -> None:
        super().__init__(problem, factors, evaluations, seed)
        self._by_kind = len(probes(problem.space)) > evaluations / 2
        self._probes = probes(problem.space, by_kind=self._by_kind)
        self._rows = [factors.row(problem.space.parameters(probe.point)) for probe in self._probes]
        self._promising: list[Rows] | None = None

    def propose(self, history: History) -> Rows:
        """Returns the next probe, or the next of the designs."""
        seen = {row.tobytes(): each for row, each in zip(history.rows, history.seen, strict=True)}
        for row in self._rows:
            if row.tobytes() not in seen:
                return row
        if self._promising is None:
            found = [seen[row.tobytes()].values for row in self._rows]
            measured = dict(zip(self._probes, found, strict=True))
            left, space = self.evaluations - len(seen), self.problem.space
            points = promising(space, measured, history.seen[0].values, left, by_kind=self._by_kind)
            rows = [self.factors.row(space.parameters(point)) for point in points]
            self._promising = [rows[at] for at in self.generator.permutation(len(rows))]
        left_over = [row for row in self._promising if row.tobytes() not in seen]
        return left_over[0] if left_over else history.rows[self.generator.integers(len(history.rows))]


class Greedy(Search):
    """Narrows one rescaler at a time, starting from the uniform design that adds the most hypervolume, then the next.

    A narrower value stays if it loses less than the next uniform design does for the same saving.
    """

    _design: Rows | None = None
    _tried: Rows | None = None
    _exchange, _begun = 0.0, 0

    def propose(self, history: History) -> Rows:
        """Returns the present design with one rescaler narrower."""
        seen = {row.tobytes(): self._value(each.values) for row, each in zip(history.rows, history.seen, strict=True)}
        if self._design is None:
            values = history.values
            front = np.flatnonzero(non_dominated(values))
            ordered = front[np.argsort(values[front, 0])]
            self._starts = sorted(pairwise(ordered), key=lambda pair: -_alone(values[front], values[pair[0]]))
            self._next(history)
        assert self._design is not None  # noqa: S101 -- set above
        if self._tried is not None and seen[self._tried.tobytes()] < seen[self._design.tobytes()]:
            self._design, self._rejected = self._tried, 0
        elif self._tried is not None:
            self._rejected += 1
            if self._rejected >= len(self._order):
                self._next(history)
        for _ in range(4 * len(self._order)):
            at = self._order[self._place % len(self._order)]
            self._place += 1
            tried = self._design.copy()
            tried[at] -= 1
            if tried[at] >= 0 and tried.tobytes() not in seen:
                self._tried = tried
                return tried
        self._next(history)
        self._tried = None
        return self._design

    def _next(self, history: History) -> None:
        start, narrower = self._starts[self._begun % len(self._starts)]
        self._begun += 1
        self._design = history.rows[start]
        difference = history.values[narrower] - history.values[start]
        self._exchange = difference[0] / -difference[1:].mean()
        self._order = self.generator.permutation(self.factors.free)
        self._place, self._rejected, self._tried = 0, 0, None

    def _value(self, values: tuple[float, ...]) -> float:
        return values[0] + self._exchange * float(np.mean(values[1:]))


def _alone(front: FloatMatrix, member: npt.NDArray[np.float64]) -> float:
    """Returns the hypervolume that a member of a front adds to the others."""
    others = front[(front != member).any(axis=1)]
    return hypervolume(front, OBJECTIVES) - hypervolume(others, OBJECTIVES)


SEARCHES: dict[str, type[Search]] = {
    "surrogate": Surrogate,
    "surrogate, loss only": LossOnly,
    "surrogate, learned costs": LearnedCosts,
    "random": Random,
    "tpe": Tpe,
    "nsga2": Nsga2,
    "gp": Gp,
    "sensitivity + dp": Sensitivity,
    "greedy": Greedy,
}
