"""report.html: one file that opens without a network."""

import base64
import gzip
import json
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
from dse.report.charts.front import on_test
from dse.report.charts.picture import Picture, library, library_version
from dse.report.charts.rescalers import is_shared, layer_table
from dse.report.clocks import clock_sentence
from dse.report.front_rows import front_rows
from dse.report.losses import ShownLoss, shown_loss
from dse.report.pictures import Analysis, analyse, pictures, write_pictures
from dse.report.row_groups import LEAST_FILTERED, row_groups
from dse.report.scene import Scene
from dse.report.tables import compared, write_tables
from dse.report.tiles import front_tiles, gain_in_words, tiles
from dse.store import StudyFacts, StudyResults, member_key
from dse.verdict import ROLE_NAMES, Choice
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
    facts = view.results.facts
    designs = compared(view.rec)
    verdict = view.rec.verdict
    chosen = verdict.recommended
    rows = front_rows(view.front, view.results.rescalers)
    template = environment().get_template("report.html.j2")
    return template.render(
        vars(analysis),
        facts=facts,
        loss=view.loss,
        tested_loss=shown_loss(facts, verdict.loss),
        rec=view.rec,
        verdict=verdict,
        chosen=chosen,
        tiles=tiles(chosen, verdict, facts) if chosen else front_tiles(view.front, facts, view.loss),
        gain=gain_in_words(gain, chosen, facts, verdict) if chosen and (gain := verdict.gain_over_uniform) else "",
        needs=needs(chosen) if chosen else (),
        at_margin=_at_margin(facts),
        clock=clock_sentence(view.results),
        objectives=[figure_named(name).title.lower() for name in facts.objectives],
        compared=designs,
        shares=any(math.isfinite(c.area_shares.design) for _, c in designs),
        other_style=any(math.isfinite(c.value(metrics.OTHER_STYLE_AREA)) for _, c in designs),
        front=rows[:MOST_ROWS],
        front_rows=len(rows),
        members=_member_rows(view, designs),
        layers=_layers(view),
        groups=row_groups(view.results),
        is_long=len(view.results.rescalers) >= LEAST_FILTERED,
        layers_share=chosen is not None and is_shared(view, chosen),
        counts=Counter(view.results.trials["state"]),
        errors=_errors(view.results),
        pictures=drawn,
        **page_parts(drawn, design_cards(view)),
    )


def needs(choice: Choice) -> tuple[str, ...]:
    """Returns what a design takes besides new integers, in words."""
    trained = (f"retrained weights ({choice.finetune} fine-tune)",) if choice.is_finetuned else ()
    calibrated = ("calibration on unlabelled samples",) if "calibrated" in choice.fidelity else ()
    return trained + calibrated


def page_parts(drawn: dict[str, Picture], designs: dict[str, object]) -> dict[str, object]:
    """Returns what every page needs: styles, scripts, the library that draws the pictures, and their data.

    Library and data are packed: the page is a third of the size, and no text in them can end an element.
    """
    panels = {
        f"{key}-{number}": panel.interactive()
        for key, picture in drawn.items()
        for number, panel in enumerate(picture.panels, start=1)
    }
    data = json.dumps({"panels": panels, **designs}, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return {
        "css": Markup(_resource("report.css")),  # noqa: S704 -- a file of this package
        "js": Markup(_resource("report.js")),  # noqa: S704 -- a file of this package
        "library": _packed_library(),
        "data": packed(data),
        "library_version": library_version(),
    }


@cache
def _packed_library() -> str:
    return packed(library())


def packed(text: str) -> str:
    """Returns a text compressed by gzip, in base 64; the same text gives the same bytes."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


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
        percent=formats.percent,
        widths=formats.widths,
        methods=formats.methods,
        windows=formats.windows,
        cost_source=str,
        factor=formats.factor,
        rounded=formats.rounded,
        still_uri=still_uri,
    )
    made.globals.update(count=formats.count, metrics=metrics)
    return made


def still_uri(picture: Picture) -> str:
    """Returns a still picture as a data address: as SVG, or in pixels if it has so many marks that this is shorter."""
    svg = picture.svg.encode()
    kind, content = ("svg+xml", svg) if len(svg) <= len(picture.png) else ("png", picture.png)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def design_cards(view: Scene) -> dict[str, object]:
    """Returns all designs of front and baselines, for the card that a click opens."""
    shown = {c.trial: c for line in view.lines.values() for c in line} | {c.trial: c for c in view.front}
    tested = [test.choice for test in view.rec.verdict.tested]
    shown |= {
        c.trial: c
        for c in (view.rec.int32, view.rec.int16, view.rec.control, *view.rec.recommended.values(), *tested)
        if c
    }
    return {
        "rescalers": list(view.results.rescalers),
        "groups": [places for _, places in row_groups(view.results)],
        "designs": {
            str(c.trial): {"facts": _card_facts(c, view.loss), "bits": c.rescalers, "methods": c.methods}
            for c in shown.values()
        },
    }


def _card_facts(choice: Choice, loss: ShownLoss) -> list[tuple[str, str]]:
    return [
        ("Made for", ROLE_NAMES[choice.role]),
        ("Area", f"{formats.area(choice.area_um2, 4)} ({formats.ratio(choice.area_ratio)} less than int32)"),
        ("Energy per inference", f"{formats.energy(choice.energy_nj, 4)} ({formats.ratio(choice.energy_ratio)} less)"),
        (f"Validation {loss.word}", loss.amount(choice.val_loss)),
        *_card_control(choice, loss),
        (f"Test {loss.word}", on_test(loss, choice)),
        ("At the margin", choice.evidence.value),
        ("Fine-tuning, fidelity", f"{choice.finetune}, {choice.fidelity}"),
        *([("Also", choice.also)] if choice.also else []),
    ]


def _card_control(choice: Choice, loss: ShownLoss) -> list[tuple[str, str]]:
    if not (loss.is_change and math.isfinite(choice.val_drop_vs_control_pp)):
        return []
    return [("… against int32 trained alike", loss.amount(choice.val_drop_vs_control_pp))]


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
    """Returns the layers of the recommended design; none without a recommendation or records of layers."""
    recommended = view.rec.verdict.recommended
    if recommended is None or view.results.layers.empty:
        return []
    rows = layer_table(view, recommended.trial).reset_index()
    return rows.dropna(subset=["channels"]).to_dict(orient="records")


def _errors(results: StudyResults) -> list[tuple[str, int]]:
    failed = results.trials[results.trials["state"] == "FAIL"]
    messages = Counter(str(error) for error in failed["error"].fillna("no message"))
    return messages.most_common(MOST_ERRORS)


def _resource(name: str) -> str:
    return (files("dse.report") / "templates" / name).read_text(encoding="utf-8")
