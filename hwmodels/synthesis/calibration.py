"""Fitting of a technology table to synthesized designs, with the error on points that were left out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls
from scipy.stats import spearmanr

from hwmodels.architectures import FORMS
from hwmodels.errors import HardwareError
from hwmodels.models import design_parts
from hwmodels.parsing import Design, parse_files
from hwmodels.synthesis.component_sweep import COMPONENTS, ComponentPoint
from hwmodels.synthesis.sweep import Measurement
from hwmodels.technologies import TERMS

FittedMetric = Literal["area_um2", "energy_pj", "leakage_uw"]
FITTED: Final[tuple[FittedMetric, ...]] = get_args(FittedMetric)
Term = tuple[str, str]
Floats = npt.NDArray[np.float64]

_ONLY_OF_DELAYS: Final = ("aligned", "log2_a", "log2_b")  # terms that areas and energies do not have
# A single component weighs a tenth of a rescaler: it separates components that rescalers always have together, but a
# component mapped alone differs from one mapped inside a rescaler. A flip-flop does not, and counts in full.
_COMPONENT_WEIGHT: Final = 0.1
_FLIP_FLOPS: Final = "register"
_MINIMUM_POINTS: Final = 40
# Reach in k to either side, and penalty on the slope: of reaches from 2 to 20 and ridges from 0.001 to 100, those with
# the smallest energy errors on left-out points that still smooth over the mapper's scatter.
_REACH: Final = 4.0
_RIDGE: Final = 4.0


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """Errors of one form on the points of one architecture (or of all), each point left out of the fit.

    Attributes:
        architecture: name, or ``all``.
        form: ``linear`` (component figures on parsed operators) or ``corrected`` (times the ratio of its neighbours).
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
        coefficients: per (kind of component, term), zero if absent.
        activity: factor of the energies per architecture, 1 if absent.
        predicted: linear prediction of each measurement with that measurement left out.
        corrected: that prediction times the ratio that others of its architecture and operand width show at its ``k``.
        ratios: ratio of measured to fitted at each measurement, smoothed over ``k``, all points fitted.
    """

    metric: FittedMetric
    coefficients: Mapping[Term, float]
    activity: Mapping[str, float]
    predicted: Floats
    corrected: Floats
    ratios: Floats


def measured_design(measurement: Measurement) -> Design:
    """Returns the parsed RTL of a measured design."""
    name = measurement.architecture
    if name in FORMS:
        architecture = FORMS[name].architecture
        workload = FORMS[name].workload(measurement.point)
        return parse_files(architecture.files, architecture.top, architecture.parameters(workload))
    if name not in COMPONENTS:
        raise HardwareError(f"measurement of an unknown architecture {name!r}")
    sweep = COMPONENTS[name]
    point = ComponentPoint(name, measurement.acc_bits, measurement.multiplier_bits)
    return parse_files(sweep.files, sweep.top, sweep.parameters(point))


def design_terms(design: Design) -> dict[Term, float]:
    """Returns the sum of every term over the parts of a design."""
    sums: dict[Term, float] = defaultdict(float)
    for part in design_parts(design):
        if part.kind is not None:
            for term in (term for term in TERMS[part.kind] if term not in _ONLY_OF_DELAYS):
                sums[part.kind, term] += 1.0 if term == "unit" else part.quantities[term]
    return dict(sums)


def fit(measurements: Sequence[Measurement], metric: FittedMetric) -> Fit:
    """Fits nonnegative coefficients that minimise the relative error of a metric.

    Every coefficient is at least 0, so that no component is ever cheaper than nothing and costs grow with widths.

    Raises:
        HardwareError: if there are too few measurements.
    """
    if len(measurements) < _MINIMUM_POINTS:
        raise HardwareError(f"{len(measurements)} measurements are too few to fit; at least {_MINIMUM_POINTS}")
    rows = [design_terms(measured_design(measurement)) for measurement in measurements]
    terms = sorted({term for row in rows for term in row})
    matrix = np.array([[row.get(term, 0.0) for term in terms] for row in rows])
    if metric == "energy_pj":  # per result
        matrix *= np.array([[measurement.cycles / measurement.lanes] for measurement in measurements])
    measured = np.array([getattr(measurement, metric) for measurement in measurements])
    names = [m.architecture for m in measurements]
    weights = np.array([1.0 if name in FORMS or name == _FLIP_FLOPS else _COMPONENT_WEIGHT for name in names])
    # Operands of some architectures switch differently from accumulators and multipliers of changing channels (int8
    # outputs, operands that are held, idle lanes): their energies are the fitted ones times one factor.
    own = {name for name, form in FORMS.items() if form.architecture.own_activity}
    fitted = np.array([metric != "energy_pj" or name not in own for name in names])
    scaled = matrix / measured[:, None] * weights[:, None]
    coefficients, _ = nnls(scaled[fitted], weights[fitted])
    linear = matrix @ coefficients
    members = {name: np.array([name == other for other in names]) & ~fitted for name in set(names)}
    activity = {name: _activity(measured, linear, rows) for name, rows in sorted(members.items()) if rows.any()}
    linear *= np.array([activity.get(name, 1.0) for name in names])
    predicted = _left_out(matrix, scaled, weights, fitted)
    predicted *= [
        _activity(measured, predicted, rest) if (rest := members[name] & (np.arange(len(names)) != row)).any() else 1.0
        for row, name in enumerate(names)
    ]
    residuals = np.log(measured / linear)
    return Fit(
        metric=metric,
        coefficients={term: float(c) for term, c in zip(terms, coefficients, strict=True) if c > 0},
        activity=activity,
        predicted=predicted,
        corrected=predicted * np.exp(smoothed(measurements, residuals, leave_out=True)),
        ratios=np.exp(smoothed(measurements, residuals, leave_out=False)),
    )


def _activity(measured: Floats, linear: Floats, rows: npt.NDArray[np.bool_]) -> float:
    return float(np.exp(np.mean(np.log(measured[rows] / linear[rows]))))


def _left_out(matrix: Floats, scaled: Floats, weights: Floats, fitted: npt.NDArray[np.bool_]) -> Floats:
    """Returns each row's prediction by a fit without it."""
    predicted = np.empty(len(matrix))
    for row in range(len(matrix)):
        rest = fitted.copy()
        rest[row] = False
        coefficients, _ = nnls(scaled[rest], weights[rest])
        predicted[row] = matrix[row] @ coefficients
    return predicted


