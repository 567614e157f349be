"""compare.html: two or more studies on one page."""

from pathlib import Path

import pandas as pd

from dse import formats
from dse.report.charts.picture import Picture, Title, rendered, write_picture
from dse.report.charts.several import comparison_panels
from dse.report.comparison import Comparison, Run, comparison
from dse.report.losses import shown_loss
from dse.report.page import environment, page_parts
from dse.report.pictures import source_of
from dse.report.spreadsheets import write_csv
from dse.store import StudyResults, design_table
from nets.files import write_text


def compare(results_list: list[StudyResults], folder: Path) -> Path:
    """Writes ``compare.html``, ``compare.csv`` (all fronts) and the pictures; returns the path of the page.

    Args:
        results_list: two or more studies; costs are in units of the first one's int32.
        folder: where to write; each file appears whole or not at all.

    Raises:
        ValueError: fewer than two studies.
    """
    compared = comparison(results_list)
    picture = rendered("compare", comparison_panels(compared), _title(compared))
    write_picture(picture, folder / "figures")
    write_csv(_fronts(compared), folder / "compare.csv")
    write_text(folder / "compare.html", compare_html(compared, picture))
    return folder / "compare.html"


def _title(compared: Comparison) -> Title:
    facts = compared.runs[0].results.facts
    runs = ", ".join(run.label for run in compared.runs)
    return Title(f"Fronts of {len(compared.runs)} runs", f"{runs}. First run: {source_of(facts)}")


def compare_html(compared: Comparison, picture: Picture) -> str:
    """Returns the page; every text in it is escaped."""
    template = environment().get_template("compare.html.j2")
    return template.render(
        compared=compared,
        loss=shown_loss(compared.runs[0].results.facts),
        picture=picture,
        layers=layer_changes(compared),
        **page_parts({picture.key: picture}, {}),
    )


def layer_changes(compared: Comparison) -> list[tuple[str, list[str], bool]]:
    """Returns each rescaler, its choices in each run's recommended design, and whether these differ."""
    rows = []
    for name in compared.rescalers:
        cells = [_cell(run, name) for run in compared.runs]
        rows.append((name, cells, len(set(cells)) > 1))
    return rows


def _cell(run: Run, rescaler: str) -> str:
    choice = run.rec.verdict.recommended
    if choice is None:
        return formats.MISSING
    index = run.results.rescalers.index(rescaler)
    return f"{choice.rescalers[index]} {choice.methods[index]}"


def _fronts(compared: Comparison) -> pd.DataFrame:
    tables = [design_table(run.results.front, run.results.rescalers) for run in compared.runs]
    return pd.concat(
        [
            table.assign(run=run.label)[["run", *table.columns]]
            for run, table in zip(compared.runs, tables, strict=True)
        ],
        ignore_index=True,
    )
