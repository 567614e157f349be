"""compare.html: two or more studies on one page."""

from pathlib import Path
from typing import Literal

import pandas as pd
import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dse import formats
from dse.report._gallery import Picture, rendered, write_picture
from dse.report._interactive import axis, base_layout, plain
from dse.report._page import environment, page_parts
from dse.report._palette import BLUE, INK, ORANGE, SKY, YELLOW
from dse.report._scene import Cost, cost_axes, cost_ticks, staircase
from dse.report._static import draw_cost_axis, dress, new_figure, safe
from dse.report.comparison import Comparison, Run, comparison
from dse.report.designs import Choice
from dse.report.recommendation import REFERENCE_DROP_PP
from dse.store.columns import design_table
from dse.store.results import StudyResults
from nets.files import replacing, write_text

COLOURS = (BLUE, ORANGE, INK, YELLOW, SKY)
SYMBOLS = (("circle", "o"), ("square", "s"), ("diamond", "D"), ("triangle-up", "^"), ("cross", "P"), ("x", "X"))
DASHES: tuple[tuple[str, Literal["-", "--", ":", "-."]], ...] = (
    ("solid", "-"),
    ("dash", "--"),
    ("dot", ":"),
    ("dashdot", "-."),
)

Style = tuple[str, tuple[str, str], tuple[str, Literal["-", "--", ":", "-."]]]


def compare(results_list: list[StudyResults], folder: Path) -> Path:
    """Write ``compare.html``, ``compare.csv`` (all fronts) and the figures; return the path of the page.

    Args:
        results_list: two or more studies; the first one's int32 is the unit of cost.
        folder: where to write; each file appears whole or not at all.

    Raises:
        ValueError: fewer than two studies.
    """
    found = comparison(results_list)
    axes = cost_axes(found.runs[0].results.facts)
    picture = rendered("compare", tuple(_front_figure(found, cost) for cost in axes), _front_page(found))
    write_picture(picture, folder / "figures")
    with replacing(folder / "compare.csv") as path:
        _fronts(found).to_csv(path, index=False)
    write_text(folder / "compare.html", compare_html(found, picture))
    return folder / "compare.html"


def compare_html(found: Comparison, picture: Picture) -> str:
    """The page; every text in it is escaped."""
    template = environment().get_template("compare.html.j2")
    return template.render(found=found, picture=picture, layers=layer_changes(found), **page_parts())


def layer_changes(found: Comparison) -> list[tuple[str, list[str], bool]]:
    """Rescaler, its width and method in each run's recommended design, and whether they differ."""
    rows = []
    for name in found.rescalers:
        cells = [_cell(run, name) for run in found.runs]
        rows.append((name, cells, len(set(cells)) > 1))
    return rows


def _cell(run: Run, rescaler: str) -> str:
    choice = run.rec.chosen
    if choice is None:
        return formats.MISSING
    index = run.results.rescalers.index(rescaler)
    return f"{choice.multiplier_bits[index]} {choice.methods[index]}"


def _fronts(found: Comparison) -> pd.DataFrame:
    tables = [design_table(run.results.front, run.results.rescalers) for run in found.runs]
    return pd.concat(
        [table.assign(run=run.label)[["run", *table.columns]] for run, table in zip(found.runs, tables, strict=True)],
        ignore_index=True,
    )


def _front_figure(found: Comparison, cost: Cost) -> go.Figure:
    figure = go.Figure()
    for number, run in enumerate(found.runs):
        colour, symbol, dash = _style(number)
        xs, ys = staircase(run.front, cost)
        figure.add_scatter(
            x=xs, y=ys, mode="lines", line={"color": colour, "width": 1.2, "dash": dash[0]}, hoverinfo="skip",
            legendgroup=str(number), showlegend=False, name=plain(run.label),
        )  # fmt: skip
        figure.add_scatter(
            x=[getattr(c, cost.attribute) for c in run.front],
            y=[c.val_drop_pp for c in run.front],
            mode="markers",
            marker={"symbol": symbol[0], "size": 9, "color": colour},
            legendgroup=str(number),
            name=plain(run.label),
            text=[_hover(run, c) for c in run.front],
            hovertemplate="%{text}<extra></extra>",
        )
    ticks = cost_ticks([getattr(c, cost.attribute) for run in found.runs for c in run.front])
    figure.update_layout(
        base_layout(
            480,
            xaxis=axis(
                f"{cost.title} ({cost.unit}, log scale)",
                type="log",
                tickvals=ticks,
                ticktext=[f"{t:,g}" for t in ticks],
            ),
            yaxis=axis("Accuracy drop against own int32 (pp)", range=list(_drop_range(found))),
            hovermode="closest",
        )
    )
    return figure


def _hover(run: Run, choice: Choice) -> str:
    return "<br>".join(
        [
            f"<b>{plain(run.label)}, trial {choice.trial}</b>",
            f"area {formats.area(choice.area_um2)}, energy {formats.energy(choice.energy_nj)}",
            f"validation drop {formats.points(choice.val_drop_pp)}",
            f"test drop {formats.points(choice.test_drop_pp)} {formats.interval(choice.ci_low, choice.ci_high)}",
            f"bits {formats.shorten(' '.join(str(k) for k in choice.multiplier_bits), 60)}",
        ]
    )


def _front_page(found: Comparison) -> Figure:
    figure, both = new_figure(4.2, columns=2, sharey=True)
    for axes, cost in zip(both, cost_axes(found.runs[0].results.facts), strict=True):
        for number, run in enumerate(found.runs):
            colour, symbol, dash = _style(number)
            axes.plot(*staircase(run.front, cost), color=colour, linestyle=dash[1], linewidth=1)
            axes.plot(
                [getattr(c, cost.attribute) for c in run.front], [c.val_drop_pp for c in run.front],
                linestyle="none", marker=symbol[1], markersize=5, color=colour,
            )  # fmt: skip
        dress(axes, f"{cost.title} ({cost.unit}, log scale)", "")
        axes.set_ylim(*_drop_range(found))
        draw_cost_axis(axes, [getattr(c, cost.attribute) for run in found.runs for c in run.front])
    both[0].set_ylabel("Accuracy drop against own int32 (pp)", fontsize=9)
    handles = [_handle(number, run) for number, run in enumerate(found.runs)]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def _handle(number: int, run: Run) -> Line2D:
    colour, symbol, dash = _style(number)
    return Line2D([], [], color=colour, marker=symbol[1], linestyle=dash[1], label=safe(formats.shorten(run.label, 30)))


def _style(number: int) -> Style:
    return COLOURS[number % len(COLOURS)], SYMBOLS[number % len(SYMBOLS)], DASHES[number % len(DASHES)]


def _drop_range(found: Comparison) -> tuple[float, float]:
    drops = [c.val_drop_pp for run in found.runs for c in run.front if c.val_drop_pp <= REFERENCE_DROP_PP] or [0.0, 1.0]
    pad = 0.08 * (max(drops) - min(drops)) or 0.5
    return min(drops) - pad, max(drops) + pad
