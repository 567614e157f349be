"""The code of every tutorial runs, top to bottom, as a reader would type it."""

import re
from pathlib import Path

import pytest
import torch

DOCS = Path(__file__).parents[2] / "docs"
TUTORIALS = sorted(path for path in DOCS.glob("tutorial*.md") if "```python" in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_code_of_the_page_runs(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    scope: dict[str, object] = {}
    try:
        for block in blocks:
            exec(compile(block, str(page), "exec"), scope)  # noqa: S102 -- our own page
    finally:
        torch.set_num_threads(threads)
    assert capsys.readouterr().out


def test_there_is_a_python_tutorial() -> None:
    assert "tutorial-python" in [page.stem for page in TUTORIALS]