def smoothed(measurements: Sequence[Measurement], values: Floats, *, leave_out: bool) -> Floats:
    """Returns each point's value as similar rescalers show it, with or without the point itself.

    Similar are those of its form and operand width, near in the width that is swept; similar to a pure shift in a sweep
    of ``k``, which has no multiplier, are the pure shifts of its form. A component keeps its value, or 0 if it is left
    out.
    """
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, measurement in enumerate(measurements):
        if measurement.architecture in FORMS:
            swept = FORMS[measurement.architecture].architecture.swept
            shift = swept == "multiplier_bits" and measurement.multiplier_bits == 1
            groups[measurement.architecture, 0 if shift else measurement.acc_bits].append(index)
    result = np.zeros(len(measurements)) if leave_out else values.copy()
    for (name, _), members in groups.items():
        swept = FORMS[name].architecture.swept
        k = np.array([getattr(measurements[index], swept) for index in members], dtype=np.float64)
        for place, index in enumerate(members):
            others = np.arange(k.size) != place if leave_out else np.ones(k.size, dtype=bool)
            result[index] = local_line(k[others], values[members][others], k[place])
    return result


def local_line(k: Floats, values: Floats, at: float) -> float:
    """Returns a value at ``at`` of the line through the points within reach, near ones weighing more (Cleveland 1979).

    Without points the value is 0.
    """
    distance = np.abs(k - at) / _REACH
    weights = np.where(distance < 1, (1 - np.minimum(distance, 1) ** 3) ** 3, 0.0)
    if weights.sum() == 0:
        return 0.0
    columns = np.stack([np.ones(k.size), k - at])
    normal = (columns * weights) @ columns.T + np.diag([0.0, _RIDGE])
    return float(np.linalg.solve(normal, (columns * weights) @ values)[0])


def error_table(measurements: Sequence[Measurement], fits: Iterable[Fit]) -> list[ErrorSummary]:
    """Returns the errors on left-out points, per form of an architecture and over all rescalers."""
    table = []
    for fitted in fits:
        measured = np.array([getattr(measurement, fitted.metric) for measurement in measurements])
        names = np.array([measurement.architecture for measurement in measurements])
        groups = {"all": np.isin(names, list(FORMS))}
        groups |= {name: names == name for name in FORMS if name in names}
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
