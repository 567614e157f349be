"""report.html: one file that opens without a network."""

import base64
import math
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import jinja2
import plotly
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from dse import formats
from dse.design.roles import Role
from dse.report._details import layer_rows
from dse.report._gallery import Analysis, Picture, analyse, pictures, write_pictures
from dse.report._portfolio import portfolio_rows
from dse.report._scene import Scene
from dse.report.designs import Choice
from dse.report.recommendation import uniform_name
from dse.report.tables import compared, write_tables
from dse.store.results import StudyResults
from nets.files import write_text

MOST_ROWS = 40  # of the front's table; front.csv has all
MOST_ERRORS = 10  # kinds of errors that are told


def write_report(results: StudyResults, folder: Path) -> Path:
    """Write the whole report: tables, pictures, and last of all ``report.html``, whose path is returned.

    Each file appears whole or not at all, so a report can be rebuilt while someone reads it.
    """
    write_tables(results, folder)
    analysis = analyse(results)
    found = pictures(analysis)
    write_pictures(found, folder / "figures")
    write_text(folder / "report.html", report_html(analysis, found))
    return folder / "report.html"


def report_html(analysis: Analysis, found: dict[str, Picture]) -> str:
    """The page; every text in it is escaped."""
    view = analysis.view
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            facts=view.results.facts,
            rec=view.rec,
            view=view,
            compared=compared(view.rec),
            shares=any(math.isfinite(c.accelerator_area_share) for _, c in compared(view.rec)),
            other_style=any(math.isfinite(c.figures["other_style_rescaler_area_um2"]) for _, c in compared(view.rec)),
            front=view.front[:MOST_ROWS],
            members=portfolio_rows(view),
            steps=analysis.steps,
            sensitivity=analysis.sensitivity,
            agreement=analysis.agreement,
            convergence=analysis.convergence,
            layer_tables=_layer_tables(view),
            counts=Counter(view.results.trials["state"]),
            errors=_errors(view.results),
            designs=design_cards(view),
            pictures=found,
            **page_parts(),
        )
    )


def page_parts() -> dict[str, object]:
    """What every page of ours needs: styles, scripts, plotly."""
    return {
        "css": Markup(_resource("report.css")),  # noqa: S704 -- our own file
        "js": Markup(_resource("report.js")),  # noqa: S704 -- our own file
        "plotly_js": Markup(get_plotlyjs()),  # noqa: S704 -- the library's own file
        "plotly_version": plotly.__version__,
    }


@cache
def environment() -> jinja2.Environment:
    """Templates with autoescape on and the number formats as filters."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("dse.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        area=formats.area,
        energy=formats.energy,
        number=formats.number,
        points=formats.points,
        signed=formats.signed,
        ratio=formats.ratio,
        percent=formats.percent,
        widths=formats.widths,
        methods=formats.methods,
        cost_source=str,
        figure_json=figure_json,
        svg_uri=svg_uri,
        role=role_name,
    )
    made.globals.update(interval=formats.interval, count=formats.count)
    return made


def figure_json(figure: go.Figure) -> Markup:
    """A figure as JSON that may stand inside a script element."""
    text = str(figure.to_json())
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 -- no character is left that could end the element


def svg_uri(svg: str) -> str:
    """A picture as a data address."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def role_name(choice: Choice) -> str:
    """What a trial was made for, in words."""
    names = {Role.SEARCH: "search", Role.INT32: "int32 (Q31)", Role.CONTROL: "int32 (Q31), fine-tuned"}
    return names.get(choice.role) or f"uniform: {uniform_name(choice)}"


def design_cards(view: Scene) -> dict[str, object]:
    """All designs of front and baselines, for the card that a click opens."""
    shown = {c.trial: c for line in view.lines.values() for c in line} | {c.trial: c for c in view.front}
    shown |= {c.trial: c for c in (view.int32, view.rec.control) if c}
    return {
        "rescalers": list(view.results.rescalers),
        "designs": {
            str(c.trial): {"facts": _card_facts(c), "bits": c.multiplier_bits, "methods": c.methods}
            for c in shown.values()
        },
    }


def _card_facts(choice: Choice) -> list[tuple[str, str]]:
    return [
        ("Made for", role_name(choice)),
        ("Area", f"{formats.area(choice.area_um2)} ({formats.ratio(choice.area_ratio)} less than int32)"),
        ("Energy per inference", f"{formats.energy(choice.energy_nj)} ({formats.ratio(choice.energy_ratio)} less)"),
        ("Validation drop", formats.points(choice.val_drop_pp)),
        ("… against the fine-tuned int32", formats.points(choice.val_drop_vs_control_pp)),
        ("Test drop", f"{formats.points(choice.test_drop_pp)} {formats.interval(choice.ci_low, choice.ci_high)}"),
        ("On the margin", choice.evidence.value),
        ("Fine-tuning, fidelity", f"{choice.finetune}, {choice.fidelity}"),
        *([("Also", choice.also)] if choice.also else []),
    ]


@dataclass(frozen=True)
class LayerTable:
    """The layers of a recommended design."""

    label: str
    rows: list[dict[Hashable, object]]


def _layer_tables(view: Scene) -> list[LayerTable]:
    chosen = view.rec.chosen
    if chosen is None:
        return []
    rows = layer_rows(view, chosen.trial).reset_index()
    return [LayerTable(f"trial {chosen.trial}", rows.dropna(subset=["area_um2"]).to_dict(orient="records"))]


def _errors(results: StudyResults) -> list[tuple[str, int]]:
    failed = results.trials[results.trials["state"] == "FAIL"]
    messages = Counter(str(error) for error in failed["error"].fillna("no message"))
    return messages.most_common(MOST_ERRORS)


def _resource(name: str) -> str:
    return (files("dse.report") / "templates" / name).read_text(encoding="utf-8")
