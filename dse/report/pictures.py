"""Collects everything that a report shows of a study, and draws its pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dse.report.analysis import Agreement, Convergence, Step, agreement, convergence, marginal_steps
from dse.report.charts.curves import agreement_panel, convergence_panels
from dse.report.charts.front import front_panel
from dse.report.charts.picture import Panel, Picture, rendered, write_picture
from dse.report.charts.rescalers import layers_panels, sensitivity_panels, widths_panel, windows_panel
from dse.report.charts.several import portfolio_panel
from dse.report.scene import Scene, cost_axes, scene
from dse.report.sensitivity import Sensitivity, sensitivity
from dse.store import StudyResults

KEYS = ("front", "portfolio", "multiplier_bits", "layers", "sensitivity", "convergence", "cost_models")


@dataclass(frozen=True)
class Analysis:
    """Everything derived from a study's results; None if the study has too little data for it."""

    view: Scene
    steps: list[Step]
    sensitivity: Sensitivity | None
    convergence: Convergence | None
    agreement: Agreement | None


def analyse(results: StudyResults) -> Analysis:
    """Derives everything that the report shows."""
    view = scene(results)
    return Analysis(
        view=view,
        # a divergence has no percentage points to be paid for
        steps=marginal_steps(view.front, results.facts.samples.get("validation", 0)) if results.facts.margin else [],
        sensitivity=sensitivity(results),
        convergence=convergence(results),
        agreement=agreement(results),
    )


def pictures(analysis: Analysis) -> dict[str, Picture]:
    """Draws the pictures that this study has data for, by key."""
    return {key: rendered(key, panels) for key, panels in _drawn(analysis)}


def write_pictures(drawn: dict[str, Picture], folder: Path) -> None:
    """Writes SVG and PNG of each picture; files of pictures that the study no longer has are removed."""
    for key in KEYS:
        if key in drawn:
            write_picture(drawn[key], folder)
        else:
            for suffix in ("svg", "png"):
                (folder / f"{key}.{suffix}").unlink(missing_ok=True)


def _drawn(analysis: Analysis) -> Iterator[tuple[str, tuple[Panel, ...]]]:
    view = analysis.view
    facts = view.results.facts
    if view.front:
        yield "front", tuple(front_panel(view, axis) for axis in cost_axes(facts))
        if facts.members:
            yield "portfolio", (portfolio_panel(view),)
        yield "multiplier_bits", (widths_panel(view), *([windows_panel(view)] if facts.windows_vary else []))
    if (view.rec.int32 or view.rec.recommended) and not view.results.layers.empty:
        yield "layers", layers_panels(view)
    if analysis.sensitivity:
        yield "sensitivity", sensitivity_panels(view, analysis.sensitivity)
    if analysis.convergence:
        yield "convergence", convergence_panels(analysis.convergence)
    if analysis.agreement:
        yield "cost_models", (agreement_panel(analysis.agreement, facts.other_cost.model, facts.objective_cost.model),)
