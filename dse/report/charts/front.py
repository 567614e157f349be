"""The front: accuracy drop over one cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dse import formats
from dse.design import Figure, Role
from dse.report.charts import style
from dse.report.charts.picture import Panel
from dse.report.charts.style import Rows, Series, Spec, compact
from dse.report.losses import ShownLoss
from dse.report.scene import Scene, baselines, bottom, marks
from dse.verdict import ROLE_NAMES, Choice, Evidence

MOST_INTERVALS = 25  # front designs up to which all test intervals are drawn; beyond, those of the labelled designs
PER_LINE = 6  # rescalers in a line of the hover text
MOST_IN_HOVER = 36  # rescalers in the hover text; a click shows all
MOST_DOMINATED = 1500  # dominated designs that are drawn
MOST_LARGE = 500  # dominated designs up to which their marks are large
LABELS_AT = 0.55  # of the width: dear designs that lose much are few
HEIGHT = 380  # px
# Invisible and larger than a mark: near a design of the front the pointer picks that design.
TARGET: Spec = {"type": "circle", "size": 420, "fillOpacity": 0, "strokeWidth": 0, "aria": False}
STAIRS: Spec = {"type": "line", "interpolate": "step-after", "color": style.SKY, "strokeWidth": 1.2, "clip": True}

EVIDENCE = {
    Evidence.WITHIN: Series("front, test interval within the margin", style.BLUE),
    Evidence.UNDECIDED: Series("front, test interval holds the margin", style.BLUE, filled=False),
    Evidence.WORSE: Series("front, test interval beyond the margin", style.ORANGE, style.SALTIRE),
    Evidence.WITHOUT_MARGIN: Series("front, scored on test", style.BLUE),
    Evidence.UNTESTED: Series("front, not scored on test", style.INK, "diamond", filled=False),
}
BASELINE = {
    Role.INT32: Series(ROLE_NAMES[Role.INT32], style.INK, style.STAR),
    Role.INT16: Series(ROLE_NAMES[Role.INT16], style.ORANGE, style.STAR, filled=False),
    Role.CONTROL: Series(ROLE_NAMES[Role.CONTROL], style.INK, style.STAR, filled=False),
    Role.UNIFORM_ROUND: Series(ROLE_NAMES[Role.UNIFORM_ROUND], style.ORANGE, "triangle-up", filled=False, dash=(6, 4)),
    Role.UNIFORM_ABSORB: Series(ROLE_NAMES[Role.UNIFORM_ABSORB], style.INK, "triangle-down", filled=False, dash=(2, 3)),
    Role.UNIFORM_WINDOW: Series(ROLE_NAMES[Role.UNIFORM_WINDOW], style.BLUE, "square", filled=False, dash=(1, 2)),
    Role.UNIFORM_WEIGHTS: Series(ROLE_NAMES[Role.UNIFORM_WEIGHTS], style.ORANGE, "diamond", filled=False, dash=(4, 2)),
}
NAME_OFFSETS: dict[Role, Spec] = {
    Role.UNIFORM_ROUND: {"dx": 8, "dy": -7, "align": "left"},
    Role.UNIFORM_ABSORB: {"dy": 14},
    Role.UNIFORM_WEIGHTS: {"dx": 8, "dy": 8, "align": "left"},
    Role.UNIFORM_WINDOW: {"dx": -8, "dy": -8, "align": "right"},
}
TEST = Series("same design on test, 95% interval", style.SOFT, style.ERROR_BAR)


def front_panel(view: Scene, axis: Figure) -> Panel:
    """Draws the loss on validation over one cost: front, test intervals, baselines, dominated designs, the margin."""
    margin, loss = view.results.facts.margin, view.loss
    costs = [*view.dominated.costs[axis.name], *(c.value(axis) for c in (*view.front, *baselines(view)))]
    position: Spec = {
        "x": style.log_x(axis.title, axis.unit, costs),
        "y": style.linear("y", loss_title(loss), *sorted(map(loss.value, (bottom(view), view.top_pp)))),
    }
    chart = _Chart(view, axis, f"front_{axis.name}", _series(view))
    labels = _labels(view, axis, [cost for cost in costs if cost > 0] or [1.0])
    line = [] if margin is None else style.rule("y", loss.value(margin), f"margin: {loss.amount(margin)}")
    return Panel(
        {
            "description": f"{loss_title(loss)} over {axis.title.lower()}: the front, uniform widths and int32",
            "height": HEIGHT,
            "layer": [*style.positioned(position, [*chart.layers(), *labels]), *line],
        }
    )


def loss_title(loss: ShownLoss, baseline: str = "int32") -> str:
    """Returns the title of an axis of losses against a baseline."""
    return f"{loss.title.replace('int32', baseline)} ({loss.unit}; {loss.better} is better)"


def staircase(designs: Sequence[Choice], axis: Figure, loss: ShownLoss) -> Rows:
    """Returns the front's projection on one cost and the loss: the points at which a step line has its steps."""
    rows: Rows = []
    lowest = math.inf
    for design in sorted(designs, key=lambda c: (c.value(axis), c.val_loss)):
        if design.val_loss < lowest:
            lowest = design.val_loss
            rows.append({"x": design.value(axis), "y": loss.value(lowest)})
    return rows


