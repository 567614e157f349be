"""compare.html: two or more studies on one page."""

from pathlib import Path

import pandas as pd

from dse import formats
from dse.report.charts.picture import Picture, rendered, write_picture
from dse.report.charts.several import comparison_panels
from dse.report.comparison import Comparison, Run, comparison
from dse.report.page import environment, page_parts
from dse.store import StudyResults, design_table
from dse.verdict import loss_digits
from nets.files import replacing, write_text


def compare(results_list: list[StudyResults], folder: Path) -> Path:
    """Writes ``compare.html``, ``compare.csv`` (all fronts) and the pictures; returns the path of the page.

    Args:
        results_list: two or more studies; costs are in units of the first one's int32.
        folder: where to write; each file appears whole or not at all.

    Raises:
        ValueError: fewer than two studies.
    """
    compared = comparison(results_list)
    picture = rendered("compare", comparison_panels(compared))
    write_picture(picture, folder / "figures")
    with replacing(folder / "compare.csv") as path:
        _fronts(compared).to_csv(path, index=False)
    write_text(folder / "compare.html", compare_html(compared, picture))
    return folder / "compare.html"


def compare_html(compared: Comparison, picture: Picture) -> str:
    """Returns the page; every text in it is escaped."""
    template = environment().get_template("compare.html.j2")
    loss = compared.runs[0].results.facts.loss
    return template.render(
        compared=compared,
        loss=loss,
        digits=loss_digits(loss),
        picture=picture,
        layers=layer_changes(compared),
        **page_parts(),
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
