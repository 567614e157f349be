"""What disturbs a network in each value of a factor: positive terms with logarithms linear in few parameters."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dse.design import NATURAL, FloatMatrix, RescalerVariable
from dse.search.factors import Factor, Rows, Value
from nets.network import FULL_MULTIPLIER_BITS, Method

Vector = npt.NDArray[np.float64]

_WINDOW, _WEIGHTS = "window", "weights"
_PARTS = 3  # a multiplier's width, a window, the width of weights
_NARROWEST_LOSS = (
    10.0  # of the network with every rescaler at its narrowest, in units of the reference, before any trial
)
# Standard deviations of logarithms before any trial.
_LEVEL, _EXPONENT, _VALUE, _KIND, _RESCALER, _SCALE = 3.0, 0.5, 0.3, 0.5, 0.7, 0.7


class Atoms:
    """The terms of all values of all factors.

    A value of a rescaler is the sum of up to three terms: its multiplier's width (by its method), its window, the width
    of its weights. The logarithm of a term is the sum of

    - a level of the component (``round``, ``absorb``, ``window``, ``weights``), the same in all rescalers,
    - an exponent of the component times the logarithm of the value's relative error, about ``2**-bits``,
    - a deviation of the value, the same in all rescalers,
    - a deviation of the kind of layer, and one of the rescaler itself: their sensitivities.

    A choice for the whole network multiplies the sum of all terms.

    Attributes:
        means, deviations: the normal distribution of every parameter before any trial, ``[parameters]``.
    """

    def __init__(self, factors: Sequence[Factor]) -> None:
        parameters = _Parameters()
        rescalers = sum(factor.variable is not None for factor in factors)
        level = np.log(_NARROWEST_LOSS / max(rescalers, 1))
        values = max(len(factor.values) for factor in factors)
        terms: list[dict[int, float]] = [{}]  # the first one is no term
        scales: list[dict[int, float]] = [{}]
        self._terms = np.zeros((len(factors), values, _PARTS), dtype=np.intp)
        self._scales = np.zeros((len(factors), values), dtype=np.intp)
        for at, factor in enumerate(factors):
            known: dict[tuple[str, int], int] = {}
            for n, value in enumerate(factor.values):
                if factor.variable is None:
                    self._scales[at, n] = len(scales)
                    name = parameters.at(("scale", factor.keys[0], str(value)), 0.0, _SCALE)
                    scales.append({name: 1.0} if n else {})
                    continue
                for part, component in enumerate(_components(factor, value)):
                    if component not in known:
                        known[component] = len(terms)
                        terms.append(_log_term(parameters, factor.variable, component, level))
                    self._terms[at, n, part] = known[component]
        self.means, self.deviations = np.array(parameters.means), np.array(parameters.deviations)
        self._features = _matrix(terms, len(parameters.means))
        self._scaled = _matrix(scales, len(parameters.means))
        self._all = np.arange(len(factors))

    def effects(self, parameters: Vector) -> FloatMatrix:
        """Returns the disturbance by every value of every factor, ``[factors, values]``."""
        effects: FloatMatrix = self._exponential(parameters)[self._terms].sum(axis=2)
        return effects

    def log_scales(self, parameters: Vector) -> FloatMatrix:
        """Returns the logarithm by which every value of every factor scales the sum, ``[factors, values]``."""
        scales: FloatMatrix = (self._scaled @ parameters)[self._scales]
        return scales

    def sums(self, rows: Rows, parameters: Vector) -> Vector:
        """Returns the disturbance of designs, ``[designs]``."""
        total = self.effects(parameters)[self._all, rows].sum(axis=1)
        scaled: Vector = total * np.exp(self.log_scales(parameters)[self._all, rows].sum(axis=1))
        return scaled

    def slopes(self, rows: Rows, parameters: Vector) -> FloatMatrix:
        """Returns the derivative of :meth:`sums` by every parameter, ``[designs, parameters]``."""
        which = self._terms[self._all, rows].reshape(len(rows), -1)
        values = self._exponential(parameters)[which]
        scale = np.exp(self.log_scales(parameters)[self._all, rows].sum(axis=1))[:, None]
        by_term = _sums_of(which, values * scale, self._features)
        total = values.sum(axis=1)[:, None] * scale
        chosen = self._scales[self._all, rows]
        slopes: FloatMatrix = by_term + total * _sums_of(chosen, np.ones(chosen.shape), self._scaled)
        return slopes

    def _exponential(self, parameters: Vector) -> Vector:
        values: Vector = np.exp(np.clip(self._features @ parameters, -60.0, 20.0))
        values[0] = 0.0
        return values


class _Parameters:
    """Parameters by name, each with its distribution before any trial."""

    def __init__(self) -> None:
        self.means: list[float] = []
        self.deviations: list[float] = []
        self._index: dict[tuple[str, ...], int] = {}

    def at(self, name: tuple[str, ...], mean: float, deviation: float) -> int:
        """Returns the index of a parameter, a new one if there is none of this name."""
        if name not in self._index:
            self._index[name] = len(self.means)
            self.means.append(mean)
            self.deviations.append(deviation)
        return self._index[name]


def _log_term(
    parameters: _Parameters, variable: RescalerVariable, chosen: tuple[str, int], level: float
) -> dict[int, float]:
    """Returns the logarithm of a term as coefficients of parameters."""
    component, bits = chosen
    octaves = bits - _narrowest(variable, component)
    kind, _, _ = variable.rescalers[0].rpartition("_")
    return {
        parameters.at(("level", component), level, _LEVEL): 1.0,
        parameters.at(("exponent", component), 1.5 * np.log(2.0), _EXPONENT): -float(octaves),
        parameters.at(("value", component, str(bits)), 0.0, _VALUE): 1.0,
        parameters.at(("kind", component, kind), 0.0, _KIND): 1.0,
        parameters.at(("rescaler", component, variable.name), 0.0, _RESCALER): 1.0,
    }


def _narrowest(variable: RescalerVariable, component: str) -> int:
    if component == _WEIGHTS and variable.weights:
        return variable.weights.bits[0]
    return 0 if component == _WINDOW else 1


def _components(factor: Factor, value: Value) -> Iterator[tuple[str, int]]:
    """Yields the components that disturb the network at a value of a rescaler, each with its width in bits."""
    chosen = {key.rpartition(".")[2]: each for key, each in zip(factor.keys, value, strict=True)}
    bits, method = int(chosen["multiplier_bits"]), str(chosen["method"])
    if bits < FULL_MULTIPLIER_BITS:
        yield method, bits
    window = int(chosen.get("shift_bits", NATURAL))
    if bits < FULL_MULTIPLIER_BITS and method == Method.ABSORB and window != NATURAL:
        yield _WINDOW, window
    weights = factor.variable.weights if factor.variable else None
    if weights and (width := int(chosen["weight_bits"])) != weights.baseline_bits:
        yield _WEIGHTS, width


def _matrix(rows: Sequence[dict[int, float]], columns: int) -> sparse.csr_array:
    data = np.array([value for row in rows for value in row.values()], dtype=np.float64)
    indices = np.array([column for row in rows for column in row], dtype=np.intp)
    return sparse.csr_array((data, indices, np.cumsum([0, *map(len, rows)])), shape=(len(rows), columns))


def _sums_of(which: Rows, weights: FloatMatrix, features: sparse.csr_array) -> FloatMatrix:
    """Returns the sums of weighted rows of ``features``, ``[designs, columns]``; ``which`` is ``[designs, rows]``."""
    ends = np.arange(len(which) + 1) * which.shape[1]
    picked = sparse.csr_array((weights.ravel(), which.ravel(), ends), shape=(len(which), features.shape[0]))
    sums: FloatMatrix = (picked @ features).toarray()
    return sums