def _dominated_series(view: Scene) -> Series:
    everything, drawn = len(view.dominated.trial), len(_drawn(view))
    number = f"{everything:,}" if drawn == everything else f"{drawn:,} of {everything:,} drawn"
    return Series(f"dominated ({number})", style.FAINT)


def _drawn(view: Scene) -> npt.NDArray[np.int64]:
    """Returns which of the dominated designs are drawn: all, or of more than fit a page every n-th."""
    everything = len(view.dominated.trial)
    return np.arange(0, everything, -(-everything // MOST_DOMINATED) or 1)


def _series(view: Scene) -> list[Series]:
    """Returns the legend: what this study has."""
    evidences = {c.evidence for c in view.front}
    present = [
        (_dominated_series(view), len(view.dominated.trial) > 0),
        *((BASELINE[role], bool(line)) for role, line in view.lines.items()),
        *((series, kind in evidences) for kind, series in EVIDENCE.items()),
        (TEST, bool(_tested(view))),
        (BASELINE[Role.INT32], view.rec.int32 is not None),
        (BASELINE[Role.INT16], view.rec.int16 is not None),
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
        references = [choice for choice in (self.view.rec.int16, self.view.rec.control, self.view.rec.int32) if choice]
        int32 = [row for choice in references for row in self._rows([choice], BASELINE[choice.role])]
        size = 30 if len(self.view.dominated.trial) <= MOST_LARGE else 12
        dot: Spec = {"type": "circle", "size": size, "color": style.FAINT, "fillOpacity": 0.6, "aria": False}
        return [
            self._layer("dominated", self._dominated(), dot, style.HOVER),
            *style.line_layers(self.name, [BASELINE[role] for role in self.view.lines], uniform, strokeWidth=1.2),
            # Vega-Lite merges the legends of all layers and keeps the selections of the first.
            self._marks("uniform", uniform, 45) | {"params": [style.legend_choice(self.name), style.zoom(self.name)]},
            *self._names_of_uniform(),
            {"data": {"values": staircase(self.view.front, self.axis, self.view.loss)}, "mark": STAIRS},
            *self._intervals(),
            self._marks("int32", int32, 160),
            self._layer("targets", designs, TARGET, style.HOVER),
            self._marks("designs", designs, 70 if len(self.view.front) <= 40 else 35),
        ]

    def _names_of_uniform(self) -> list[Spec]:
        """Returns the width beside every uniform design, by the side on which its line leaves most room."""
        layers = []
        for role, line in self.view.lines.items():
            named: Rows = [
                row | {"label": _common(c)} for c, row in zip(line, self._rows(line, BASELINE[role]), strict=True)
            ]
            mark: Spec = {"type": "text", "fontSize": 10, "color": BASELINE[role].colour, "aria": False}
            layers.append(self._layer(f"{role}_k", named, mark | NAME_OFFSETS[role], {"text": {"field": "label"}}))
        return layers

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
        """Returns the test intervals, lighter than marks: a line, and ticks at its ends and at the test figure."""
        shown = self.view.loss.value
        rows: Rows = [
            row
            | {
                key: compact(shown(value), 9)
                for key, value in (("y", c.test_loss), ("low", c.ci_low), ("high", c.ci_high))
            }
            for c in _tested(self.view)
            for row in self._rows([c], TEST)
        ]
        ends: Spec = {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}
        tick: Spec = {"type": "tick", "orient": "horizontal", "color": style.SOFT, "thickness": 1, "aria": False}
        return [
            self._layer("intervals", rows, {"type": "rule", "color": style.SOFT}, ends | style.HOVER),
            *(
                self._layer(field, rows, tick | {"size": size}, {"y": {"field": field, "type": "quantitative"}})
                for field, size in (("low", 6), ("high", 6), ("y", 9))
            ),
        ]

    def _rows(self, designs: Sequence[Choice], series: Series) -> Rows:
        return [
            {
                "x": compact(c.value(self.axis), 9),
                "y": compact(self.view.loss.value(c.val_loss), 9),
                "series": series.label,
                "trial": c.trial,
                "hover": hover(self.view, c),
            }
            for c in designs
        ]

    def _dominated(self) -> Rows:
        points, loss = self.view.dominated, self.view.loss
        label = _dominated_series(self.view).label
        return [
            {
                "x": compact(x),
                "y": compact(loss.value(y), 5),
                "series": label,
                "trial": int(trial),
                "hover": f"trial {trial}, dominated\n{formats.number(x)} {self.axis.unit}, "
                f"validation {loss.word} {loss.amount(y)}\nbits {bits}",
            }
            for x, y, trial, bits in (
                (points.costs[self.axis.name][at], points.losses[at], points.trial[at], points.bits[at])
                for at in _drawn(self.view)
            )
        ]


def _common(choice: Choice) -> str:
    """Returns the widths of a uniform design in short: rules of the study may except some rescalers."""
    if choice.role is Role.UNIFORM_WINDOW:
        return max(choice.rescalers, key=choice.rescalers.count, default="")
    low, high = min(choice.multiplier_bits, default=0), max(choice.multiplier_bits, default=0)
    widths = str(low) if low == high else f"{low}{formats.EN_DASH}{high}"
    if choice.role is not Role.UNIFORM_WEIGHTS:
        return widths
    return f"w{max(choice.weight_bits, key=choice.weight_bits.count)} k{widths}"


def _labels(view: Scene, axis: Figure, costs: Sequence[float]) -> list[Spec]:
    """Returns a line and a text on the worse side of the picture for every labelled design.

    The labels are in the order of the designs' costs, so that their lines do not cross.
    """
    shown = view.loss.value
    low, high = math.log10(min(costs)), math.log10(max(costs))
    height = view.top_pp - bottom(view)
    rows: Rows = [
        {
            "x": choice.value(axis),
            "y": shown(choice.val_loss),
            "label_x": 10 ** (low + LABELS_AT * (high - low)),
            "label_y": shown(view.top_pp - (0.05 + 0.07 * number) * height),
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
            "mark": {"type": "rule", "color": style.SOFT, "strokeWidth": 0.8, "aria": False},
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
            f"area {formats.area(choice.area_um2, 4)} ({formats.ratio(choice.area_ratio)} less than int32)",
            f"energy {formats.energy(choice.energy_nj, 4)} ({formats.ratio(choice.energy_ratio)} less)",
            f"validation {view.loss.word} {view.loss.amount(choice.val_loss)}",
            f"test {view.loss.word} {on_test(view.loss, choice)}: {choice.evidence.value}",
            f"fine-tuning {choice.finetune}, fidelity {choice.fidelity}",
            *_width_lines(view, choice),
        ]
    )


def on_test(loss: ShownLoss, choice: Choice) -> str:
    """Returns the test figure of a design with its unit and its 95% interval."""
    if not math.isfinite(choice.test_loss):
        return formats.MISSING
    return f"{loss.amount(choice.test_loss)} [{loss.interval(choice.ci_low, choice.ci_high)}]"


def _width_lines(view: Scene, choice: Choice) -> list[str]:
    cells = [
        f"{formats.shorten(name, 14)} {cell}" for name, cell in zip(view.results.rescalers, choice.cells, strict=True)
    ]
    lines = [" · ".join(cells[i : i + PER_LINE]) for i in range(0, min(len(cells), MOST_IN_HOVER), PER_LINE)]
    return [*lines, "… click for all"] if len(cells) > MOST_IN_HOVER else lines
