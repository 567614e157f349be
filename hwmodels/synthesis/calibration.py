"""Fitting of a technology table to synthesized designs, with the error on points that were left out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls
from scipy.stats import spearmanr

from hwmodels.architectures import FORMS, SweptWidth
from hwmodels.errors import HardwareError
from hwmodels.models import design_parts
from hwmodels.orders import OutputOrder
from hwmodels.parsing import Design, parse_files
from hwmodels.synthesis.component_sweep import COMPONENTS, ComponentPoint
from hwmodels.synthesis.sweep import Measurement, judges
from hwmodels.technologies import TERMS

FittedMetric = Literal["area_um2", "energy_channel_innermost_pj", "energy_channel_outermost_pj", "leakage_uw"]
FITTED: Final[tuple[FittedMetric, ...]] = get_args(FittedMetric)
ENERGIES: Final[Mapping[OutputOrder, FittedMetric]] = {
    "channel_innermost": "energy_channel_innermost_pj",
    "channel_outermost": "energy_channel_outermost_pj",
}
Term = tuple[str, str]
Floats = npt.NDArray[np.float64]

_ONLY_OF_DELAYS: Final = ("aligned", "log2_a", "log2_b")  # terms that areas and energies do not have
# A single component weighs a tenth of a rescaler: it separates components that rescalers always have together, but a
# component mapped alone differs from one mapped inside a rescaler. A flip-flop does not, and counts in full.
_COMPONENT_WEIGHT: Final = 0.1
_FLIP_FLOPS: Final = "register"
_MINIMUM_POINTS: Final = 40
# Reach in the swept width to either side, and penalty on the slope: of k those with the smallest errors on designs of a
# sweep of OSU 0.18 over all k from 1 to 32 of whose k the fit had seen none.
_REACH: Final[Mapping[SweptWidth, float]] = {"multiplier_bits": 8.0, "shift_bits": 4.0}
_RIDGE: Final = 4.0


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """Errors of one form on the points of one architecture (or of all) that judge the fit, or were left out of it.

    Attributes:
        architecture: name, or ``all``.
        form: ``linear`` (component figures on parsed operators) or ``corrected`` (times the ratio of its neighbours);
            a delay is that of its neighbours.
        mean: mean absolute relative error.
        worst: largest absolute relative error.
        rank: Spearman's rank correlation with synthesis.
    """

    architecture: str
    metric: FittedMetric | Literal["delay_ns"]
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
        predicted: linear prediction of each measurement by a fit without it.
        corrected: that prediction times the ratio that others of its architecture and operand width show at its ``k``.
        ratios: ratio of measured to fitted at each measurement, smoothed over ``k``, nothing left out but what judges.
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
    if metric in ENERGIES.values():  # per result
        matrix *= np.array([[measurement.cycles / measurement.lanes] for measurement in measurements])
    measured = np.array([getattr(measurement, metric) for measurement in measurements])
    names = [m.architecture for m in measurements]
    weights = np.array([1.0 if name in FORMS or name == _FLIP_FLOPS else _COMPONENT_WEIGHT for name in names])
    # Operands of some architectures switch differently from accumulators and multipliers of changing channels (int8
    # outputs, operands that are held, idle lanes): their energies are the fitted ones times one factor.
    own = {name for name, form in FORMS.items() if form.architecture.own_activity}
    enters = np.array([not judges(measurement) for measurement in measurements])
    fitted = enters & np.array([metric not in ENERGIES.values() or name not in own for name in names])
    scaled = matrix / measured[:, None] * weights[:, None]
    coefficients, _ = nnls(scaled[fitted], weights[fitted])
    linear = matrix @ coefficients
    members = {name: np.array([name == other for other in names]) & enters & ~fitted for name in set(names)}
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


def smoothed(
    measurements: Sequence[Measurement], values: Floats, *, leave_out: bool, alone: Floats | None = None
) -> Floats:
    """Returns each point's value as similar rescalers show it, with or without the point itself.

    Similar are those of its form and operand width, near in the width that is swept; similar to a pure shift in a sweep
    of ``k``, which has no multiplier, are the pure shifts of its form. A component keeps its value. What is left out
    and has nothing similar has its value of ``alone``, by default 0.
    """
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, measurement in enumerate(measurements):
        if measurement.architecture in FORMS:
            swept = FORMS[measurement.architecture].architecture.swept
            shift = swept == "multiplier_bits" and measurement.multiplier_bits == 1
            groups[measurement.architecture, 0 if shift else measurement.acc_bits].append(index)
    enters = np.array([not judges(measurement) for measurement in measurements])
    unknown = np.zeros(len(measurements)) if alone is None else alone
    result = unknown.copy() if leave_out else values.copy()
    for (name, _), members in groups.items():
        swept = FORMS[name].architecture.swept
        rows = np.array(members)
        k = np.array([getattr(measurements[index], swept) for index in members], dtype=np.float64)
        known = enters[rows]
        reach = _REACH[swept]
        whole = np.array([local_line(k[known], values[rows][known], at, reach) for at in k[known]])
        order = np.argsort(k[known])
        for place, index in enumerate(members):
            if not known[place]:  # what a table gives between its widths
                result[index] = np.interp(k[place], k[known][order], whole[order]) if known.any() else unknown[index]
                continue
            others = known & (np.arange(k.size) != place) if leave_out else known
            result[index] = local_line(k[others], values[rows][others], k[place], reach, float(unknown[index]))
    return result


def local_line(k: Floats, values: Floats, at: float, reach: float, alone: float = 0.0) -> float:
    """Returns a value at ``at`` of the line through the points within reach, near ones weighing more (Cleveland 1979).

    Without points the value is ``alone``.
    """
    distance = np.abs(k - at) / reach
    weights = np.where(distance < 1, (1 - np.minimum(distance, 1) ** 3) ** 3, 0.0)
    if weights.sum() == 0:
        return alone
    columns = np.stack([np.ones(k.size), k - at])
    normal = (columns * weights) @ columns.T + np.diag([0.0, _RIDGE])
    return float(np.linalg.solve(normal, (columns * weights) @ values)[0])


def smoothed_delays(measurements: Sequence[Measurement], *, leave_out: bool) -> Floats:
    """Returns each design's delay in ns as similar rescalers show it, with or without the design itself.

    A rescaler that is left out and has none nearby takes the geometric mean of the others of its form. Windows of
    shifts, which are all measured, keep their own delays: those of a constant shift and of a window differ by a path.
    """
    logarithms = np.log([measurement.delay_ns for measurement in measurements])
    names = np.array([measurement.architecture for measurement in measurements])
    sums = {name: (logarithms[names == name].sum(), (names == name).sum()) for name in set(names)}
    others = [(sums[n][0] - own) / max(sums[n][1] - 1, 1) for n, own in zip(names, logarithms, strict=True)]
    similar = smoothed(measurements, logarithms, leave_out=leave_out, alone=np.array(others))
    if not leave_out:
        windows = [name in FORMS and FORMS[name].architecture.swept == "shift_bits" for name in names]
        similar = np.where(windows, logarithms, similar)
    return np.exp(similar)


def error_table(measurements: Sequence[Measurement], fits: Iterable[Fit]) -> list[ErrorSummary]:
    """Returns the errors per form of an architecture and over all rescalers.

    They are of the points that judge the form; if there are none, of all of its points, each left out of the fit.
    """
    table = []
    names, judging = (np.array(each) for each in zip(*((m.architecture, judges(m)) for m in measurements), strict=True))
    forms = {name: names == name for name in FORMS if name in names}
    forms = {name: rows & judging if (rows & judging).any() else rows for name, rows in forms.items()}
    groups = {"all": np.any(list(forms.values()), axis=0), **forms} if forms else {}
    for fitted in fits:
        measured = np.array([getattr(measurement, fitted.metric) for measurement in measurements])
        for name, rows in groups.items():
            for form in ("linear", "corrected"):
                predicted = (fitted.predicted if form == "linear" else fitted.corrected)[rows]
                table.append(_summary(name, fitted.metric, form, predicted, measured[rows]))
    delays, expected = np.array([m.delay_ns for m in measurements]), smoothed_delays(measurements, leave_out=True)
    table += [_summary(name, "delay_ns", "corrected", expected[rows], delays[rows]) for name, rows in groups.items()]
    return table


def _summary(
    name: str,
    metric: FittedMetric | Literal["delay_ns"],
    form: Literal["linear", "corrected"],
    predicted: Floats,
    measured: Floats,
) -> ErrorSummary:
    errors = np.abs(predicted / measured - 1)
    constant = np.ptp(measured) == 0 or np.ptp(predicted) == 0
    rank = 1.0 if constant else float(spearmanr(predicted, measured).statistic)
    return ErrorSummary(name, metric, form, errors.size, float(errors.mean()), float(errors.max()), rank)
