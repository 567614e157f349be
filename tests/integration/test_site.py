"""The documentation site: every page is in it, every link leads somewhere, and the public names are current."""

import subprocess
import sys
from pathlib import Path

import pytest

from studies.reference.draw_datapath import RUNGS, picture
from studies.reference.write_api import PACKAGES, page

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("furo", reason="pip install furo myst-parser sphinx sphinx-copybutton")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", "docs", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Two commands" in first
    outside = [part.split('"')[0] for part in first.split('src="')[1:] if part.startswith("http")]
    assert outside == [], "the site works offline"


@pytest.mark.parametrize("top", PACKAGES)
def test_pages_of_public_names_are_current(top: str) -> None:
    """``python -m studies.reference.write_api`` writes them."""
    assert (ROOT / "docs" / "api" / f"{top}.md").read_text(encoding="utf-8") == page(top)


def test_the_datapath_shows_the_measured_areas() -> None:
    import pandas as pd

    areas = pd.read_csv(ROOT / "docs" / "results" / "hardware" / "rungs_osu018.csv")
    drawn = (ROOT / "docs" / "images" / "datapath.svg").read_text(encoding="utf-8")
    assert drawn == picture(areas)
    assert all(rung.name in drawn for rung in RUNGS)
