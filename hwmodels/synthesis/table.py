"""A fitted technology table as the text of its file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from hwmodels.architectures import FORMS
from hwmodels.synthesis.calibration import ENERGIES, ErrorSummary, Fit, FittedMetric, Floats, smoothed_delays
from hwmodels.synthesis.clocking import clocking
from hwmodels.synthesis.delays import DelayFit
from hwmodels.synthesis.liberty import Library
from hwmodels.synthesis.sweep import Measurement, judges
from hwmodels.technologies import TERMS, Clocking

_KEYS: Final[Mapping[FittedMetric, str]] = {
    "area_um2": "area_um2",
    **{metric: f"energy_of_order.{order}" for order, metric in ENERGIES.items()},
    "leakage_uw": "leakage_uw",
}
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
    count = sum(not judges(measurement) for measurement in measurements)
    source = f"nonnegative least squares over {count} designs synthesized with yosys on {library.name}"
    lines = [
        f'name = "{name}"',
        f"node_nm = {node_nm:g}",
        f"voltage_v = {library.voltage_v:g}",
        f'conditions = "{library.name}, nominal corner, {library.temperature_c:g} C, no wires, area-driven mapping"',
        f'source = "{source}"',
        f'activity = "{activity}"',
    ]
    mean: dict[str, float] = {e.metric: e.mean for e in errors if e.architecture == "all" and e.form == "linear"}
    for kind in TERMS:
        if kind != "memory":
            lines += [*_component(kind, fits, mean, source), *_delay(kind, delays, source)]
    lines += [*_memory(node_nm), *_clocking(clocking(library))]
    smooth = smoothed_delays(measurements, leave_out=False)
    for form in FORMS:
        lines += _correction(form, measurements, fits, errors, smooth)
    return "\n".join(lines) + "\n"


def _component(kind: str, fits: Mapping[FittedMetric, Fit], errors: Mapping[str, float], source: str) -> list[str]:
    lines = ["", f"[components.{kind}]"]
    for metric, fitted in fits.items():
        terms = {term: c for (owner, term), c in fitted.coefficients.items() if owner == kind}
        body = ", ".join(f"{term} = {value:.6g}" for term, value in terms.items()) or "unit = 0.0"
        lines.append(f'{_KEYS[metric]} = {{ terms = {{ {body} }}, error = {errors[metric]:.4f}, source = "{source}" }}')
    return lines


def _delay(kind: str, delays: DelayFit, source: str) -> list[str]:
    if kind == "register":
        return ['missing = "delay: see clocking"']
    terms = {term: c for (owner, term), c in delays.coefficients.items() if owner == kind}
    body = ", ".join(f"{term} = {value:.4g}" for term, value in terms.items()) or "unit = 0.0"
    return [f'delay_ns = {{ terms = {{ {body} }}, error = {delays.error:.4f}, source = "{source}" }}']


def _clocking(figures: Clocking | None) -> list[str]:
    if figures is None:
        return []
    return [
        "",
        "[clocking]",
        *(f"{key} = {value:g}" for key, value in figures if key != "source" and value is not None),
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
    at = {(m.acc_bits, getattr(m, swept)): index for index, m in _entering(measurements, form)}
    widths, ks = (sorted({key[place] for key in at}) for place in (0, 1))
    if not at or any((width, k) not in at for width in widths for k in ks):
        return []
    stated: dict[str, ErrorSummary] = {e.metric: e for e in errors if (e.architecture, e.form) == (form, "corrected")}

    def grid(values: Floats) -> str:
        return _matrix([[float(values[at[width, k]]) for k in ks] for width in widths])

    lines = ["", f"[corrections.{form}]", f"acc_bits = {widths}", f"{swept} = {ks}"]
    for key, values in (("area_um2", fits["area_um2"].ratios), ("delay_ns", delays)):
        error = stated[key]
        lines += [f"{key} = {grid(values)}", f"{key}_error = {error.mean:.4f}", f"{key}_worst = {error.worst:.4f}"]
    for order, metric in ENERGIES.items():
        lines += ["", f"[corrections.{form}.energy_of_order.{order}]"]
        activity = fits[metric].activity.get(form)
        lines += [f"activity = {activity:.4g}"] if activity is not None else []
        lines += [
            f"ratios = {grid(fits[metric].ratios)}",
            f"error = {stated[metric].mean:.4f}",
            f"worst = {stated[metric].worst:.4f}",
        ]
    return lines


def _entering(measurements: Sequence[Measurement], form: str) -> Iterator[tuple[int, Measurement]]:
    """Yields the index of each measurement of a form that enters the fit, and the measurement."""
    yield from ((n, m) for n, m in enumerate(measurements) if m.architecture == form and not judges(m))


def _matrix(values: Sequence[Sequence[float]]) -> str:
    return "[" + ", ".join("[" + ", ".join(f"{value:.4g}" for value in row) + "]" for row in values) + "]"
