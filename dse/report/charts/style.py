"""Colours, legends and axes that all pictures share.

The colours are the colour-blind safe set of Okabe and Ito. Shape, dash, order and lightness carry the same information
in greyscale.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dse import formats

Spec = dict[str, Any]  # JSON of Vega-Lite
Rows = list[dict[str, object]]

INK = "#1b1f24"
SOFT = "#8b929b"  # lighter than marks, darker than the grid
FAINT = "#b3b8bf"
GRID = "#e4e7eb"
BLUE = "#0072b2"
ORANGE = "#d55e00"
SKY = "#56b4e9"
YELLOW = "#e69f00"
SEQUENTIAL = "cividis"  # its lightness rises evenly, so it survives a grey printer

# Vega's own shapes are circle, square, triangle-up, ...; these are paths in a box from -1 to 1.
STAR = "M0,-1L.235,-.324L.951,-.309L.380,.124L.588,.809L0,.4L-.588,.809L-.380,.124L-.951,-.309L-.235,-.324Z"
SALTIRE = "M-.8,-.8L.8,.8M.8,-.8L-.8,.8"
ERROR_BAR = "M-.5,-1L.5,-1M0,-1L0,1M-.5,1L.5,1M-.5,0L.5,0"

HOVER: Spec = {"tooltip": {"field": "hover"}}
SHORT_AXIS = 0.35  # decades
NAME_LENGTH = 20  # characters of a rescaler's name beside a picture
_CYCLE = (
    (BLUE, "circle", ()),
    (ORANGE, "square", (6, 3)),
    (INK, "diamond", (2, 2)),
    (YELLOW, "triangle-up", (6, 2, 2, 2)),
    (SKY, "cross", (10, 3)),
    (INK, SALTIRE, (1, 3)),
)


@dataclass(frozen=True)
class Series:
    """One entry of a legend: the designs of one kind, one run or one network.

    Attributes:
        label: its text, and the value of the field ``series`` in the rows.
        colour: of lines and outlines.
        shape: of marks: a name or path that Vega knows.
        filled: whether marks are filled; white inside otherwise.
        dash: lengths of dashes and gaps of its lines, px; empty for a solid line.
    """

    label: str
    colour: str
    shape: str = "circle"
    filled: bool = True
    dash: tuple[int, ...] = ()


def distinct_series(labels: Iterable[str]) -> list[Series]:
    """Returns a series per label that differ in colour, shape and dash."""
    styles = ((label, *_CYCLE[number % len(_CYCLE)]) for number, label in enumerate(labels))
    return [Series(label, colour, shape, dash=dash) for label, colour, shape, dash in styles]


def mark_encoding(series: Sequence[Series]) -> Spec:
    """Returns stroke, fill and shape by the field ``series``, with one legend for the three."""
    ranges = {
        "stroke": [one.colour for one in series],
        "fill": [one.colour if one.filled else "white" for one in series],
        "shape": [one.shape for one in series],
    }
    by_series: Spec = {"field": "series", "type": "nominal", "legend": {"title": None}}
    labels = [one.label for one in series]
    return {name: by_series | {"scale": {"domain": labels, "range": values}} for name, values in ranges.items()}


def line_layers(name: str, series: Sequence[Series], rows: Rows, **mark: object) -> list[Spec]:
    """Returns a line per series in its colour and dash; the legend is that of the marks.

    Args:
        name: of the picture's :func:`legend_choice`.
        series: the lines.
        rows: with the field ``series`` and the position.
        mark: further properties of all lines.
    """
    return [
        {
            "data": {"values": [row for row in rows if row["series"] == one.label]},
            "mark": {"type": "line", "color": one.colour, "strokeDash": list(one.dash), "clip": True} | mark,
            "encoding": highlighted(name),
        }
        for one in series
    ]


def highlighted(name: str, opacity: float = 1) -> Spec:
    """Returns an opacity that fades all series but those clicked in the legend, by :func:`legend_choice`."""
    return {"opacity": {"condition": {"param": f"{name}_series", "value": opacity}, "value": 0.1}}


def legend_choice(name: str) -> Spec:
    """Returns the selection of series by clicks on the legend; Shift adds one, a click elsewhere resets."""
    return {"name": f"{name}_series", "select": {"type": "point", "fields": ["series"]}, "bind": "legend"}


def zoom(name: str) -> Spec:
    """Returns panning by dragging and zooming by Shift and the wheel; a double click resets."""
    select = {"type": "interval", "zoom": "wheel![event.shiftKey]"}
    return {"name": f"{name}_zoom", "select": select, "bind": "scales"}


def log_x(title: str, unit: str, values: Sequence[float]) -> Spec:
    """Returns a logarithmic x axis over the field ``x`` with round ticks in plain numbers.

    Args:
        title: what the axis shows.
        unit: its unit.
        values: everything drawn over the axis; only positive values count.
    """
    positive = [value for value in values if value > 0 and math.isfinite(value)] or [1.0]
    low, high = min(positive), max(positive)
    margin = max((high / low) ** 0.04, 1.02)
    low, high = low / margin, high * margin
    ticks = [tick for tick in log_ticks(positive) if low <= tick <= high]
    return {
        "field": "x",
        "type": "quantitative",
        "title": f"{title} ({unit}, log scale)",
        "scale": {"type": "log", "domain": [low, high], "nice": False},
        "axis": {"values": ticks, "format": ",.10~r"},
    }


def linear(field: str, title: str, low: float, high: float) -> Spec:
    """Returns an axis over a field from ``low`` to ``high``; the scale need not contain 0."""
    scale = {"domain": [low, high], "nice": False, "zero": False}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale}


def log_ticks(values: Sequence[float]) -> list[float]:
    """Returns ticks 1, 2, 5, 10, ... around positive values, for a logarithmic axis; closer ones on a short axis."""
    positive = [value for value in values if value > 0 and math.isfinite(value)]
    if not positive:
        return [1.0]
    low, high = math.log10(min(positive)), math.log10(max(positive))
    if high - low < SHORT_AXIS:
        return _even_ticks(min(positive), max(positive))
    steps = (1, 1.5, 2, 3, 5, 7) if high - low < 0.7 else (1, 2, 3, 5) if high - low < 1.4 else (1, 2, 5)
    return [step * 10.0**decade for decade in range(math.floor(low), math.ceil(high) + 1) for step in steps]


def _even_ticks(low: float, high: float) -> list[float]:
    """Returns about five round ticks, evenly spaced: on so short an axis a logarithm is nearly straight."""
    exact = max(high - low, 0.05 * high) / 5
    step = next(s for s in (s * 10.0 ** math.floor(math.log10(exact)) for s in (1, 2, 5, 10)) if s >= exact)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [float(f"{number * step:.10g}") for number in range(max(1, first), last + 1)]


def row_labels(names: Sequence[str]) -> list[str]:
    """Returns names shortened to fit beside a picture, all different."""
    short = [formats.shorten(name, NAME_LENGTH) for name in names]
    return [
        label if short.count(label) == 1 else f"{formats.shorten(name, NAME_LENGTH - 5)} ({number})"
        for number, (name, label) in enumerate(zip(names, short, strict=True), start=1)
    ]


def row_axis(labels: Sequence[str], padding: float = 0.0) -> Spec:
    """Returns a y axis over the field ``row``: a band per label, first on top."""
    return {
        "field": "row",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(labels), "paddingInner": padding},
        "axis": {"grid": False, "labelLimit": 200, "labelOverlap": False},
    }


def colour_scale(title: str, scale: Spec, values: Sequence[float] = ()) -> Spec:
    """Returns a colour by the field ``value`` with a gradient as legend.

    Args:
        title: of the legend, with its unit.
        scale: type, domain and direction of the scale; the colours are the same everywhere.
        values: ticks of the legend; Vega's own choice if empty.
    """
    legend: Spec = {"title": title, "direction": "horizontal", "gradientLength": 200}
    ticks: Spec = {"values": list(values)} if values else {}
    return {
        "field": "value",
        "type": "quantitative",
        "scale": {"scheme": SEQUENTIAL} | scale,
        "legend": legend | ticks,
    }


def positioned(position: Spec, layers: Sequence[Spec]) -> list[Spec]:
    """Returns the layers with these encodings; a layer's own encodings take precedence."""
    return [layer | {"encoding": position | layer.get("encoding", {})} for layer in layers]


