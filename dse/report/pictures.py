"""Collects everything that a report shows of a study, and draws its pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dse import formats
from dse.report.analysis import (
    Agreement,
    Convergence,
    FrontVolume,
    Step,
    agreement,
    convergence,
    front_volume,
    marginal_steps,
)
from dse.report.charts.curves import agreement_panel, convergence_panels
from dse.report.charts.front import front_panel
from dse.report.charts.picture import Panel, Picture, Title, rendered, write_picture
from dse.report.charts.rescalers import layers_panels, sensitivity_panels, widths_panel, windows_panel
from dse.report.charts.several import portfolio_panel
from dse.report.scene import Scene, cost_axes, scene
from dse.report.sensitivity import Sensitivity, sensitivity
from dse.store import StudyFacts, StudyResults

KEYS = ("front", "front_energy", "portfolio", "multiplier_bits", "layers", "sensitivity", "convergence", "cost_models")


@dataclass(frozen=True)
class Analysis:
    """Everything derived from a study's results; None if the study has too little data for it."""

    view: Scene
    steps: list[Step]
    sensitivity: Sensitivity | None
    convergence: Convergence | None
    volume: FrontVolume | None
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
        volume=front_volume(results),
        agreement=agreement(results),
    )


def pictures(analysis: Analysis) -> dict[str, Picture]:
    """Draws the pictures that this study has data for, by key."""
    source = source_of(analysis.view.results.facts)
    return {key: rendered(key, panels, Title(_titles(analysis.view)[key], source)) for key, panels in _drawn(analysis)}


def source_of(facts: StudyFacts) -> str:
    """Returns what a picture's figures come from, in a line or two."""
    cost = facts.objective_cost
    return (
        f"Study {facts.study}, network {facts.network}, {facts.weight_bits}-bit weights. "
        f"Costs: {cost.model} model, {cost.technology} ({cost.node_nm:g} nm), {facts.style}, "
        f"{formats.count(facts.lanes, 'lane')}{facts.clocked}."
    )


def _titles(view: Scene) -> dict[str, str]:
    facts, loss = view.results.facts, view.loss
    what = "Multiplier bits and shift windows" if facts.windows_vary else "Multiplier bits"
    costed = facts.costed
    return {
        "front": f"{loss.title} over {costed} area",
        "front_energy": f"{loss.title} over {costed} energy",
        "portfolio": f"{loss.title} of every network",
        "multiplier_bits": f"{what} of every rescaler across the front",
        "layers": "Area and energy of every rescaler",
        "sensitivity": "Which rescalers matter",
        "convergence": "Hypervolume of the front during the search",
        "cost_models": "Ratio of the two cost models",
    }


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
        area, energy = cost_axes(facts)
        yield "front", (front_panel(view, area),)
        yield "front_energy", (front_panel(view, energy),)
        if facts.members:
            yield "portfolio", (portfolio_panel(view),)
        yield "multiplier_bits", (widths_panel(view), *([windows_panel(view)] if facts.windows_vary else []))
    if (view.rec.int32 or view.rec.recommended) and not view.results.layers.empty:
        yield "layers", layers_panels(view)
    if analysis.sensitivity and analysis.sensitivity.is_useful:
        yield "sensitivity", sensitivity_panels(view, analysis.sensitivity)
    if analysis.convergence:
        yield "convergence", convergence_panels(analysis.convergence)
    if analysis.agreement:
        yield "cost_models", (agreement_panel(analysis.agreement, facts.other_cost.model, facts.objective_cost.model),)
