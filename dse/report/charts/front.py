"""The front: accuracy drop over one cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dse import formats
from dse.design import DROP, Figure, Role
from dse.report.charts import style
from dse.report.charts.picture import Panel
from dse.report.charts.style import Rows, Series, Spec, compact
from dse.report.scene import Scene, baselines, bottom, marks
from dse.verdict import ROLE_NAMES, Choice, Evidence, loss_amount

MOST_INTERVALS = 25  # front designs up to which all test intervals are drawn; beyond, those of the labelled designs
PER_LINE = 6  # rescalers in a line of the hover text
MOST_IN_HOVER = 36  # rescalers in the hover text; a click shows all
MOST_LARGE = 500  # dominated designs up to which their marks are large
HEIGHT = 380  # px
STAIRS: Spec = {"type": "line", "interpolate": "step-after", "color": style.SKY, "strokeWidth": 1.2, "clip": True}

EVIDENCE = {
    Evidence.WITHIN: Series("front, test interval within the margin", style.BLUE),
    Evidence.UNDECIDED: Series("front, test cannot tell", style.BLUE, filled=False),
    Evidence.WORSE: Series("front, worse than the margin", style.ORANGE, style.SALTIRE),
    Evidence.WITHOUT_MARGIN: Series("front, scored on test", style.BLUE),
    Evidence.UNTESTED: Series("front, not scored on test", style.INK, "diamond", filled=False),
}
BASELINE = {
    Role.INT32: Series(ROLE_NAMES[Role.INT32], style.INK, style.STAR),
    Role.CONTROL: Series(ROLE_NAMES[Role.CONTROL], style.INK, style.STAR, filled=False),
    Role.UNIFORM_ROUND: Series(ROLE_NAMES[Role.UNIFORM_ROUND], style.ORANGE, "triangle-up", filled=False, dash=(6, 4)),
    Role.UNIFORM_ABSORB: Series(ROLE_NAMES[Role.UNIFORM_ABSORB], style.INK, "triangle-down", filled=False, dash=(2, 3)),
    Role.UNIFORM_WINDOW: Series(ROLE_NAMES[Role.UNIFORM_WINDOW], style.BLUE, "square", filled=False, dash=(1, 2)),
    Role.UNIFORM_WEIGHTS: Series(ROLE_NAMES[Role.UNIFORM_WEIGHTS], style.ORANGE, "diamond", filled=False, dash=(4, 2)),
}
TEST = Series("same design on test, 95% interval", style.INK, style.ERROR_BAR)


def front_panel(view: Scene, axis: Figure) -> Panel:
    """Draws validation drop over one cost: front, test intervals, baselines, dominated designs and the margin."""
    margin, loss = view.results.facts.margin, view.results.facts.loss
    costs = [*view.dominated.costs[axis.name], *(c.value(axis) for c in (*view.front, *baselines(view)))]
    position: Spec = {
        "x": style.log_x(axis.title, axis.unit, costs),
        "y": style.linear("y", _axis_title(loss), bottom(view), view.top_pp),
    }
    chart = _Chart(view, axis, f"front_{axis.name}", _series(view))
    labels = _labels(view, axis, [cost for cost in costs if cost > 0] or [1.0])
    line = [] if margin is None else style.rule("y", margin, f"margin {margin:g} pp")
    return Panel(
        {
            "description": f"{_axis_title(loss)} over {axis.title.lower()}: the front, uniform widths and int32",
            "height": HEIGHT,
            "layer": [*style.positioned(position, [*chart.layers(), *labels]), *line],
        }
    )


def _axis_title(loss: Figure) -> str:
    against = " against int32" if loss is DROP else ""
    return f"{_capitalized(loss.in_words)}{against} ({loss.unit})"


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def staircase(designs: Sequence[Choice], axis: Figure) -> Rows:
    """Returns the front's projection on one cost and the drop: the points at which a step line goes down."""
    rows: Rows = []
    lowest = math.inf
    for design in sorted(designs, key=lambda c: (c.value(axis), c.val_loss)):
        if design.val_loss < lowest:
            lowest = design.val_loss
            rows.append({"x": design.value(axis), "y": lowest})
    return rows


