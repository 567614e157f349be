"""Pictures of several fronts over one cost: networks of a portfolio, runs of a comparison."""

import math
from collections.abc import Sequence

from dse import formats
from dse.design import DROP, RESCALER_AREA, Figure
from dse.report.charts import style
from dse.report.charts.front import staircase
from dse.report.charts.picture import Panel
from dse.report.charts.style import Rows, Spec, compact
from dse.report.comparison import Comparison, Run
from dse.report.designs import Choice
from dse.report.recommendations import REFERENCE_DROP_PP
from dse.report.scene import Scene, cost_axes
from dse.store import member_key

HEIGHT = 360  # px


def portfolio_panel(view: Scene) -> Panel:
    """Draws drop over area of every network: the line is its own best, the marks are the designs of the front."""
    members, area = view.results.facts.members, RESCALER_AREA.name
    rows = view.results.judged.sort_values(area)
    lines: Rows = []
    marks: Rows = []
    visible: list[float] = []
    for name in members:
        drop = member_key(name, DROP.name)
        best, front = rows[[area]].assign(drop=rows[drop].cummin()), view.results.front[[area, drop]]
        lines += [{"x": compact(x), "y": compact(y), "series": name} for x, y in best.itertuples(index=False)]
        marks += [
            {
                "x": compact(x),
                "y": compact(y),
                "series": name,
                "hover": f"{name}\n{formats.area(x)}, drop {formats.points(y)}",
            }
            for x, y in front.itertuples(index=False)
        ]
        visible += [*front[drop], *best["drop"].tail(1)]
    x = style.log_x(f"{RESCALER_AREA.title} of the shared bank", RESCALER_AREA.unit, rows[area].tolist())
    return _fronts("portfolio", {"x": x, "y": _drop_axis(visible)}, members, lines, marks)


def comparison_panels(compared: Comparison) -> tuple[Panel, ...]:
    """Draws the fronts of several runs over each of the two costs."""
    return tuple(_comparison_panel(compared, axis) for axis in cost_axes(compared.runs[0].results.facts))


def _comparison_panel(compared: Comparison, axis: Figure) -> Panel:
    designs = [(run, choice) for run in compared.runs for choice in run.front]
    marks: Rows = [
        {
            "x": compact(c.value(axis), 9),
            "y": compact(c.val_drop_pp, 9),
            "series": run.label,
            "hover": _hover(run, c),
        }
        for run, c in designs
    ]
    lines: Rows = [row | {"series": run.label} for run in compared.runs for row in staircase(run.front, axis)]
    position: Spec = {
        "x": style.log_x(axis.title, axis.unit, [c.value(axis) for _, c in designs]),
        "y": _drop_axis([c.val_drop_pp for _, c in designs]),
    }
    return _fronts(f"compare_{axis.name}", position, [run.label for run in compared.runs], lines, marks)


def _hover(run: Run, choice: Choice) -> str:
    return "\n".join(
        [
            f"{run.label}, trial {choice.trial}",
            f"area {formats.area(choice.area_um2)}, energy {formats.energy(choice.energy_nj)}",
            f"validation drop {formats.points(choice.val_drop_pp)}",
            f"test drop {formats.points(choice.test_drop_pp)} {formats.interval(choice.ci_low, choice.ci_high)}",
            f"bits {formats.shorten(' '.join(choice.rescalers), 60)}",
        ]
    )


def _fronts(name: str, position: Spec, labels: Sequence[str], lines: Rows, marks: Rows) -> Panel:
    """Draws a step line and marks for each label."""
    series = style.distinct_series(labels)
    designs: Spec = {
        "name": f"{name}_designs",
        "params": [style.legend_choice(name), style.zoom(name)],
        "data": {"values": marks},
        "mark": {"type": "point", "size": 60, "clip": True},
        "encoding": style.mark_encoding(series) | style.highlighted(name) | style.HOVER,
    }
    return Panel(
        {
            "description": f"Accuracy drop of {', '.join(labels)} over one cost",
            "height": HEIGHT,
            "encoding": position,
            "layer": [*style.line_layers(name, series, lines, interpolate="step-after", strokeWidth=1.4), designs],
        }
    )


def _drop_axis(drops: Sequence[float]) -> Spec:
    """Returns an axis of what is worth seeing: drops up to the largest that the hypervolume counts."""
    finite = [drop for drop in drops if math.isfinite(drop)] or [0.0, 1.0]
    low, high = min(finite), max(min(max(finite), REFERENCE_DROP_PP), min(finite))
    room = 0.08 * max(high - low, 1.0)
    return style.linear("y", "Accuracy drop against own int32 (pp)", low - room, high + room)
