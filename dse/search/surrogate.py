"""A model of every objective over the search space; it does not depend on Optuna's trials.

Three facts make a cheap model accurate. Costs are sums over the rescalers. The disturbances by the rescalers add up
too, and each is about proportional to the error of its multiplier (:mod:`~dse.search.disturbance`). What a single
design deviates from that is shared by designs that have most of their disturbance in common
(:mod:`~dse.search.deviations`).
"""

from dataclasses import dataclass

import moocore
import numpy as np

from dse.design import FloatMatrix
from dse.search.atoms import Atoms, Vector
from dse.search.costs import Costs
from dse.search.deviations import Deviations, Scales, Shares, shares_of
from dse.search.disturbance import Disturbance, compressed, expanded
from dse.search.factors import Factors, Rows


@dataclass(frozen=True)
class Evaluated:
    """Designs and their figures.

    Attributes:
        rows: the designs, ``[designs, factors]``.
        losses: losses in units of the reference, ``[designs]``.
        divergences: divergences of the outputs in units of the reference; None if they are not known.
        costs: costs relative to int32's, and other limited figures, ``[designs, columns]``.
    """

    rows: Rows
    losses: Vector
    divergences: Vector | None
    costs: FloatMatrix


class Surrogate:
    """The model, fitted to evaluated designs.

    Args:
        factors: the search space.
        evaluated: the evaluated designs.
        prices: costs of all values if they are known beforehand, ``[columns, factors, values]``.
        earlier: an earlier fit, whose parameters are the start of this one.
        scales: standard deviations of the deviations; None for the most likely ones.
    """

    def __init__(
        self,
        factors: Factors,
        evaluated: Evaluated,
        prices: FloatMatrix | None = None,
        earlier: "Surrogate | None" = None,
        scales: Scales | None = None,
    ) -> None:
        rows = evaluated.rows
        self.layout = tuple(len(factor.values) for factor in factors.factors)
        same = earlier is not None and earlier.layout == self.layout and earlier.figures == _figures(evaluated)
        self.figures = _figures(evaluated)
        self.atoms = earlier.atoms if earlier and same else Atoms(factors.factors)
        start = earlier.disturbance.parameters if earlier and same else None
        observed = [evaluated.losses, *([] if evaluated.divergences is None else [evaluated.divergences])]
        self.disturbance = Disturbance.fitted(self.atoms, rows, observed, start)
        self._shared = np.array([float(factor.variable is None) for factor in factors.factors])
        residuals = compressed(evaluated.losses) - self.disturbance.expected(rows)
        self.deviations = Deviations(self._shares(rows), residuals, scales)
        self.costs = Costs(factors, rows, evaluated.costs, prices)

    def _shares(self, rows: Rows) -> Shares:
        weights = self.disturbance.sensitivity(rows)
        return shares_of(rows, self.atoms.effects(self.disturbance.own), self._shared, weights)

    def losses(self, rows: Rows, optimism: float = 0.0) -> Vector:
        """Returns expected losses in units of the reference, less a number of standard deviations, ``[designs]``."""
        expected, deviation = self.deviations.predict(self._shares(rows))
        return expanded(self.disturbance.expected(rows) + expected - optimism * deviation)

    def effects(self, generator: np.random.Generator | None = None) -> FloatMatrix:
        """Returns the disturbance by every value, the most probable or a drawn one, ``[factors, values]``.

        A choice for the whole network has the logarithm of its factor.
        """
        drawn = self.disturbance.parameters if generator is None else self.disturbance.drawn(generator)
        own = drawn[: len(self.atoms.means)]
        effects: FloatMatrix = self.atoms.effects(own) + self.atoms.log_scales(own)
        return effects


def _figures(evaluated: Evaluated) -> int:
    return 1 if evaluated.divergences is None else 2


def improvements(points: FloatMatrix, front: FloatMatrix, reference: Vector) -> Vector:
    """Returns the hypervolume that every point alone would add to a front, ``[points]``.

    Args:
        points: ``[points, objectives]``, minimised.
        front: ``[members, objectives]``, none beyond the reference point.
        reference: reference point of the hypervolume, ``[objectives]``.
    """
    hopeful = (points < reference).all(axis=1)
    if len(front):
        hopeful &= ~(front[None] <= points[:, None]).all(axis=2).any(axis=1)
    added = np.zeros(len(points))
    volume = moocore.hypervolume(front, ref=reference) if len(front) else 0.0
    for index in np.flatnonzero(hopeful):
        added[index] = moocore.hypervolume(np.vstack([front, points[index]]), ref=reference) - volume
    return added
