"""What one choice of silicon means for every network of a portfolio: its own drop, and what it gives up."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
from matplotlib.figure import Figure

from dse.report._interactive import axis, base_layout, plain
from dse.report._palette import BLUE, INK, ORANGE, SKY, YELLOW
from dse.report._scene import Scene, cost_ticks
from dse.report._static import draw_cost_axis, dress, new_figure, safe
from dse.report.designs import Choice
from dse.report.recommendation import REFERENCE_DROP_PP
from dse.report.tables import compared

AREA = "rescaler_area_um2"  # the silicon that is decided once, whatever the objectives are
# (colour, plotly dash and symbol, matplotlib line style and marker), one after the other
_STYLES = (
    (BLUE, "solid", "circle", "-", "o"),
    (ORANGE, "dash", "triangle-up", "--", "^"),
    (YELLOW, "dot", "square", ":", "s"),
    (SKY, "dashdot", "diamond", "-.", "D"),
    (INK, "longdash", "x", (0, (8, 3)), "x"),
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MemberResult:
    """One network in one design; percentage points, NaN where it is not known."""

    val_drop_pp: float
    test_drop_pp: float
    ci_low: float
    ci_high: float
    regret_pp: float


@dataclass(frozen=True)
class MemberCurve:
    """One network over the silicon's area.

    Attributes:
        name: of the network.
        areas: rescaler areas of complete designs, ascending, ``[steps]``.
        best_pp: smallest validation drop that any design of at most that area gave it, ``[steps]``.
        front_areas: rescaler areas of the front, ``[designs]``.
        front_pp: its validation drops on the front, ``[designs]``.
    """

    name: str
    areas: Floats
    best_pp: Floats
    front_areas: Floats
    front_pp: Floats


def portfolio_rows(view: Scene) -> list[tuple[str, Choice, list[MemberResult]]]:
    """The designs that a report compares, with every network's own figures; empty in a study of one network."""
    trials = view.results.trials
    members = view.results.facts.members
    return [
        (label, choice, [_result(trials[trials["trial"] == choice.trial].iloc[0], member) for member in members])
        for label, choice in (compared(view.rec) if members else ())
    ]


def _result(row: pd.Series, member: str) -> MemberResult:
    def value(quantity: str) -> float:
        return float(row.get(f"{member}.{quantity}", math.nan))

    return MemberResult(
        value("val_accuracy_drop_pp"), value("test_accuracy_drop_pp"), value("ci_low"), value("ci_high"),
        value("regret_pp"),
    )  # fmt: skip


def member_curves(view: Scene) -> list[MemberCurve]:
    """Every network's best over the silicon's area, and where the front puts it."""
    rows = view.results.judged.sort_values(AREA)
    front = view.results.front
    return [
        MemberCurve(
            name=member,
            areas=rows[AREA].to_numpy(dtype=np.float64),
            best_pp=rows[f"{member}.val_accuracy_drop_pp"].cummin().to_numpy(dtype=np.float64),
            front_areas=front[AREA].to_numpy(dtype=np.float64),
            front_pp=front[f"{member}.val_accuracy_drop_pp"].to_numpy(dtype=np.float64),
        )
        for member in view.results.facts.members
    ]


def portfolio_figure(view: Scene) -> go.Figure:
    """Drop over silicon area of every network: the line is its own best, the marks are the designs of the front."""
    figure = go.Figure()
    curves = member_curves(view)
    for number, curve in enumerate(curves):
        colour, dash, symbol, _, _ = _STYLES[number % len(_STYLES)]
        name = plain(curve.name)
        figure.add_scatter(
            x=curve.areas, y=curve.best_pp, mode="lines", name=f"{name}: its own best",
            line={"shape": "hv", "color": colour, "dash": dash, "width": 1.5}, hoverinfo="skip",
        )  # fmt: skip
        figure.add_scatter(
            x=curve.front_areas, y=curve.front_pp, mode="markers", name=f"{name}: front",
            marker={"color": colour, "symbol": symbol, "size": 9},
            hovertemplate=f"{name}<br>%{{x:,.4~g}} µm², drop %{{y:.2f}} pp<extra></extra>",
        )  # fmt: skip
    ticks = cost_ticks([float(area) for curve in curves for area in curve.areas])
    figure.update_layout(
        base_layout(
            480,
            xaxis=axis(
                "Rescaler area of the shared bank (µm², log scale)",
                type="log", tickvals=ticks, ticktext=[f"{t:,g}" for t in ticks],
            ),
            yaxis=axis("Accuracy drop against own int32 (pp)", range=list(_range(curves))),
            hovermode="closest",
        )
    )  # fmt: skip
    return figure


def portfolio_page(view: Scene) -> Figure:
    """The same on paper."""
    figure, (axes,) = new_figure(4.0)
    curves = member_curves(view)
    for number, curve in enumerate(curves):
        colour, _, _, line, marker = _STYLES[number % len(_STYLES)]
        name = safe(curve.name)
        axes.step(
            curve.areas, curve.best_pp, where="post", color=colour, linestyle=line, linewidth=1.2,
            label=f"{name}: its own best",
        )  # fmt: skip
        axes.scatter(
            curve.front_areas, curve.front_pp, color=colour, marker=marker, s=26, zorder=3, label=f"{name}: front"
        )
    dress(axes, "Rescaler area of the shared bank (µm², log scale)", "Accuracy drop against own int32 (pp)")
    draw_cost_axis(axes, [float(area) for curve in curves for area in curve.areas])
    axes.set_ylim(*_range(curves))
    figure.legend(loc="outside lower center", ncols=min(4, 2 * len(curves)), fontsize=8, frameon=False)
    return figure


def _range(curves: list[MemberCurve]) -> tuple[float, float]:
    """Of the drop axis: all that the front has, up to the largest drop that the hypervolume counts."""
    drops = np.concatenate([np.concatenate([c.front_pp, c.best_pp[-1:]]) for c in curves])
    low, high = float(np.nanmin(drops)), min(float(np.nanmax(drops)), REFERENCE_DROP_PP)
    room = 0.08 * max(high - low, 1.0)
    return low - room, max(high, low) + room
