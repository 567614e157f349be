"""Fit of gate figures to the corpus, with the errors on designs that were left out."""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls
from scipy.stats import spearmanr

from hwmodels.errors import HardwareError
from hwmodels.gates import GateDesign, arrivals, gate_kinds, is_redundant, lower, switching
from hwmodels.parsing import parse_files
from hwmodels.synthesis.corpus.design import TOP, CorpusDesign
from hwmodels.synthesis.corpus.sweep import CorpusMeasurement
from hwmodels.technologies import GATE_KINDS, DesignClass, GateErrors, GateKind, Gates, Metric

Floats = npt.NDArray[np.float64]
# What a gate costs in two-input gates, by its number of transistors in static CMOS over four (Weste and Harris, CMOS
# VLSI Design, 4th ed., chapters 9 to 11): a full adder 28, an exclusive-or 10, a multiplexer 10, a flip-flop 20 to 24.
# Figures that the corpus does not determine stay near these.
_TYPICAL: Final[Mapping[GateKind, float]] = {
    "and": 1.3, "and_into_and": 1.0, "and_into_or": 0.7, "and_into_mux": 1.0, "and_into_flop": 1.2, "and_shared": 1.0,
    "mux": 2.3, "mux_into_mux": 2.0, "xor": 2.5, "xor_shared": 2.5, "xor_of_xor": 2.5, "xor_into_and": 2.5,
    "xor_into_flop": 2.5, "full_adder": 6.0, "sum": 5.0, "carry": 2.5, "flip_flop": 5.0, "flip_flop_with_reset": 7.0,
}  # fmt: skip
_HOLD: Final = 0.1  # weight of a figure's distance from the typical one, against one design's relative error
_FOLDS: Final = 5
_ROUNDS: Final = 8  # of reweighting
_SMALL: Final = 0.05  # relative errors below it count in full; above, their absolute value counts
_MINIMUM: Final = 40
_PATHS: Final = 4  # rounds in which the longest paths follow the fitted delays


@dataclass(frozen=True, slots=True)
class CorpusPoint:
    """A measured design of the corpus, and its gates."""

    group: DesignClass
    measured: CorpusMeasurement
    design: GateDesign
    nodes: tuple[int, ...]
    kinds: Mapping[int, GateKind]
    counts: Mapping[GateKind, float]
    settled: Mapping[GateKind, float]
    glitches: Mapping[GateKind, float]


def corpus_points(designs: Sequence[CorpusDesign], measurements: Sequence[CorpusMeasurement]) -> list[CorpusPoint]:
    """Returns the measured designs; those whose logic is all constant, and cost nothing, are left out."""
    measured = {(row.design, row.digest): row for row in measurements if row.area_um2 > 0}
    with tempfile.TemporaryDirectory(prefix="corpus-") as folder:
        return [
            _point(design, measured[design.name, design.digest], Path(folder) / "design.v")
            for design in designs
            if (design.name, design.digest) in measured
        ]


def _point(design: CorpusDesign, measured: CorpusMeasurement, path: Path) -> CorpusPoint:
    path.write_text(design.text, encoding="utf-8")
    gates = lower(parse_files((path,), TOP, {}))
    nodes = tuple(gates.alive())
    rates = switching(gates, nodes)
    kinds = dict[int, GateKind]()
    counts, settled, glitches = Counter[GateKind](), Counter[GateKind](), Counter[GateKind]()
    for node, kind, count in gate_kinds(gates, nodes):
        kinds[node] = kind
        counts[kind] += count  # type: ignore[assignment]  # a counter of halves
        settled[kind] += rates[node].settled  # type: ignore[assignment]
        glitches[kind] += rates[node].glitches  # type: ignore[assignment]
    group: DesignClass = design.group
    if group == "datapath" and is_redundant(rates, kinds):
        group = "redundant"
    return CorpusPoint(group, measured, gates, nodes, kinds, counts, settled, glitches)


def fit_gates(points: Sequence[CorpusPoint], library: str) -> Gates:
    """Fits nonnegative figures of gates that minimise relative errors, large ones by their absolute value.

    Raises:
        HardwareError: if there are too few designs.
    """
    fitted = _fitted(points)
    if fitted.sum() < _MINIMUM:
        raise HardwareError(f"{fitted.sum()} designs of the corpus are too few to fit; at least {_MINIMUM}")
    counts = _matrix([point.counts for point in points])
    switched = np.hstack(
        [_matrix([point.settled for point in points]), _matrix([point.glitches for point in points]), _flops(points)]
    )
    typical = np.array([_TYPICAL[kind] for kind in GATE_KINDS])
    switching_typical = np.concatenate([typical, typical / 2, [2.0]])
    area, leakage = (
        _fit(counts[fitted], _figures(points, "area_um2")[fitted], typical),
        _fit(counts[fitted], _figures(points, "leakage_uw")[fitted], typical),
    )
    energy = _fit(switched[fitted], _figures(points, "energy_pj")[fitted], switching_typical)
    delays, paths = _delays(points)
    errors = {
        "area_um2": _errors(points, "area_um2", counts, typical),
        "energy_pj": _errors(points, "energy_pj", switched, switching_typical),
        "delay_ns": _errors(points, "delay_ns", paths, np.ones(len(GATE_KINDS))),
        "leakage_uw": _errors(points, "leakage_uw", counts, typical),
    }
    areas = _figures(points, "area_um2")[fitted]
    size = len(GATE_KINDS)
    return Gates(
        area_um2=_named(area),
        leakage_uw=_named(leakage),
        settled_pj=_named(energy[:size]),
        glitch_pj=_named(energy[size : 2 * size]),
        cycle_pj=_rounded(energy[-1]),
        delay_ns=_named(delays),
        area_range_um2=(float(areas.min()), float(areas.max())),
        errors=errors,
        source=f"nonnegative least squares over {int(fitted.sum())} designs of the corpus, synthesized on {library}",
    )


