"""The surrogate sampler: proposes the most promising new design given all trials so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from dse.design import (
    CROSS_ENTROPY,
    DIVERGENCE,
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
from dse.search.atoms import Vector
from dse.search.candidates import changed, favoured
from dse.search.factors import Factors, Rows
from dse.search.limits import Limits
from dse.search.observations import expected_losses
from dse.search.surrogate import Evaluated, Surrogate, improvements
from dse.store import observation_in
from nets.network import FULL_MULTIPLIER_BITS, Method

_STARTUP = 10  # complete trials before the model is used; about as many as a study's baselines
_MEMORY = 300  # latest trials that the model is fitted to, besides the front: the cost of a fit grows with the cube
_REFITS = 30  # the model is fitted anew when the trials have grown by one part in so many
_FAVOURED, _DRAWS, _DRAWN = 60, 3, 30  # candidates of the most probable sums, drawn sums, and candidates of each
_CHANGED = 150  # candidates that are changes of the front
_OPTIMISM = 0.5  # mean number of standard deviations by which predicted losses are lowered


@dataclass(frozen=True)
class _History:
    """The complete trials, by number.

    Attributes:
        rows: their designs.
        relative: objectives, costs relative to int32's, ``[trials, objectives]``; losses are at least 0.
        divergences: divergences of the outputs; None if some are not known.
        limits: the study's constraints.
    """

    rows: Rows
    relative: FloatMatrix
    divergences: Vector | None
    limits: Limits


class SurrogateSampler(BaseSampler):
    """Proposes the candidate that is predicted to add the most hypervolume.

    Losses are floored at int32's: a design that seems better than int32 adds nothing for it. Designs that are being
    evaluated count with their expected values, so that proposals made together complement each other. Each proposal
    lowers the predicted losses by a random number of standard deviations. Feasible designs come before infeasible ones.
    A proposal depends on the seed, the trial's number and the trials so far, and on nothing else.

    Args:
        space: the study's search space.
        objectives: names of the objectives; the first one is the loss.
        seed: of the proposals.
        samples: number of samples of the losses, if they are cross-entropies.
        prices: the objectives' costs of all values of all factors, if they are known beforehand: relative to int32's,
            ``[objectives - 1, factors, values]``.
    """

    def __init__(
        self,
        space: SearchSpace,
        objectives: Sequence[str],
        seed: int,
        samples: int | None = None,
        prices: FloatMatrix | None = None,
    ) -> None:
        self._samples = samples
        self._space, self._factors, self._prices, self._seed = space, Factors(space), prices, seed
        self._reference, self._loss = reference_point(objectives), objectives[0]
        self._int32 = self._factors.row(
            space.parameters(space.uniform(FULL_MULTIPLIER_BITS, Method.ROUND, Finetune.NONE))
        )
        self._rows: dict[int, Rows] = {}
        self._observations: dict[int, Observation] = {}
        self._fitted: tuple[int, Surrogate, Rows] | None = None  # number of trials, their model, those it learned from

    def infer_relative_search_space(self, _study: optuna.Study, _trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self._space.distributions)

    def sample_independent(
        self, _study: optuna.Study, trial: FrozenTrial, param_name: str, _param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 -- Optuna's own signature
        values = self._space.values[param_name]
        return values[np.random.default_rng((self._seed, trial.number)).integers(len(values))]

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        generator = np.random.default_rng((self._seed, trial.number))
        trials = study.get_trials(deepcopy=False)
        usable = [t for t in trials if t.number in self._rows or t.params.keys() >= search_space.keys()]
        complete = [t for t in usable if t.state is TrialState.COMPLETE]
        if len(complete) < _STARTUP or not len(self._factors.free):
            return dict(self._factors.parameters(self._factors.random(1, generator)[0]))
        pending = [self._row(t) for t in usable if not t.state.is_finished()]
        candidates = self._ranked(self._history(complete), self._stacked(pending), generator)
        seen = {self._row(t).tobytes() for t in usable}
        best = next((row for row in candidates if row.tobytes() not in seen), candidates[0])
        return dict(self._factors.parameters(best))

    def _row(self, trial: FrozenTrial) -> Rows:
        """Returns a trial's row, kept because a trial's parameters never change."""
        if trial.number not in self._rows:
            self._rows[trial.number] = self._factors.row(trial.params)
        return self._rows[trial.number]

    def _observation(self, trial: FrozenTrial) -> Observation:
        """Returns what a trial shows of its loss; a trial that nothing is stored of is whole, with its own value."""
        if trial.number not in self._observations:
            own = observation_in(trial) or Observation(Level.INTEGER, {Level.INTEGER: trial.values[0]})
            self._observations[trial.number] = own
        return self._observations[trial.number]

    def _stacked(self, rows: Sequence[Rows]) -> Rows:
        return np.array(rows, dtype=np.intp).reshape(len(rows), len(self._factors.factors))

    def _history(self, complete: list[FrozenTrial]) -> _History:
        rows = self._stacked([self._row(t) for t in complete])
        values = np.array([t.values for t in complete], dtype=np.float64)
        seen = [self._observation(trial) for trial in complete]
        values[:, 0] = expected_losses(seen, figure_named(self._loss).reference).values
        baseline = next(iter(values[(rows == self._int32).all(axis=1)]), values.max(axis=0))
        known = [t.user_attrs.get(DIVERGENCE.name) for t in complete]
        trained = any(each.asked.is_trained for each in seen)  # then it is no measure of a loss
        useful = self._loss == CROSS_ENTROPY.name and not trained and None not in known
        divergences = np.array(known, dtype=np.float64) if useful else None
        return _History(rows, relative_costs(values, baseline), divergences, Limits.of(complete))

    def _ranked(self, history: _History, pending: Rows, generator: np.random.Generator) -> Rows:
        """Returns candidates, the best one first."""
        model, learned = self._model(history)
        points = self._shrunken(history, model, learned)
        broken = history.limits.violation(history.limits.excess)
        rivals = np.concatenate([learned, np.arange(self._fitted_trials, len(points))])
        front = rivals[_best(points[rivals], broken[rivals])]
        rows = self._candidates(self._factors.inside(history.rows[front]), model, generator)
        predicted, excess = self._predicted(rows, history, model, generator.exponential(_OPTIMISM))
        members = points[front][(points[front] < self._reference).all(axis=1) & (broken[front] == 0)]
        if len(pending):
            believed, beyond = self._predicted(pending, history, model)
            kept = history.limits.violation(beyond) == 0
            members = np.vstack([members, believed[(believed < self._reference).all(axis=1) & kept]])
        added = improvements(predicted, members, self._reference)
        return rows[np.lexsort((predicted @ (1.0 / self._reference), -added, history.limits.violation(excess)))]

    @property
    def _fitted_trials(self) -> int:
        return self._fitted[0] if self._fitted else 0

    def _model(self, history: _History) -> tuple[Surrogate, Rows]:
        """Returns the model of the trials at the last refit, and the indices of those that it learned from."""
        count = len(history.rows)
        count -= count % max(count // _REFITS, 1)
        if self._fitted is None or self._fitted[0] != count:
            relative, broken = history.relative[:count], history.limits.violation(history.limits.excess[:count])
            learned = np.union1d(_best(relative, broken), np.arange(max(count - _MEMORY, 0), count))
            costs = np.hstack([relative[:, 1:], history.limits.excess[:count]])[learned]
            known = history.divergences
            evaluated = Evaluated(
                history.rows[learned],
                relative[learned, 0] / self._reference[0],
                None if known is None else known[learned],
                costs,
                self._samples,
                self._reference[0],
            )
            self._fitted = count, Surrogate(self._factors, evaluated, self._prices_of(costs)), learned
        return self._fitted[1], self._fitted[2]

    def _prices_of(self, costs: FloatMatrix) -> FloatMatrix | None:
        """Returns the prices with columns for limits, of which nothing is known beforehand."""
        if self._prices is None:
            return None
        columns, factors, values = self._prices.shape
        most = max(len(factor.values) for factor in self._factors.factors)
        known = np.zeros((costs.shape[1], factors, max(most, values)))
        known[:columns, :, :values] = self._prices
        return known

    def _shrunken(self, history: _History, model: Surrogate, learned: Rows) -> FloatMatrix:
        """Returns the objectives of the trials; the losses of those learned from are their expected values."""
        points = history.relative.copy()
        points[learned, 0] = model.losses(history.rows[learned]) * self._reference[0]
        points[:, 0] = np.maximum(points[:, 0], 0.0)
        return points

    def _candidates(self, parents: Rows, model: Surrogate, generator: np.random.Generator) -> Rows:
        sizes, objectives = self._factors.sizes, len(self._reference) - 1
        costs = model.costs.tables[:objectives]
        parts = [changed(parents, costs.mean(axis=0), sizes, _CHANGED, generator)]
        parts.append(favoured(model.effects(), costs, sizes, _FAVOURED, generator))
        parts += [favoured(model.effects(generator), costs, sizes, _DRAWN, generator) for _ in range(_DRAWS)]
        return np.unique(np.vstack(parts), axis=0)

    def _predicted(
        self, rows: Rows, history: _History, model: Surrogate, optimism: float = 0.0
    ) -> tuple[FloatMatrix, FloatMatrix]:
        """Returns the objectives of designs, and by how much they exceed the limits."""
        columns = history.relative.shape[1]
        losses = model.losses(rows, optimism) * self._reference[0]
        costs = model.costs.predict(rows)
        excess = history.limits.with_losses(costs[:, columns - 1 :], history.relative[:, 0], losses)
        return np.column_stack([np.maximum(losses, 0.0), costs[:, : columns - 1]]), excess


def _best(relative: FloatMatrix, broken: Vector) -> Rows:
    """Returns the indices of the front of the designs with the least violation, the feasible ones if there are any."""
    least = np.flatnonzero(broken == broken.min())
    return least[non_dominated(relative[least])]
