"""The front and the heat map for the browser; names are escaped, because plotly reads tags in its text."""

import html
import math

import plotly.graph_objects as go

from dse import formats
from dse.design.roles import Role
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
from dse.report._scene import MOST_LABELLED_ROWS, Cost, Scene, baselines, bottom, cost_ticks, marks, staircase
from dse.report.designs import Choice, Evidence
from dse.report.recommendation import uniform_name

MOST_INTERVALS = 25  # front designs up to which the test intervals are drawn from the start
PER_LINE = 6  # rescalers in a line of the hover text
MOST_IN_HOVER = 36  # rescalers in the hover text; a click shows all
NAME_LENGTH = 18  # characters of a rescaler's name beside a picture


def plain(text: str) -> str:
    """A text that plotly shows as it is: no tags, no entities."""
    return html.escape(text, quote=False)


def base_layout(height: int, **changes: object) -> dict[str, object]:
    """Layout common to all pictures."""
    layout: dict[str, object] = {
        "template": "none",
        "height": height,
        "font": {"family": "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif", "size": 13, "color": INK},
        "margin": {"l": 64, "r": 16, "t": 24, "b": 56},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "hoverlabel": {"align": "left", "bgcolor": "white", "font": {"color": INK}},
        "legend": {"orientation": "h", "yanchor": "top", "y": -0.2, "x": 0, "xanchor": "left"},
    }
    return layout | changes


def axis(title: str, **changes: object) -> dict[str, object]:
    """An axis with title and quiet grid lines."""
    return {
        "title": {"text": title},
        "gridcolor": GRID,
        "linecolor": FAINT,
        "zeroline": False,
        "automargin": True,
    } | changes


def front_figure(view: Scene, cost: Cost) -> go.Figure:
    """Validation drop over one cost."""
    figure = go.Figure()
    _add_dominated(figure, view, cost)
    _add_lines(figure, view, cost)
    _add_front(figure, view, cost)
    _add_intervals(figure, view, cost)
    _add_int32(figure, view, cost)
    _add_margin(figure, view)
    for number, (label, choice) in enumerate(marks(view)):
        _annotate(figure, view, label, choice, cost, number)
    ticks = cost_ticks(_all_costs(view, cost))
    figure.update_layout(
        base_layout(
            540,
            xaxis=axis(
                f"{cost.title} ({cost.unit}, log scale)",
                type="log",
                tickvals=ticks,
                ticktext=[f"{t:,g}" for t in ticks],
            ),
            yaxis=axis("Accuracy drop against int32 (pp)", range=[bottom(view), view.top_pp]),
            hovermode="closest",
        )
    )
    return figure


def _add_dominated(figure: go.Figure, view: Scene, cost: Cost) -> None:
    points = view.dominated
    if len(points.trial) == 0:
        return
    figure.add_scatter(
        x=points.costs[cost.column].round(4),
        y=points.drop_pp.round(4),
        text=[f"trial {trial}<br>bits {bits}" for trial, bits in zip(points.trial, points.bits, strict=True)],
        customdata=points.trial,
        mode="markers",
        marker={"color": FAINT, "size": 4, "opacity": 0.6},
        name=f"dominated ({len(points.trial):,})",
        hovertemplate=f"%{{text}}<br>%{{x:,.5~g}} {cost.unit}, drop %{{y:.2f}} pp<extra>dominated</extra>",
    )


def _add_lines(figure: go.Figure, view: Scene, cost: Cost) -> None:
    styles = {"round": ("dash", "triangle-up-open", ORANGE), "absorb": ("dot", "triangle-down-open", INK)}
    for method, line in view.lines.items():
        if not line:
            continue
        dash, symbol, colour = styles[method]
        figure.add_scatter(
            x=view.x(line, cost),
            y=[c.val_drop_pp for c in line],
            mode="lines+markers",
            line={"dash": dash, "color": colour, "width": 1.3},
            marker={"symbol": symbol, "size": 8, "color": colour},
            name=f"uniform width, {method}",
            text=[hover(view, c) for c in line],
            customdata=[c.trial for c in line],
            hovertemplate="%{text}<extra></extra>",
        )


