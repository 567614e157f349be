"""Fits the gate figures of a technology table to the corpus, and compares them with modules that no fit has seen.

    python -m studies.hardware.gates LIBERTY TABLE docs/results/hardware

TABLE is a technology table, such as ``hwmodels/technologies/osu018.toml``, whose section ``[gates]`` is written
anew. The folder receives ``corpus_<table>.csv`` and ``modules_<table>.csv``, the synthesis of the corpus and of the
modules in ``studies/hardware/modules``, which are written in the styles of other people; what is there is not
synthesized again, and the page ``parsed-rtl.md`` is written beside the folder. 100 designs of the corpus take about 3
minutes, the modules 2.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from hwmodels import cost_verilog, load_technology
from hwmodels.synthesis import (
    CorpusMeasurement,
    Library,
    append_corpus,
    calibrate_gates,
    load_liberty,
    measure_module,
    read_corpus,
)
from hwmodels.technologies import DesignClass, Gates, Metric
from nets.files import write_text
from studies.hardware.scripts import run_script

MODULES: Final = Path(__file__).with_name("modules")
_LINES: Final[tuple[tuple[Metric, str], ...]] = (
    ("area_um2", "area"),
    ("energy_pj", "energy"),
    ("leakage_uw", "leakage"),
    ("delay_ns", "delay"),
)
_CLASSES: Final[tuple[tuple[DesignClass, str], ...]] = (
    ("operator", "single operators"),
    ("datapath", "random datapaths"),
    ("redundant", "random datapaths, redundant"),
)


def fit_table(liberty: Path, table: Path, folder: Path) -> None:
    """Measures what is missing, and writes the table's section and the page."""
    library = load_liberty(liberty)
    path = folder / f"corpus_{table.stem}.csv"
    write_text(table, calibrate_gates(library, table.read_text(encoding="utf-8"), path))
    _measure_modules(folder / f"modules_{table.stem}.csv", library)
    write_page(folder, table.parent)


def _measure_modules(path: Path, library: Library) -> None:
    done = {row.design for row in read_corpus(path)}
    for module in sorted(MODULES.glob("*.v")):
        if module.stem not in done:
            append_corpus(path, measure_module((module,), module.stem, {}, library))


def write_page(folder: Path, tables: Path) -> Path:
    """Writes the page of results of every table that has gate figures."""
    lines = [
        "# Cost of parsed RTL",
        "",
        "Designs that are not shipped rescalers are priced by their gates (see [hardware](../hardware.md)). Errors are",
        "relative to synthesis, of designs that were left out of the fit; `modules` were never part of one.",
        "Written by `python -m studies.hardware.gates`.",
        "",
        "| table | designs | figure | number | mean | worst | rank correlation |",
        "|---|---|---|---|---|---|---|",
    ]
    details: list[str] = []
    for measured in sorted(folder.glob("modules_*.csv")):
        name = measured.stem.removeprefix("modules_")
        path = tables / f"{name}.toml"
        gates = load_technology(path).gates
        if gates is not None:
            lines += _corpus_lines(name, gates)
            rows, table = _module_lines(name, path, read_corpus(measured))
            lines += rows
            details += ["", f"## Modules in {name}", "", *table]
    page = folder.parent / "parsed-rtl.md"
    write_text(page, "\n".join([*lines, *details]) + "\n")
    return page


def _corpus_lines(name: str, gates: Gates) -> list[str]:
    return [
        f"| {name} | {words} | {figure} | {e.points} | {e.mean:.1%} | {e.worst:.0%} | {e.rank:.3f} |"
        for metric, figure in _LINES
        for group, words in _CLASSES
        if (e := gates.errors.get(metric, {}).get(group)) is not None
    ]


def _module_lines(name: str, table: Path, rows: Sequence[CorpusMeasurement]) -> tuple[list[str], list[str]]:
    technology = load_technology(table)
    lines = [
        "| module | area um2 | synthesized | | energy pJ | synthesized | | delay ns | synthesized | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    errors: dict[str, list[float]] = {"area_um2": [], "energy_pj": [], "leakage_uw": [], "delay_ns": []}
    for row in rows:
        cost = cost_verilog(MODULES / f"{row.design}.v", row.design, {}, technology)
        cells = [row.design]
        for metric, _ in _LINES:
            estimate, truth = getattr(cost, metric) or 0.0, getattr(row, metric)
            errors[metric].append(estimate / truth - 1)
            if metric != "leakage_uw":
                cells += [f"{estimate:,.5g}", f"{truth:,.5g}", f"{estimate / truth - 1:+.0%}"]
        lines.append(f"| {' | '.join(cells)} |")
    summary = [
        f"| {name} | modules | {figure} | {len(rows)} | {np.mean(np.abs(errors[metric])):.1%} "
        f"| {np.max(np.abs(errors[metric])):.0%} | |"
        for metric, figure in _LINES
    ]
    return summary, lines


if __name__ == "__main__":
    sys.exit(run_script("gates", "LIBERTY TABLE FOLDER", fit_table))
