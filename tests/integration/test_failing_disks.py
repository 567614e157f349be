"""Disks that fill up or turn read-only: one clear line, no recorded trial lost, and the same command resumes."""

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

import pytest

import dse.run
from dse.cli.entry import main
from dse.cli.progress import StudyProgress
from dse.report import write_tables
from dse.search.driver import Progress
from dse.store.journal import journal
from dse.store.trials import StudyStore, record_in
from dse.study.prepared import PreparedStudy
from dse.workers import EvaluatorPool, SerialPool
from tests.conftest import Outcome
from tests.fakes import ClosedForm
from tests.filesystems import FileSystem, with_file_system
from tests.small_studies import write_study

ENOUGH_KIB = 10_000

Commands = Callable[..., Outcome]


@pytest.fixture
def in_child(digits: PreparedStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepares the study before the fork, and evaluates by formula."""

    def pool(*_study: PreparedStudy, **_options: object) -> EvaluatorPool:
        return SerialPool(ClosedForm)

    monkeypatch.setattr(dse.run, "prepare", lambda _spec: digits)
    monkeypatch.setattr(dse.run, "make_pool", pool)
    monkeypatch.setattr(dse.run, "write_report", write_tables)


def command(*arguments: object) -> Outcome:
    out, err, status = io.StringIO(), io.StringIO(), 0
    sys.argv = ["dse", *map(str, arguments)]
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
    return Outcome(status, out.getvalue(), err.getvalue())


def assert_one_line(outcome: Outcome, status: int, *words: str) -> None:
    assert outcome.status == status, outcome
    assert outcome.err.startswith("dse: ")
    assert outcome.err.count("\n") == 1
    for word in words:
        assert word in outcome.err, outcome.err


def recorded(run: Path) -> dict[int, list[float]]:
    return {t.number: t.values for t in StudyStore.load(journal(run / "journal.log"), "small").complete()}


def goes_on(study: Path, run: Path, before: dict[int, list[float]]) -> None:
    """The same command finishes the study; recorded trials are unchanged, and no design is recorded twice."""
    done = command("run", study, "--out", run)
    assert done.status == 0, done.err
    final = recorded(run)
    assert {number: final[number] for number in before} == before
    trials = StudyStore.load(journal(run / "journal.log"), "small").complete()
    assert len({record.design for trial in trials if (record := record_in(trial))}) == len(trials) == 10
    assert [path.name for path in run.rglob(".*") if path.name != ".lock"] == []


def fill_up(study: Path, run: Path, disk: FileSystem) -> None:
    full = command("run", study, "--out", run)
    assert_one_line(
        full, 1, "No space left on device", str(run), "all recorded trials are kept: run the same command again"
    )
    assert [path.name for path in run.rglob(".*") if path.name != ".lock"] == []
    before = recorded(run)
    assert 0 < len(before) < 10
    disk.resize(ENOUGH_KIB)
    goes_on(study, run, before)


def short_of_space(study: Path, run: Path, disk: FileSystem) -> None:
    """Every size at which the trials fit, but some of the tables do not."""
    failed = 0
    for size_kib in range(56, 320, 12):
        disk.resize(size_kib)
        outcome = command("run", study, "--out", run)
        if outcome.status == 0:
            break
        assert_one_line(
            outcome, 1, "No space left on device", "all recorded trials are kept: run the same command again"
        )
        failed += 1
    assert outcome.status == 0
    assert failed > 3
    assert (run / "results.xlsx").is_file()


@pytest.mark.usefixtures("in_child")
def test_a_disk_without_space_for_the_spreadsheet(tmp_path: Path) -> None:
    study, disk = write_study(tmp_path), tmp_path / "disk"
    disk.mkdir()
    with_file_system(disk, 100, partial(short_of_space, study, disk / "run"))


@pytest.mark.usefixtures("in_child")
def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    study, disk = write_study(tmp_path), tmp_path / "disk"
    disk.mkdir()
    with_file_system(disk, 48, partial(fill_up, study, disk / "run"))


def turn_read_only(study: Path, run: Path, disk: FileSystem) -> None:
    """Makes the disk read-only in the middle of a study: writing fails, reading works."""
    update = StudyProgress.update

    def turn(progress: StudyProgress, state: Progress) -> None:
        if state.complete == 5:
            disk.freeze(run / "journal.log")
        update(progress, state)

    StudyProgress.update = turn  # type: ignore[method-assign] -- in this child alone
    stopped = command("run", study, "--out", run)
    StudyProgress.update = update  # type: ignore[method-assign]
    assert_one_line(stopped, 1, "Read-only file system", "all recorded trials are kept: run the same command again")
    disk.thaw(run / "journal.log")
    disk.read_only(on=True)
    before = recorded(run)
    assert len(before) == 5
    contents = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    shown = command("show", run)
    assert shown.status == 0, shown.err
    assert_one_line(command("report", run), 1, "Read-only file system")
    assert_one_line(command("run", study, "--out", run), 2, "cannot be written: Read-only file system")
    assert_one_line(command("run", study, "--out", run.parent / "other"), 2, "Read-only file system")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == contents
    disk.read_only(on=False)
    goes_on(study, run, before)


@pytest.mark.usefixtures("in_child")
def test_a_disk_that_turns_read_only(tmp_path: Path) -> None:
    study, disk = write_study(tmp_path), tmp_path / "disk"
    disk.mkdir()
    with_file_system(disk, ENOUGH_KIB, partial(turn_read_only, study, disk / "run"))
