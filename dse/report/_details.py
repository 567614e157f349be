"""Pictures of the analyses for the browser: layers, sensitivity, importance, convergence, cost models."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from dse import formats
from dse.report._convergence import Agreement, Convergence
from dse.report._interactive import NAME_LENGTH, axis, base_layout, plain
from dse.report._palette import BLUE, FAINT, INK, ORANGE, SEQUENTIAL, SKY, YELLOW
from dse.report._scene import Scene, detailed
from dse.report._sensitivity import Sensitivity

Floats = npt.NDArray[np.float64]

# Dark to light, so that neighbours differ in greyscale.
DESIGN_COLOURS = (FAINT, BLUE, YELLOW, SKY)
LAYER_COLUMNS = ["area_um2", "datapath_area_um2", "parameter_area_um2", "energy_nj"]
HYPERVOLUME = "Hypervolume"
HYPERVOLUME_CUT = "Hypervolume (axis cut)"
COMPONENTS = (("datapath_area_um2", "datapath", ""), ("parameter_area_um2", "parameter memory", "/"))


def layers_figure(view: Scene, quantity: str) -> go.Figure:
    """Area by component, or energy, of every rescaler, for int32 and the recommended designs.

    Args:
        view: the study.
        quantity: ``area`` or ``energy``.
    """
    figure = go.Figure()
    names = view.results.rescalers
    designs = detailed(view.rec)
    parts = COMPONENTS if quantity == "area" else (("energy_nj", "", ""),)
    for (label, choice), colour in zip(designs, DESIGN_COLOURS, strict=False):
        rows = layer_rows(view, choice.trial)
        base = np.zeros(len(names))
        for column, part, pattern in parts:
            values = rows[column].to_numpy(dtype=np.float64)
            figure.add_bar(
                y=list(range(len(names))),
                x=values,
                base=base.copy(),
                orientation="h",
                offsetgroup=label,
                marker={"color": colour, "line": {"color": INK, "width": 0.5}, "pattern": {"shape": pattern}},
                name=label,
                legendgroup=label,
                showlegend=column == parts[0][0],
                text=[plain(name) for name in names],
                textposition="none",
                hovertemplate="%{text}<br>" + f"{label} {part}: " + "%{customdata:,.4~g} "
                f"{'µm²' if quantity == 'area' else 'nJ'}<extra></extra>",
                customdata=values,
            )
            base += np.nan_to_num(values)
    title = "Rescaler area (µm²)" if quantity == "area" else "Rescaler energy per inference (nJ)"
    figure.update_layout(
        base_layout(
            150 + (10 + 10 * len(designs)) * len(names),
            barmode="group",
            bargap=0.25,
            xaxis=axis(title, rangemode="tozero"),
            yaxis=_rescaler_axis(names),
            legend={"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0, "traceorder": "normal"},
        )
    )
    return figure


def layer_rows(view: Scene, trial: int) -> pd.DataFrame:
    """Rows of ``layers`` of one trial, in the order of the rescalers."""
    layers = view.results.layers
    if layers.empty:
        return pd.DataFrame(index=list(view.results.rescalers), columns=LAYER_COLUMNS, dtype=float)
    return layers[layers["trial"] == trial].set_index("rescaler").reindex(list(view.results.rescalers))


def sensitivity_figure(found: Sensitivity) -> go.Figure:
    """Predicted drop by rescaler and width."""
    counts = found.trials_used
    names = [plain(name) for name in found.rescalers]
    figure = go.Figure(
        go.Heatmap(
            z=found.drop_pp.round(3),
            x=[str(k) for k in found.bits],
            y=list(range(len(names))),
            customdata=[[[name, int(n)] for n in row] for name, row in zip(names, counts, strict=True)],
            colorscale=SEQUENTIAL,
            reversescale=True,
            xgap=1,
            ygap=1,
            colorbar={"title": {"text": "pp"}, "thickness": 12},
            hovertemplate="%{customdata[0]} at %{x} bits: mean drop %{z:.2f} pp<br>%{customdata[1]} trials had it"
            "<extra></extra>",
            hoverongaps=False,
        )
    )
    figure.update_layout(
        base_layout(
            150 + 34 * len(names),
            xaxis=axis("Multiplier width of this rescaler (bits)", type="category", showgrid=False),
            yaxis=_rescaler_axis(found.rescalers),
        )
    )
    return figure


def importance_figure(view: Scene, found: Sensitivity) -> go.Figure:
    """Each rescaler's share of the accuracy's variance beside its share of int32's area and energy."""
    shares: list[tuple[str, str, str, Floats]] = [("accuracy (fANOVA)", BLUE, "", found.importance)]
    if view.int32 is not None:
        rows = layer_rows(view, view.int32.trial)
        shares += [
            ("area of int32", FAINT, "", _share(rows["area_um2"])),
            ("energy of int32", YELLOW, "/", _share(rows["energy_nj"])),
        ]
    figure = go.Figure()
    for label, colour, pattern, values in shares:
        figure.add_bar(
            x=100 * values,
            y=list(range(len(found.rescalers))),
            orientation="h",
            name=label,
            marker={"color": colour, "line": {"color": INK, "width": 0.5}, "pattern": {"shape": pattern}},
            text=[plain(name) for name in found.rescalers],
            textposition="none",
            hovertemplate="%{text}<br>%{x:.1f}% of " + label + "<extra></extra>",
        )
    figure.update_layout(
        base_layout(
            150 + 34 * len(found.rescalers),
            barmode="group",
            bargap=0.25,
            xaxis=axis("Share (%)", rangemode="tozero"),
            yaxis=_rescaler_axis(found.rescalers),
            legend={"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0},
        )
    )
    return figure


def convergence_figure(found: Convergence, by_time: bool) -> go.Figure:
    """Hypervolume over complete trials or minutes."""
    xs = found.minutes.round(3) if by_time else np.arange(1, len(found.hypervolume) + 1)
    figure = go.Figure()
    figure.add_scatter(
        x=xs,
        y=found.hypervolume.round(5),
        customdata=found.front_size,
        mode="lines",
        line={"color": BLUE, "width": 2, "shape": "hv"},
        name="hypervolume",
        hovertemplate="%{y:.4f}, front of %{customdata}<extra></extra>",
    )
    if not by_time and 0 < found.first_search < len(found.hypervolume):
        figure.add_vline(x=found.first_search + 0.5, line={"color": ORANGE, "dash": "dash", "width": 1})
        figure.add_annotation(
            x=found.first_search + 0.5, y=0.02, yref="paper", text="search begins", xanchor="left", showarrow=False
        )
    low, cut = visible_from(found)
    title = "Minutes since the first trial finished" if by_time else "Complete trials"
    figure.update_layout(
        base_layout(
            320,
            xaxis=axis(title),
            yaxis=axis(HYPERVOLUME_CUT if cut else HYPERVOLUME, range=[low, highest_visible(found)]),
            showlegend=False,
        )
    )
    return figure


def highest_visible(found: Convergence) -> float:
    """Upper end of the hypervolume's axis."""
    return 1.01 * float(found.hypervolume.max()) or 1.0


def visible_from(found: Convergence) -> tuple[float, bool]:
    """Where the hypervolume's axis begins, and whether that cuts it: the search's part must be seen."""
    volumes = found.hypervolume
    before = float(volumes[found.first_search - 1]) if 0 < found.first_search < len(volumes) else 0.0
    gain = float(volumes.max()) - before
    if before == 0 or gain > 0.3 * volumes.max():
        return 0.0, False
    return max(0.0, before - max(gain, 0.02 * before)), True


def agreement_figure(found: Agreement, other: str, objective: str) -> go.Figure:
    """How the ratio of the two cost models is spread over the trials."""
    figure = go.Figure()
    for label, ratios, colour in (("energy", found.energy_ratio, YELLOW), ("area", found.area_ratio, SKY)):
        figure.add_box(
            x=_percentiles(ratios),
            name=label,
            orientation="h",
            marker={"color": INK, "size": 3},
            line={"color": INK, "width": 1.2},
            fillcolor=colour,
            boxpoints=False,
        )
    figure.add_vline(x=1, line={"color": ORANGE, "dash": "dash", "width": 1})
    figure.update_layout(
        base_layout(230, xaxis=axis(f"{plain(other)} over {plain(objective)}"), yaxis=axis(""), showlegend=False)
    )
    return figure


def _percentiles(values: Floats) -> Floats:
    """At most 201 evenly spaced quantiles: the same box, however many trials there are."""
    found: Floats = np.quantile(values, np.linspace(0, 1, min(201, len(values)))).round(4)
    return found


def _share(values: pd.Series) -> Floats:
    numbers = values.to_numpy(dtype=np.float64)
    shares: Floats = numbers / np.nansum(numbers)
    return shares


def _rescaler_axis(names: tuple[str, ...]) -> dict[str, object]:
    return axis(
        "",
        tickvals=list(range(len(names))),
        ticktext=[plain(formats.shorten(name, NAME_LENGTH)) for name in names],
        autorange="reversed",
        showgrid=False,
    )
