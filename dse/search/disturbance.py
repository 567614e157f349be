"""A model of how much a design disturbs the network, fitted to the losses of evaluated designs.

Every rescaler disturbs the network's outputs a little, and the disturbances add up: as variances do if they are
independent. A loss is a power of the sum, whose exponent allows for systematic parts that add up otherwise. What the
terms of the sum depend on is said by :class:`~dse.search.atoms.Atoms`. Two figures of the same designs, a loss and the
divergence of the outputs, see the same disturbance, each with an offset, an exponent and a noise of its own: the
divergence has far less noise, because it does not depend on which answers are right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from dse.design import FloatMatrix
from dse.search.atoms import Atoms, Vector
from dse.search.factors import Rows

KNEE = 0.1  # losses far below this share of the reference have the same noise, those above it one in proportion to them
_STEPS = 7  # at most, of Gauss and Newton: more move parameters that hardly matter
_ENOUGH = 0.15  # the last step's greatest change of a logarithm
_NOISE, _NOISE_WEIGHT = 0.25, 6.0  # of compressed losses before any trial, and as many trials as it counts for
_FACTOR, _POWER, _OFFSET = 1.0, 0.2, 0.02  # standard deviations of a figure's own parameters, before any trial


def compressed(losses: Vector) -> Vector:
    """Returns losses (in units of the reference) so that noise is about the same everywhere."""
    return np.arcsinh(losses / KNEE)


def expanded(values: Vector) -> Vector:
    """Returns the losses of compressed values."""
    return KNEE * np.sinh(np.clip(values, -20.0, 20.0))


@dataclass(frozen=True)
class Disturbance:
    """The fitted model.

    Attributes:
        atoms: what the parameters mean.
        parameters: most probable parameters, first those of the atoms, then three of every figure.
        factor: lower Cholesky factor of the parameters' precision.
        noise: standard deviation of every figure's compressed values, ``[figures]``.
    """

    atoms: Atoms
    parameters: Vector
    factor: FloatMatrix
    noise: Vector

    @classmethod
    def fitted(cls, atoms: Atoms, rows: Rows, figures: Sequence[Vector]) -> "Disturbance":
        """Fits the model.

        Args:
            atoms: terms of the space.
            rows: the designs.
            figures: losses of the designs in units of the reference, the one that is predicted first.
        """
        own = len(atoms.means)
        means = np.concatenate([atoms.means, np.zeros(3 * len(figures))])
        deviations = np.concatenate([atoms.deviations, np.tile((_FACTOR, _POWER, _OFFSET), len(figures))])
        deviations[own] = 1e-3  # the first figure sets the unit of the sum
        precision = deviations**-2.0
        parameters = means.copy()
        targets = [compressed(figure) for figure in figures]
        variances = np.full(len(figures), _NOISE**2)
        factor = np.diag(1.0 / deviations)
        for _ in range(_STEPS):
            hessian, gradient = np.diag(precision), precision * (means - parameters)
            sums, slopes = atoms.sums(rows, parameters[:own]), atoms.slopes(rows, parameters[:own])
            weights, pulls = np.zeros(len(rows)), np.zeros(len(rows))
            for at, target in enumerate(targets):
                its = slice(own + 3 * at, own + 3 * at + 3)
                expected, inner, outer = _expected(sums, parameters[its])
                residuals = target - expected
                seen = (residuals**2).sum() + _NOISE_WEIGHT * _NOISE**2
                variances[at] = seen / (len(rows) + _NOISE_WEIGHT)
                weights += inner**2 / variances[at]
                pulls += inner * residuals / variances[at]
                hessian[its, its] += outer.T @ outer / variances[at]
                hessian[its, :own] = outer.T @ (inner[:, None] * slopes) / variances[at]
                hessian[:own, its] = hessian[its, :own].T
                gradient[its] += outer.T @ residuals / variances[at]
            hessian[:own, :own] += slopes.T @ (weights[:, None] * slopes)
            gradient[:own] += slopes.T @ pulls
            factor = cho_factor(hessian, lower=True, check_finite=False)[0]
            step = cho_solve((factor, True), gradient, check_finite=False)
            size = float(np.abs(step).max())
            parameters = parameters + step * min(1.0, 2.0 / size if size else 1.0)
            if size < _ENOUGH:
                break
        return cls(atoms, parameters, np.tril(factor), np.sqrt(variances))

    @property
    def own(self) -> Vector:
        """The parameters of the atoms."""
        return self.parameters[: len(self.atoms.means)]

    def expected(self, rows: Rows, figure: int = 0) -> Vector:
        """Returns a compressed figure of designs, ``[designs]``."""
        at = len(self.atoms.means) + 3 * figure
        return _expected(self.atoms.sums(rows, self.own), self.parameters[at : at + 3])[0]

    def sensitivity(self, rows: Rows) -> Vector:
        """Returns how much a relative change of the sum changes the compressed first figure, ``[designs]``."""
        own = len(self.atoms.means)
        sums = self.atoms.sums(rows, self.own)
        slopes: Vector = _expected(sums, self.parameters[own : own + 3])[1] * sums
        return slopes

    def drawn(self, generator: np.random.Generator) -> Vector:
        """Returns parameters drawn from what the evaluated designs leave open."""
        drawn: Vector = self.parameters + solve_triangular(
            self.factor, generator.normal(size=len(self.parameters)), lower=True, trans="T"
        )
        return drawn


def _expected(sums: Vector, own: Vector) -> tuple[Vector, Vector, FloatMatrix]:
    """Returns a figure's compressed values, their derivatives by the sum, and by the figure's own parameters.

    ``own`` are the logarithms of a factor and of an exponent, and an offset.
    """
    sums = sums + 1e-12
    power = np.exp(own[1])
    raised = np.exp(own[0]) * sums**power
    value = raised + own[2]
    slope = 1.0 / np.sqrt(value**2 + KNEE**2)
    outer = np.column_stack([slope * raised, slope * raised * np.log(sums) * power, slope])
    return compressed(value), slope * power * raised / sums, outer
