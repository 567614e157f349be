"""Makes the tables of the results page from the published CSV files, without synthesis or fitting."""

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from hwmodels.architectures import ARRAY, FRACTURED, SERIAL, Architecture
from hwmodels.errors import HardwareError
from hwmodels.orders import OUTPUT_ORDERS, OutputOrder
from hwmodels.synthesis import BASELINE_BITS, ENERGIES, Measurement, read_measurements

_BLOCK: Final = re.compile(r"(<!-- made from CSV: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_WIDTHS: Final = (20, 32)
_SHOWN_BITS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 31)
_PUBLISHED: Final = ("area_um2", *ENERGIES.values(), "delay_ns")
_SHORT: Final[Mapping[OutputOrder, str]] = {"channel_innermost": "innermost", "channel_outermost": "outermost"}
_MAIN: Final = "osu018"


def write_page(page: Path, folder: Path) -> None:
    """Replaces the marked blocks of a page by tables of the CSV files in a folder.

    Raises:
        HardwareError: if the page has no block, or an unknown one, or a file is missing.
    """
    page.write_text(page_text(page.read_text(encoding="utf-8"), folder), encoding="utf-8")


def page_text(text: str, folder: Path) -> str:
    """Returns a page's text with its marked blocks replaced."""
    names = [match[2] for match in _BLOCK.finditer(text)]
    unknown = [name for name in names if name not in _BLOCKS]
    if not names or unknown:
        raise HardwareError(f"the page has blocks {names}; known are {', '.join(_BLOCKS)}")
    return _BLOCK.sub(lambda match: f"{match[1]}{_BLOCKS[match[2]](folder)}\n{match[3]}", text)


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        raise HardwareError(f"{path}: missing; the page is made from it")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _points(folder: Path, architecture: Architecture, technology: str = _MAIN) -> dict[tuple[int, int], Measurement]:
    """Returns the measurements of an architecture by operand width and ``k``."""
    measurements = read_measurements(folder / f"dataset_{technology}.csv")
    return {(m.acc_bits, m.multiplier_bits): m for m in measurements if m.architecture == architecture.name}


def _array(folder: Path) -> str:
    points = _points(folder, ARRAY)
    energies = [f"energy, {width} bits, {_SHORT[order]}, pJ" for order in OUTPUT_ORDERS for width in _WIDTHS]
    heading = ["k", *(f"area, {width} bits, um2" for width in _WIDTHS), *energies, "delay, 32 bits, ns"]
    rows = []
    for k in _SHOWN_BITS:
        areas = (f"{points[width, k].area_um2:,.0f}" for width in _WIDTHS)
        figures = (f"{points[width, k].energy_pj(order):.0f}" for order in OUTPUT_ORDERS for width in _WIDTHS)
        rows.append([str(k), *areas, *figures, f"{points[32, k].delay_ns:.1f}"])
    return _table(heading, rows)


def _findings(folder: Path) -> str:
    points = _points(folder, ARRAY)
    narrow, wide = ({width: points[width, k] for width in _WIDTHS} for k in (1, BASELINE_BITS))
    area = [f"{wide[w].area_um2 / narrow[w].area_um2:.1f}" for w in _WIDTHS]
    innermost, outermost = (
        [f"{wide[w].energy_pj(order) / narrow[w].energy_pj(order):.1f}" for w in _WIDTHS] for order in OUTPUT_ORDERS
    )
    serial, fractured = _points(folder, SERIAL), _points(folder, FRACTURED)
    shared = [key for key in serial if key in points]
    smaller = min(k for w, k in shared if serial[w, k].area_um2 < points[w, k].area_um2)
    order = OUTPUT_ORDERS[0]
    hungrier = sum(serial[key].energy_pj(order) > points[key].energy_pj(order) for key in shared)
    larger = sum(m.area_um2 / m.lanes > points[key].area_um2 for key, m in fractured.items())
    return "\n".join(
        [
            f"- k = 1, a pure shift, is {area[0]} times smaller than k = {BASELINE_BITS} at a 20-bit accumulator and "
            f"{area[1]} times at 32 bits.",
            f"  With channels innermost it takes {innermost[0]} and {innermost[1]} times less energy, with channels",
            f"  outermost {outermost[0]} and {outermost[1]} times less.",
            f"- Glitches are {_glitches(points, 2)} of the energy from k = 2 on, and {_glitches(points, 1, 1)} at "
            "k = 1: a zero-delay count is a\n  lower bound.",
            f"- The bit-serial unit is smaller than the array from k = {smaller} on. It takes k + 1 cycles, and more",
            f"  energy per rescale than the array in {hungrier} of {len(shared)} designs, from its registers' clocks.",
            f"- One lane's share of a fractured unit is larger than an array of the same width in {larger} of "
            f"{len(fractured)} designs: what it",
            "  buys is one unit that serves all widths, with two or four lanes where they are narrow.",
        ]
    )


