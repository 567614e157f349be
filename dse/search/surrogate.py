"""A model of every objective over the space, and the designs that it makes promising; it knows no trials.

Two facts about rescalers make a cheap model a good one. A multiplier of ``b`` bits is off by up to ``2**-b`` of its
value, so that two widths differ, to the network, by no more than the coarser one's error: 1 and 2 bits are far apart,
8 and 31 alike. And costs add up over the layers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import moocore
import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.spatial.distance import cdist

from dse.design.pareto import FloatMatrix
from dse.design.space import SearchSpace

Rows = npt.NDArray[np.intp]

_RATE = 2.0  # of the decay with the mean error: of 1.25, 2.5 and 5, the likeliest is 2.5 on digits and 1.25 on kws
_OCTAVE_STEP = 0.5  # between the bumps on a width's logarithm: 1, 2, 3 and 4 bits have each their own
_NOISE = 3e-3  # of accuracies, of their variance: the likeliest on digits and kws lie between 1e-4 and 1e-2
_COST_NOISE = 1e-6  # costs are exact; so much keeps the factorization stable
_INTERPLAY = 0.01  # weight of what does not add up (a shared bank costs what its widest layer does), beside what does
_DROP_PP = 5.0  # drops are of interest up to the hypervolume's end; beyond it their logarithm says enough
_CHANGES = (1, 1, 2, 3)  # choices in which a candidate differs from the design that it comes from


@dataclass(frozen=True)
class Designs:
    """Designs as the model sees them.

    Attributes:
        errors: float64 ``[designs, e]``; the city-block distance counts the variables in which designs differ.
        bumps: float64 ``[designs, b]``; a sum over variables is linear in them.
    """

    errors: FloatMatrix
    bumps: FloatMatrix


@dataclass(frozen=True)
class Encoded:
    """One design: its row ``[variables]``, errors ``[e]`` and bumps ``[b]``."""

    row: npt.NDArray[np.intp]
    errors: npt.NDArray[np.float64]
    bumps: npt.NDArray[np.float64]


class Encoding:
    """Designs of a space as rows (an index into the allowed values of every variable) and as the model sees them.

    Args:
        space: the study's space; its designs are parameters that it may draw, baselines may lie outside.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._names = tuple(space.distributions)
        self.values = [_ordered(space.values[name]) for name in self._names]

    @cached_property
    def variables(self) -> int:
        """How many variables have more than one value."""
        return sum(len(values) > 1 for values in self.values)

    @cached_property
    def _tables(self) -> list[tuple[FloatMatrix, FloatMatrix]]:
        distributions = [self._space.distributions[name] for name in self._names]
        return [_features(d, values) for d, values in zip(distributions, self.values, strict=True)]

    def parameters(self, row: npt.NDArray[np.intp]) -> dict[str, str | int]:
        """The parameters of a row."""
        return {name: values[at] for name, values, at in zip(self._names, self.values, row, strict=True)}

    def of_rows(self, rows: Rows) -> Designs:
        """What the model sees of rows."""
        found = [(errors[at], bumps[at]) for (errors, bumps), at in zip(self._tables, rows.T, strict=True)]
        return Designs(np.hstack([f[0] for f in found]), np.hstack([f[1] for f in found]))

    def of_parameters(self, parameters: Mapping[str, object]) -> Encoded:
        """One design, which may lie outside the space: its row is then that of the nearest one inside."""
        snapped = self._space.snapped(parameters)
        row = [values.index(snapped[name]) for name, values in zip(self._names, self.values, strict=True)]
        found = [_features(self._space.distributions[name], (parameters[name],)) for name in self._names]
        return Encoded(np.array(row), np.hstack([f[0][0] for f in found]), np.hstack([f[1][0] for f in found]))

    def random(self, count: int, generator: np.random.Generator) -> Rows:
        """Designs of the space, drawn evenly."""
        return generator.integers([len(values) for values in self.values], size=(count, len(self.values)))

    def neighbours(self, parents: Rows, count: int, generator: np.random.Generator) -> Rows:
        """Designs that differ from one of ``parents`` in one choice or a few: by a step or two, or drawn anew."""
        found = parents[generator.integers(len(parents), size=count)]
        sizes = np.array([len(values) for values in self.values])
        order = np.where(sizes > 1, generator.random(found.shape), np.inf).argsort(axis=1).argsort(axis=1)
        changed = order < generator.choice(_CHANGES, size=(count, 1))
        stepped = np.clip(found + generator.choice((-2, -1, 1, 2), size=found.shape), 0, sizes - 1)
        drawn = np.where(generator.random(found.shape) < 0.5, stepped, self.random(count, generator))
        return np.where(changed, drawn, found)


