"""The surrogate sampler: proposes the most promising new design given all trials so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from dse.design import (
    LOSSES,
    Finetune,
    FloatMatrix,
    Level,
    Observation,
    SearchSpace,
    figure_named,
    non_dominated,
    reference_point,
    relative_costs,
)
from dse.search.observations import expected_losses
from dse.search.surrogate import Designs, Encoded, Encoding, Model, Rows, improvements
from dse.store import observation_in
from nets.network import FULL_MULTIPLIER_BITS, Method

_STARTUP = 10  # complete trials before the model is used; about as many as a study's baselines
_CANDIDATES = 300  # a thousand gave no better designs on digits and took three times as long
_MEMORY = 500  # latest trials that the model is fitted to, besides the front: the cost of a fit grows with the cube


class SurrogateSampler(BaseSampler):
    """Proposes the neighbour of the front that is predicted to add the most hypervolume.

    Each proposal raises the predicted accuracies by a random number of standard deviations, so that proposals made
    together differ and unlikely improvements are tried too. Feasible designs come before infeasible ones. The first
    objective is the loss.
    """

    def __init__(self, space: SearchSpace, objectives: Sequence[str], seed: int) -> None:
        self._space, self._encoding = space, Encoding(space)
        self._reference, self._loss = reference_point(objectives), objectives[0]
        self._seed = seed
        self._int32 = space.parameters(space.uniform(FULL_MULTIPLIER_BITS, Method.ROUND, Finetune.NONE))
        self._known: dict[int, Encoded] = {}
        self._observations: dict[int, Observation] = {}

    def infer_relative_search_space(self, _study: optuna.Study, _trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self._space.distributions)

    def sample_independent(
        self, _study: optuna.Study, trial: FrozenTrial, param_name: str, _param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 -- Optuna's own signature
        values = self._space.values[param_name]
        return values[self._generator(trial).integers(len(values))]

    def _generator(self, trial: FrozenTrial) -> np.random.Generator:
        """Returns the generator of a trial: a resumed study proposes what it would have proposed without the stop."""
        return np.random.default_rng((self._seed, trial.number))

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        generator = self._generator(trial)
        trials = [t for t in study.get_trials(deepcopy=False) if t.params.keys() >= search_space.keys()]
        complete = [t for t in trials if t.state is TrialState.COMPLETE]
        if len(complete) < _STARTUP or not self._encoding.variables:
            return dict(self._encoding.parameters(self._encoding.random(1, generator)[0]))
        seen = {self._encoded(t).row.tobytes() for t in trials}
        candidates = self._ranked(complete, generator)
        best = next((row for row in candidates if row.tobytes() not in seen), candidates[0])
        return dict(self._encoding.parameters(best))

    def _ranked(self, complete: list[FrozenTrial], generator: np.random.Generator) -> Rows:
        """Returns candidates, the best one first."""
        relative, limits = self._relative(complete), Limits.of(complete)
        broken = limits.violation(limits.excess)
        front = _best(relative, broken)
        learned = np.union1d(front, np.arange(max(len(complete) - _MEMORY, 0), len(complete)))
        costs = np.hstack([relative[:, 1:], limits.excess])[learned]
        losses = relative[learned, 0] / self._reference[0]
        model = Model(self._designs(complete, learned), losses, costs, self._encoding.variables)
        parents = np.array([self._encoded(complete[index]).row for index in front])
        rows = self._encoding.neighbours(parents, _CANDIDATES, generator)
        scaled, costs = model.predict(self._encoding.of_rows(rows), generator.exponential())
        drops = scaled * self._reference[0]
        objectives = relative.shape[1]
        points, excess = np.column_stack([drops, costs[:, : objectives - 1]]), costs[:, objectives - 1 :]
        rivals = relative[front][(relative[front] < self._reference).all(axis=1) & (broken[front] == 0)]
        added = improvements(points, rivals, self._reference)
        violation = limits.violation(limits.with_losses(excess, relative[:, 0], drops))
        return rows[np.lexsort((-added, violation))]

    def _relative(self, complete: list[FrozenTrial]) -> FloatMatrix:
        """Returns objectives with costs relative to int32's, or to the highest ones if int32 is not complete."""
        values = np.array([t.values for t in complete], dtype=np.float64)
        seen = [self._observation(trial) for trial in complete]
        values[:, 0] = expected_losses(seen, figure_named(self._loss).reference).values
        baseline = next(
            (own for t, own in zip(complete, values, strict=True) if t.params == self._int32), values.max(axis=0)
        )
        return relative_costs(values, baseline)

    def _designs(self, complete: list[FrozenTrial], which: npt.NDArray[np.intp]) -> Designs:
        encoded = [self._encoded(complete[index]) for index in which]
        return Designs(np.array([design.errors for design in encoded]), np.array([design.bumps for design in encoded]))

    def _observation(self, trial: FrozenTrial) -> Observation:
        """Returns what a trial shows of its loss; a trial that nothing is stored of is whole, with its own value."""
        if trial.number not in self._observations:
            own = observation_in(trial) or Observation(Level.INTEGER, {Level.INTEGER: trial.values[0]})
            self._observations[trial.number] = own
        return self._observations[trial.number]

    def _encoded(self, trial: FrozenTrial) -> Encoded:
        """Returns a trial's encoded design, kept because a trial's parameters never change."""
        if trial.number not in self._known:
            self._known[trial.number] = self._encoding.of_parameters(trial.params)
        return self._known[trial.number]


@dataclass(frozen=True)
class Limits:
    """The study's constraints as its trials recorded them.

    Attributes:
        names: names of the limited metrics.
        excess: amount by which every trial exceeds the limits, ``[trials, limits]``, in the metrics' units.
    """

    names: tuple[str, ...]
    excess: FloatMatrix

    @classmethod
    def of(cls, complete: Sequence[FrozenTrial]) -> "Limits":
        """Returns the limits of trials; a trial that recorded no value for a limit keeps it."""
        recorded = [trial.constraints for trial in complete]
        names = tuple(sorted({name for constraints in recorded for name in constraints}))
        excess = [[constraints.get(name, 0.0) for name in names] for constraints in recorded]
        return cls(names, np.array(excess, dtype=np.float64).reshape(len(complete), len(names)))

    def with_losses(
        self, excess: FloatMatrix, known: npt.NDArray[np.float64], losses: npt.NDArray[np.float64]
    ) -> FloatMatrix:
        """Returns ``excess`` with the limited losses predicted by a line through the losses of the trials.

        Args:
            excess: excess of designs over the limits, predicted like sums of costs, ``[designs, limits]``.
            known: losses of the trials, ``[trials]``.
            losses: losses of the designs, ``[designs]``.
        """
        names = {figure.name for figure in LOSSES}
        columns = [
            np.polyval(np.polyfit(known, self.excess[:, n], 1), losses) if name in names else excess[:, n]
            for n, name in enumerate(self.names)
        ]
        return np.array(columns).reshape(len(self.names), len(excess)).T

    def violation(self, excess: FloatMatrix) -> npt.NDArray[np.float64]:
        """Returns one number per design, 0 if it is feasible; each limit is scaled by its median absolute excess."""
        unit = np.maximum(np.median(np.abs(self.excess), axis=0), np.finfo(float).tiny)
        violation: npt.NDArray[np.float64] = (np.maximum(excess, 0.0) / unit).sum(axis=1)
        return violation


def _best(relative: FloatMatrix, broken: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Returns the indices of the front of the designs with the least violation, the feasible ones if there are any."""
    least = np.flatnonzero(broken == broken.min())
    return least[non_dominated(relative[least])]