def _glitches(points: Mapping[tuple[int, int], Measurement], low: int, high: int = BASELINE_BITS) -> str:
    shares = [
        1 - m.zero_delay_pj(order) / m.energy_pj(order)
        for (_, k), m in points.items()
        if low <= k <= high
        for order in OUTPUT_ORDERS
    ]
    return f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %"


def _headline(folder: Path) -> str:
    """Returns int32 over the rungs of the ladder as ranges over libraries, mappers and orders of outputs."""
    paths = sorted(folder.glob("rungs_*.csv"))
    found = [(path.stem.removeprefix("rungs_"), row) for path in paths for row in _rows(path)]
    libraries = ", ".join(dict.fromkeys(name for name, _ in found))
    mappers = ", ".join(dict.fromkeys(row["mapper"] for _, row in found))
    heading = ["rung", "area, int32 over it", *(f"energy, {_SHORT[order]}" for order in OUTPUT_ORDERS)]
    names = ("area_ratio", *(f"energy_{order}_ratio" for order in OUTPUT_ORDERS))
    rungs = dict.fromkeys(row["rung"] for _, row in found if row["rung"] != "int32")
    rows = []
    for rung in rungs:
        chosen = [row for _, row in found if (row["rung"], row["output"]) == (rung, "saturating")]
        figures = [[float(row[name]) for row in chosen] for name in names]
        rows.append([rung, *(f"{min(values):.1f} to {max(values):.1f}" for values in figures)])
    return f"{_table(heading, rows)}\n\nLibraries: {libraries}; mappers: {mappers}."


def _errors(folder: Path) -> str:
    rows: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    for path in sorted(folder.glob("errors_*.csv")):
        for row in _rows(path):
            if row["metric"] in _PUBLISHED and row["architecture"] != FRACTURED.name:
                key = (path.stem.removeprefix("errors_"), row["architecture"], row["metric"])
                rows[key][row["form"]] = (
                    f"{100 * float(row['mean']):.1f} % / {100 * float(row['worst']):.1f} % / {float(row['rank']):.3f}"
                )
    heading = ["library", "architecture", "figure", "linear: mean / worst / rank", "corrected: mean / worst / rank"]
    return _table(heading, ([*key, forms.get("linear", "none"), forms["corrected"]] for key, forms in rows.items()))


def _repeat(folder: Path) -> str:
    reference = {m.key: m for m in read_measurements(folder / f"dataset_{_MAIN}.csv")}
    groups: dict[str, list[Measurement]] = defaultdict(list)
    for measurement in read_measurements(folder / f"repeat_{_MAIN}.csv"):
        groups[measurement.architecture].append(measurement)
    rows = []
    for architecture, points in groups.items():
        cells = [architecture, str(len({point.key for point in points})), str(len(points))]
        for metric in ("area_um2", f"energy_{OUTPUT_ORDERS[0]}_pj", "delay_ns"):
            errors = [abs(getattr(p, metric) / getattr(reference[p.key], metric) - 1) for p in points]
            cells.append(f"{100 * np.mean(errors):.1f} % / {100 * max(errors):.1f} %")
        rows.append(cells)
    heading = ["architecture", "designs", "runs", *(f"{m}: mean / worst" for m in ("area", "energy", "delay"))]
    return _table(heading, rows)


def _sharing(folder: Path) -> str:
    rows = _rows(folder / f"sharing_{_MAIN}.csv")
    names = ("own_pj", "shared_pj")
    energies = [[float(row[name]) for name in names] for row in rows]
    cells = [
        [row["layer_bits"], *(f"{each:.0f}" for each in pair), f"{pair[1] / pair[0]:.1f}"]
        for row, pair in zip(rows, energies, strict=True)
    ]
    return _table(["k", "own unit", "shared unit", "shared over own"], cells)


