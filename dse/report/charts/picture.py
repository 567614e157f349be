"""Renders specifications: interactive in the page, and as SVG and PNG files."""

import re
import textwrap
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import vl_convert

from dse.report.charts.style import FAINT, GRID, INK, Spec
from nets.files import write_bytes, write_text

STILL_WIDTH = 640  # px of all panels together, without their axes
MOST_IN_LINE = 110  # characters below a title
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_SCALE = 2  # pixels of a PNG file for each px of the specification
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
# vl-convert carries Liberation Sans, which has the metrics of Arial: the layout is the same on every machine.
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
_GEOMETRY = re.compile(r' (?:d|transform)="[^"]*"')
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}(?:e-?\d+)?")
_NUMBERED = re.compile(r'(id="|url\(#)(clip|gradient_)(\d+)')


@dataclass(frozen=True)
class Panel:
    """One chart.

    Attributes:
        spec: a unit or layered specification of Vega-Lite, without width and configuration; the names of its layers
            and parameters are unique within its picture.
        share: its part of a still picture's width, relative to the other panels.
    """

    spec: Spec
    share: float = 1.0

    def interactive(self) -> Spec:
        """Returns the specification for the page, as wide as its element."""
        fitted = {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
        return {"$schema": SCHEMA} | self.spec | fitted | {"config": _config(legend_columns=2)}


@dataclass(frozen=True)
class Title:
    """What a picture says of itself in a slide, away from its page.

    Attributes:
        text: what it shows.
        source: of what: study, network, cost model and technology.
    """

    text: str
    source: str


@dataclass(frozen=True)
class Picture:
    """One picture in its forms.

    Attributes:
        key: file name without suffix.
        title: what it says of itself.
        panels: its charts, side by side if there is room.
        svg: all panels in one still picture.
        png: the same in pixels.
    """

    key: str
    title: Title
    panels: tuple[Panel, ...]
    svg: str
    png: bytes


def rendered(key: str, panels: tuple[Panel, ...], title: Title) -> Picture:
    """Draws a picture in all its forms; the same specification gives the same bytes."""
    total = sum(panel.share for panel in panels)
    still = {
        "$schema": SCHEMA,
        "title": {"text": title.text, "subtitle": _lines(title.source), "anchor": "start", "frame": "bounds"},
        "resolve": {"scale": {"color": "independent"}},  # panels of one picture show different quantities
        "hconcat": [panel.spec | {"width": round(STILL_WIDTH * panel.share / total)} for panel in panels],
        "config": _config(legend_columns=3) | {"aria": False},
    }
    svg = _shortened(_renumbered(vl_convert.vegalite_to_svg(still)))
    return Picture(key, title, panels, svg, _compressed(vl_convert.svg_to_png(svg, scale=PNG_SCALE)))


def _lines(text: str) -> list[str]:
    """Returns a text in lines that fit a still picture."""
    return textwrap.wrap(text, MOST_IN_LINE) or [""]


def write_picture(picture: Picture, folder: Path) -> None:
    """Writes SVG and PNG of a picture to ``folder``."""
    write_text(folder / f"{picture.key}.svg", picture.svg)
    write_bytes(folder / f"{picture.key}.png", picture.png)


@cache
def library() -> str:
    """Returns the JavaScript that draws interactive panels: Vega, Vega-Lite and Vega-Embed as ``vegaEmbed``."""
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def library_version() -> str:
    """Returns the versions of the libraries inside the page."""
    return f"{vl_convert.get_vega_version()}, Vega-Lite {vl_convert.get_vegalite_versions()[-1]}"


def _renumbered(svg: str) -> str:
    """Returns the SVG with identifiers numbered from 1; Vega counts on over all pictures of a process."""
    numbers: dict[str, int] = {}

    def renamed(match: re.Match[str]) -> str:
        return f"{match[1]}{match[2]}{numbers.setdefault(match[2] + match[3], len(numbers) + 1)}"

    return _NUMBERED.sub(renamed, svg)


def _shortened(svg: str) -> str:
    """Returns the SVG with coordinates to a hundredth of a pixel; Vega writes all digits of a double."""

    def rounded(number: re.Match[str]) -> str:
        return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")

    return _GEOMETRY.sub(lambda attribute: _LONG_NUMBER.sub(rounded, attribute[0]), svg)


def _compressed(png: bytes) -> bytes:
    """Returns a PNG of the same pixels in about a quarter of the bytes: the renderer hardly compresses them."""
    chunks: list[tuple[bytes, bytes]] = []
    position = len(PNG_SIGNATURE)
    while position < len(png):
        begin = position + 8
        end = begin + int.from_bytes(png[position : position + 4])
        chunks.append((png[position + 4 : begin], png[begin:end]))
        position = end + 4
    pixels = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    before = [(kind, data) for kind, data in chunks if kind not in (b"IDAT", b"IEND")]
    written = [*before, (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    return PNG_SIGNATURE + b"".join(
        len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4) for kind, data in written
    )


def _config(legend_columns: int) -> Spec:
    return {
        "font": FONT,
        "background": "white",
        "view": {"stroke": None},
        "title": {"color": INK, "subtitleColor": INK, "fontSize": 15, "subtitleFontSize": 11, "offset": 12},
        "axis": {
            "labelColor": INK,
            "titleColor": INK,
            "titleFontWeight": "normal",
            "titleFontSize": 12,
            "labelFontSize": 11,
            "gridColor": GRID,
            "domainColor": FAINT,
            "tickColor": FAINT,
            "labelOverlap": True,
            "labelFlush": False,
            "labelSeparation": 6,
        },
        "legend": {
            "orient": "bottom",
            "columns": legend_columns,
            "labelLimit": 0,
            "titleLimit": 0,
            "labelFontSize": 11,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "symbolSize": 80,
            "symbolStrokeWidth": 1.5,
        },
    }
