"""A model of every objective over the search space; it does not depend on Optuna's trials.

Three facts make a cheap model accurate. Costs are sums over the rescalers. The disturbances by the rescalers add up
too, and each is about proportional to the error of its multiplier (:mod:`~dse.search.disturbance`). What a single
design deviates from that is shared by designs that have most of their disturbance in common
(:mod:`~dse.search.deviations`).
"""

from dataclasses import dataclass

import moocore
import numpy as np

from dse.design import DIVERGENCE, FloatMatrix
from dse.search.atoms import Atoms, Vector
from dse.search.costs import Costs
from dse.search.deviations import Deviations, Shares, kernels, shares_of
from dse.search.disturbance import KNEE, Disturbance, compressed, expanded
from dse.search.factors import Factors, Rows


@dataclass(frozen=True)
class Evaluated:
    """Designs and their figures.

    Attributes:
        rows: the designs, ``[designs, factors]``.
        losses: losses in units of the reference, ``[designs]``.
        divergences: divergences of the outputs, nats; None if they are not known.
        costs: costs relative to int32's, and other limited figures, ``[designs, columns]``.
        samples: number of samples of the losses, if they are cross-entropies; None if not, or if it is not known.
        reference: the losses' unit, nats, if ``samples`` is given.
    """

    rows: Rows
    losses: Vector
    divergences: Vector | None
    costs: FloatMatrix
    samples: int | None = None
    reference: float = 1.0

    @property
    def luck(self) -> float:
        """Mean variance of the compressed losses from the choice of the samples; 0 if it is not known."""
        if self.samples is None or self.divergences is None:
            return 0.0
        variances = 2.0 * np.maximum(self.divergences, 0.0) / self.samples / self.reference**2
        return float(np.mean(variances / (self.losses**2 + KNEE**2)))


class Surrogate:
    """The model, fitted to evaluated designs.

    If divergences are known, they show the deviations of designs from the sum of their disturbances first, and the
    losses what is left of them: the loss of a design is lucky or unlucky by about ``sqrt(2 divergence / samples)``,
    which is the standard error of its difference from int32's (Taylor's expansion of both figures).

    Args:
        factors: the search space.
        evaluated: the evaluated designs.
        prices: costs of all values if they are known beforehand, ``[columns, factors, values]``.
    """

    def __init__(self, factors: Factors, evaluated: Evaluated, prices: FloatMatrix | None = None) -> None:
        rows, losses, divergences = evaluated.rows, evaluated.losses, evaluated.divergences
        self.atoms = Atoms(factors.factors)
        if divergences is not None:
            divergences = divergences / DIVERGENCE.reference
        figures = [losses] if divergences is None else [losses, divergences]
        self.disturbance = Disturbance.fitted(self.atoms, rows, figures)
        self._shared = np.array([float(factor.variable is None) for factor in factors.factors])
        self._known = self._shares(rows)
        between = kernels(self._known, self._known)
        self.deviations: list[Deviations] = []
        if divergences is not None:
            residuals = compressed(divergences) - self.disturbance.expected(rows, figure=1)
            self.deviations.append(Deviations(between, residuals))
        residuals = compressed(losses) - self._expected(rows)[0]
        self.deviations.append(Deviations(between, residuals, evaluated.luck))
        self.costs = Costs(factors, rows, evaluated.costs, prices)

    def _shares(self, rows: Rows) -> Shares:
        weights = self.disturbance.sensitivity(rows)
        return shares_of(rows, self.atoms.effects(self.disturbance.own), self._shared, weights)

    def _expected(self, rows: Rows) -> tuple[Vector, Vector]:
        """Returns expected compressed losses and their standard deviations, each ``[designs]``."""
        shares = self._shares(rows)
        between = kernels(shares, self._known)
        expected, variance = self.disturbance.expected(rows), np.zeros(len(rows))
        for each in self.deviations:
            mean, its = each.predict(between, shares)
            expected, variance = expected + mean, variance + its
        return expected, np.sqrt(variance)

    def losses(self, rows: Rows, optimism: float = 0.0) -> Vector:
        """Returns expected losses in units of the reference, less a number of standard deviations, ``[designs]``."""
        expected, deviation = self._expected(rows)
        return expanded(expected - optimism * deviation)

    def effects(self, generator: np.random.Generator | None = None) -> FloatMatrix:
        """Returns the disturbance by every value, the most probable or a drawn one, ``[factors, values]``.

        A choice for the whole network has the logarithm of its factor.
        """
        drawn = self.disturbance.parameters if generator is None else self.disturbance.drawn(generator)
        own = drawn[: len(self.atoms.means)]
        effects: FloatMatrix = self.atoms.effects(own) + self.atoms.log_scales(own)
        return effects


def improvements(points: FloatMatrix, front: FloatMatrix, reference: Vector) -> Vector:
    """Returns the hypervolume that every point alone would add to a front, ``[points]``.

    Args:
        points: ``[points, objectives]``, minimised.
        front: ``[members, objectives]``, none beyond the reference point.
        reference: reference point of the hypervolume, ``[objectives]``.
    """
    dominated = np.any((front <= points[:, None]).all(axis=2), axis=1)
    hopeful = (points < reference).all(axis=1) & ~dominated
    added = np.zeros(len(points))
    volume = moocore.hypervolume(front, ref=reference) if len(front) else 0.0
    for index in np.flatnonzero(hopeful):
        added[index] = moocore.hypervolume(np.vstack([front, points[index]]), ref=reference) - volume
    return added
