"""report.html: one file that opens without a network."""

import base64
import math
from collections import Counter
from collections.abc import Hashable
from functools import cache
from importlib.resources import files
from pathlib import Path

import jinja2
from markupsafe import Markup

from dse import formats
from dse.design import figure_named, metrics
from dse.report.charts.picture import Panel, Picture, library, library_version
from dse.report.charts.rescalers import layer_table
from dse.report.charts.style import script_json
from dse.report.pictures import Analysis, analyse, pictures, write_pictures
from dse.report.scene import Scene
from dse.report.tables import compared, write_tables
from dse.store import StudyFacts, StudyResults, member_key
from dse.verdict import ROLE_NAMES, Choice, loss_digits
from nets.files import write_text

MOST_ROWS = 40  # of the front's table; front.csv has all
MEMBER_FIGURES = ("validation", "test", "low", "high", "regret")
MOST_ERRORS = 10  # kinds of errors that are listed


def write_report(results: StudyResults, folder: Path) -> Path:
    """Writes the whole report: tables, pictures, and last of all ``report.html``, whose path is returned.

    Each file appears whole or not at all, so a report can be rebuilt while someone reads it.
    """
    write_tables(results, folder)
    analysis = analyse(results)
    drawn = pictures(analysis)
    write_pictures(drawn, folder / "figures")
    write_text(folder / "report.html", report_html(analysis, drawn))
    return folder / "report.html"


def report_html(analysis: Analysis, drawn: dict[str, Picture]) -> str:
    """Returns the page; every text in it is escaped."""
    view = analysis.view
    designs = compared(view.rec)
    template = environment().get_template("report.html.j2")
    return template.render(
        vars(analysis),
        facts=view.results.facts,
        loss=view.results.facts.loss,
        digits=loss_digits(view.results.facts.loss),
        rec=view.rec,
        at_margin=_at_margin(view.results.facts),
        objectives=[figure_named(name).title.lower() for name in view.results.facts.objectives],
        compared=designs,
        shares=any(math.isfinite(c.accelerator_area_share) for _, c in designs),
        other_style=any(math.isfinite(c.value(metrics.OTHER_STYLE_AREA)) for _, c in designs),
        front=view.front[:MOST_ROWS],
        members=_member_rows(view, designs),
        layers=_layers(view),
        counts=Counter(view.results.trials["state"]),
        errors=_errors(view.results),
        designs=design_cards(view),
        pictures=drawn,
        **page_parts(),
    )


def page_parts() -> dict[str, object]:
    """Returns what every page needs: styles, scripts and the library that draws the pictures."""
    return {
        "css": Markup(_resource("report.css")),  # noqa: S704 -- a file of this package
        "js": Markup(_resource("report.js")),  # noqa: S704 -- a file of this package
        "library": Markup(library()),  # noqa: S704 -- the library's own code
        "library_version": library_version(),
    }


def _at_margin(facts: StudyFacts) -> str:
    return "Evidence" if facts.margin is None else f"At a margin of {facts.margin:g} pp"


@cache
def environment() -> jinja2.Environment:
    """Returns the templates with autoescape on and the number formats as filters."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("dse.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=formats.number,
        points=formats.points,
        signed=formats.signed,
        ratio=formats.ratio,
        percent=formats.percent,
        widths=formats.widths,
        methods=formats.methods,
        windows=formats.windows,
        cost_source=str,
        panel_json=panel_json,
        svg_uri=svg_uri,
    )
    made.globals.update(interval=formats.interval, count=formats.count, metrics=metrics)
    return made


def panel_json(panel: Panel) -> Markup:
    """Returns a chart's specification as JSON that may stand inside a script element."""
    return Markup(script_json(panel.interactive()))  # noqa: S704 -- no character is left that could end the element


def svg_uri(svg: str) -> str:
    """Returns a picture as a data address."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def design_cards(view: Scene) -> dict[str, object]:
    """Returns all designs of front and baselines, for the card that a click opens."""
    shown = {c.trial: c for line in view.lines.values() for c in line} | {c.trial: c for c in view.front}
    tested = [test.choice for test in view.rec.verdict.tested]
    shown |= {c.trial: c for c in (view.rec.int32, view.rec.control, *view.rec.recommended.values(), *tested) if c}
    return {
        "rescalers": list(view.results.rescalers),
        "designs": {
            str(c.trial): {"facts": _card_facts(c), "bits": c.rescalers, "methods": c.methods} for c in shown.values()
        },
    }


def _card_facts(choice: Choice) -> list[tuple[str, str]]:
    return [
        ("Made for", ROLE_NAMES[choice.role]),
        ("Area", f"{formats.area(choice.area_um2)} ({formats.ratio(choice.area_ratio)} less than int32)"),
        ("Energy per inference", f"{formats.energy(choice.energy_nj)} ({formats.ratio(choice.energy_ratio)} less)"),
        (f"Validation {choice.loss.word}", choice.amount(choice.val_loss)),
        ("… against the fine-tuned int32", formats.points(choice.val_drop_vs_control_pp)),
        (f"Test {choice.loss.word}", f"{choice.amount(choice.test_loss)} {choice.interval}"),
        ("At the margin", choice.evidence.value),
        ("Fine-tuning, fidelity", f"{choice.finetune}, {choice.fidelity}"),
        *([("Also", choice.also)] if choice.also else []),
    ]


def _member_rows(view: Scene, designs: list[tuple[str, Choice]]) -> list[tuple[str, Choice, list[dict[str, float]]]]:
    """Returns the designs with the figures of every network of a portfolio; none in a study of one network."""
    members, rows = view.results.facts.members, []
    figures = view.results.trials.set_index("trial").to_dict(orient="index") if members else {}
    for label, choice in designs if members else ():
        row = figures[choice.trial]
        columns = dict(zip(MEMBER_FIGURES, (choice.loss.name, *choice.loss.on_test, "regret_pp"), strict=True))
        of_members = [{key: row.get(member_key(m, name), math.nan) for key, name in columns.items()} for m in members]
        rows.append((label, choice, of_members))
    return rows


def _layers(view: Scene) -> list[dict[Hashable, object]]:
    """Returns the layers of the recommended design; none without a recommendation."""
    if view.rec.verdict.recommended is None:
        return []
    rows = layer_table(view, view.rec.verdict.recommended.trial).reset_index()
    return rows.dropna(subset=["area_um2"]).to_dict(orient="records")


def _errors(results: StudyResults) -> list[tuple[str, int]]:
    failed = results.trials[results.trials["state"] == "FAIL"]
    messages = Counter(str(error) for error in failed["error"].fillna("no message"))
    return messages.most_common(MOST_ERRORS)


def _resource(name: str) -> str:
    return (files("dse.report") / "templates" / name).read_text(encoding="utf-8")
