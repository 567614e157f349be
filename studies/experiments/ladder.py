"""Draws the ladder of rescalers, area against accuracy, from the windows experiment: docs/results/ladder.md.

    python -m studies.experiments.ladder

Reads docs/results/windows-NETWORK.csv of every network, and writes the page and docs/images/ladder.png.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import matplotlib.pyplot as plt
import pandas as pd
import typer
from matplotlib.axes import Axes

from nets.network import FULL_MULTIPLIER_BITS

NETWORKS = {
    "mobilenet_v2": ("MobileNetV2 1.0 224", "#0072b2", "o"),
    "resnet8": ("ResNet8", "#d55e00", "s"),
    "kws": ("keyword spotting (DS-CNN)", "#1b1f24", "D"),
}
# Title, multiplier width and window of each rung; -1 stands for natural shifts.
RUNGS = (
    ("int32", FULL_MULTIPLIER_BITS, -1),
    ("k = 8", 8, -1),
    ("k = 4", 4, -1),
    ("k = 2", 2, -1),
    ("k = 1", 1, -1),
    ("8 shifts", 1, 3),
    ("4 shifts", 1, 2),
    ("2 shifts", 1, 1),
    ("constant", 1, 0),
)
LABELLED = "mobilenet_v2"
CALIBRATION = 64  # samples
LARGEST_DROP = 8.0  # percentage points, of the picture


def rungs_of(rows: pd.DataFrame, method: str) -> pd.DataFrame:
    """Returns the rows of the rungs in order, calibrated or under another method, with area and energy ratios.

    Args:
        rows: a CSV of the windows experiment.
        method: ``calibrated``, or another one of the file; int32 is the first rung of each.
    """
    int32 = rows[rows.multiplier_bits == FULL_MULTIPLIER_BITS].iloc[0]
    parts = [pd.DataFrame([int32]).assign(rung=RUNGS[0][0])]
    for title, bits, window in RUNGS[1:]:
        at = rows[(rows.multiplier_bits == bits) & (rows.shift_bits == window) & (rows.method == method)]
        if method == "calibrated":
            at = at[at.calibration_samples == CALIBRATION]
        parts.append(at.assign(rung=title))
    table = pd.concat(parts, ignore_index=True)
    # int32 is not compared with itself.
    table.loc[0, ["ci_low_pp", "ci_high_pp"]] = 0.0
    return table.assign(
        area_ratio=int32.rescaler_area_um2 / table.rescaler_area_um2,
        energy_ratio=int32.rescaler_energy_nj / table.rescaler_energy_nj,
    )


def draw(tables: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Draws the ladder of every network, and what rounding alone gives on the labelled one."""
    figure, axes = plt.subplots(figsize=(8.2, 4.6), layout="constrained")
    for name, table in tables.items():
        title, colour, marker = NETWORKS[name]
        ladder = rungs_of(table, "calibrated")
        _line(axes, ladder, colour, marker, f"{title}: calibrated, {int(ladder.test_samples.iloc[-1]):,} samples")
        if name == LABELLED:
            rounded = rungs_of(table, "round")
            _line(axes, rounded, colour, "x", f"{title}: multipliers rounded", dash=True)
            _label(axes, ladder, colour)
    axes.axhline(0, color="#b3b8bf", linewidth=0.8)
    axes.set_xscale("log")
    ticks = [1, 2, 3, 5, 10, 20, 30, 50, 80, 120]
    axes.set_xticks(ticks, [f"{tick}x" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(LARGEST_DROP, -4.5)
    axes.set_xlabel("Area of all rescalers: times smaller than int32's (log scale; osu018, calibrated by synthesis)")
    axes.set_ylabel("Accuracy drop against int32\n(percentage points; bars: paired 95% intervals)")
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=170, metadata={"Software": None})
    plt.close(figure)


def _label(axes: Axes, table: pd.DataFrame, colour: str) -> None:
    """Writes the rungs above their bars; rungs at almost the same area share a label."""
    labels: list[tuple[float, float, str]] = []
    for ratio, low, rung in zip(table.area_ratio, table.ci_low_pp, table.rung, strict=True):
        if labels and ratio < labels[-1][0] * 1.04:
            _, other, text = labels.pop()
            labels.append((ratio, min(low, other), f"{text}, {rung}"))
        else:
            labels.append((ratio, low, rung))
    for ratio, low, text in labels:
        axes.annotate(
            text, (ratio, low), xytext=(0, 5), textcoords="offset points",
            ha="left", va="bottom", fontsize=8, color=colour, rotation=35, rotation_mode="anchor",
        )  # fmt: skip


def _line(axes: Axes, table: pd.DataFrame, colour: str, marker: str, label: str, *, dash: bool = False) -> None:
    errors = [table.drop_pp - table.ci_low_pp, table.ci_high_pp - table.drop_pp]
    axes.errorbar(
        table.area_ratio, table.drop_pp, yerr=None if dash else errors, color=colour, marker=marker, markersize=5,
        linewidth=1.2, elinewidth=0.7, capsize=2, linestyle="--" if dash else "-", label=label,
    )  # fmt: skip


def markdown(tables: Mapping[str, pd.DataFrame]) -> str:
    """Returns the page with the ladder of every network."""
    lines = [
        "# The ladder of rescalers",
        "",
        "![Area of all rescalers against accuracy, rung by rung](../images/ladder.png)",
        "",
        "`python -m studies.experiments.ladder`, from `windows-NETWORK.csv`. Every rescaler of a network stands on the",
        f"same rung, ADDs too; calibrated on {CALIBRATION} unlabelled samples, untrained, half_up. Area and energy are",
        "those of all rescalers of the network, each built for its layer, parameter memory included, int32's too, by",
        "the table `osu018`, which synthesis calibrates. Drops: percentage points, paired 95% score interval.",
        "",
    ]
    for name, table in tables.items():
        ladder = rungs_of(table, "calibrated")
        lines += [
            f"## {NETWORKS[name][0]}",
            "",
            f"int32: {ladder.int32_percent.iloc[0]:.2f}% of {int(ladder.test_samples.iloc[0]):,} samples.",
            "",
            "| rung | area, µm² | smaller | energy, nJ | less | drop | agreement |",
            "|---|---:|---:|---:|---:|---:|---:|",
        ]
        lines += [
            f"| {row.rung} | {row.rescaler_area_um2:,.0f} | {row.area_ratio:.1f}x | {row.rescaler_energy_nj:,.1f} "
            f"| {row.energy_ratio:.1f}x | {_drop(row)} "
            f"| {row.agreement_percent:.1f}% |"
            for _, row in ladder.iterrows()
        ]
        lines.append("")
    return "\n".join(lines)


def _drop(row: pd.Series) -> str:
    if row.multiplier_bits == FULL_MULTIPLIER_BITS:
        return ""
    return f"{row.drop_pp:+.2f} ({row.ci_low_pp:+.2f} to {row.ci_high_pp:+.2f})"


def main(
    results: Annotated[Path, typer.Option(help="folder of the windows experiment, and of the page")] = Path(
        "docs/results"
    ),
    images: Annotated[Path, typer.Option(help="folder of the picture")] = Path("docs/images"),
) -> None:
    """Writes the page and the picture from the networks that were measured."""
    files = {name: results / f"windows-{name}.csv" for name in NETWORKS}
    tables = {name: pd.read_csv(file) for name, file in files.items() if file.exists()}
    if not tables:
        raise typer.BadParameter(f"{results}: no windows-NETWORK.csv; run python -m studies.experiments.windows first")
    draw(tables, images / "ladder.png")
    page = results / "ladder.md"
    page.write_text(markdown(tables), encoding="utf-8")
    typer.echo(page)


if __name__ == "__main__":
    typer.run(main)
