"""What a design's loss deviates from the sum of its disturbances: Gaussian processes of a fixed form."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from dse.design import FloatMatrix
from dse.search.atoms import Vector
from dse.search.factors import Rows

_RATE = 2.0  # decay with the share of the disturbance that two designs do not have in common
_SHARED = 0.3  # what a choice for the whole network counts for in that share
_OWN = (0.0, 0.3, 0.6, 1.0)  # standard deviations of a term's own factor
_TOGETHER = (0.0, 0.15, 0.4, 0.8)  # of the factor of whole designs, which similar designs have in common
_NOISE = (0.03, 0.1, 0.2, 0.35, 0.5)  # of compressed losses
_GRIDS = (("noise", _NOISE), ("own", _OWN), ("together", _TOGETHER))


Kernels = tuple[FloatMatrix, FloatMatrix]  # of single terms, and of whole designs


@dataclass(frozen=True)
class Scales:
    """Standard deviations: of single terms, of whole designs, and of the noise."""

    own: float
    together: float
    noise: float


@dataclass(frozen=True)
class Shares:
    """How the disturbance of designs is made up.

    Attributes:
        terms: share of every value of every factor, sparse ``[designs, factors * values]``.
        roots: their square roots, sparse, with the choices for the whole network.
        weights: how much a relative change of the disturbance changes the compressed loss, ``[designs]``.
    """

    terms: sparse.csr_array
    roots: sparse.csr_array
    weights: Vector

    @cached_property
    def dense(self) -> tuple[FloatMatrix, FloatMatrix]:
        """Terms and roots with every value of every factor, transposed, for products with those of other designs."""
        return np.ascontiguousarray(self.terms.toarray().T), np.ascontiguousarray(self.roots.toarray().T)


def shares_of(rows: Rows, effects: FloatMatrix, shared: Vector, weights: Vector) -> Shares:
    """Returns the shares of designs.

    Args:
        rows: the designs.
        effects: disturbance by every value of every factor, ``[factors, values]``.
        shared: 1 for a choice for the whole network, 0 for a rescaler, ``[factors]``.
        weights: those of :class:`Shares`.
    """
    chosen = effects[np.arange(len(effects)), rows]
    part = chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1e-30)
    roots = np.sqrt((part + _SHARED * shared) / (1.0 + _SHARED * shared.sum()))
    return Shares(
        _one_hot(rows, part * weights[:, None], effects.shape[1]), _one_hot(rows, roots, effects.shape[1]), weights
    )


def _one_hot(rows: Rows, values: FloatMatrix, width: int) -> sparse.csr_array:
    count, factors = rows.shape
    columns = rows + np.arange(factors) * width
    ends = np.arange(count + 1) * factors
    return sparse.csr_array((values.ravel(), columns.ravel(), ends), shape=(count, factors * width))


def kernels(one: Shares, other: Shares) -> Kernels:
    """Returns the two kernels between designs, without their scales."""
    terms, roots = other.dense
    own, common = one.terms @ terms, one.roots @ roots
    near = np.exp(_RATE * (np.minimum(common, 1.0) - 1.0)) * one.weights[:, None] * other.weights
    return own, near


class Deviations:
    """Deviations that were fitted to evaluated designs.

    Args:
        known: kernels between the evaluated designs.
        residuals: compressed losses less those of the sum of disturbances, ``[designs]``.
        luck: mean variance of the residuals that comes from the choice of the samples. It repeats in designs of the
            same terms, but says nothing about other samples, and predictions leave it out.
    """

    def __init__(self, known: Kernels, residuals: Vector, luck: float = 0.0) -> None:
        self.scales = _most_likely(known, residuals)
        factor, self._weights, _ = _solved(known, residuals, self.scales)
        self._inverse = solve_triangular(factor, np.eye(len(factor)), lower=True, check_finite=False)
        seen = self.scales.own**2 * float(np.mean(np.diag(known[0])))
        self._lasting = max(1.0 - luck / seen, 0.0) if seen else 0.0  # share of the terms' own variance

    def predict(self, between: Kernels, shares: Shares) -> tuple[Vector, Vector]:
        """Returns expected deviations of designs and their variances, each ``[designs]``.

        Args:
            between: kernels between the designs and the evaluated ones.
            shares: the designs.
        """
        own, near = between
        kernel = self._lasting * self.scales.own**2 * own + self.scales.together**2 * near
        explained = ((kernel @ self._inverse.T) ** 2).sum(axis=1)
        alone = np.asarray(shares.terms.power(2).sum(axis=1)).ravel()
        prior = self._lasting * self.scales.own**2 * alone + (self.scales.together * shares.weights) ** 2
        return kernel @ self._weights, np.maximum(prior - explained, 0.0)


def _solved(parts: Kernels, residuals: Vector, scales: Scales) -> tuple[FloatMatrix, Vector, float]:
    """Returns the kernel's factor, the weights of the known designs, and the logarithm of the likelihood."""
    own, near = parts
    kernel = scales.own**2 * own + scales.together**2 * near
    kernel[np.diag_indices_from(kernel)] += scales.noise**2
    factor = cho_factor(kernel, lower=True, check_finite=False)[0]
    weights = cho_solve((factor, True), residuals, check_finite=False)
    return factor, weights, float(-0.5 * residuals @ weights - np.log(np.diag(factor)).sum())


def _most_likely(parts: Kernels, residuals: Vector) -> Scales:
    """Returns scales under which the residuals are the most likely, by changing one at a time twice."""
    best = Scales(_OWN[1], _TOGETHER[1], _NOISE[2])
    likelihood = _solved(parts, residuals, best)[2]
    for name, values in _GRIDS * 2:
        for value in values:
            scales = replace(best, **{name: value})
            found = _solved(parts, residuals, scales)[2]
            if found > likelihood:
                best, likelihood = scales, found
    return best
