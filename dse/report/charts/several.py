"""Pictures of several fronts over one cost: networks of a portfolio, runs of a comparison."""

import math
from collections.abc import Sequence

from dse import formats
from dse.report.charts.front import staircase
from dse.report.charts.picture import Panel
from dse.report.charts.style import (
    Rows,
    Spec,
    compact,
    distinct_series,
    highlighted,
    legend_choice,
    line_layers,
    linear,
    log_x,
    mark_encoding,
    zoom,
)
from dse.report.comparison import Comparison, Run
from dse.report.designs import Choice
from dse.report.portfolio import member_curves
from dse.report.recommendations import REFERENCE_DROP_PP
from dse.report.scene import CostAxis, Scene, cost_axes

HEIGHT = 360  # px


def portfolio_panel(view: Scene) -> Panel:
    """Draws drop over area of every network: the line is its own best, the marks are the designs of the front."""
    curves = member_curves(view)
    lines: Rows = [
        {"x": compact(area), "y": compact(drop), "series": curve.name}
        for curve in curves
        for area, drop in zip(curve.areas.tolist(), curve.best_pp.tolist(), strict=True)
    ]
    marks: Rows = [
        {
            "x": compact(area),
            "y": compact(drop),
            "series": curve.name,
            "hover": f"{curve.name}\n{formats.area(area)}, drop {formats.points(drop)}",
        }
        for curve in curves
        for area, drop in zip(curve.front_areas.tolist(), curve.front_pp.tolist(), strict=True)
    ]
    visible = [drop for curve in curves for drop in (*curve.front_pp.tolist(), *curve.best_pp.tolist()[-1:])]
    x = log_x("Rescaler area of the shared bank", "µm²", [area for curve in curves for area in curve.areas.tolist()])
    return _fronts("portfolio", {"x": x, "y": _drop_axis(visible)}, [curve.name for curve in curves], lines, marks)


def comparison_panels(compared: Comparison) -> tuple[Panel, ...]:
    """Draws the fronts of several runs over each of the two costs."""
    return tuple(_comparison_panel(compared, axis) for axis in cost_axes(compared.runs[0].results.facts))


def _comparison_panel(compared: Comparison, axis: CostAxis) -> Panel:
    designs = [(run, choice) for run in compared.runs for choice in run.front]
    marks: Rows = [
        {
            "x": compact(axis.cost(c), 9),
            "y": compact(c.val_drop_pp, 9),
            "series": run.label,
            "hover": _hover(run, c),
        }
        for run, c in designs
    ]
    lines: Rows = [row | {"series": run.label} for run in compared.runs for row in staircase(run.front, axis)]
    position: Spec = {
        "x": log_x(axis.title, axis.unit, [axis.cost(c) for _, c in designs]),
        "y": _drop_axis([c.val_drop_pp for _, c in designs]),
    }
    return _fronts(f"compare_{axis.attribute}", position, [run.label for run in compared.runs], lines, marks)


def _hover(run: Run, choice: Choice) -> str:
    return "\n".join(
        [
            f"{run.label}, trial {choice.trial}",
            f"area {formats.area(choice.area_um2)}, energy {formats.energy(choice.energy_nj)}",
            f"validation drop {formats.points(choice.val_drop_pp)}",
            f"test drop {formats.points(choice.test_drop_pp)} {formats.interval(choice.ci_low, choice.ci_high)}",
            f"bits {formats.shorten(' '.join(str(k) for k in choice.multiplier_bits), 60)}",
        ]
    )


def _fronts(name: str, position: Spec, labels: Sequence[str], lines: Rows, marks: Rows) -> Panel:
    """Draws a step line and marks for each label."""
    series = distinct_series(labels)
    designs: Spec = {
        "name": f"{name}_designs",
        "params": [legend_choice(name), zoom(name)],
        "data": {"values": marks},
        "mark": {"type": "point", "size": 60, "clip": True},
        "encoding": mark_encoding(series) | highlighted(name) | {"tooltip": {"field": "hover"}},
    }
    return Panel(
        {
            "description": f"Accuracy drop of {', '.join(labels)} over one cost",
            "height": HEIGHT,
            "encoding": position,
            "layer": [*line_layers(name, series, lines, interpolate="step-after", strokeWidth=1.4), designs],
        }
    )


def _drop_axis(drops: Sequence[float]) -> Spec:
    """Returns an axis of what is worth seeing: drops up to the largest that the hypervolume counts."""
    finite = [drop for drop in drops if math.isfinite(drop)] or [0.0, 1.0]
    low, high = min(finite), max(min(max(finite), REFERENCE_DROP_PP), min(finite))
    room = 0.08 * max(high - low, 1.0)
    return linear("y", "Accuracy drop against own int32 (pp)", low - room, high + room)