def _fitted(points: Sequence[CorpusPoint]) -> npt.NDArray[np.bool_]:
    """Returns which designs are fitted to: all but the redundant ones, of which synthesis finds a varying part."""
    return np.array([point.group != "redundant" for point in points])


def _matrix(rows: Sequence[Mapping[GateKind, float]]) -> Floats:
    return np.array([[row.get(kind, 0.0) for kind in GATE_KINDS] for row in rows], dtype=np.float64)


def _flops(points: Sequence[CorpusPoint]) -> Floats:
    kinds: tuple[GateKind, ...] = ("flip_flop", "flip_flop_with_reset")
    return np.array([[sum(point.counts.get(kind, 0.0) for kind in kinds)] for point in points], dtype=np.float64)


def _figures(points: Sequence[CorpusPoint], metric: Metric) -> Floats:
    return np.array([getattr(point.measured, metric) for point in points], dtype=np.float64)


def _fit(columns: Floats, measured: Floats, typical: Floats) -> Floats:
    """Returns coefficients: reweighted least squares of relative errors, held weakly to multiples of typical ones."""
    used = measured > 0
    columns, measured = columns[used], measured[used]
    scale = float(np.median(measured / np.maximum(columns @ typical, 1e-12)))
    held = np.diag(_HOLD / (scale * typical))
    weights = np.ones(len(measured))
    coefficients = scale * typical
    for _ in range(_ROUNDS):
        rows = columns / measured[:, None] * weights[:, None]
        coefficients, _ = nnls(np.vstack([rows, held]), np.concatenate([weights, np.full(len(typical), _HOLD)]))
        errors = np.abs(columns @ coefficients / measured - 1)
        weights = 1 / np.sqrt(np.maximum(errors / _SMALL, 1.0))
    return coefficients


def _delays(points: Sequence[CorpusPoint]) -> tuple[Floats, Floats]:
    """Returns delays per kind of gate, and the gates on the longest path of each design, which depends on them."""
    measured, fitted = _figures(points, "delay_ns"), _fitted(points)
    delays = np.ones(len(GATE_KINDS))
    paths = np.empty((0, 0))
    for _ in range(_PATHS):
        named = dict(zip(GATE_KINDS, delays.tolist(), strict=True))
        paths = _matrix([arrivals(p.design, p.nodes, p.kinds, named).path(p.kinds) for p in points])
        delays = _fit(paths[fitted], measured[fitted], np.ones(len(GATE_KINDS)))
    return delays, paths


def _errors(
    points: Sequence[CorpusPoint], metric: Metric, columns: Floats, typical: Floats
) -> dict[DesignClass, GateErrors]:
    """Returns the errors of each class of designs, each predicted by a fit to other parts of the corpus."""
    measured, fitted = _figures(points, metric), _fitted(points)
    predicted = np.empty(len(points))
    fold = np.arange(len(points)) % _FOLDS
    for number in range(_FOLDS):
        left_out = fold == number
        predicted[left_out] = columns[left_out] @ _fit(
            columns[fitted & ~left_out], measured[fitted & ~left_out], typical
        )
    groups = np.array([point.group for point in points])
    return {
        group: _summary(predicted[rows], measured[rows])
        for group in get_args(DesignClass)
        if (rows := (groups == group) & (measured > 0)).any()
    }


def _summary(predicted: Floats, measured: Floats) -> GateErrors:
    errors = np.abs(predicted / measured - 1)
    constant = len(measured) < 2 or np.ptp(measured) == 0 or np.ptp(predicted) == 0
    rank = 1.0 if constant else float(spearmanr(predicted, measured).statistic)
    return GateErrors(
        points=len(measured), mean=_rounded(errors.mean()), worst=_rounded(errors.max()), rank=_rounded(rank)
    )


def _named(values: Floats) -> dict[GateKind, float]:
    return {kind: _rounded(value) for kind, value in zip(GATE_KINDS, values, strict=True)}


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
