"""The notebooks run from top to bottom, and what they hold is what their cells show."""

import json
from pathlib import Path

import pytest

import dse.run
from studies.reference.write_notebooks import FOLDER, Notebook, code_cells, executed

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def forms(notebook: Notebook) -> list[list[list[str]]]:
    """What every output of every code cell is: printed text, or the media types of a value."""
    return [[sorted(output.get("data", ["text"])) for output in cell["outputs"]] for cell in code_cells(notebook)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.usefixtures("trained_once")
def test_a_notebook_runs_and_shows_what_it_holds(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``python -m studies.reference.write_notebooks`` stores outputs; figures may differ between machines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dse.run, "write_report", lambda *_: None)  # pictures take longer than all the rest
    stored = json.loads(path.read_text(encoding="utf-8"))
    done = executed(stored)
    assert forms(done) == forms(stored)
    assert ["text/html", "text/plain"] in [form for cell in forms(done) for form in cell]
    assert (stored["nbformat"], len({cell["id"] for cell in stored["cells"]})) == (4, len(stored["cells"]))


def test_there_are_two_small_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["model", "study"]
    assert all(path.stat().st_size < 60_000 for path in NOTEBOOKS)
