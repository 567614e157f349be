"""What a search is measured on: a space, what evaluations show of a design, and what its figures really are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dse.design import (
    DEFAULT_OBJECTIVES,
    FloatMatrix,
    SearchSpace,
    hypervolume,
    non_dominated,
    reference_point,
    search_objectives,
)
from dse.search import Factors, Rows

OBJECTIVES = search_objectives(DEFAULT_OBJECTIVES)  # cross-entropy, area and energy
REFERENCE = reference_point(OBJECTIVES)


@dataclass(frozen=True)
class Seen:
    """One evaluation.

    Attributes:
        loss: increase of the cross-entropy over int32's on the validation samples, nats.
        divergence: divergence of the outputs from int32's on the same samples, nats.
        costs: area and energy as shares of int32's.
        test_drop: drop of the accuracy on samples that no search sees, or in the whole population, pp.
    """

    loss: float
    divergence: float
    costs: tuple[float, ...]
    test_drop: float

    @property
    def values(self) -> tuple[float, ...]:
        """What a search is given: the loss, floored at int32's, and the costs."""
        return (max(self.loss, 0.0), *self.costs)

    @property
    def expected(self) -> tuple[float, ...]:
        """What a study expects of the design, and its costs.

        The loss is the predictor of :mod:`dse.store.shrinkage`, on which an expected drop depends; of designs by the
        hundred that are not trained, what the measured drops add to it is luck.
        """
        return (self.loss + max(self.divergence, 0.0), *self.costs)


class Problem(Protocol):
    """A search problem."""

    @property
    def name(self) -> str:
        """Name in tables and files."""

    @property
    def space(self) -> SearchSpace:
        """The search space."""

    @property
    def samples(self) -> int:
        """Number of validation samples."""

    @property
    def attainable(self) -> float:
        """Hypervolume on test of the front of all designs; NaN if it is not known."""

    def uniform(self) -> list[dict[str, str | int]]:
        """Returns the parameters of the uniform designs that all searches start with, int32 first."""

    def prices(self, factors: Factors) -> FloatMatrix | None:
        """Returns the costs of all values of all factors, ``[costs, factors, values]``, if they are known."""

    def evaluate(self, parameters: dict[str, str | int]) -> Seen:
        """Evaluates a design."""


@dataclass(frozen=True)
class History:
    """Evaluated designs, in order.

    Attributes:
        factors: the search space.
        rows: the designs, ``[designs, factors]``.
        seen: their evaluations.
    """

    factors: Factors
    rows: Rows
    seen: Sequence[Seen]

    @property
    def values(self) -> FloatMatrix:
        """What a search is given, ``[designs, objectives]``."""
        return np.array([each.values for each in self.seen])

    @property
    def found(self) -> float:
        """Hypervolume of all designs with their drops on test samples, floored at int32's."""
        return hypervolume(self._on_test)

    @property
    def reported(self) -> float:
        """The same of the designs that are on the front of what a study expects of them."""
        return hypervolume(self._on_test[non_dominated(np.array([each.expected for each in self.seen]))])

    @property
    def _on_test(self) -> FloatMatrix:
        return np.array([(max(each.test_drop, 0.0), *each.costs) for each in self.seen])

    @property
    def known(self) -> set[bytes]:
        """The rows, for membership."""
        return {row.tobytes() for row in self.rows}

    def first(self, count: int) -> "History":
        """Returns the history after so many evaluations."""
        return History(self.factors, self.rows[:count], self.seen[:count])

    def with_design(self, row: Rows, seen: Seen) -> "History":
        """Returns the history after one more evaluation."""
        return History(self.factors, np.vstack([self.rows, row]), (*self.seen, seen))
