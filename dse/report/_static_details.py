"""Pictures of the analyses on paper."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dse import formats
from dse.report._convergence import Agreement, Convergence
from dse.report._details import (
    COMPONENTS,
    DESIGN_COLOURS,
    HYPERVOLUME,
    HYPERVOLUME_CUT,
    highest_visible,
    layer_rows,
    visible_from,
)
from dse.report._palette import BLUE, FAINT, INK, ORANGE, SEQUENTIAL, SKY, YELLOW
from dse.report._scene import Scene, detailed
from dse.report._sensitivity import Sensitivity
from dse.report._static import NAME_LENGTH, dress, new_figure, safe

HATCHES = {"": "", "/": "////"}


def layers_page(view: Scene) -> Figure:
    """Area by component and energy of every rescaler, for int32 and the recommended designs."""
    names, designs = view.results.rescalers, detailed(view.rec)
    figure, (left, right) = new_figure(1.6 + (0.10 + 0.13 * len(designs)) * len(names), columns=2, sharey=True)
    height = 0.8 / max(1, len(designs))
    for index, ((label, choice), colour) in enumerate(zip(designs, DESIGN_COLOURS, strict=False)):
        rows = layer_rows(view, choice.trial)
        place = np.arange(len(names)) - 0.4 + (index + 0.5) * height
        base = np.zeros(len(names))
        for column, part, pattern in COMPONENTS:
            values = rows[column].to_numpy(dtype=np.float64)
            left.barh(place, values, height, left=base, color=colour, edgecolor=INK, linewidth=0.4,
                      hatch=HATCHES[pattern], label=f"{label}: {part}")  # fmt: skip
            base = base + np.nan_to_num(values)
        right.barh(
            place, rows["energy_nj"].to_numpy(dtype=np.float64), height, color=colour, edgecolor=INK, linewidth=0.4
        )
    dress(left, "Rescaler area (µm²)", "")
    dress(right, "Rescaler energy per inference (nJ)", "")
    _name_rows(left, names)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure


def sensitivity_page(view: Scene, found: Sensitivity) -> Figure:
    """Predicted drop by rescaler and width, and each rescaler's share of the accuracy's variance."""
    figure, (left, right) = new_figure(1.6 + 0.26 * len(found.rescalers), columns=2, width_ratios=[3, 2], sharey=True)
    image = left.imshow(found.drop_pp, aspect="auto", cmap=f"{SEQUENTIAL}_r", interpolation="nearest")
    left.set_xticks(range(len(found.bits)), [str(k) for k in found.bits], fontsize=7)
    left.set_xlabel("Multiplier width (bits)", fontsize=9)
    _name_rows(left, found.rescalers)
    bar = figure.colorbar(image, ax=left, pad=0.01, location="top", shrink=0.8)
    bar.set_label("mean predicted accuracy drop (pp)", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    _draw_shares(right, view, found)
    return figure


def _draw_shares(axes: Axes, view: Scene, found: Sensitivity) -> None:
    shares = [("accuracy (fANOVA)", BLUE, "", found.importance)]
    if view.int32 is not None:
        rows = layer_rows(view, view.int32.trial)
        for label, column, colour, hatch in (
            ("area of int32", "area_um2", FAINT, ""),
            ("energy of int32", "energy_nj", YELLOW, "////"),
        ):
            values = rows[column].to_numpy(dtype=np.float64)
            shares.append((label, colour, hatch, values / np.nansum(values)))
    height = 0.8 / len(shares)
    for index, (label, colour, hatch, values) in enumerate(shares):
        place = np.arange(len(values)) - 0.4 + (index + 0.5) * height
        axes.barh(place, 100 * values, height, color=colour, edgecolor=INK, linewidth=0.4, hatch=hatch, label=label)
    dress(axes, "Share (%)", "")
    axes.legend(fontsize=7, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def convergence_page(found: Convergence) -> Figure:
    """Hypervolume over trials and over time."""
    low, cut = visible_from(found)
    by_time = len(found.minutes) > 0
    figure, axes = new_figure(2.6, columns=2 if by_time else 1, sharey=True)
    axes[0].step(np.arange(1, len(found.hypervolume) + 1), found.hypervolume, where="post", color=BLUE)
    dress(axes[0], "Complete trials", HYPERVOLUME_CUT if cut else HYPERVOLUME)
    if 0 < found.first_search < len(found.hypervolume):
        axes[0].axvline(found.first_search + 0.5, color=ORANGE, linestyle="--", linewidth=0.9, label="search begins")
        axes[0].legend(fontsize=8, frameon=False, loc="lower right")
    if by_time:
        axes[1].step(found.minutes, found.hypervolume, where="post", color=BLUE)
        dress(axes[1], "Minutes since the first trial finished", "")
    axes[0].set_ylim(low, highest_visible(found))
    return figure


def agreement_page(found: Agreement, other: str, objective: str) -> Figure:
    """How the ratio of the two cost models is spread over the trials."""
    figure, (axes,) = new_figure(1.7)
    boxes = axes.boxplot(
        [found.energy_ratio, found.area_ratio],
        orientation="horizontal",
        tick_labels=["energy", "area"],
        whis=(0, 100),
        patch_artist=True,
        widths=0.5,
        medianprops={"color": INK},
    )
    for box, colour in zip(boxes["boxes"], (YELLOW, SKY), strict=True):
        box.set_facecolor(colour)
    axes.axvline(1, color=ORANGE, linestyle="--", linewidth=0.9)
    dress(axes, f"{safe(other)} over {safe(objective)}", "")
    return figure


def _name_rows(axes: Axes, names: tuple[str, ...]) -> None:
    axes.set_yticks(range(len(names)), [safe(formats.shorten(name, NAME_LENGTH)) for name in names], fontsize=8)
    axes.set_ylim(len(names) - 0.5, -0.5)