def _ordered(values: Sequence[str | int]) -> tuple[str | int, ...]:
    return tuple(sorted(values, key=lambda value: (isinstance(value, str), value if isinstance(value, int) else 0)))


def _features(distribution: BaseDistribution, values: Sequence[object]) -> tuple[FloatMatrix, FloatMatrix]:
    """Errors and bumps of a variable's values, ``[values, e]`` and ``[values, b]``."""
    if isinstance(distribution, IntDistribution):
        numbers = np.array(values, dtype=np.float64)
        octaves = np.log2(numbers)[:, None]
        nodes = np.arange(np.log2(distribution.low), np.log2(distribution.high) + _OCTAVE_STEP, _OCTAVE_STEP)
        errors = np.exp2(distribution.low - numbers)[:, None]  # as shares of the narrowest one's
        return errors, np.exp(-(((octaves - nodes) / _OCTAVE_STEP) ** 2) / 2)
    if isinstance(distribution, CategoricalDistribution):
        which = np.eye(len(distribution.choices))[[distribution.choices.index(v) for v in values]]
        return which / 2, which
    raise TypeError(f"spaces have integers and categories, got {distribution}")


class Model:
    """Gaussian processes of what was told, ready to predict.

    Accuracy: an exponential kernel of the mean error in which designs differ. Costs: a sum over the variables, and a
    little of the other one.

    Args:
        told: the designs.
        drops: accuracy drops in pp, ``[designs]``.
        costs: everything else, exact and nearly a sum over the variables, ``[designs, columns]``.
        variables: how many variables the space has.
    """

    def __init__(self, told: Designs, drops: npt.NDArray[np.float64], costs: FloatMatrix, variables: int) -> None:
        self._told, self._variables = told, variables
        near = self._nearness(told)
        self._drop = _Process(near, np.arcsinh(drops / _DROP_PP)[:, None], _NOISE)
        self._costs = _Process(self._sums(told, near), costs, _COST_NOISE)

    def predict(self, designs: Designs, optimism: float) -> tuple[npt.NDArray[np.float64], FloatMatrix]:
        """Drops (pp), so many standard deviations below what is expected, and costs as expected."""
        near = self._nearness(designs)
        expected = self._drop.mean(near)[:, 0] - optimism * self._drop.deviation(near)
        return np.sinh(expected) * _DROP_PP, self._costs.mean(self._sums(designs, near))

    def _nearness(self, designs: Designs) -> FloatMatrix:
        distance = cdist(designs.errors, self._told.errors, "cityblock")
        near: FloatMatrix = np.exp(-_RATE / self._variables * distance)
        return near

    def _sums(self, designs: Designs, near: FloatMatrix) -> FloatMatrix:
        together: FloatMatrix = designs.bumps @ self._told.bumps.T / self._variables + _INTERPLAY * near
        return together


class _Process:
    """Gaussian processes that share a kernel, one for every column of ``values``."""

    def __init__(self, kernel: FloatMatrix, values: FloatMatrix, noise: float) -> None:
        self._center, self._scale = values.mean(axis=0), np.maximum(values.std(axis=0), np.finfo(float).tiny)
        self._factor = cho_factor(kernel + noise * np.eye(len(kernel)), lower=True)
        self._weights = cho_solve(self._factor, (values - self._center) / self._scale)

    def mean(self, kernel: FloatMatrix) -> FloatMatrix:
        """``[designs, columns]``; ``kernel`` is of the designs with those told."""
        found: FloatMatrix = kernel @ self._weights * self._scale + self._center
        return found

    def deviation(self, kernel: FloatMatrix) -> npt.NDArray[np.float64]:
        """Standard deviation of the first column, of a kernel that is 1 between equals."""
        explained = (solve_triangular(self._factor[0], kernel.T, lower=True) ** 2).sum(axis=0)
        found: npt.NDArray[np.float64] = np.sqrt(np.maximum(1.0 - explained, 0.0)) * self._scale[0]
        return found


def improvements(
    points: FloatMatrix, front: FloatMatrix, reference: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The hypervolume that every point alone would add to a front, ``[points]``.

    Args:
        points: ``[points, objectives]``, minimised.
        front: ``[members, objectives]``, none beyond the reference.
        reference: where the hypervolume ends, ``[objectives]``.
    """
    hopeful = (points < reference).all(axis=1)
    for member in front:
        hopeful &= (points < member).any(axis=1)
    found = np.zeros(len(points))
    volume = moocore.hypervolume(front, ref=reference) if len(front) else 0.0
    for index in np.flatnonzero(hopeful):
        found[index] = moocore.hypervolume(np.vstack([front, points[index]]), ref=reference) - volume
    return found