def _add_front(figure: go.Figure, view: Scene, cost: Cost) -> None:
    xs, ys = staircase(view.front, cost)
    figure.add_scatter(
        x=xs, y=ys, mode="lines", line={"color": SKY, "width": 1.2}, hoverinfo="skip", showlegend=False, name="front"
    )
    for kind in Evidence:
        designs = [c for c in view.front if c.evidence is kind]
        if not designs:
            continue
        figure.add_scatter(
            x=view.x(designs, cost),
            y=[c.val_drop_pp for c in designs],
            mode="markers",
            marker={
                "symbol": SHAPES[kind][0],
                "size": _marker_size(len(view.front)),
                "color": EVIDENCE_COLOURS[kind],
                "line": {"width": 2, "color": EVIDENCE_COLOURS[kind]},
            },
            name=EVIDENCE_LABELS[kind],
            text=[hover(view, c) for c in designs],
            customdata=[c.trial for c in designs],
            hovertemplate="%{text}<extra></extra>",
        )


def _marker_size(designs: int) -> int:
    return 10 if designs <= 40 else 8 if designs <= 150 else 6


def _add_intervals(figure: go.Figure, view: Scene, cost: Cost) -> None:
    designs = [c for c in view.front if math.isfinite(c.ci_high)]
    if not designs:
        return
    figure.add_scatter(
        x=view.x(designs, cost),
        y=[c.test_drop_pp for c in designs],
        mode="markers",
        marker={"symbol": "line-ew-open", "size": 8, "color": INK},
        error_y={
            "type": "data",
            "array": [c.ci_high - c.test_drop_pp for c in designs],
            "arrayminus": [c.test_drop_pp - c.ci_low for c in designs],
            "color": INK,
            "thickness": 1,
            "width": 3,
        },
        name="same design on test, 95% interval",
        visible=True if len(designs) <= MOST_INTERVALS else "legendonly",
        text=[hover(view, c) for c in designs],
        customdata=[c.trial for c in designs],
        hovertemplate="%{text}<extra>test</extra>",
    )


def _add_int32(figure: go.Figure, view: Scene, cost: Cost) -> None:
    for label, choice, symbol in (
        ("int32 (Q31)", view.int32, "star"),
        ("int32, fine-tuned", view.rec.control, "star-open"),
    ):
        if choice is None:
            continue
        figure.add_scatter(
            x=view.x([choice], cost),
            y=[choice.val_drop_pp],
            mode="markers",
            marker={"symbol": symbol, "size": 13, "color": INK},
            name=label,
            text=[hover(view, choice)],
            customdata=[choice.trial],
            hovertemplate="%{text}<extra></extra>",
        )


def _add_margin(figure: go.Figure, view: Scene) -> None:
    margin = view.results.facts.margin_pp
    figure.add_hline(y=margin, line={"color": ORANGE, "width": 1, "dash": "longdash"})
    figure.add_annotation(
        text=f"margin {margin:g} pp",
        x=1,
        xref="paper",
        y=margin,
        yanchor="bottom",
        xanchor="right",
        showarrow=False,
        font={"size": 11, "color": ORANGE},
    )


def _annotate(figure: go.Figure, view: Scene, label: str, choice: Choice, cost: Cost, number: int) -> None:
    """Label a design from the top of the picture, where labels cannot cover each other."""
    low, high = (math.log10(end) for end in (min(_all_costs(view, cost)), max(_all_costs(view, cost))))
    figure.add_annotation(
        text=label,
        x=math.log10(getattr(choice, cost.attribute)),
        y=choice.val_drop_pp,
        axref="x",
        ayref="y",
        ax=low + 0.3 * (high - low),
        ay=view.top_pp - (0.06 + 0.07 * number) * (view.top_pp - bottom(view)),
        xanchor="left",
        arrowhead=2,
        arrowcolor=INK,
        bgcolor="rgba(255,255,255,0.85)",
        font={"size": 12},
    )