def _rungs(folder: Path) -> str:
    energies = [f"energy_{order}_{what}" for what in ("pj", "ratio") for order in OUTPUT_ORDERS]
    figures = {"area_um2": ",.0f", "delay_ns": ".1f", "area_ratio": ".1f", **dict.fromkeys(energies, ".1f")}
    heading = ["rung", "zero point and bounds", "cells", "area, um2", "delay, ns", "area, int32 over it",
               *(f"energy, {_SHORT[order]}, pJ" for order in OUTPUT_ORDERS),
               *(f"int32 over it, {_SHORT[order]}" for order in OUTPUT_ORDERS)]  # fmt: skip
    blocks = []
    for path in sorted(folder.glob("rungs_*.csv")):
        found = _rows(path)
        for mapper in dict.fromkeys(row["mapper"] for row in found):
            rows = [
                [*(row[name] for name in ("rung", "output", "cells")),
                 *(f"{float(row[n]):{f}}" for n, f in figures.items())]
                for row in found
                if row["mapper"] == mapper
            ]  # fmt: skip
            blocks.append(f"{path.stem.removeprefix('rungs_')}, mapper {mapper}:\n\n{_table(heading, rows)}")
    return "\n\n".join(blocks)


def _pipelines(folder: Path) -> str:
    figures = {
        "period_ns": ("period, ns", ".2f"),
        "area_um2": ("area, um2", ",.0f"),
        "energy_pj": ("energy, pJ", ".1f"),
    }
    sources = {"estimated_": "estimate", "": "synthesis"}
    named = [f"{title}, {source}" for title, _ in figures.values() for source in sources.values()]
    heading, blocks = ["unit", "width", "target, MHz", "registers", "meets it", *named], []
    for path in sorted(folder.glob("pipelines_*.csv")):
        rows = _rows(path)
        shown = []
        for row in rows:
            values = [f"{float(row[s + name]):{form}}" for name, (_, form) in figures.items() for s in sources]
            meets = "yes" if row["meets"] == "True" else "no"
            own = [row["unit"], row["width"], f"{float(row['mhz']):.0f}", row["pipeline"] or "none", meets]
            shown.append([*own, *values])
        title = path.stem.removeprefix("pipelines_")
        blocks.append(f"{title}:\n\n{_table(heading, shown)}\n\n{_pipeline_errors(rows)}")
    return "\n\n".join(blocks)


def _pipeline_errors(rows: Sequence[Mapping[str, str]]) -> str:
    words = []
    for name, what in (("period_ns", "period"), ("area_um2", "area"), ("energy_pj", "energy")):
        errors = [abs(float(row[f"estimated_{name}"]) / float(row[name]) - 1) for row in rows]
        words.append(f"{what} {100 * float(np.mean(errors)):.0f} % in the mean, {100 * max(errors):.0f} % at worst")
    late = [row for row in rows if row["meets"] == "True" and float(row["period_ns"]) > 1000 / float(row["mhz"])]
    meant = sum(row["meets"] == "True" for row in rows)
    return (
        f"Errors of the estimates over {len(rows)} designs: {'; '.join(words)}.\n"
        f"Of the {meant} that meet their clock by the estimate, {len(late)} miss it as synthesized."
    )


def _equality(folder: Path) -> str:
    rows = _rows(folder / "equality.csv")
    exhaustive = sum(row["exhaustive"] in ("True", "yes", "1") for row in rows)
    vectors, wrong = (sum(int(row[name]) for row in rows) for name in ("vectors", "mismatches"))
    return f"{len(rows)} designs, {exhaustive} of them exhaustively, {vectors:,} vectors, {wrong} mismatches."


def _proofs(folder: Path) -> str:
    heading = ["unit", "k", "latency", "accumulator", "right shift", "outputs", "claims", "result", "longest, s"]
    rows = [
        [
            *(
                row[name]
                for name in ("unit", "k", "latency", "accumulator_bits", "right_shift", "outputs", "claims", "result")
            ),
            f"{float(row['longest_s']):.1f}",
        ]
        for row in _rows(folder / "proofs.csv")
    ]
    return _table(heading, rows)


_BLOCKS: Final[Mapping[str, Callable[[Path], str]]] = {
    "headline": _headline, "array": _array, "findings": _findings, "errors": _errors, "repeat": _repeat,
    "sharing": _sharing, "equality": _equality, "rungs": _rungs, "proofs": _proofs, "pipelines": _pipelines,
}  # fmt: skip
