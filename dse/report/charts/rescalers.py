"""Pictures with a row per rescaler: widths across the front, area and energy, sensitivity and importance."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd

from dse.design import NATURAL, RESCALER_AREA, RESCALER_ENERGY
from dse.report.charts import style
from dse.report.charts.picture import Panel
from dse.report.charts.style import Rows, Spec, compact
from dse.report.scene import Scene, design_style, detailed, marks
from dse.report.sensitivity import Sensitivity
from dse.verdict import Choice

MOST_COLUMNS = 60  # designs of the front in a heat map
MOST_LABELLED = 22  # designs up to which each cell of the heat map carries its number, and ticks of its axis
MOST_BITS = 31
MOST_HEIGHT, LEAST_ROW = 1000, 15  # px: a picture that fits on a page; a row that can carry its name
LAYER_COLUMNS = ["area_um2", "datapath_area_um2", "parameter_area_um2", "energy_nj"]
COMPONENTS = {"datapath_area_um2": "datapath", "parameter_area_um2": "parameter memory"}
ENERGY = {"energy_nj": "energy"}
SHARED_BANK, WAITING = "shared bank", "waiting clocks"
DESIGN_COLOURS = (style.FAINT, style.BLUE, style.YELLOW, style.SKY)  # neighbours differ in lightness
SHARE_COLOURS = (style.BLUE, style.FAINT, style.INK)

Floats = npt.NDArray[np.float64]


def _columns(view: Scene) -> list[Choice]:
    """Returns the designs that have a column: the front, or of a long one evenly spaced and the labelled ones."""
    if len(view.front) <= MOST_COLUMNS:
        return view.front
    places = np.linspace(0, len(view.front) - 1, MOST_COLUMNS).round().astype(int)
    shown = {view.front[place].trial for place in places} | {choice.trial for _, choice in marks(view)}
    return [choice for choice in view.front if choice.trial in shown]


def widths_panel(view: Scene) -> Panel:
    """Draws the multiplier bits of every rescaler across the front, cheapest design on the left."""
    cells = [
        _Cell(bits, cell, f"{bits} bits, {method}")
        for c in _columns(view)
        for bits, cell, method in zip(c.multiplier_bits, c.cells, c.methods, strict=True)
    ]
    colour = style.colour_scale(
        "multiplier bits", {"type": "log", "base": 2, "domain": [1, MOST_BITS]}, (1, 2, 4, 8, 16, MOST_BITS)
    )
    return _across_the_front(view, cells, colour, "Multiplier bits of every rescaler in every design of the front", 7)


def windows_panel(view: Scene) -> Panel:
    """Draws the shift windows of every rescaler across the front, cheapest design on the left; n: natural shifts."""
    cells = [
        _Cell(NATURAL, "n", "natural shifts") if window is None else _Cell(window, str(window), f"{2**window} shifts")
        for c in _columns(view)
        for window in c.shift_bits
    ]
    scale: Spec = {"type": "linear", "domain": [0, NATURAL]}
    colour = style.colour_scale(f"shift window (bits; {NATURAL}: natural)", scale, tuple(range(NATURAL + 1)))
    return _across_the_front(view, cells, colour, "Shift window of every rescaler in every design of the front", 3)


@dataclass(frozen=True)
class _Cell:
    """One rescaler of one design: its value on the colour scale, what the cell says, and the hover text."""

    value: int
    text: str
    hover: str


def _across_the_front(view: Scene, cells: Sequence[_Cell], colour: Spec, description: str, dark: int) -> Panel:
    """Draws a map with a column per design of the front and a row per rescaler.

    ``cells`` are in the order of the designs, then of the rescalers; values below ``dark`` have dark colours.
    """
    labels, designs = style.row_labels(view.results.rescalers), _columns(view)
    trials = [str(c.trial) for c in designs]
    numbered = len(trials) <= MOST_LABELLED
    places = product(designs, zip(labels, view.results.rescalers, strict=True))
    rows: Rows = [
        {
            "x": str(c.trial),
            "row": label,
            "value": cell.value,
            "cell": cell.text,
            "trial": c.trial,
            "hover": f"{name}\ntrial {c.trial}: {cell.hover}",
        }
        for (c, (label, name)), cell in zip(places, cells, strict=True)
    ]
    x: Spec = {
        "field": "x",
        "type": "nominal",
        "title": "Front design (trial), cheapest on the left"
        + (f"; {len(designs)} of {len(view.front)}" if len(designs) < len(view.front) else ""),
        "scale": {"domain": trials},
        "axis": {
            "values": trials[:: max(1, len(trials) // MOST_LABELLED)],
            "labelAngle": 0 if len(trials) <= 14 else -90,
        },
    }
    rectangles = _cells(colour, gap=1 if numbered else 0)
    text: Spec = {
        "mark": {"type": "text", "fontSize": 10, "aria": False},
        "encoding": {
            "text": {"field": "cell"},
            "color": {"condition": {"test": f"datum.value < {dark}", "value": "white"}, "value": style.INK},
        },
    }
    return Panel(
        {
            "description": description,
            "height": _height(len(labels), 24),
            "data": {"values": rows},
            "encoding": {"x": x, "y": style.row_axis(labels)},
            "layer": [rectangles, text] if numbered else [rectangles],
        }
    )


def _height(rows: int, row: int) -> int:
    """Returns the height of a picture, px, with rows of at most ``row`` px."""
    return rows * max(LEAST_ROW, min(row, MOST_HEIGHT // rows))


def _cells(colour: Spec, gap: int = 1) -> Spec:
    mark = {"type": "rect", "stroke": "white", "strokeWidth": gap}
    return {"mark": mark, "encoding": {"color": colour} | style.HOVER}


def layers_panels(view: Scene) -> tuple[Panel, Panel]:
    """Draws area by component and energy of every rescaler, for int32 and the recommended design.

    The bars of a design add up to its rescalers' area and energy; of the energy, clocks that wait have a bar. A shared
    bank is one bar: it is built once, whatever each of its layers would need alone.
    """
    area = [row for label, choice in detailed(view) for row in _area_rows(view, label, choice)]
    energy = [row for label, choice in detailed(view) for row in _energy_rows(view, label, choice)]
    parts: Spec = {
        "field": "part",
        "type": "ordinal",
        "scale": {"domain": list(COMPONENTS.values()), "range": [1, 0.4]},
        "legend": {"title": None, "symbolFillColor": style.INK, "symbolType": "square"},
    }
    split = {"opacity": parts} if any(row["part"] in COMPONENTS.values() for row in area) else {}
    return (
        _bars(area, "Rescaler area (µm²)", DESIGN_COLOURS, split),
        _bars(energy, "Rescaler energy per inference (nJ)", DESIGN_COLOURS),
    )


def is_shared(view: Scene, choice: Choice) -> bool:
    """Returns whether one bank of rescalers serves all layers of the design in turn."""
    return design_style(view.results, choice.trial) == "shared"


def _area_rows(view: Scene, label: str, choice: Choice) -> Rows:
    if not is_shared(view, choice):
        return _layer_rows(view, label, choice, COMPONENTS, "µm²")
    area = choice.value(RESCALER_AREA)
    hover = f"{SHARED_BANK}\n{label}: {area:,.4g} µm²"
    row = {"row": SHARED_BANK, "series": label, "part": "", "order": 0, "value": compact(area), "trial": choice.trial}
    return [row | {"hover": hover}] if np.isfinite(area) else []


def _energy_rows(view: Scene, label: str, choice: Choice) -> Rows:
    """Returns the energy of every rescaler, and with a target clock that of clocks beside the rescales."""
    rows = _layer_rows(view, label, choice, ENERGY, "nJ")
    own = choice.value(RESCALER_ENERGY) - float(layer_table(view, choice.trial)["energy_nj"].astype(float).sum())
    if view.results.facts.clock_mhz is None or not rows or not np.isfinite(own):
        return rows
    hover = f"{WAITING}: clock gates, or clock pins that switch without a rescale\n{label}: {own:,.4g} nJ"
    row = {"row": WAITING, "series": label, "part": "", "order": 0, "value": compact(own), "trial": choice.trial}
    return [*rows, row | {"hover": hover}]


def layer_table(view: Scene, trial: int) -> pd.DataFrame:
    """Returns the rows of ``layers`` of one trial, indexed by rescaler in order of execution."""
    layers = view.results.layers
    if layers.empty:
        return pd.DataFrame(index=list(view.results.rescalers), columns=LAYER_COLUMNS, dtype=float)
    return layers[layers["trial"] == trial].set_index("rescaler").reindex(list(view.results.rescalers))


def _layer_rows(view: Scene, design: str, choice: Choice, columns: dict[str, str], unit: str) -> Rows:
    labels = style.row_labels(view.results.rescalers)
    table = layer_table(view, choice.trial)
    return [
        {
            "row": label,
            "series": design,
            "part": part,
            "order": order,
            "value": compact(value),
            "trial": choice.trial,
            "hover": f"{name}\n{design}, {part}: {value:,.4g} {unit}",
        }
        for order, (column, part) in enumerate(columns.items())
        for label, name, value in zip(labels, view.results.rescalers, table[column].astype(float), strict=True)
        if np.isfinite(value)
    ]


def _bars(rows: Rows, title: str, colours: Sequence[str], changes: Spec | None = None) -> Panel:
    """Draws horizontal bars, a group per rescaler and a bar per series; parts of a bar follow one another."""
    series = list(dict.fromkeys(row["series"] for row in rows))
    labels = list(dict.fromkeys(str(row["row"]) for row in rows))
    colour: Spec = {
        "field": "series",
        "type": "nominal",
        "scale": {"domain": series, "range": list(colours[: len(series)])},
        "legend": {"title": None, "symbolType": "square"},
    }
    encoding: Spec = {
        "x": {"field": "value", "type": "quantitative", "title": title, "stack": "zero"},
        "y": style.row_axis(labels, padding=0.2),
        "yOffset": {"field": "series", "type": "nominal", "scale": {"domain": series}},
        "fill": colour,
        "order": {"field": "order", "type": "quantitative"},
    } | style.HOVER
    return Panel(
        {
            "description": f"{title} of every rescaler",
            "height": _height(len(labels), 34),
            "data": {"values": rows},
            "mark": {"type": "bar", "stroke": style.INK, "strokeWidth": 0.5},
            "encoding": encoding | (changes or {}),
        }
    )


def sensitivity_panels(view: Scene, learned: Sensitivity) -> tuple[Panel, Panel]:
    """Draws the predicted drop by rescaler and width, and every rescaler's shares of accuracy and int32's costs."""
    return _drops(learned), _bars(_share_rows(view, learned), "Share (%)", SHARE_COLOURS)


def _drops(learned: Sensitivity) -> Panel:
    what, title = "width", "Multiplier width of this rescaler (bits)"
    if learned.of_windows:
        what, title = "window", f"Shift window of this rescaler (bits; {NATURAL}: natural shifts)"
    labels = style.row_labels(learned.rescalers)
    rows: Rows = [
        {
            "x": bits,
            "row": label,
            "value": compact(drop, 4),
            "hover": f"{name} at {bits} bits: mean drop {drop:.2f} pp\n{count} trials had this {what}",
        }
        for label, name, drops, counts in zip(
            labels, learned.rescalers, learned.drop_pp, learned.trials_used, strict=True
        )
        for bits, drop, count in zip(learned.bits, drops, counts, strict=True)
        if np.isfinite(drop)
    ]
    x: Spec = {
        "field": "x",
        "type": "ordinal",
        "title": title,
        "scale": {"domain": list(learned.bits)},
        "axis": {"labelAngle": 0, "grid": False},
    }
    colour = style.colour_scale("mean predicted accuracy drop (pp)", {"reverse": True, "zero": False})
    return Panel(
        {
            "description": f"Mean predicted accuracy drop by rescaler and {what}",
            "height": _height(len(labels), 34),
            "data": {"values": rows},
            "encoding": {"x": x, "y": style.row_axis(labels)},
            "layer": [_cells(colour)],
        },
        share=1.3,
    )


def _share_rows(view: Scene, learned: Sensitivity) -> Rows:
    shares: dict[str, Floats] = {"accuracy (fANOVA)": learned.importance}
    if view.rec.int32 is not None:
        table = layer_table(view, view.rec.int32.trial)
        costs = {"energy of int32": "energy_nj"}
        if not is_shared(view, view.rec.int32):  # of a shared bank no layer has a part
            costs = {"area of int32": "area_um2"} | costs
        for label, column in costs.items():
            values = table[column].to_numpy(dtype=np.float64)
            shares[label] = values / np.nansum(values)
    return [
        {
            "row": row,
            "series": label,
            "order": 0,
            "value": compact(100 * value),
            "hover": f"{name}\n{100 * value:.1f}% of {label}",
        }
        for label, values in shares.items()
        for row, name, value in zip(style.row_labels(learned.rescalers), learned.rescalers, values, strict=True)
        if np.isfinite(value)
    ]