def _all_costs(view: Scene, cost: Cost) -> list[float]:
    """Positive costs of everything in the picture; 1 where there is none."""
    shown = [*view.dominated.costs[cost.column], *view.x([*view.front, *baselines(view)], cost)]
    return [value for value in shown if value > 0] or [1.0]


def hover(view: Scene, choice: Choice) -> str:
    """A design in a few lines."""
    lines = [
        f"<b>trial {choice.trial}</b>{_role(choice)}",
        f"area {formats.area(choice.area_um2)} ({formats.ratio(choice.area_ratio)} less than int32)",
        f"energy {formats.energy(choice.energy_nj)} ({formats.ratio(choice.energy_ratio)} less)",
        f"validation drop {formats.points(choice.val_drop_pp)}",
        f"test drop {formats.points(choice.test_drop_pp)} {formats.interval(choice.ci_low, choice.ci_high)}: "
        f"{choice.evidence.value}",
        f"fine-tuning {choice.finetune}, fidelity {choice.fidelity}",
        *_width_lines(view, choice),
    ]
    return "<br>".join(lines)


def _role(choice: Choice) -> str:
    return {Role.SEARCH: "", Role.INT32: ", int32 (Q31)", Role.CONTROL: ", int32 fine-tuned"}.get(
        choice.role, f", {uniform_name(choice)}"
    )


def _width_lines(view: Scene, choice: Choice) -> list[str]:
    cells = [
        f"{plain(formats.shorten(name, 14))} {bits}{method[:1]}"
        for name, bits, method in zip(view.results.rescalers, choice.multiplier_bits, choice.methods, strict=True)
    ]
    lines = [" · ".join(cells[i : i + PER_LINE]) for i in range(0, min(len(cells), MOST_IN_HOVER), PER_LINE)]
    return [*lines, "… click for all"] if len(cells) > MOST_IN_HOVER else lines


def heat_map(view: Scene) -> go.Figure:
    """Multiplier bits of every rescaler across the front, cheapest design on the left."""
    front = view.front
    numbered = len(front) <= MOST_LABELLED_ROWS
    bits = [list(row) for row in zip(*(c.multiplier_bits for c in front), strict=True)]
    methods = [list(row) for row in zip(*(c.methods for c in front), strict=True)]
    names = [plain(name) for name in view.results.rescalers]
    figure = go.Figure(
        go.Heatmap(
            z=[[math.log2(k) for k in row] for row in bits],
            x=list(range(len(front))),
            y=list(range(len(names))),
            text=[[_cell(k, m) for k, m in zip(*rows, strict=True)] for rows in zip(bits, methods, strict=True)],
            customdata=[
                [[name, choice.trial, k, m] for choice, k, m in zip(front, *rows, strict=True)]
                for name, *rows in zip(names, bits, methods, strict=True)
            ],
            texttemplate="%{text}" if numbered else None,
            hovertemplate="%{customdata[0]}<br>trial %{customdata[1]}: "
            "%{customdata[2]} bits, %{customdata[3]}<extra></extra>",
            colorscale=SEQUENTIAL,
            zmin=0,
            zmax=math.log2(31),
            xgap=1 if numbered else 0,
            ygap=1,
            colorbar={
                "title": {"text": "bits"},
                "tickvals": [math.log2(k) for k in (1, 2, 4, 8, 16, 31)],
                "ticktext": ["1", "2", "4", "8", "16", "31"],
                "thickness": 12,
            },
        )
    )
    ticks = list(range(0, len(front), max(1, len(front) // MOST_LABELLED_ROWS)))
    figure.update_layout(
        base_layout(
            150 + 26 * len(names),
            xaxis=axis(
                "Front design (trial), cheapest on the left",
                tickvals=ticks,
                ticktext=[str(front[i].trial) for i in ticks],
                showgrid=False,
            ),
            yaxis=axis(
                "",
                tickvals=list(range(len(names))),
                ticktext=[plain(formats.shorten(name, NAME_LENGTH)) for name in view.results.rescalers],
                autorange="reversed",
                showgrid=False,
            ),
        )
    )
    return figure


def _cell(bits: int, method: str) -> str:
    return f"{bits}{method[:1]}" if method else str(bits)
