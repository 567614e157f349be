"""Pictures of several fronts over one cost: networks of a portfolio, runs of a comparison."""

import math
from collections.abc import Sequence

from dse import formats
from dse.design import RESCALER_AREA, Figure
from dse.report.charts import style
from dse.report.charts.front import loss_title, on_test, staircase
from dse.report.charts.picture import Panel
from dse.report.charts.style import Rows, Spec, compact
from dse.report.comparison import Comparison, Run
from dse.report.losses import ShownLoss, shown_loss
from dse.report.scene import Scene, cost_axes
from dse.store import member_key
from dse.verdict import Choice

HEIGHT = 360  # px
MOST_INTERVALS = 12  # designs of a front up to which each has its test interval; of a longer one, the chosen design


def portfolio_panel(view: Scene) -> Panel:
    """Draws the loss of every network over area: the line is its own best, the marks are the designs of the front."""
    members, loss, area = view.results.facts.members, view.loss, RESCALER_AREA.name
    rows = view.results.judged.sort_values(area)
    lines: Rows = []
    marks: Rows = []
    visible: list[float] = []
    for name in members:
        drop = member_key(name, loss.loss.name)
        best, front = rows[[area]].assign(drop=rows[drop].cummin()), view.results.front[[area, drop]]
        lines += [
            {"x": compact(x), "y": compact(loss.value(y)), "series": name} for x, y in best.itertuples(index=False)
        ]
        marks += [
            {
                "x": compact(x),
                "y": compact(loss.value(y)),
                "series": name,
                "hover": f"{name}\n{formats.area(x)}, {loss.word} {loss.amount(y)}",
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
    loss = shown_loss(compared.runs[0].results.facts)
    designs = [(run, choice) for run in compared.runs for choice in run.front]
    marks: Rows = [
        {
            "x": compact(c.value(axis), 9),
            "y": compact(loss.value(c.val_loss), 9),
            "series": run.label,
            "hover": _hover(run, c, loss),
        }
        for run, c in designs
    ]
    lines: Rows = [row | {"series": run.label} for run in compared.runs for row in staircase(run.front, axis, loss)]
    tested = [(run, choice) for run in compared.runs for choice in _with_intervals(run)]
    intervals = [_interval(run, choice, axis, loss) for run, choice in tested]
    ends = [end for _, choice in tested for end in (choice.ci_low, choice.ci_high)]
    position: Spec = {
        "x": style.log_x(axis.title, axis.unit, [c.value(axis) for _, c in designs]),
        "y": _loss_axis([*(c.val_loss for _, c in designs), *ends], loss),
    }
    return _fronts(f"compare_{axis.name}", position, [run.label for run in compared.runs], lines, marks, intervals)


def _with_intervals(run: Run) -> list[Choice]:
    """Returns the designs whose test intervals are drawn: the whole front if that is short."""
    chosen = run.rec.verdict.recommended
    drawn = run.front if len(run.front) <= MOST_INTERVALS else [chosen] if chosen else []
    return [choice for choice in drawn if math.isfinite(choice.ci_high)]


def _interval(run: Run, choice: Choice, axis: Figure, loss: ShownLoss) -> dict[str, object]:
    return {
        "x": compact(choice.value(axis), 9),
        "low": compact(loss.value(choice.ci_low), 9),
        "high": compact(loss.value(choice.ci_high), 9),
        "y": compact(loss.value(choice.test_loss), 9),
        "series": run.label,
        "hover": _hover(run, choice, loss),
    }


def _hover(run: Run, choice: Choice, loss: ShownLoss) -> str:
    return "\n".join(
        [
            f"{run.label}, trial {choice.trial}",
            f"area {formats.area(choice.area_um2, 4)}, energy {formats.energy(choice.energy_nj, 4)}",
            f"validation {loss.word} {loss.amount(choice.val_loss)}",
            f"test {loss.word} {on_test(loss, choice)}",
            f"bits {formats.shorten(' '.join(choice.rescalers), 60)}",
        ]
    )


def _fronts(
    name: str, position: Spec, labels: Sequence[str], lines: Rows, marks: Rows, intervals: Rows | None = None
) -> Panel:
    """Draws a step line and marks for each label, and behind them their test intervals."""
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
            "layer": [
                *(_interval_layers(name, series, intervals) if intervals else []),
                *style.line_layers(name, series, lines, interpolate="step-after", strokeWidth=1.4),
                designs,
            ],
        }
    )


def _interval_layers(name: str, series: Sequence[style.Series], rows: Rows) -> list[Spec]:
    """Returns test intervals as pale bars in the colours of their series, with a tick at the figure."""
    ends: Spec = {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}
    at: Spec = {"y": {"field": "y", "type": "quantitative"}}
    rule: Spec = {"type": "rule", "strokeWidth": 7, "clip": True}  # seen behind a step of the front
    tick: Spec = {"type": "tick", "orient": "horizontal", "size": 11, "thickness": 1.2, "clip": True, "aria": False}
    faint = style.highlighted(name, 0.25)
    layers = []
    for number, one in enumerate(series):
        own: Spec = {"data": {"values": [row for row in rows if row["series"] == one.label]}}
        layers += [
            own | {"name": f"{name}_{number}_intervals", "mark": rule | {"color": one.colour}}
            | {"encoding": ends | faint | style.HOVER},
            own | {"mark": tick | {"color": one.colour}, "encoding": at | style.highlighted(name)},
        ]  # fmt: skip
    return layers


def _loss_axis(losses: Sequence[float], loss: ShownLoss) -> Spec:
    """Returns an axis of what is worth seeing: losses up to the largest that the hypervolume counts."""
    reference = loss.loss.reference
    finite = [each for each in losses if math.isfinite(each)] or [0.0, 1.0]
    low, high = min(finite), max(min(max(finite), reference), min(finite))
    room = 0.08 * max(high - low, 0.2 * reference)
    return style.linear("y", loss_title(loss, "own int32"), *sorted(map(loss.value, (low - room, high + room))))
