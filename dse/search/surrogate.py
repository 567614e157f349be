"""A surrogate model of every objective over the search space; it does not depend on Optuna's trials.

Two facts about rescalers make a cheap model accurate. A multiplier of ``b`` bits has a relative error of up to
``2**-b``, so the network sees two widths differ by no more than the error of the coarser one: 1 and 2 bits are far
apart, 8 and 31 bits nearly equal. And costs add up over the layers.
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

from dse.design import NATURAL, FloatMatrix, SearchSpace, bits_key, method_key, shift_key
from nets.network import FULL_MULTIPLIER_BITS, Method

Rows = npt.NDArray[np.intp]

_RATE = 2.0  # decay with the mean error; of 1.25, 2.5 and 5 the most likely is 2.5 on digits and 1.25 on kws
_OCTAVE_STEP = 0.5  # distance of the bumps on a width's logarithm: 1, 2, 3 and 4 bits each have their own
_NOISE = 3e-3  # share of the accuracies' variance; the most likely on digits and kws is between 1e-4 and 1e-2
_COST_NOISE = 1e-6  # costs are exact; this keeps the factorization stable
_INTERPLAY = 0.01  # weight of the part of a cost that is no sum over layers (a shared bank is as wide as its widest)
_CHANGES = (1, 1, 2, 3)  # number of choices in which a candidate differs from its parent, drawn evenly


@dataclass(frozen=True)
class Designs:
    """The features of designs.

    Attributes:
        errors: float64 ``[designs, e]``; their city-block distance sums up how far designs differ in each variable.
        bumps: float64 ``[designs, b]``; a sum of functions of the variables is linear in them.
    """

    errors: FloatMatrix
    bumps: FloatMatrix


@dataclass(frozen=True)
class Encoded:
    """One design as a row and as features.

    Attributes:
        row: index into the allowed values of every variable, ``[variables]``.
        errors, bumps: those of :class:`Designs`, ``[e]`` and ``[b]``.
    """

    row: npt.NDArray[np.intp]
    errors: npt.NDArray[np.float64]
    bumps: npt.NDArray[np.float64]


class Encoding:
    """Converts designs between parameters, rows (an index into the allowed values of every variable) and features."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._names = tuple(space.distributions)
        self.values = [_ordered(space.values[name]) for name in self._names]
        columns = {name: at for at, name in enumerate(self._names)}
        self._windows = [
            (columns[shift_key(v.name)], columns[bits_key(v.name)], columns[method_key(v.name)])
            for v in space.rescalers
            if v.shifts
        ]

    @cached_property
    def variables(self) -> int:
        """The number of variables with more than one value."""
        return sum(len(values) > 1 for values in self.values)

    @cached_property
    def _tables(self) -> list[tuple[FloatMatrix, FloatMatrix]]:
        """The features of every variable's values; those of a window end with a row for natural shifts."""
        distributions = [self._space.distributions[name] for name in self._names]
        values = [(*each, NATURAL) if self._is_window(at) else each for at, each in enumerate(self.values)]
        return [_features(d, each) for d, each in zip(distributions, values, strict=True)]

    def _is_window(self, column: int) -> bool:
        return any(column == window for window, _, _ in self._windows)

    def parameters(self, row: npt.NDArray[np.intp]) -> dict[str, str | int]:
        """Returns the parameters of a row."""
        return {name: values[at] for name, values, at in zip(self._names, self.values, row, strict=True)}

    def of_rows(self, rows: Rows) -> Designs:
        """Returns the features of rows; a window without an effect has those of natural shifts."""
        rows = rows.copy()
        for window, width, method in self._windows:
            full = np.array([value == FULL_MULTIPLIER_BITS for value in self.values[width]])
            frozen = np.array([value == Method.ROUND for value in self.values[method]])
            rows[full[rows[:, width]] | frozen[rows[:, method]], window] = len(self.values[window])
        parts = [(errors[at], bumps[at]) for (errors, bumps), at in zip(self._tables, rows.T, strict=True)]
        return Designs(np.hstack([errors for errors, _ in parts]), np.hstack([bumps for _, bumps in parts]))

    def of_parameters(self, parameters: Mapping[str, object]) -> Encoded:
        """Encodes one design; if it lies outside the space, its row is that of the nearest design inside."""
        snapped = self._space.snapped(parameters)
        row = [values.index(snapped[name]) for name, values in zip(self._names, self.values, strict=True)]
        effective = self._with_natural_shifts(parameters)
        parts = [_features(self._space.distributions[name], (effective[name],)) for name in self._names]
        errors, bumps = ([part[kind][0] for part in parts] for kind in (0, 1))
        return Encoded(np.array(row), np.hstack(errors), np.hstack(bumps))

    def _with_natural_shifts(self, parameters: Mapping[str, object]) -> dict[str, object]:
        """Returns the parameters with natural shifts for every window without an effect (:class:`DesignPoint`)."""
        changed = dict(parameters)
        for window, width, method in self._windows:
            if (
                parameters[self._names[width]] == FULL_MULTIPLIER_BITS
                or parameters[self._names[method]] == Method.ROUND
            ):
                changed[self._names[window]] = NATURAL
        return changed

    def random(self, count: int, generator: np.random.Generator) -> Rows:
        """Returns ``count`` rows, drawn uniformly."""
        return generator.integers([len(values) for values in self.values], size=(count, len(self.values)))

    def neighbours(self, parents: Rows, count: int, generator: np.random.Generator) -> Rows:
        """Returns ``count`` rows that differ from one of ``parents`` in one to three choices.

        A choice changes by a step or two among its ordered values, or is drawn uniformly, with equal probability.
        """
        chosen = parents[generator.integers(len(parents), size=count)]
        sizes = np.array([len(values) for values in self.values])
        order = np.where(sizes > 1, generator.random(chosen.shape), np.inf).argsort(axis=1).argsort(axis=1)
        changed = order < generator.choice(_CHANGES, size=(count, 1))
        stepped = np.clip(chosen + generator.choice((-2, -1, 1, 2), size=chosen.shape), 0, sizes - 1)
        drawn = np.where(generator.random(chosen.shape) < 0.5, stepped, self.random(count, generator))
        return np.where(changed, drawn, chosen)


