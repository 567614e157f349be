"""Fitting of a technology table to synthesized designs, with the error on points that were left out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls
from scipy.stats import spearmanr

from hwmodels.architectures import ARCHITECTURES, Shape
from hwmodels.errors import HardwareError
from hwmodels.operators import design_parts
from hwmodels.parsing import Design, parse_files
from hwmodels.synthesis.components import COMPONENTS, ComponentPoint
from hwmodels.synthesis.sweep import Measurement
from hwmodels.technology import TERMS

FittedMetric = Literal["area_um2", "energy_pj", "leakage_uw"]
FITTED: Final[tuple[FittedMetric, ...]] = get_args(FittedMetric)
Term = tuple[str, str]
Floats = npt.NDArray[np.float64]

# A single component weighs half of a rescaler: it pins down its own coefficients, the rescaler is what is wanted.
_COMPONENT_WEIGHT: Final = 0.5
# Energies per result of these depend on how long or in which mode they run, which the operators do not show.
_OTHER_ACTIVITY: Final = ("serial", "fractured")
_MINIMUM_POINTS: Final = 40


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """Errors of one form on the points of one architecture (or of all), each point left out of the fit.

    Attributes:
        architecture: name, or ``all``.
        metric: which figure.
        form: ``linear`` (component figures on parsed operators) or ``corrected`` (with the table of residuals).
        points: how many.
        mean: mean absolute relative error.
        worst: largest absolute relative error.
        rank: Spearman's rank correlation with synthesis.
    """

    architecture: str
    metric: FittedMetric
    form: Literal["linear", "corrected"]
    points: int
    mean: float
    worst: float
    rank: float


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted metric.

    Attributes:
        metric: which figure.
        coefficients: per (kind of component, term), zero where absent.
        predicted: linear prediction of each measurement with that measurement left out.
        corrected: prediction of each by the linear form times the residuals of its neighbours in ``k``.
        residuals: logarithm of measured over predicted, of each measurement, all points fitted.
        used: which measurements took part.
    """

    metric: FittedMetric
    coefficients: Mapping[Term, float]
    predicted: Floats
    corrected: Floats
    residuals: Floats
    used: npt.NDArray[np.bool_]


def measured_design(measurement: Measurement) -> Design:
    """Return the parsed RTL of a measured design."""
    name = measurement.architecture
    if name in ARCHITECTURES:
        shape = Shape(
            multiplier_bits=measurement.multiplier_bits,
            acc_bits=measurement.acc_bits,
            shift_bits=measurement.shift_bits,
            shift_min=measurement.shift_min,
            constant=measurement.constant,
        )
        architecture = ARCHITECTURES[name]
        return parse_files(architecture.files, architecture.top, architecture.parameters(shape))
    if name not in COMPONENTS:
        raise HardwareError(f"measurement of an unknown architecture {name!r}")
    sweep = COMPONENTS[name]
    point = ComponentPoint(name, measurement.acc_bits, measurement.multiplier_bits)
    return parse_files(sweep.files, sweep.top, sweep.parameters(point))


def design_terms(design: Design) -> dict[Term, float]:
    """Return the sum of every term over the parts of a design."""
    sums: dict[Term, float] = defaultdict(float)
    for part in design_parts(design):
        if part.kind is not None:
            for term in TERMS[part.kind]:
                sums[part.kind, term] += 1.0 if term == "unit" else part.quantities[term]
    return dict(sums)


