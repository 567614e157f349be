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
from hwmodels.synthesis import BASELINE_BITS, Measurement, read_measurements

_BLOCK: Final = re.compile(r"(<!-- made from CSV: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_WIDTHS: Final = (20, 32)
_SHOWN_BITS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 31)
_PUBLISHED: Final = ("area_um2", "energy_pj")
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
    heading = ["k", *(f"{what}, {width} bits, {unit}" for what, unit in (("area", "um2"), ("energy", "pJ"))
                      for width in _WIDTHS), "delay, 32 bits, ns"]  # fmt: skip
    rows = []
    for k in _SHOWN_BITS:
        areas = (f"{points[width, k].area_um2:,.0f}" for width in _WIDTHS)
        energies = (f"{points[width, k].energy_pj:.0f}" for width in _WIDTHS)
        rows.append([str(k), *areas, *energies, f"{points[32, k].delay_ns:.1f}"])
    return _table(heading, rows)


def _findings(folder: Path) -> str:
    points = _points(folder, ARRAY)
    narrow, wide = ({width: points[width, k] for width in _WIDTHS} for k in (1, BASELINE_BITS))
    area = [f"{wide[w].area_um2 / narrow[w].area_um2:.1f}" for w in _WIDTHS]
    energy = [f"{wide[w].energy_pj / narrow[w].energy_pj:.1f}" for w in _WIDTHS]
    serial, fractured = _points(folder, SERIAL), _points(folder, FRACTURED)
    smaller = min(k for _, k in serial if all(serial[w, k].area_um2 < points[w, k].area_um2 for w in _WIDTHS))
    hungrier = sum(m.energy_pj > points[key].energy_pj for key, m in serial.items())
    larger = sum(m.area_um2 / m.lanes > points[key].area_um2 for key, m in fractured.items())
    return "\n".join(
        [
            f"- k = 1, a pure shift, is {area[0]} times smaller than k = {BASELINE_BITS} at a 20-bit accumulator and "
            f"{area[1]} times at 32 bits,",
            f"  and takes {energy[0]} and {energy[1]} times less energy.",
            f"- Glitches are {_glitches(points, 2)} of the energy from k = 2 on, and {_glitches(points, 1, 1)} at "
            "k = 1: a zero-delay count is a\n  lower bound.",
            f"- The bit-serial unit is smaller than the array from k = {smaller} on. It takes k + 1 cycles, and more",
            f"  energy per rescale than the array in {hungrier} of {len(serial)} designs, from its registers' clocks.",
            f"- One lane's share of a fractured unit is larger than an array of the same width in {larger} of "
            f"{len(fractured)} designs: what it",
            "  buys is one unit that serves all widths, with two or four lanes where they are narrow.",
        ]
    )


def _glitches(points: Mapping[tuple[int, int], Measurement], low: int, high: int = BASELINE_BITS) -> str:
    shares = [1 - m.energy_zero_delay_pj / m.energy_pj for (_, k), m in points.items() if low <= k <= high]
    return f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %"


def _libraries(folder: Path) -> str:
    points, other = _points(folder, ARRAY), _points(folder, ARRAY, "osu035")
    ratios = [other[key].area_um2 / points[key].area_um2 for key in points if key in other]
    return (
        f"OSU 0.35 gives {min(ratios):.2f} to {max(ratios):.2f} times the area of OSU 0.18 on the array designs: "
        "nearly the same netlists, one piece of\nevidence and not two."
    )


def _errors(folder: Path) -> str:
    rows: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    for path in sorted(folder.glob("errors_*.csv")):
        for row in _rows(path):
            if row["metric"] in _PUBLISHED and row["architecture"] != FRACTURED.name:
                key = (path.stem.removeprefix("errors_"), row["architecture"], row["metric"])
                rows[key][row["form"]] = (
                    f"{100 * float(row['mean']):.1f} % / {100 * float(row['worst']):.1f} % / {float(row['rank']):.4f}"
                )
    heading = ["library", "architecture", "figure", "linear: mean / worst / rank", "corrected: mean / worst / rank"]
    return _table(heading, ([*key, forms["linear"], forms["corrected"]] for key, forms in rows.items()))


def _repeat(folder: Path) -> str:
    reference = {m.key: m for m in read_measurements(folder / f"dataset_{_MAIN}.csv")}
    groups: dict[str, list[Measurement]] = defaultdict(list)
    for measurement in read_measurements(folder / f"repeat_{_MAIN}.csv"):
        groups[measurement.architecture].append(measurement)
    rows = []
    for architecture, points in groups.items():
        cells = [architecture, str(len({point.key for point in points})), str(len(points))]
        for metric in ("area_um2", "energy_pj", "delay_ns"):
            errors = [abs(getattr(p, metric) / getattr(reference[p.key], metric) - 1) for p in points]
            cells.append(f"{100 * np.mean(errors):.1f} % / {100 * max(errors):.1f} %")
        rows.append(cells)
    heading = ["architecture", "designs", "runs", *(f"{m}: mean / worst" for m in ("area", "energy", "delay"))]
    return _table(heading, rows)


def _sharing(folder: Path) -> str:
    rows = _rows(folder / f"sharing_{_MAIN}.csv")
    heading = ["k", "own unit", "left-aligned", "right-aligned"]
    names = ("own_pj", "left_pj", "right_pj")
    table = _table(heading, ([row["layer_bits"], *(f"{float(row[name]):.0f}" for name in names)] for row in rows))
    gains = {row["layer_bits"]: float(row["left_pj"]) / float(row["right_pj"]) - 1 for row in rows}
    left = ", ".join(k for k, gain in gains.items() if gain < 0)
    own, shared = (float(rows[-1][name]) for name in ("own_pj", "right_pj"))
    return (
        f"{table}\n\nLeft-aligned is better at k = {left}, by up to {-100 * min(gains.values()):.0f} %; right-aligned "
        f"elsewhere, by up to {100 * max(gains.values()):.0f} %. Even the\n{rows[-1]['layer_bits']}-bit layer pays "
        f"{shared / own:.1f} times for the shared unit's longer shifter."
    )


def _rungs(folder: Path) -> str:
    figures = {"area_um2": ",.0f", "delay_ns": ".1f", "energy_pj": ".1f", "area_ratio": ".1f", "energy_ratio": ".1f"}
    heading = ["rung", "zero point and bounds", "cells", "area, um2", "delay, ns", "energy, pJ", "area, int32 over it",
               "energy, int32 over it"]  # fmt: skip
    blocks = []
    for path in sorted(folder.glob("rungs_*.csv")):
        rows = [
            [
                *(row[name] for name in ("rung", "output", "cells")),
                *(f"{float(row[n]):{f}}" for n, f in figures.items()),
            ]
            for row in _rows(path)
        ]
        blocks.append(f"{path.stem.removeprefix('rungs_')}:\n\n{_table(heading, rows)}")
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
    "libraries": _libraries, "array": _array, "findings": _findings, "errors": _errors, "repeat": _repeat,
    "sharing": _sharing, "equality": _equality, "rungs": _rungs, "proofs": _proofs, "pipelines": _pipelines,
}  # fmt: skip
