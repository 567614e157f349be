"""A fitted technology table as the text of its file."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from hwmodels.architectures import FORMS
from hwmodels.synthesis.calibration import ErrorSummary, Fit, FittedMetric, Floats, smoothed
from hwmodels.synthesis.clocking import clocking
from hwmodels.synthesis.delays import DelayFit
from hwmodels.synthesis.liberty import Library
from hwmodels.synthesis.sweep import Measurement
from hwmodels.technologies import TERMS, Clocking

_CORRECTED: Final[tuple[FittedMetric, ...]] = ("area_um2", "energy_pj")
# 6T cell of 146 F^2 (CACTI 6.5, technology.cc: area_cell_sram = 146 F^2), half of a small macro being cells (assumed).
_MEMORY_F2_PER_BIT: Final = 146 / 0.5


def technology_text(
    name: str,
    library: Library,
    node_nm: float,
    measurements: Sequence[Measurement],
    fits: Mapping[FittedMetric, Fit],
    errors: Sequence[ErrorSummary],
    activity: str,
    delays: DelayFit,
) -> str:
    """Returns the TOML text of a fitted technology.

    The feature size sizes the parameter memory, which the library does not have. ``activity`` describes the trace that
    the energies hold for.
    """
    source = f"nonnegative least squares over {len(measurements)} designs synthesized with yosys on {library.name}"
    lines = [
        f'name = "{name}"',
        f"node_nm = {node_nm:g}",
        f"voltage_v = {library.voltage_v:g}",
        f'conditions = "{library.name}, nominal corner, {library.temperature_c:g} C, no wires, area-driven mapping"',
        f'source = "{source}"',
        f'activity = "{activity}"',
    ]
    mean = {e.metric: e.mean for e in errors if e.architecture == "all" and e.form == "linear"}
    for kind in TERMS:
        if kind != "memory":
            lines += [*_component(kind, fits, mean, source), *_delay(kind, delays, source)]
    lines += [*_memory(node_nm), *_clocking(clocking(library))]
    smooth = np.exp(smoothed(measurements, np.log([m.delay_ns for m in measurements]), leave_out=False))
    for form in FORMS:
        lines += _correction(form, measurements, fits, errors, smooth)
    return "\n".join(lines) + "\n"


def _component(
    kind: str, fits: Mapping[FittedMetric, Fit], errors: Mapping[FittedMetric, float], source: str
) -> list[str]:
    lines = ["", f"[components.{kind}]"]
    for metric, fitted in fits.items():
        terms = {term: c for (owner, term), c in fitted.coefficients.items() if owner == kind}
        body = ", ".join(f"{term} = {value:.6g}" for term, value in terms.items()) or "unit = 0.0"
        lines.append(f'{metric} = {{ terms = {{ {body} }}, error = {errors[metric]:.4f}, source = "{source}" }}')
    return lines


def _delay(kind: str, delays: DelayFit, source: str) -> list[str]:
    if kind == "register":
        return ['missing = "delay: see clocking"']
    terms = {term: c for (owner, term), c in delays.coefficients.items() if owner == kind}
    body = ", ".join(f"{term} = {value:.4g}" for term, value in terms.items()) or "unit = 0.0"
    return [f'delay_ns = {{ terms = {{ {body} }}, error = {delays.error:.4f}, source = "{source}" }}']


def _clocking(figures: Clocking) -> list[str]:
    return [
        "",
        "[clocking]",
        *(f"{key} = {value:g}" for key, value in figures if key != "source"),
        f'source = "{figures.source}"',
    ]


def _memory(node_nm: float) -> list[str]:
    area = _MEMORY_F2_PER_BIT * (node_nm / 1000) ** 2
    return [
        "",
        "[components.memory]",
        f"area_um2 = {{ terms = {{ bits = {area:.6g} }}, error = 0.5, "
        f'source = "146 F^2 cell (CACTI 6.5), half of a small macro being cells (assumed), F = {node_nm:g} nm" }}',
        'missing = "energy, delay and leakage: the library has no memory"',
    ]


def _correction(
    form: str,
    measurements: Sequence[Measurement],
    fits: Mapping[FittedMetric, Fit],
    errors: Sequence[ErrorSummary],
    delays: Floats,
) -> list[str]:
    """Returns the table of measured over fitted, per operand width and value of the swept width."""
    swept = FORMS[form].architecture.swept
    at = {(m.acc_bits, getattr(m, swept)): index for index, m in enumerate(measurements) if m.architecture == form}
    widths, ks = (sorted({key[place] for key in at}) for place in (0, 1))
    if not at or any((width, k) not in at for width in widths for k in ks):
        return []
    lines = ["", f"[corrections.{form}]"]
    activity = fits["energy_pj"].activity.get(form)
    if activity is not None:
        lines.append(f"activity = {activity:.4g}")
    lines += [f"acc_bits = {widths}", f"{swept} = {ks}"]
    for metric in _CORRECTED:
        ratios = [[float(fits[metric].ratios[at[width, k]]) for k in ks] for width in widths]
        error = next(e for e in errors if (e.architecture, e.metric, e.form) == (form, metric, "corrected"))
        lines += [
            f"{metric} = {_matrix(ratios)}",
            f"{metric}_error = {error.mean:.4f}",
            f"{metric}_worst = {error.worst:.4f}",
        ]
    lines.append(f"delay_ns = {_matrix([[float(delays[at[width, k]]) for k in ks] for width in widths])}")
    return lines


def _matrix(values: Sequence[Sequence[float]]) -> str:
    return "[" + ", ".join("[" + ", ".join(f"{value:.4g}" for value in row) + "]" for row in values) + "]"