def _dominated_series(view: Scene) -> Series:
    return Series(f"dominated ({len(view.dominated.trial):,})", style.FAINT)


def _series(view: Scene) -> list[Series]:
    """Returns the legend: what this study has."""
    evidences = {c.evidence for c in view.front}
    present = [
        (_dominated_series(view), len(view.dominated.trial) > 0),
        *((BASELINE[role], bool(line)) for role, line in view.lines.items()),
        *((series, kind in evidences) for kind, series in EVIDENCE.items()),
        (TEST, bool(_tested(view))),
        (BASELINE[Role.INT32], view.rec.int32 is not None),
        (BASELINE[Role.CONTROL], view.rec.control is not None),
    ]
    return [series for series, is_present in present if is_present]


def _tested(view: Scene) -> list[Choice]:
    """Returns the designs whose test intervals are drawn."""
    designs = view.front if len(view.front) <= MOST_INTERVALS else [choice for _, choice in marks(view)]
    return [c for c in designs if math.isfinite(c.ci_high)]


@dataclass(frozen=True)
class _Chart:
    """The layers of a front that the legend lists.

    Attributes:
        view: the study.
        axis: the cost.
        name: of the chart; prefix of the names of its layers.
        series: entries of the legend.
    """

    view: Scene
    axis: Figure
    name: str
    series: list[Series]

    def layers(self) -> list[Spec]:
        """Returns the layers, the lowest one first."""
        uniform = [row for role, line in self.view.lines.items() for row in self._rows(line, BASELINE[role])]
        designs = [row for c in self.view.front for row in self._rows([c], EVIDENCE[c.evidence])]
        references = [choice for choice in (self.view.rec.control, self.view.rec.int32) if choice]
        int32 = [row for choice in references for row in self._rows([choice], BASELINE[choice.role])]
        size = 30 if len(self.view.dominated.trial) <= MOST_LARGE else 12
        size = 30 if len(self.view.dominated.trial) <= MOST_LARGE else 12
        dot: Spec = {"type": "circle", "size": size, "color": style.FAINT, "fillOpacity": 0.6, "aria": False}
        return [
            self._layer("dominated", self._dominated(), dot, style.HOVER),
            *style.line_layers(self.name, [BASELINE[role] for role in self.view.lines], uniform, strokeWidth=1.2),
            # Vega-Lite merges the legends of all layers and keeps the selections of the first.
            self._marks("uniform", uniform, 45) | {"params": [style.legend_choice(self.name), style.zoom(self.name)]},
            {"data": {"values": staircase(self.view.front, self.axis)}, "mark": STAIRS},
            *self._intervals(),
            self._marks("designs", designs, 70 if len(self.view.front) <= 40 else 35),
            self._marks("int32", int32, 160),
        ]

    def _layer(self, name: str, rows: Rows, mark: Spec, encoding: Spec) -> Spec:
        """Returns a layer that fades when another series is clicked in the legend."""
        return {
            "name": f"{self.name}_{name}",
            "data": {"values": rows},
            "mark": {"clip": True} | mark,
            "encoding": encoding | style.highlighted(self.name),
        }

    def _marks(self, name: str, rows: Rows, size: float) -> Spec:
        encoding = style.mark_encoding(self.series) | style.HOVER
        return self._layer(name, rows, {"type": "point", "size": size, "strokeWidth": 1.6}, encoding)

    def _intervals(self) -> list[Spec]:
        """Returns the test intervals: a line, and ticks at its ends and at the test drop."""
        rows: Rows = [
            row | {"y": compact(c.test_loss, 9), "low": compact(c.ci_low, 9), "high": compact(c.ci_high, 9)}
            for c in _tested(self.view)
            for row in self._rows([c], TEST)
        ]
        ends: Spec = {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}
        tick: Spec = {"type": "tick", "orient": "horizontal", "color": style.INK, "aria": False}
        return [
            self._layer("intervals", rows, {"type": "rule", "color": style.INK}, ends | style.HOVER),
            *(
                self._layer(field, rows, tick | {"size": size}, {"y": {"field": field, "type": "quantitative"}})
                for field, size in (("low", 6), ("high", 6), ("y", 9))
            ),
        ]

    def _rows(self, designs: Sequence[Choice], series: Series) -> Rows:
        return [
            {
                "x": compact(c.value(self.axis), 9),
                "y": compact(c.val_loss, 9),
                "series": series.label,
                "trial": c.trial,
                "hover": hover(self.view, c),
            }
            for c in designs
        ]

    def _dominated(self) -> Rows:
        points, loss = self.view.dominated, self.view.results.facts.loss
        label = _dominated_series(self.view).label
        return [
            {
                "x": compact(x),
                "y": compact(y, 5),
                "series": label,
                "trial": int(trial),
                "hover": f"trial {trial}, dominated\n{formats.number(x)} {self.axis.unit}, "
                f"validation {loss.word} {loss_amount(loss, y)}\nbits {bits}",
            }
            for x, y, trial, bits in zip(
                points.costs[self.axis.name], points.losses, points.trial, points.bits, strict=True
            )
        ]


