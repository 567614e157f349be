"""Fitting of component delays to the longest paths of synthesized designs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import nnls

from hwmodels.architectures import FORMS
from hwmodels.components import Part, crossed, muxed, plain, shifted, shifter_stages, sized
from hwmodels.synthesis.calibration import Floats, Term
from hwmodels.synthesis.sweep import Measurement
from hwmodels.technologies import DELAY_TERMS
from hwmodels.timing import paths

# Every kind of component counts as much as one form of a rescaler in the sweep: a stage of a deep pipeline is a single
# component, and a unit without a pipeline a chain of them.
_COMPONENT_DESIGNS: Final = 40
_ROUNDS: Final = 8  # of choosing each design's longest path and fitting again


@dataclass(frozen=True, slots=True)
class DelayFit:
    """Fitted delays.

    Attributes:
        coefficients: ns per (kind of component, term), zero if absent.
        predicted: longest path of each design, by a fit without it, ns.
        measured: the same as synthesized, ns.
        architectures: form or component of each design.
    """

    coefficients: Mapping[Term, float]
    predicted: Floats
    measured: Floats
    architectures: tuple[str, ...]

    @property
    def errors(self) -> Floats:
        """Absolute relative error of each design."""
        errors: Floats = np.abs(self.predicted / self.measured - 1)
        return errors

    @property
    def error(self) -> float:
        """Mean absolute relative error of whole rescalers, each left out of the fit."""
        return float(self.errors[[name in FORMS for name in self.architectures]].mean())


def fit_delays(measurements: Sequence[Measurement]) -> DelayFit:
    """Fits nonnegative delays of components, in relative error, so that those on a path add up to what synthesis gave.

    Registers have no delay here: see ``hwmodels.synthesis.clocking``.
    """
    used = [each for each in measurements if each.delay_ns > 0 and each.architecture != "register"]
    names = tuple(each.architecture for each in used)
    measured = np.array([each.delay_ns for each in used])
    terms = [(kind, term) for kind, own in DELAY_TERMS.items() for term in own]
    stages = [[_row(path, terms) for path in paths(_parts(each))] for each in used]
    counts = Counter(names)
    weights = np.array([1.0 if name in FORMS else np.sqrt(_COMPONENT_DESIGNS / counts[name]) for name in names])
    coefficients = np.ones(len(terms))
    for _ in range(_ROUNDS):
        longest = np.array([max(rows, key=lambda row: float(row @ coefficients)) for rows in stages])
        scaled = longest * (weights / measured)[:, None]
        coefficients = nnls(scaled, weights)[0]
    predicted = np.empty(len(used))
    for row in range(len(used)):
        rest = np.arange(len(used)) != row
        predicted[row] = longest[row] @ nnls(scaled[rest], weights[rest])[0]
    fitted = {term: float(c) for term, c in zip(terms, coefficients, strict=True) if c > 0}
    return DelayFit(fitted, predicted, measured, names)


def _row(path: Sequence[Part], terms: Sequence[Term]) -> Floats:
    sums = dict.fromkeys(terms, 0.0)
    for part in path:
        for term in DELAY_TERMS[str(part.kind)]:
            sums[str(part.kind), term] += 1.0 if term == "unit" else part.quantities[term]
    return np.array(list(sums.values()))


def _parts(measurement: Measurement) -> list[Part]:
    name, first, second = measurement.architecture, measurement.acc_bits, measurement.multiplier_bits
    if name in FORMS:
        form = FORMS[name]
        return list(form.architecture.parts(form.workload(measurement.point)))
    match name:
        case "multiplier":
            return [Part("multiplier", name, crossed(first, second))]
        case "adder":
            return [Part("adder", name, sized(first + 1, overlap=first))]
        case "shifter":
            return [Part("shifter", name, shifted(first, shifter_stages(first, second)))]
        case "comparator":
            return [Part("comparator", name, sized(first))]
        case "mux":
            return [Part("mux", name, muxed(first))]
    return [Part("logic", name, plain(first))]