def _ordered(values: Sequence[str | int]) -> tuple[str | int, ...]:
    return tuple(sorted(values, key=lambda value: (isinstance(value, str), value if isinstance(value, int) else 0)))


def _features(distribution: BaseDistribution, values: Sequence[object]) -> tuple[FloatMatrix, FloatMatrix]:
    """Returns errors and bumps of a variable's values, ``[values, e]`` and ``[values, b]``."""
    if isinstance(distribution, IntDistribution):
        numbers = np.array(values, dtype=np.float64)
        first = 1 if distribution.low == 0 else 0  # a window of 0 bits has no logarithm
        octaves = np.log2(numbers + first)[:, None]
        ends = np.log2([distribution.low + first, distribution.high + first])
        nodes = np.arange(ends[0], ends[1] + _OCTAVE_STEP, _OCTAVE_STEP)
        errors = np.exp2(distribution.low - numbers)[:, None]  # relative to the narrowest width's
        return errors, np.exp(-(((octaves - nodes) / _OCTAVE_STEP) ** 2) / 2)
    if isinstance(distribution, CategoricalDistribution):
        which = np.eye(len(distribution.choices))[[distribution.choices.index(v) for v in values]]
        return which / 2, which
    raise TypeError(f"a search space has integers and categories, not {distribution}")


class Model:
    """Gaussian processes fitted to evaluated designs.

    The accuracy's kernel decays exponentially with the mean error in which designs differ. The costs' kernel is a sum
    over the variables plus a small share of the accuracy's kernel.

    Args:
        known: the evaluated designs.
        drops: losses, in units of the hypervolume's reference point, ``[designs]``: they matter up to 1, and are
            compressed to a logarithm beyond it.
        costs: all other objectives and limits, exact and nearly sums over the variables, ``[designs, columns]``.
        variables: number of variables of the space.
    """

    def __init__(self, known: Designs, drops: npt.NDArray[np.float64], costs: FloatMatrix, variables: int) -> None:
        self._known, self._variables = known, variables
        near = self._nearness(known)
        self._drop = _Process(near, np.arcsinh(drops)[:, None], _NOISE)
        self._costs = _Process(self._sums(known, near), costs, _COST_NOISE)

    def predict(self, designs: Designs, optimism: float) -> tuple[npt.NDArray[np.float64], FloatMatrix]:
        """Predicts drops and costs.

        Args:
            designs: features of the designs.
            optimism: number of standard deviations that the drops are below their expected values.

        Returns:
            Losses in units of the reference point ``[designs]``, and expected costs ``[designs, columns]``.
        """
        near = self._nearness(designs)
        expected = self._drop.mean(near)[:, 0] - optimism * self._drop.deviation(near)
        return np.sinh(expected), self._costs.mean(self._sums(designs, near))

    def _nearness(self, designs: Designs) -> FloatMatrix:
        distance = cdist(designs.errors, self._known.errors, "cityblock")
        near: FloatMatrix = np.exp(-_RATE / self._variables * distance)
        return near

    def _sums(self, designs: Designs, near: FloatMatrix) -> FloatMatrix:
        together: FloatMatrix = designs.bumps @ self._known.bumps.T / self._variables + _INTERPLAY * near
        return together


class _Process:
    """Gaussian processes that share a kernel, one for every column of ``values`` ``[known, columns]``."""

    def __init__(self, kernel: FloatMatrix, values: FloatMatrix, noise: float) -> None:
        self._center, self._scale = values.mean(axis=0), np.maximum(values.std(axis=0), np.finfo(float).tiny)
        self._factor = cho_factor(kernel + noise * np.eye(len(kernel)), lower=True)
        self._weights = cho_solve(self._factor, (values - self._center) / self._scale)

    def mean(self, kernel: FloatMatrix) -> FloatMatrix:
        """Returns the expected values ``[designs, columns]`` by the kernel ``[designs, known]``."""
        expected: FloatMatrix = kernel @ self._weights * self._scale + self._center
        return expected

    def deviation(self, kernel: FloatMatrix) -> npt.NDArray[np.float64]:
        """Returns the standard deviation of the first column, for a kernel that is 1 between equal designs."""
        explained = (solve_triangular(self._factor[0], kernel.T, lower=True) ** 2).sum(axis=0)
        deviation: npt.NDArray[np.float64] = np.sqrt(np.maximum(1.0 - explained, 0.0)) * self._scale[0]
        return deviation


def improvements(
    points: FloatMatrix, front: FloatMatrix, reference: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Returns the hypervolume that every point alone would add to a front, ``[points]``.

    Args:
        points: ``[points, objectives]``, minimised.
        front: ``[members, objectives]``, none beyond the reference point.
        reference: reference point of the hypervolume, ``[objectives]``.
    """
    hopeful = (points < reference).all(axis=1)
    for member in front:
        hopeful &= (points < member).any(axis=1)
    added = np.zeros(len(points))
    volume = moocore.hypervolume(front, ref=reference) if len(front) else 0.0
    for index in np.flatnonzero(hopeful):
        added[index] = moocore.hypervolume(np.vstack([front, points[index]]), ref=reference) - volume
    return added
