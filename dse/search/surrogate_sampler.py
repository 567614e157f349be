"""The surrogate sampler: proposes the most promising new design given all trials so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from dse.design import FloatMatrix, SearchSpace, non_dominated, reference_point
from dse.search.atoms import Vector
from dse.search.candidates import changed, favoured
from dse.search.factors import Factors, Rows
from dse.search.history import History, Log
from dse.search.surrogate import Evaluated, Surrogate, improvements

_STARTUP = 10  # complete trials before the model is used; about as many as a study's baselines
_MEMORY, _FRONT = 160, 80  # latest trials, and designs of the front, that the model is fitted to at most
_REFITS = 30  # the model is fitted anew when the trials have grown by one part in so many
_FAVOURED, _DRAWS, _DRAWN = 60, 2, 30  # candidates of the most probable sums, drawn sums, and candidates of each
_CHANGED = 120  # candidates that are changes of the front
_OPTIMISM = 0.5  # mean number of standard deviations by which predicted losses are lowered


@dataclass(frozen=True)
class Beforehand:
    """What is known before any design is evaluated; each None if it is not.

    Attributes:
        samples: number of samples of the losses.
        prices: the objectives' costs of all values of all factors, relative to int32's: sums over the factors are the
            costs of designs, ``[objectives - 1, factors, values]``.
    """

    samples: int | None = None
    prices: FloatMatrix | None = None


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
        beforehand: what is known before any design is evaluated.
    """

    def __init__(
        self, space: SearchSpace, objectives: Sequence[str], seed: int, beforehand: Beforehand | None = None
    ) -> None:
        self._space, self._factors, self._seed = space, Factors(space), seed
        self._beforehand = beforehand or Beforehand()
        self._reference = reference_point(objectives)
        self._log = Log(self._factors, objectives[0])
        self._fitted: _Fitted | None = None

    def infer_relative_search_space(self, _study: optuna.Study, _trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self._space.distributions)

    def sample_independent(
        self, _study: optuna.Study, trial: FrozenTrial, param_name: str, _param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401 -- Optuna's own signature
        values = self._space.values[param_name]
        return values[np.random.default_rng((self._seed, trial.number)).integers(len(values))]

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, _search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        generator = np.random.default_rng((self._seed, trial.number))
        pending = self._factors.inside(self._log.update(study.get_trials(deepcopy=False)))
        if self._log.complete < _STARTUP or not len(self._factors.free):
            return dict(self._factors.parameters(self._factors.random(1, generator)[0]))
        candidates = self._ranked(self._log.history(), pending, generator)
        best = next((row for row in candidates if row.tobytes() not in self._log.seen), candidates[0])
        return dict(self._factors.parameters(best))

    def _ranked(self, history: History, pending: Rows, generator: np.random.Generator) -> Rows:
        """Returns candidates, the best one first."""
        fitted = self._model(history)
        model, learned = fitted.model, fitted.learned
        points = history.relative.copy()
        points[learned, 0] = fitted.losses * self._reference[0]
        points[:, 0] = np.maximum(points[:, 0], 0.0)
        broken = history.limits.violation(history.limits.excess)
        rivals = np.concatenate([learned, np.arange(fitted.trials, len(points))])
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

    def _model(self, history: History) -> "_Fitted":
        """Returns the model of the trials at the last refit."""
        count = len(history.rows)
        count -= count % max(count // _REFITS, 1)
        if self._fitted is None or self._fitted.trials != count:
            relative, broken = history.relative[:count], history.limits.violation(history.limits.excess[:count])
            front = _best(relative, broken)
            front = front[np.linspace(0, len(front) - 1, min(len(front), _FRONT)).round().astype(np.intp)]
            learned = np.union1d(front, np.arange(max(count - _MEMORY, 0), count))
            costs = np.hstack([relative[:, 1:], history.limits.excess[:count]])[learned]
            known = history.divergences
            evaluated = Evaluated(
                history.rows[learned],
                relative[learned, 0] / self._reference[0],
                None if known is None else known[learned],
                costs,
                self._beforehand.samples,
                self._reference[0],
            )
            model = Surrogate(self._factors, evaluated, self._prices_of(costs))
            self._fitted = _Fitted(count, model, learned, model.losses(evaluated.rows))
        return self._fitted

    def _prices_of(self, costs: FloatMatrix) -> FloatMatrix | None:
        """Returns the prices with NaN for other values, and columns of 0 for limits, whose figures are all learned."""
        if (prices := self._beforehand.prices) is None:
            return None
        columns, factors, values = prices.shape
        most = max(len(factor.values) for factor in self._factors.factors)
        known = np.full((costs.shape[1], factors, max(most, values)), np.nan)
        known[columns:] = 0.0
        known[:columns, :, :values] = prices
        return known

    def _candidates(self, parents: Rows, model: Surrogate, generator: np.random.Generator) -> Rows:
        sizes, objectives = self._factors.sizes, len(self._reference) - 1
        costs = model.costs.tables[:objectives]
        parts = [changed(parents, costs.mean(axis=0), sizes, _CHANGED, generator)]
        parts.append(favoured(model.effects(), costs, sizes, _FAVOURED, generator))
        parts += [favoured(model.effects(generator), costs, sizes, _DRAWN, generator) for _ in range(_DRAWS)]
        return np.unique(np.vstack(parts), axis=0)

    def _predicted(
        self, rows: Rows, history: History, model: Surrogate, optimism: float = 0.0
    ) -> tuple[FloatMatrix, FloatMatrix]:
        """Returns the objectives of designs, and by how much they exceed the limits."""
        columns = history.relative.shape[1]
        losses = model.losses(rows, optimism) * self._reference[0]
        costs = model.costs.predict(rows)
        excess = history.limits.with_losses(costs[:, columns - 1 :], history.relative[:, 0], losses)
        return np.column_stack([np.maximum(losses, 0.0), costs[:, : columns - 1]]), excess


@dataclass(frozen=True)
class _Fitted:
    """A model and what it learned from.

    Attributes:
        trials: number of the first trials that it could learn from.
        model: the model.
        learned: indices of those that it learned from.
        losses: their expected losses, in units of the reference.
    """

    trials: int
    model: Surrogate
    learned: Rows
    losses: Vector


def _best(relative: FloatMatrix, broken: Vector) -> Rows:
    """Returns the indices of the front of the designs with the least violation, the feasible ones if there are any."""
    least = np.flatnonzero(broken == broken.min())
    return least[non_dominated(relative[least])]
