"""The same pictures on paper: matplotlib figures for slides, print and browsers without scripts."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from dse import formats
from dse.report._palette import (
    EVIDENCE_COLOURS,
    EVIDENCE_LABELS,
    FAINT,
    GRID,
    INK,
    ORANGE,
    SEQUENTIAL,
    SHAPES,
    SKY,
)
from dse.report._scene import (
    MOST_LABELLED_ROWS,
    Cost,
    Scene,
    baselines,
    bottom,
    cost_axes,
    cost_ticks,
    marks,
    staircase,
)
from dse.report.designs import Choice, Evidence

MOST_INTERVALS = 25
NAME_LENGTH = 22
PAGE_WIDTH = 7.4  # inches: the text width of an A4 page


def safe(text: str) -> str:
    """A text that matplotlib does not read as mathematics."""
    return text.replace("$", r"\$")


def new_figure(height: float, columns: int = 1, **layout: object) -> tuple[Figure, list[Axes]]:
    """A page-wide figure of some axes side by side."""
    figure = Figure(figsize=(PAGE_WIDTH, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False, **layout)  # type: ignore[call-overload]
    return figure, list(axes[0])


def dress(axes: Axes, x: str, y: str) -> None:
    """Titles of the axes and a quiet grid."""
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def front_page(view: Scene) -> Figure:
    """Drop over area and over energy, one legend below."""
    figure, both = new_figure(4.6, columns=2, sharey=True)
    for axes, cost in zip(both, cost_axes(view.results.facts), strict=True):
        _draw_front(axes, view, cost)
    both[1].set_ylabel("")
    handles, labels = both[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def _draw_front(axes: Axes, view: Scene, cost: Cost) -> None:
    points = view.dominated
    dress(axes, f"{cost.title} ({cost.unit}, log scale)", "Accuracy drop against int32 (pp)")
    if len(points.trial):
        axes.scatter(
            points.costs[cost.column],
            points.drop_pp,
            s=5,
            color=FAINT,
            linewidths=0,
            rasterized=True,
            label=f"dominated ({len(points.trial):,})",
        )
    _draw_lines(axes, view, cost)
    axes.plot(*staircase(view.front, cost), color=SKY, linewidth=1, zorder=2)
    for kind in Evidence:
        _draw_designs(axes, [c for c in view.front if c.evidence is kind], kind, view, cost)
    if len(view.front) <= MOST_INTERVALS:
        _draw_intervals(axes, view, cost)
    for label, choice, face in (("int32 (Q31)", view.int32, INK), ("int32, fine-tuned", view.rec.control, "none")):
        if choice:
            axes.plot(
                view.x([choice], cost),
                [choice.val_drop_pp],
                "*",
                markersize=10,
                color=INK,
                markerfacecolor=face,
                label=label,
            )
    margin = view.results.facts.margin_pp
    axes.axhline(margin, color=ORANGE, linewidth=0.9, linestyle=(0, (8, 3)))
    axes.annotate(f"margin {margin:g} pp", (1, margin), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                  fontsize=7, color=ORANGE)  # fmt: skip
    _label_marks(axes, view, cost)
    _scale(axes, view, cost)


def _draw_lines(axes: Axes, view: Scene, cost: Cost) -> None:
    for (method, line), style, marker, colour in zip(view.lines.items(), ("--", ":"), "^v", (ORANGE, INK), strict=True):
        if line:
            axes.plot(
                view.x(line, cost),
                [c.val_drop_pp for c in line],
                linestyle=style,
                marker=marker,
                markersize=5,
                markerfacecolor="none",
                linewidth=1,
                color=colour,
                label=f"uniform width, {method}",
            )


def _draw_designs(axes: Axes, designs: list[Choice], kind: Evidence, view: Scene, cost: Cost) -> None:
    if not designs:
        return
    _, marker, filled = SHAPES[kind]
    colour = EVIDENCE_COLOURS[kind]
    axes.plot(
        view.x(designs, cost),
        [c.val_drop_pp for c in designs],
        linestyle="none",
        marker=marker,
        markersize=6 if len(view.front) <= 40 else 3.5,
        color=colour,
        markerfacecolor=colour if filled else "white",
        label=EVIDENCE_LABELS[kind],
        zorder=3,
    )


def _draw_intervals(axes: Axes, view: Scene, cost: Cost) -> None:
    designs = [c for c in view.front if math.isfinite(c.ci_high)]
    if not designs:
        return
    centre = np.array([c.test_drop_pp for c in designs])
    spread = np.array([[c.test_drop_pp - c.ci_low, c.ci_high - c.test_drop_pp] for c in designs]).T
    axes.errorbar(
        view.x(designs, cost),
        centre,
        yerr=np.maximum(spread, 0),
        fmt="_",
        markersize=6,
        color=INK,
        linewidth=0.8,
        capsize=2,
        label="same design on test, 95% interval",
        zorder=2,
    )


def _label_marks(axes: Axes, view: Scene, cost: Cost) -> None:
    for number, (label, choice) in enumerate(marks(view)):
        axes.annotate(
            label,
            (getattr(choice, cost.attribute), choice.val_drop_pp),
            xytext=(0.32, 0.95 - 0.08 * number),
            textcoords="axes fraction",
            fontsize=8,
            arrowprops={"arrowstyle": "->", "color": INK, "linewidth": 0.8, "relpos": (0, 0.5)},
            bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
        )


def _scale(axes: Axes, view: Scene, cost: Cost) -> None:
    draw_cost_axis(axes, [*view.dominated.costs[cost.column], *view.x([*view.front, *baselines(view)], cost)])
    axes.set_ylim(bottom(view), view.top_pp)


def draw_cost_axis(axes: Axes, values: list[float]) -> None:
    """Make x a logarithmic axis with ticks that people can read."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in cost_ticks(values) if low <= tick <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def heat_page(view: Scene) -> Figure:
    """Multiplier bits of every rescaler across the front."""
    names = view.results.rescalers
    bits = np.array([c.multiplier_bits for c in view.front], dtype=np.float64).T
    figure, (axes,) = new_figure(1.3 + 0.24 * len(names))
    image = axes.imshow(
        np.log2(bits), aspect="auto", cmap=SEQUENTIAL, vmin=0, vmax=math.log2(31), interpolation="nearest"
    )
    axes.set_yticks(range(len(names)), [safe(formats.shorten(name, NAME_LENGTH)) for name in names], fontsize=8)
    ticks = list(range(0, len(view.front), max(1, len(view.front) // MOST_LABELLED_ROWS)))
    axes.set_xticks(ticks, [str(view.front[i].trial) for i in ticks], fontsize=7, rotation=90 if len(ticks) > 12 else 0)
    axes.set_xlabel("Front design (trial), cheapest on the left", fontsize=9)
    if len(view.front) <= MOST_LABELLED_ROWS:
        _write_cells(axes, view.front)
    bar = figure.colorbar(image, ax=axes, pad=0.01)
    bar.set_ticks([math.log2(k) for k in (1, 2, 4, 8, 16, 31)], labels=["1", "2", "4", "8", "16", "31"], fontsize=8)
    bar.set_label("multiplier bits", fontsize=8)
    return figure


def _write_cells(axes: Axes, front: list[Choice]) -> None:
    for column, choice in enumerate(front):
        for row, (bits, method) in enumerate(zip(choice.multiplier_bits, choice.methods, strict=True)):
            colour = "white" if math.log2(bits) < 0.55 * math.log2(31) else INK
            axes.text(column, row, f"{bits}{method[:1]}", ha="center", va="center", fontsize=7, color=colour)