def _labels(view: Scene, axis: Figure, costs: Sequence[float]) -> list[Spec]:
    """Returns a line and a text at the top of the picture for every labelled design.

    The labels are in the order of the designs' costs, so that their lines do not cross.
    """
    low, high = math.log10(min(costs)), math.log10(max(costs))
    height = view.top_pp - bottom(view)
    rows: Rows = [
        {
            "x": choice.value(axis),
            "y": choice.val_loss,
            "label_x": 10 ** (low + 0.3 * (high - low)),
            "label_y": view.top_pp - (0.05 + 0.07 * number) * height,
            "label": label,
        }
        for number, (label, choice) in enumerate(sorted(marks(view), key=lambda mark: mark[1].value(axis)))
    ]
    text: Spec = {"type": "text", "align": "left", "dx": 4, "fontSize": 12, "color": style.INK}
    at_label: Spec = {
        "x": {"field": "label_x", "type": "quantitative"},
        "y": {"field": "label_y", "type": "quantitative"},
    }
    written = at_label | {"text": {"field": "label"}}
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "color": style.INK, "strokeWidth": 0.8, "aria": False},
            "encoding": {"x2": {"field": "label_x"}, "y2": {"field": "label_y"}},
        },
        {"mark": {"type": "point", "size": 220, "stroke": style.INK, "filled": False, "strokeWidth": 1, "aria": False}},
        {"mark": text | {"stroke": "white", "strokeWidth": 5, "aria": False}, "encoding": written},
        {"mark": text, "encoding": written},
    ]
    return [layer | {"data": {"values": rows}} for layer in layers] if rows else []


def hover(view: Scene, choice: Choice) -> str:
    """Returns a design in a few lines."""
    role = "" if choice.role is Role.SEARCH else f", {ROLE_NAMES[choice.role]}"
    return "\n".join(
        [
            f"trial {choice.trial}{role}",
            f"area {formats.area(choice.area_um2)} ({formats.ratio(choice.area_ratio)} less than int32)",
            f"energy {formats.energy(choice.energy_nj)} ({formats.ratio(choice.energy_ratio)} less)",
            f"validation {choice.loss.word} {choice.amount(choice.val_loss)}",
            f"test {choice.loss.word} {choice.amount(choice.test_loss)} {choice.interval}: {choice.evidence.value}",
            f"fine-tuning {choice.finetune}, fidelity {choice.fidelity}",
            *_width_lines(view, choice),
        ]
    )


def _width_lines(view: Scene, choice: Choice) -> list[str]:
    cells = [
        f"{formats.shorten(name, 14)} {cell}" for name, cell in zip(view.results.rescalers, choice.cells, strict=True)
    ]
    lines = [" · ".join(cells[i : i + PER_LINE]) for i in range(0, min(len(cells), MOST_IN_HOVER), PER_LINE)]
    return [*lines, "… click for all"] if len(cells) > MOST_IN_HOVER else lines