def fit(measurements: Sequence[Measurement], metric: FittedMetric) -> Fit:
    """Fit nonnegative coefficients that minimise the relative error of a metric.

    Every coefficient is at least 0, so that no component is ever cheaper than nothing and costs grow with widths.

    Raises:
        HardwareError: if there are too few measurements.
    """
    if len(measurements) < _MINIMUM_POINTS:
        raise HardwareError(f"{len(measurements)} measurements are too few to fit; at least {_MINIMUM_POINTS}")
    rows = [design_terms(measured_design(measurement)) for measurement in measurements]
    terms = sorted({term for row in rows for term in row})
    matrix = np.array([[row.get(term, 0.0) for term in terms] for row in rows])
    measured = np.array([getattr(measurement, metric) for measurement in measurements])
    used = _used(measurements, metric) & (measured > 0)
    weights = np.array([1.0 if m.architecture in ARCHITECTURES else _COMPONENT_WEIGHT for m in measurements])
    scaled = matrix / np.where(measured > 0, measured, 1.0)[:, None] * weights[:, None]
    coefficients, _ = nnls(scaled[used], weights[used])
    linear = matrix @ coefficients
    residuals = np.log(np.where(used, measured, 1.0) / np.where(used & (linear > 0), linear, 1.0))
    predicted = _left_out(matrix, scaled, weights, used)
    return Fit(
        metric=metric,
        coefficients={term: float(c) for term, c in zip(terms, coefficients, strict=True) if c > 0},
        predicted=predicted,
        corrected=predicted * np.exp(_neighbours(measurements, residuals, used)),
        residuals=residuals,
        used=used,
    )


def _used(measurements: Sequence[Measurement], metric: FittedMetric) -> npt.NDArray[np.bool_]:
    other = metric == "energy_pj"
    return np.array([not (other and m.architecture in _OTHER_ACTIVITY) for m in measurements])


def _left_out(matrix: Floats, scaled: Floats, weights: Floats, used: npt.NDArray[np.bool_]) -> Floats:
    """Return each row's prediction by a fit without it."""
    predicted = np.empty(len(matrix))
    for row in range(len(matrix)):
        rest = used.copy()
        rest[row] = False
        coefficients, _ = nnls(scaled[rest], weights[rest])
        predicted[row] = matrix[row] @ coefficients
    return predicted


def _neighbours(measurements: Sequence[Measurement], residuals: Floats, used: npt.NDArray[np.bool_]) -> Floats:
    """Return the residual that a point's neighbours in ``k`` (same architecture and operand width) suggest."""
    groups: dict[tuple[str, int], list[tuple[int, float]]] = defaultdict(list)
    for measurement, residual, taken in zip(measurements, residuals, used, strict=True):
        if taken and measurement.architecture in ARCHITECTURES:
            groups[measurement.architecture, measurement.acc_bits].append((measurement.multiplier_bits, residual))
    suggested = np.zeros(len(measurements))
    for index, measurement in enumerate(measurements):
        others = sorted(
            point
            for point in groups.get((measurement.architecture, measurement.acc_bits), [])
            if point[0] != measurement.multiplier_bits
        )
        if others:
            k, values = zip(*others, strict=True)
            suggested[index] = np.interp(measurement.multiplier_bits, k, values)
    return suggested


def error_table(measurements: Sequence[Measurement], fits: Iterable[Fit]) -> list[ErrorSummary]:
    """Return the errors on left-out points, per architecture and over all rescalers."""
    table = []
    for fitted in fits:
        measured = np.array([getattr(measurement, fitted.metric) for measurement in measurements])
        names = np.array([measurement.architecture for measurement in measurements])
        rescalers = fitted.used & np.isin(names, list(ARCHITECTURES))
        groups = {"all": rescalers} | {
            name: rescalers & (names == name) for name in ARCHITECTURES if (rescalers & (names == name)).any()
        }
        for name, rows in groups.items():
            for form in ("linear", "corrected"):
                predicted = (fitted.predicted if form == "linear" else fitted.corrected)[rows]
                table.append(_summary(name, fitted.metric, form, predicted, measured[rows]))
    return table


def _summary(
    name: str, metric: FittedMetric, form: Literal["linear", "corrected"], predicted: Floats, measured: Floats
) -> ErrorSummary:
    errors = np.abs(predicted / measured - 1)
    constant = np.ptp(measured) == 0 or np.ptp(predicted) == 0
    rank = 1.0 if constant else float(spearmanr(predicted, measured).statistic)
    return ErrorSummary(name, metric, form, errors.size, float(errors.mean()), float(errors.max()), rank)
