"""The trials of a study as arrays, kept from one proposal to the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial, TrialState

from dse.design import CROSS_ENTROPY, DIVERGENCE, FloatMatrix, Level, Observation, figure_named, relative_costs
from dse.search.atoms import Vector
from dse.search.factors import Factors, Rows
from dse.search.limits import Limits
from dse.search.observations import expected_losses
from dse.store import observation_in


@dataclass(frozen=True)
class History:
    """The complete trials, by number.

    Attributes:
        rows: their designs, ``[trials, factors]``.
        relative: objectives, costs relative to int32's, ``[trials, objectives]``.
        divergences: divergences of the outputs, nats; None if they are no measure of the loss or not all known.
        limits: the study's constraints.
    """

    rows: Rows
    relative: FloatMatrix
    divergences: Vector | None
    limits: Limits


class Log:
    """Reads every trial once: the parameters of a trial never change, nor what a complete one shows.

    Args:
        factors: the search space.
        loss: name of the loss.

    Attributes:
        seen: rows of all trials, in bytes.
    """

    def __init__(self, factors: Factors, loss: str) -> None:
        self.seen: set[bytes] = set()
        self._factors, self._loss = factors, loss
        self._keys = {key for factor in factors.factors for key in factor.keys}
        self._pending: dict[int, Rows] = {}
        self._closed: set[int] = set()  # finished trials, whose results were read
        self._first = 0  # place of the first trial that is not one of them
        self._history: History | None = None  # of the complete trials, until there are more
        self._numbers, self._rows = _Column(np.intp), _Column(np.intp, len(factors.factors))
        self._values, self._divergences = _Column(np.float64, 0), _Column(np.float64)
        self._observations: list[Observation] = []
        self._constraints: list[Mapping[str, float]] = []
        self._limited = False

    def update(self, trials: Sequence[FrozenTrial]) -> Rows:
        """Reads new trials, and returns the designs of those that are being evaluated."""
        while self._first < len(trials) and trials[self._first].number in self._closed:
            self._first += 1
        for trial in trials[self._first :]:
            number = trial.number
            if number in self._closed:
                continue
            if not self._keys <= trial.params.keys():
                if trial.state.is_finished():
                    self._closed.add(number)  # it failed before it had a design
                continue
            if number not in self._pending:
                self._pending[number] = self._factors.row(trial.params)
                self.seen.add(self._pending[number].tobytes())
            if trial.state.is_finished():
                row = self._pending.pop(number)
                self._closed.add(number)
                if trial.state is TrialState.COMPLETE:
                    self._append(trial, row)
        rows = list(self._pending.values())
        return np.array(rows, dtype=np.intp).reshape(len(rows), len(self._factors.factors))

    def _append(self, trial: FrozenTrial, row: Rows) -> None:
        """Keeps a complete trial. One that nothing is stored of is whole, with its own value."""
        seen = observation_in(trial) or Observation(Level.INTEGER, {Level.INTEGER: trial.values[0]})
        divergence = np.nan if seen.asked.is_trained else trial.user_attrs.get(DIVERGENCE.name, np.nan)
        self._history = None
        self._numbers.append(trial.number)
        self._rows.append(row)
        self._values.append((seen.levels[seen.asked] if seen.is_whole else np.nan, *trial.values[1:]))
        self._divergences.append(divergence)
        self._observations.append(seen)
        self._constraints.append(trial.constraints)
        self._limited |= bool(trial.constraints)

    @property
    def complete(self) -> int:
        """The number of complete trials."""
        return len(self._observations)

    def history(self) -> History:
        """Returns the complete trials, of which there must be one."""
        if self._history is None:
            self._history = self._made()
        return self._history

    def _made(self) -> History:
        order = np.argsort(self._numbers.values)
        rows, values = self._rows.values[order], self._values.values[order]
        if np.isnan(values[:, 0]).any():  # the ladder stopped some: their losses are what the others let expect
            ordered = [self._observations[at] for at in order]
            values[:, 0] = expected_losses(ordered, figure_named(self._loss).reference).values
        baseline = next(iter(values[(rows == self._factors.int32).all(axis=1)]), values.max(axis=0, initial=0.0))
        divergences = self._divergences.values[order]
        useful = self._loss == CROSS_ENTROPY.name and not np.isnan(divergences).any()
        limits = Limits((), np.zeros((len(order), 0)))
        if self._limited:
            limits = Limits.of([self._constraints[at] for at in order])
        return History(rows, relative_costs(values, baseline), divergences if useful else None, limits)


class _Column:
    """Rows that are appended one at a time to an array that grows by doubling.

    Args:
        kind: type of the numbers.
        width: numbers in a row; None for single numbers, 0 for as many as the first row has.
    """

    def __init__(self, kind: type[np.generic], width: int | None = None) -> None:
        self._kind, self._count = kind, 0
        self._buffer: npt.NDArray[Any] = np.zeros((0,) if width is None else (0, width), dtype=kind)

    def append(self, row: npt.ArrayLike) -> None:
        """Appends a row."""
        if self._count == len(self._buffer):
            shape = np.shape(row)
            grown = np.zeros((max(64, 2 * self._count), *shape), dtype=self._kind)
            grown[: self._count] = self._buffer[: self._count].reshape(self._count, *shape)
            self._buffer = grown
        self._buffer[self._count] = row
        self._count += 1

    @property
    def values(self) -> npt.NDArray[Any]:
        """The rows so far."""
        return self._buffer[: self._count]
