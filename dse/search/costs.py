"""Predicts the costs of designs: sums over the factors, learned from what was evaluated."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from dse.design import NATURAL, FloatMatrix
from dse.search.factors import Factor, Factors, Rows
from nets.network import FULL_MULTIPLIER_BITS, Method

_NOISE = 1e-6  # share of the variance: costs are exact; this keeps the factorization stable
_INTERPLAY = 0.01  # weight of the part of a cost that is no sum (a shared bank is as wide as its widest layer)
_RATE = 2.0  # decay of that part with the share of factors in which designs differ
_OCTAVE_STEP = 0.5  # distance of the bumps on a width's logarithm: 1, 2, 3 and 4 bits each have their own
_NODES = np.arange(0.0, np.log2(FULL_MULTIPLIER_BITS) + _OCTAVE_STEP, _OCTAVE_STEP)
_SMALLEST = 1e-9  # differences of relative costs below this are rounding errors


class Costs:
    """Costs that were fitted to evaluated designs.

    The cost of every rescaler is a smooth function of its choices: one that all rescalers have in common, and a
    deviation of its own. If the costs of all values are known beforehand, only what the evaluated designs differ from
    their sums is fitted.

    Args:
        factors: the search space.
        rows: the evaluated designs.
        values: their costs, ``[designs, columns]``.
        known: costs of the values known beforehand, ``[columns, factors, values]``; None if they are not, NaN for
            values whose cost is not known: designs of these are not learned from.

    Attributes:
        tables: the part of the costs that is a sum, by value, ``[columns, factors, values]``.
    """

    def __init__(self, factors: Factors, rows: Rows, values: FloatMatrix, known: FloatMatrix | None = None) -> None:
        self._all = np.arange(len(factors.factors))
        if known is not None:
            priced = np.isfinite(known[:, self._all, rows]).all(axis=(0, 2))
            rows, values, known = rows[priced], values[priced], np.nan_to_num(known)
        self._rows = rows
        features = _features(factors)
        self.tables = np.zeros((values.shape[1], len(features), max(map(len, features)))) if known is None else known
        residuals = values - self._summed(rows)
        self._exact = known is not None and float(np.abs(residuals).max(initial=0.0)) < _SMALLEST
        if self._exact:
            return
        self._center = residuals.mean(axis=0)
        self._scale = np.maximum(residuals.std(axis=0), _SMALLEST)
        own = np.hstack([table[rows[:, at]] for at, table in enumerate(features)]) / np.sqrt(len(features))
        rescalers = [at for at, factor in enumerate(factors.factors) if factor.variable]
        common = sum((features[at][rows[:, at]] for at in rescalers), np.zeros((len(rows), _layout()))) / max(
            len(rescalers), 1
        )
        kernel = own @ own.T + common @ common.T + _INTERPLAY * self._near(rows)
        kernel[np.diag_indices_from(kernel)] += _NOISE
        self._weights = cho_solve(cho_factor(kernel, lower=True), (residuals - self._center) / self._scale)
        self.tables = self.tables + self._learned(factors, features, own.T @ self._weights, common.T @ self._weights)

    def _learned(
        self, factors: Factors, features: list[FloatMatrix], own: FloatMatrix, common: FloatMatrix
    ) -> FloatMatrix:
        """Returns what the evaluated designs add to the tables, from the weights of the features."""
        tables = np.zeros_like(self.tables)
        rescalers = max(sum(factor.variable is not None for factor in factors.factors), 1)
        start = 0
        for at, (factor, table) in enumerate(zip(factors.factors, features, strict=True)):
            end = start + table.shape[1]
            learned = table @ own[start:end] / np.sqrt(len(features))
            if factor.variable:
                learned = learned + table @ common / rescalers
            tables[:, at, : len(table)] = (learned * self._scale).T
            start = end
        return tables

    def _summed(self, rows: Rows) -> FloatMatrix:
        sums: FloatMatrix = self.tables[:, self._all, rows].sum(axis=2).T
        return sums

    def _near(self, rows: Rows) -> FloatMatrix:
        """Returns the kernel of the part that is no sum, between designs and the evaluated ones."""
        differing = cdist(rows, self._rows, "hamming")
        near: FloatMatrix = np.exp(-_RATE * differing)
        return near

    def predict(self, rows: Rows) -> FloatMatrix:
        """Returns the expected costs of designs, ``[designs, columns]``."""
        if self._exact:
            return self._summed(rows)
        rest = _INTERPLAY * self._near(rows) @ self._weights * self._scale
        predicted: FloatMatrix = self._summed(rows) + rest + self._center
        return predicted


def _features(factors: Factors) -> list[FloatMatrix]:
    """Returns the features of every factor's values, ``[values, features]``; the same ones for all rescalers."""
    return [_of_rescaler(factor) if factor.variable else np.eye(len(factor.values)) for factor in factors.factors]


def _layout() -> int:
    return len(_NODES) + len(Method) + (NATURAL + 1) + (FULL_MULTIPLIER_BITS.bit_length() + 4)


def _of_rescaler(factor: Factor) -> FloatMatrix:
    """Returns bumps on the logarithm of a rescaler's width, and marks of its method, window and width of weights."""
    chosen = [{key.rpartition(".")[2]: v for key, v in zip(factor.keys, value, strict=True)} for value in factor.values]
    features = np.zeros((len(chosen), _layout()))
    ends = np.cumsum([len(_NODES), len(Method), NATURAL + 1])
    for at, each in enumerate(chosen):
        octave = np.log2(int(each["multiplier_bits"]))
        features[at, : ends[0]] = np.exp(-(((octave - _NODES) / _OCTAVE_STEP) ** 2) / 2)
        features[at, ends[0] + list(Method).index(Method(str(each["method"])))] = 0.5
        features[at, ends[1] + int(each.get("shift_bits", NATURAL))] = 0.5
        features[at, ends[2] + int(each.get("weight_bits", 0))] = 0.5
    return features
