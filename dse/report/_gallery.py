"""All pictures of a report, for the browser and on paper."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import plotly.graph_objects as go
from matplotlib.figure import Figure

from dse.report import _details, _interactive, _portfolio, _static, _static_details
from dse.report._convergence import Agreement, Convergence, agreement, convergence
from dse.report._marginal import Step, marginal_steps
from dse.report._scene import Scene, cost_axes, scene
from dse.report._sensitivity import Sensitivity, sensitivity
from dse.store.results import StudyResults
from nets.files import replacing

KEYS = ("front", "portfolio", "multiplier_bits", "layers", "sensitivity", "convergence", "cost_models")
PNG_DPI = 200


@dataclass(frozen=True)
class Analysis:
    """Everything that was worked out from a study; None where it has too little for it."""

    view: Scene
    steps: list[Step]
    sensitivity: Sensitivity | None
    convergence: Convergence | None
    agreement: Agreement | None


@dataclass(frozen=True)
class Picture:
    """One picture in its forms.

    Attributes:
        key: file name without suffix.
        interactive: plotly figures, side by side where there is room.
        svg: the same on paper.
        png: the same for slides.
    """

    key: str
    interactive: tuple[go.Figure, ...]
    svg: str
    png: bytes


def analyse(results: StudyResults) -> Analysis:
    """Work out everything that the report shows."""
    view = scene(results)
    return Analysis(
        view=view,
        steps=marginal_steps(view.front, results.facts.samples.get("validation", 0)),
        sensitivity=sensitivity(results),
        convergence=convergence(results),
        agreement=agreement(results),
    )


def pictures(analysis: Analysis) -> dict[str, Picture]:
    """The pictures that this study can have, by key."""
    return {key: rendered(key, interactive, paper) for key, interactive, paper in _drawn(analysis)}


def write_pictures(found: dict[str, Picture], folder: Path) -> None:
    """Write PNG and SVG of each; files of pictures that the study no longer has are removed."""
    for key in KEYS:
        if key in found:
            write_picture(found[key], folder)
        else:
            for suffix in ("svg", "png"):
                (folder / f"{key}.{suffix}").unlink(missing_ok=True)


def write_picture(picture: Picture, folder: Path) -> None:
    """Write PNG and SVG of one picture."""
    for suffix, data in (("svg", picture.svg.encode()), ("png", picture.png)):
        with replacing(folder / f"{picture.key}.{suffix}") as temporary:
            temporary.write_bytes(data)


def _drawn(analysis: Analysis) -> Iterator[tuple[str, tuple[go.Figure, ...], Figure]]:
    view = analysis.view
    facts = view.results.facts
    if view.front:
        fronts = tuple(_interactive.front_figure(view, cost) for cost in cost_axes(facts))
        yield "front", fronts, _static.front_page(view)
        if facts.members:
            yield "portfolio", (_portfolio.portfolio_figure(view),), _portfolio.portfolio_page(view)
        yield "multiplier_bits", (_interactive.heat_map(view),), _static.heat_page(view)
    if view.rec.int32 or view.rec.chosen:
        layers = tuple(_details.layers_figure(view, quantity) for quantity in ("area", "energy"))
        yield "layers", layers, _static_details.layers_page(view)
    if found := analysis.sensitivity:
        both = (_details.sensitivity_figure(found), _details.importance_figure(view, found))
        yield "sensitivity", both, _static_details.sensitivity_page(view, found)
    if grown := analysis.convergence:
        curves: tuple[go.Figure, ...] = (_details.convergence_figure(grown, by_time=False),)
        if len(grown.minutes):
            curves = (*curves, _details.convergence_figure(grown, by_time=True))
        yield "convergence", curves, _static_details.convergence_page(grown)
    if models := analysis.agreement:
        names = facts.other_cost.model, facts.objective_cost.model
        yield (
            "cost_models",
            (_details.agreement_figure(models, *names),),
            _static_details.agreement_page(models, *names),
        )


def rendered(key: str, interactive: tuple[go.Figure, ...], paper: Figure) -> Picture:
    """A picture in all its forms; the same data give the same bytes."""
    svg, png = io.StringIO(), io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": key}):
        paper.draw_without_rendering()
        paper.set_layout_engine("none")  # laid out once, for both formats
        paper.savefig(svg, format="svg", metadata={"Date": None}, dpi=PNG_DPI)
        paper.savefig(png, format="png", dpi=PNG_DPI)
    return Picture(key, interactive, svg.getvalue(), png.getvalue())