def rule(axis: str, value: float, text: str, colour: str = ORANGE) -> list[Spec]:
    """Returns a dashed line across a picture at a value of one axis, and its label.

    Args:
        axis: ``x`` for a vertical line, ``y`` for a horizontal one.
        value: where the line crosses the axis.
        text: the label.
        colour: of both.
    """
    at: Spec = {axis: {"datum": value, "type": "quantitative"}}
    is_vertical = axis == "x"
    across: Spec = (
        {"y": {"value": "height"}, "y2": {"value": 0}} if is_vertical else {"x": {"value": 0}, "x2": {"value": "width"}}
    )
    corner: Spec = {"y": {"value": "height"}} if is_vertical else {"x": {"value": "width"}}
    offset: Spec = {"align": "left", "dx": 4, "dy": -6} if is_vertical else {"align": "right", "dx": -2, "dy": -6}
    line: Spec = {"type": "rule", "color": colour, "strokeDash": [8, 4], "clip": True, "aria": False}
    label: Spec = {"type": "text", "text": text, "color": colour, "fontSize": 11, "clip": True}
    return [
        {"data": {"values": [{}]}, "mark": line, "encoding": at | across},
        {"data": {"values": [{}]}, "mark": label | offset, "encoding": at | corner},
    ]


def compact(value: float, digits: int = 6) -> float | None:
    """Returns a number for a specification, with few digits; None for NaN and infinities, which JSON lacks."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
