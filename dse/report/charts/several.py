"""Pictures of several fronts over one cost: networks of a portfolio, runs of a comparison."""

import math
from collections.abc import Sequence

from dse import formats
from dse.design import RESCALER_AREA, Figure
from dse.report.charts import style
from dse.report.charts.front import staircase
from dse.report.charts.picture import Panel
from dse.report.charts.style import Rows, Spec, compact
from dse.report.comparison import Comparison, Run
from dse.report.scene import Scene, cost_axes
from dse.store import member_key
from dse.verdict import Choice, loss_amount

HEIGHT = 360  # px


def portfolio_panel(view: Scene) -> Panel:
    """Draws drop over area of every network: the line is its own best, the marks are the designs of the front."""
    members, loss, area = view.results.facts.members, view.results.facts.loss, RESCALER_AREA.name
    rows = view.results.judged.sort_values(area)
    lines: Rows = []
    marks: Rows = []
    visible: list[float] = []
    for name in members:
        drop = member_key(name, loss.name)
        best, front = rows[[area]].assign(drop=rows[drop].cummin()), view.results.front[[area, drop]]
        lines += [{"x": compact(x), "y": compact(y), "series": name} for x, y in best.itertuples(index=False)]
        marks += [
            {
                "x": compact(x),
                "y": compact(y),
                "series": name,
                "hover": f"{name}\n{formats.area(x)}, {loss.word} {loss_amount(loss, y)}",
            }
            for x, y in front.itertuples(index=False)
        ]
        visible += [*front[drop], *best["drop"].tail(1)]
    x = style.log_x(f"{RESCALER_AREA.title} of the shared bank", RESCALER_AREA.unit, rows[area].tolist())
    return _fronts("portfolio", {"x": x, "y": _loss_axis(visible, loss)}, members, lines, marks)


def comparison_panels(compared: Comparison) -> tuple[Panel, ...]:
    """Draws the fronts of several runs over each of the two costs."""
    return tuple(_comparison_panel(compared, axis) for axis in cost_axes(compared.runs[0].results.facts))


def _comparison_panel(compared: Comparison, axis: Figure) -> Panel:
    designs = [(run, choice) for run in compared.runs for choice in run.front]
    marks: Rows = [
        {
            "x": compact(c.value(axis), 9),
            "y": compact(c.val_loss, 9),
            "series": run.label,
            "hover": _hover(run, c),
        }
        for run, c in designs
    ]
    lines: Rows = [row | {"series": run.label} for run in compared.runs for row in staircase(run.front, axis)]
    position: Spec = {
        "x": style.log_x(axis.title, axis.unit, [c.value(axis) for _, c in designs]),
        "y": _loss_axis([c.val_loss for _, c in designs], compared.runs[0].results.facts.loss),
    }
    return _fronts(f"compare_{axis.name}", position, [run.label for run in compared.runs], lines, marks)


def _hover(run: Run, choice: Choice) -> str:
    return "\n".join(
        [
            f"{run.label}, trial {choice.trial}",
            f"area {formats.area(choice.area_um2)}, energy {formats.energy(choice.energy_nj)}",
            f"validation {choice.loss.word} {choice.amount(choice.val_loss)}",
            f"test {choice.loss.word} {choice.amount(choice.test_loss)} {choice.interval}",
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
            "description": f"Losses of {', '.join(labels)} over one cost",
            "height": HEIGHT,
            "encoding": position,
            "layer": [*style.line_layers(name, series, lines, interpolate="step-after", strokeWidth=1.4), designs],
        }
    )


def _loss_axis(losses: Sequence[float], loss: Figure) -> Spec:
    """Returns an axis of what is worth seeing: losses up to the largest that the hypervolume counts."""
    finite = [each for each in losses if math.isfinite(each)] or [0.0, 1.0]
    low, high = min(finite), max(min(max(finite), loss.reference), min(finite))
    room = 0.08 * max(high - low, 0.2 * loss.reference)
    title = loss.in_words.replace(" with int32", "").replace(" from int32", "").capitalize()
    return style.linear("y", f"{title} against own int32 ({loss.unit})", low - room, high + room)
