"""Gate figures as a section of a technology table's file."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from hwmodels.synthesis.corpus.fitting import corpus_points, fit_gates
from hwmodels.synthesis.corpus.sweep import CorpusMeasurement, corpus, read_corpus, run_corpus
from hwmodels.synthesis.liberty import Library
from hwmodels.technologies import Gates

DESIGNS: Final = 100  # of the corpus that a library is measured on at least

_HEADER: Final = "[gates]"
_SECTION: Final = re.compile(r"\n?^\[gates(\.[\w.]+)?\]\n(?:(?!\[).*\n?)*", re.MULTILINE)


def gates_text(gates: Gates) -> str:
    """Returns the section of a table."""
    lines = [
        _HEADER,
        f'source = "{gates.source}"',
        f"area_range_um2 = {list(gates.area_range_um2)}",
        f"cycle_pj = {gates.cycle_pj:g}",
    ]
    for name in ("area_um2", "leakage_uw", "settled_pj", "glitch_pj", "delay_ns"):
        figures: Mapping[str, float] = getattr(gates, name)
        lines.append(f"{name} = {{ {', '.join(f'{kind} = {value:g}' for kind, value in figures.items())} }}")
    for metric, classes in gates.errors.items():
        lines += ["", f"[gates.errors.{metric}]"]
        for design_class, errors in classes.items():
            figures = {"points": errors.points, "mean": errors.mean, "worst": errors.worst, "rank": errors.rank}
            lines.append(f"{design_class} = {{ {', '.join(f'{key} = {value:g}' for key, value in figures.items())} }}")
    return "\n".join(lines) + "\n"


def calibrate_gates(
    library: Library, table: str, path: Path, progress: Callable[[CorpusMeasurement], None] | None = None
) -> str:
    """Synthesizes the corpus on a library, and returns the text of a table with the gate figures fitted to it.

    Args:
        library: the cell library.
        table: text of the library's table.
        path: CSV file of the corpus. Designs that it lacks are measured, up to 100 in all (about 3 minutes).
        progress: called with each new measurement.

    Raises:
        HardwareError: if yosys is not installed, or the file holds something else.
    """
    designs = corpus()
    known = {(row.design, row.digest) for row in read_corpus(path)}
    measured = sum((design.name, design.digest) in known for design in designs)
    chosen = designs[: DESIGNS if measured < DESIGNS else None]
    if measured < DESIGNS:
        for measurement in run_corpus(path, library, chosen):
            if progress is not None:
                progress(measurement)
    rows = [row for row in read_corpus(path) if row.library == library.name]
    return with_gates(table, fit_gates(corpus_points(chosen, rows), library.name))


def with_gates(table: str, gates: Gates) -> str:
    """Returns the text of a table with this section in place of the one that it has."""
    return f"{_SECTION.sub('', table).rstrip()}\n\n{gates_text(gates)}"
