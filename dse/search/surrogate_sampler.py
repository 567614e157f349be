"""The sampler of the surrogate: trials in, the most promising new design out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from dse.design.metrics import DROP
from dse.design.pareto import FloatMatrix, non_dominated, reference_point, relative_costs
from dse.design.point import Finetune
from dse.design.space import SearchSpace
from dse.search.surrogate import Designs, Encoded, Encoding, Model, Rows, improvements
from nets.network.contracts import FULL_MULTIPLIER_BITS
from nets.network.operators import Method

_STARTUP = 10  # trials told before there is anything to learn from; a study's own baselines are as many
_CANDIDATES = 300  # a thousand found no more on digits, and took three times as long
_MEMORY = 500  # latest trials that the model learns from, beside the front: factorizing grows with the cube


class SurrogateSampler(BaseSampler):
    """Proposes the neighbour of the front that a model of all objectives expects to add the most hypervolume.

    Every proposal is made with an optimism of its own about the accuracy, so that trials asked together differ and
    surprises stay possible. Designs that keep the constraints come before those that do not.

    Args:
        space: the study's space.
        objectives: the study's, in order; the accuracy drop comes first.
        seed: of candidates and optimism.
    """

    def __init__(self, space: SearchSpace, objectives: Sequence[str], seed: int) -> None:
        self._space, self._encoding = space, Encoding(space)
        self._reference = reference_point(objectives)
        self._generator = np.random.default_rng(seed)
        self._int32 = space.parameters(space.uniform(FULL_MULTIPLIER_BITS, Method.ROUND, Finetune.NONE))
        self._known: dict[int, Encoded] = {}

    def reseed_rng(self) -> None:
        self._generator = np.random.default_rng()

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self._space.distributions)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 -- Optuna's own signature
        values = self._space.values[param_name]
        return values[self._generator.integers(len(values))]

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        trials = [t for t in study.get_trials(deepcopy=False) if t.params.keys() == search_space.keys()]
        told = [t for t in trials if t.state is TrialState.COMPLETE]
        if len(told) < _STARTUP or not self._encoding.variables:
            return dict(self._encoding.parameters(self._encoding.random(1, self._generator)[0]))
        seen = {self._encoded(t).row.tobytes() for t in trials}
        candidates = self._ranked(told)
        best = next((row for row in candidates if row.tobytes() not in seen), candidates[0])
        return dict(self._encoding.parameters(best))

    def _ranked(self, told: list[FrozenTrial]) -> Rows:
        """Candidates, the best one first."""
        relative, limits = self._relative(told), Limits.of(told)
        broken = limits.violation(limits.excess)
        front = _best(relative, broken)
        learned = np.union1d(front, np.arange(max(len(told) - _MEMORY, 0), len(told)))
        costs = np.hstack([relative[:, 1:], limits.excess])[learned]
        model = Model(self._designs(told, learned), relative[learned, 0], costs, self._encoding.variables)
        parents = np.array([self._encoded(told[index]).row for index in front])
        rows = self._encoding.neighbours(parents, _CANDIDATES, self._generator)
        drops, costs = model.predict(self._encoding.of_rows(rows), self._generator.exponential())
        objectives = relative.shape[1]
        points, excess = np.column_stack([drops, costs[:, : objectives - 1]]), costs[:, objectives - 1 :]
        rivals = relative[front][(relative[front] < self._reference).all(axis=1) & (broken[front] == 0)]
        added = improvements(points, rivals, self._reference)
        violation = limits.violation(limits.with_drops(excess, drops - relative[0, 0]))
        return rows[np.lexsort((-added, violation))]

    def _relative(self, told: list[FrozenTrial]) -> FloatMatrix:
        """Objectives as the hypervolume takes them; where int32 was not told, the highest costs stand in for its."""
        values = np.array([t.values for t in told], dtype=np.float64)
        baseline = next((np.array(t.values) for t in told if t.params == self._int32), values.max(axis=0))
        return relative_costs(values, baseline)

    def _designs(self, told: list[FrozenTrial], which: npt.NDArray[np.intp]) -> Designs:
        found = [self._encoded(told[index]) for index in which]
        return Designs(np.array([f.errors for f in found]), np.array([f.bumps for f in found]))

    def _encoded(self, trial: FrozenTrial) -> Encoded:
        """A trial's design; its parameters do not change any more."""
        if trial.number not in self._known:
            self._known[trial.number] = self._encoding.of_parameters(trial.params)
        return self._known[trial.number]


@dataclass(frozen=True)
class Limits:
    """The study's constraints, as its trials were told.

    Attributes:
        names: of the metrics that are limited.
        excess: by how much every trial exceeds the limits, ``[trials, limits]``, in the metrics' units.
    """

    names: tuple[str, ...]
    excess: FloatMatrix

    @classmethod
    def of(cls, told: Sequence[FrozenTrial]) -> "Limits":
        """Those of trials; a trial without a constraint keeps it."""
        constraints = [trial.constraints for trial in told]
        names = tuple(sorted({name for found in constraints for name in found}))
        excess = [[found.get(name, 0.0) for name in names] for found in constraints]
        return cls(names, np.array(excess, dtype=np.float64).reshape(len(told), len(names)))

    def with_drops(self, excess: FloatMatrix, drops: npt.NDArray[np.float64]) -> FloatMatrix:
        """``excess`` with that of a limited accuracy drop from ``drops``: how much more than the first trial's."""
        columns = [
            drops + self.excess[0, n] if name == DROP.name else excess[:, n] for n, name in enumerate(self.names)
        ]
        return np.array(columns).reshape(len(self.names), len(excess)).T

    def violation(self, excess: FloatMatrix) -> npt.NDArray[np.float64]:
        """One number a design, 0 where it keeps all: limits weigh alike by the median of what trials are off."""
        unit = np.maximum(np.median(np.abs(self.excess), axis=0), np.finfo(float).tiny)
        found: npt.NDArray[np.float64] = (np.maximum(excess, 0.0) / unit).sum(axis=1)
        return found


def _best(relative: FloatMatrix, broken: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Indices of the front of those that break constraints the least: of those that keep them, where there are any."""
    among = np.flatnonzero(broken == broken.min())
    return among[non_dominated(relative[among])]
