"""Publishes the dataset: error tables, figures and the results page from the measurements of the sweeps.

    python -m studies.hardware.publish docs/results/hardware

The folder holds ``dataset_<technology>.csv``, written by ``dse calibrate --dataset``. This script adds
``errors_<technology>.csv`` and the figures, and updates the tables of the page beside the folder (see ``page``).
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hwmodels.architectures import ARCHITECTURES, ARRAY, FORMS
from hwmodels.errors import HardwareError
from hwmodels.orders import DEFAULT_ORDER
from hwmodels.synthesis import (
    BASELINE_BITS,
    FITTED,
    ErrorSummary,
    Fit,
    Measurement,
    error_table,
    fit,
    read_measurements,
)
from studies.hardware.page import write_page
from studies.hardware.scripts import run_script, write_rows

# Okabe and Ito's colours, and two of Tol's, distinguishable with colour-blindness.
_COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#999933",
                   "#882255", "#117733")  # fmt: skip
_MARKERS: Final = ("o", "s", "^", "v", "D", "P", "X", "*", "<", ">")
_STYLES: Final = list(zip(ARCHITECTURES, _COLOURS, _MARKERS, strict=True))
_METRICS: Final = {
    "area_um2": "area, um2",
    "energy_channel_innermost_pj": "energy per rescale, channel innermost, pJ",
    "energy_channel_outermost_pj": "energy per rescale, channel outermost, pJ",
    "delay_ns": "longest path, ns",
}


def publish(folder: Path) -> list[Path]:
    """Writes error tables and figures of every dataset in a folder, and its page; returns the written paths.

    Raises:
        HardwareError: if there is no dataset, or the page cannot be made.
    """
    datasets = sorted(folder.glob("dataset_*.csv"))
    if not datasets:
        raise HardwareError(f"{folder}: no dataset_*.csv; make one with dse calibrate --dataset")
    written = []
    for path in datasets:
        name = path.stem.removeprefix("dataset_")
        measurements = read_measurements(path)
        fits = [fit(measurements, metric) for metric in FITTED]
        written.append(_write_errors(folder / f"errors_{name}.csv", error_table(measurements, fits)))
        written += [_plot(folder / f"{metric}_{name}.png", measurements, metric, name) for metric in _METRICS]
        written.append(_plot_glitches(folder / f"glitches_{name}.png", measurements, name))
        written.append(_plot_fit(folder / f"fit_{name}.png", measurements, fits[:2], name))
    page = folder.with_suffix(".md")
    write_page(page, folder)
    return [*written, page]


def _write_errors(path: Path, errors: Sequence[ErrorSummary]) -> Path:
    rows = [asdict(error) for error in errors]
    write_rows(path, [row | {key: round(row[key], 5) for key in ("mean", "worst", "rank")} for row in rows])
    return path


def _save(path: Path, figure: Figure) -> Path:
    # Without a date in the file, the same measurements give the same bytes.
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return path


def _panels(title: str, count: int, width: float = 11.0) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, 4.8), layout="constrained")
    figure.suptitle(title)
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _plot(path: Path, measurements: Sequence[Measurement], metric: str, name: str) -> Path:
    widths = (20, 32)
    figure, panels = _panels(f"{name}: {_METRICS[metric]}, one lane", len(widths))
    for axes, acc_bits in zip(panels, widths, strict=True):
        for architecture, colour, marker in _STYLES:
            points = _of(measurements, architecture, acc_bits)
            if points and ARCHITECTURES[architecture].swept == "multiplier_bits":
                k = [point.multiplier_bits for point in points]
                lanes = [point.lanes if metric == "area_um2" else 1 for point in points]
                values = [getattr(point, metric) / count for point, count in zip(points, lanes, strict=True)]
                axes.plot(k, values, color=colour, marker=marker, markersize=3.5, linewidth=1.0, label=architecture)
        axes.axvline(BASELINE_BITS, color="0.6", linewidth=0.8, linestyle=":")
        axes.set(xlabel="k, multiplier bits", ylabel=_METRICS[metric], title=f"{acc_bits}-bit accumulator")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    return _save(path, figure)


def _of(measurements: Sequence[Measurement], architecture: str, acc_bits: int) -> list[Measurement]:
    """Returns the points of an architecture in order of ``k``; one with widths of its own is in all panels."""
    widths = ARCHITECTURES[architecture].sweep_widths or (acc_bits,)
    points = [m for m in measurements if m.architecture == architecture and m.acc_bits in widths]
    return sorted(points, key=lambda point: point.multiplier_bits)


def _plot_glitches(path: Path, measurements: Sequence[Measurement], name: str) -> Path:
    figure, (axes,) = _panels(f"{name}: glitches in the array rescaler", 1, width=6.5)
    for acc_bits, colour in zip((20, 32), _COLOURS, strict=False):
        points = _of(measurements, ARRAY.name, acc_bits)
        k = [point.multiplier_bits for point in points]
        for label, style, values in (
            ("with gate delays", "-", [point.energy_pj(DEFAULT_ORDER) for point in points]),
            ("zero delay", "--", [point.zero_delay_pj(DEFAULT_ORDER) for point in points]),
        ):
            axes.plot(k, values, style, color=colour, label=f"{acc_bits}-bit accumulator, {label}")
    axes.set(xlabel="k, multiplier bits", ylabel="energy per rescale, pJ")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return _save(path, figure)


def _plot_fit(path: Path, measurements: Sequence[Measurement], fits: Sequence[Fit], name: str) -> Path:
    names = np.array([measurement.architecture for measurement in measurements])
    figure, panels = _panels(f"{name}: each point left out of the fit that predicts it", len(fits))
    for axes, fitted in zip(panels, fits, strict=True):
        measured = np.array([getattr(measurement, fitted.metric) for measurement in measurements])
        for architecture, colour, marker in _STYLES:
            rows = np.isin(names, [name for name, form in FORMS.items() if form.architecture.name == architecture])
            if rows.any():
                axes.scatter(
                    measured[rows], fitted.predicted[rows], s=9, color=colour, marker=marker, label=architecture
                )
        ends = [measured.min(), measured.max()]
        axes.plot(ends, ends, color="0.5", linewidth=0.8)
        axes.set(xscale="log", yscale="log", xlabel=f"synthesis: {_METRICS[fitted.metric]}", ylabel="parsed RTL")
        axes.legend(fontsize=7)
    return _save(path, figure)


def report(folder: Path) -> None:
    """Publishes a folder, and prints the written paths."""
    sys.stdout.write("".join(f"{path}\n" for path in publish(folder)))


if __name__ == "__main__":
    sys.exit(run_script("publish", "FOLDER", report))
