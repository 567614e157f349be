"""Files of a run folder: links that lead out of it, starts that were cut short, names that cannot be shown."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dse.errors import StudyError
from dse.evaluate import contents_of
from dse.run import begin_run, planned, run_study
from dse.store import RunFolder, check, results_of
from dse.store.journal import DriverJournal
from dse.study.prepared import PreparedStudy
from nets.files import is_temporary, replacing
from tests.conftest import Cli
from tests.small_studies import small_spec, write_study

pytestmark = pytest.mark.usefixtures("by_formula")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


NAMES = ("manifest.json", "study.toml", "journal.log", "journal.mark", ".lock", "report.html", "trials.csv")


@pytest.mark.parametrize("name", [*NAMES, "weights", "figures"])
def test_links_are_not_followed(cli: Cli, tmp_path: Path, folder: RunFolder, name: str) -> None:
    """A stranger's run folder has links where dse writes: to a file of the user's, or to a folder."""
    run_study(small_spec(), folder)
    outside = tmp_path / "outside"
    outside.mkdir()
    path = folder.path / name
    if path.is_file():
        path.rename(outside / name)
    elif name in NAMES:
        (outside / name).write_text("precious")
    target = outside / name if name in NAMES else outside
    if path.is_dir():
        path.rename(tmp_path / "moved")
    path.symlink_to(target)
    before = {file: file.read_bytes() for file in outside.iterdir()}
    study = write_study(tmp_path, search__trials=12)
    for command in (
        ("run", study, "--out", folder.path),
        ("run", study, "--out", folder.path, "--fresh"),
        ("report", folder.path),
        ("repair", folder.path),
    ):
        refused = cli(*command)
        assert refused.status == 2, refused
        assert refused.err.endswith(f"{path}: is a symbolic link, which dse does not follow; remove it\n")
    assert {file: file.read_bytes() for file in outside.iterdir()} == before


def test_a_comparison_writes_no_figure_through_a_link(cli: Cli, tmp_path: Path, folder: RunFolder) -> None:
    run_study(small_spec(), folder)
    out, outside = tmp_path / "out", tmp_path / "outside"
    for made in (out, outside):
        made.mkdir()
    (out / "figures").symlink_to(outside)
    refused = cli("compare", folder.path, folder.path, "--out", out)
    assert refused.status == 2
    assert "is a symbolic link" in refused.err
    assert list(outside.iterdir()) == []


def test_temporary_names_are_new_and_links_at_the_end_are_replaced(tmp_path: Path) -> None:
    names = set()
    (tmp_path / "target").write_text("precious")
    for _ in range(5):
        (tmp_path / "file.txt").unlink(missing_ok=True)
        (tmp_path / "file.txt").symlink_to(tmp_path / "target")
        with replacing(tmp_path / "file.txt") as temporary:
            assert is_temporary(temporary)
            names.add(temporary.name)
            temporary.write_text("new")
        assert (tmp_path / "file.txt").read_text() == "new"
    assert len(names) == 5
    assert (tmp_path / "target").read_text() == "precious"
    assert not is_temporary(tmp_path / ".lock")
    assert not is_temporary(tmp_path / "file-0123456789abcdef.txt")


class KilledError(BaseException):
    """Stands for kill -9: nothing in the program catches it."""


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the process die at a step of the start: before a line of the journal, or before a file is in place."""
    steps = iter(range(step))

    def dying(function: Callable[..., object]) -> Callable[..., object]:
        def act(*arguments: object, **options: object) -> object:
            if next(steps, None) is None:
                raise KilledError
            return function(*arguments, **options)

        return act

    monkeypatch.setattr(DriverJournal, "append_logs", dying(DriverJournal.append_logs))
    monkeypatch.setattr(Path, "replace", dying(Path.replace))
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # the dead tidy up nothing


@pytest.mark.parametrize("step", range(8))
def test_a_start_that_was_killed_is_begun_again(
    digits: PreparedStudy, folder: RunFolder, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(digits, folder, contents_of(digits.spec))
    folder.path.mkdir()
    with monkeypatch.context() as patch:
        killed_at(step, patch)
        with pytest.raises(KilledError):
            begin_run(plan, folder)
    assert list(folder.path.iterdir())
    assert len(run_study(small_spec(), folder).complete) == 10
    assert check(folder) == []
    assert [path.name for path in folder.path.rglob(".*") if path.name != ".lock"] == []


def test_a_kill_while_a_run_is_set_aside_loses_nothing(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_study(small_spec(), folder)
    moved = iter(range(3))

    def rename(path: Path, target: Path) -> None:
        if next(moved, None) is None:
            raise KilledError
        os.rename(path, target)  # noqa: PTH104 -- Path.rename is this function

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        with pytest.raises(KilledError):
            folder.set_aside()
    with pytest.raises(StudyError, match=r"journal\.log: is missing"):
        run_study(small_spec(search__trials=12), folder)
    with pytest.warns(UserWarning, match="the earlier run is kept in .*earlier-2"):
        assert len(run_study(small_spec(), folder, fresh=True).complete) == 10
    one, other = folder.path / "earlier-1", folder.path / "earlier-2"
    for path in one.iterdir():
        path.rename(other / path.name)
    assert results_of(RunFolder(other)).trials["trial"].tolist() == first.trials["trial"].tolist()


@pytest.mark.parametrize("name", ["journal.log", "notes.txt", "report.html"])
def test_a_folder_with_a_file_of_the_users_is_no_start(folder: RunFolder, name: str) -> None:
    folder.path.mkdir()
    (folder.path / name).write_text("precious, without an end of line")
    for fresh in (False, True):
        with pytest.raises(StudyError, match="holds files but no run"):
            run_study(small_spec(), folder, fresh=fresh)
    assert (folder.path / name).read_text() == "precious, without an end of line"


def test_a_path_that_is_not_utf8_is_refused_before_the_study(cli: Cli, tmp_path: Path) -> None:
    refused = cli("run", write_study(tmp_path), "--out", os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    assert refused.status == 2
    assert refused.err.endswith("is not UTF-8; give --out a folder whose path is\n")
    assert refused.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]


def test_what_a_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    """A terminal of ASCII, a run folder with an umlaut, and units in the table."""
    run = RunFolder(tmp_path / "läuft")
    run_study(small_spec(), run)
    program = (
        "import contextlib, sys\nfrom dse.cli.entry import main\n"
        "for word in ('show', 'check'):\n"
        "    sys.argv = ['dse', word, sys.argv[-1]]\n"
        "    with contextlib.suppress(SystemExit):\n"
        "        main()\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program, str(run.path)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert shown.returncode == 0
    assert shown.stderr == b""
    assert b"l\\xe4uft: nothing is missing or damaged" in shown.stdout
    assert b"\\xb5m" in shown.stdout
