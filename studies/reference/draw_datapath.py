"""Draws docs/images/datapath.svg: what each rung of the ladder still builds, with its area by synthesis.

``python -m studies.reference.draw_datapath``. Areas are those of docs/results/hardware/rungs_osu018.csv: a signed
20-bit accumulator, units that are built for one layer (zero point and bounds are constants).
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
_AREAS = ROOT / "docs" / "results" / "hardware" / "rungs_osu018.csv"
_WIDTH, _ROW, _TOP, _BOX, _HEIGHT = 1000, 74, 86, 112, 40
_LEFT, _STEP = 190, 128
_INK, _FAINT = "#1a237e", "#e8eaf6"


@dataclass(frozen=True, slots=True)
class Rung:
    """A row of the picture.

    Attributes:
        name: what the rung is called.
        row: its row in the table of areas: rung and kind of output.
        parts: text of each box; empty if nothing is built there.
    """

    name: str
    row: tuple[str, str]
    parts: tuple[str, str, str, str]


HEADINGS = ("multiplier", "right shift", "rounding, zero", "clamp")
RUNGS = (
    Rung("int32", ("int32", "saturating"), ("31 bits", "barrel shifter", "adders", "clamp")),
    Rung("8 bits", ("k = 8", "saturating"), ("8 bits", "barrel shifter", "adders", "clamp")),
    Rung("2 bits", ("k = 2", "saturating"), ("2 bits", "barrel shifter", "adders", "clamp")),
    Rung("pure shift", ("k = 1", "saturating"), ("", "barrel shifter", "adders", "clamp")),
    Rung("folded, window of 8", ("window of 8", "saturating"), ("", "8 shifts", "", "clamp")),
    Rung("folded, window of 4", ("window of 4", "saturating"), ("", "4 shifts", "", "clamp")),
    Rung("constant shift", ("constant shift", "saturating"), ("", "", "", "clamp")),
)


def picture(areas: pd.DataFrame) -> str:
    """Returns the picture as SVG.

    Args:
        areas: the table of rungs: columns ``mapper``, ``rung``, ``output``, ``area_um2``.
    """
    by_row = areas[areas["mapper"] == "amap"].set_index(["rung", "output"])["area_um2"]
    widest = float(by_row[RUNGS[0].row])
    height = _TOP + _ROW * len(RUNGS) + 30
    body = "".join(_row(index, rung, float(by_row[rung.row]), widest) for index, rung in enumerate(RUNGS))
    headings = "".join(
        _text(_LEFT + _STEP * (index + 1) + _BOX / 2, _TOP - 34, heading, "middle", "600")
        for index, heading in enumerate(HEADINGS)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="14">'
        "<title>What each rung of the ladder builds between accumulator and output</title>"
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>'
        + headings
        + _text(_LEFT + _STEP * 5 + 40, _TOP - 34, "area, µm²", "start", "600")
        + body
        + _text(
            20,
            height - 12,
            "One rescaler for 20-bit accumulators, built for one layer, OSU 0.18 µm, by synthesis.",
            "start",
        )
        + "</svg>\n"
    )


def _row(index: int, rung: Rung, area: float, widest: float) -> str:
    y = _TOP + _ROW * index
    middle = y + _HEIGHT / 2
    end = _LEFT + _STEP * 5 + 20
    parts = [
        _text(20, middle + 5, rung.name, "start", "600"),
        _text(_LEFT - 6 + 60, middle - 8, "accumulator", "middle", size=11),
        f'<path d="M{_LEFT} {middle}H{end}" stroke="{_INK}" stroke-width="2"/>',
        f'<path d="M{end} {middle - 5}l9 5l-9 5z" fill="{_INK}"/>',
    ]
    for place, part in enumerate(rung.parts):
        x = _LEFT + _STEP * (place + 1)
        if part:
            parts.append(
                f'<rect x="{x}" y="{y}" width="{_BOX}" height="{_HEIGHT}" rx="4" fill="{_FAINT}" stroke="{_INK}"/>'
                + _text(x + _BOX / 2, middle + 5, part, "middle")
            )
    if not rung.parts[1]:
        parts.append(_text(_LEFT + _STEP * 2 + _BOX / 2, middle - 8, "wires", "middle", size=12))
    bar = max(2.0, 60 * area / widest)
    x = end + 20
    parts.append(f'<rect x="{x}" y="{middle + 8}" width="{bar:.1f}" height="7" fill="{_INK}"/>')
    parts.append(_text(x, middle + 2, f"{area:,.0f}", "start", "600"))
    return "".join(parts)


def _text(x: float, y: float, text: str, anchor: str, weight: str = "400", size: int = 14) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-weight="{weight}" font-size="{size}" '
        f'fill="#212121">{text}</text>'
    )


def main() -> None:
    """Writes the picture."""
    (ROOT / "docs" / "images" / "datapath.svg").write_text(picture(pd.read_csv(_AREAS)), encoding="utf-8")


if __name__ == "__main__":
    main()
