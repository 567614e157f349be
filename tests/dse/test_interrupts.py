"""Ctrl-C, SIGTERM and SIGHUP: tables of all recorded trials, one line, 128 + n; and a second one ends at once."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest

import dse.run
from dse.design import Evaluation, Job, TestScore
from dse.run import run_study
from dse.search import Driver
from dse.search.interrupts import SIGNALS, Interrupted, Interrupts
from dse.store import RunFolder, check
from dse.study.prepared import PreparedStudy
from dse.workers import EvaluatorPool, SerialPool
from tests.conftest import Cli
from tests.fakes import ClosedForm
from tests.small_studies import small_spec, write_study

pytestmark = pytest.mark.usefixtures("default_interrupts")


@dataclass
class Signalling(ClosedForm):
    """Sends its own process a signal when it evaluates a trial."""

    number: int = signal.SIGINT
    trial: int = 5

    def run(self, job: Job) -> Evaluation | TestScore:
        if job.trial == self.trial:
            os.kill(os.getpid(), self.number)
        return super().run(job)


@pytest.fixture
def evaluated_by(digits: PreparedStudy, monkeypatch: pytest.MonkeyPatch) -> Callable[[ClosedForm], None]:
    def install(evaluator: ClosedForm) -> None:
        def pool(*_study: PreparedStudy, **_options: object) -> EvaluatorPool:
            return SerialPool(lambda: evaluator)

        monkeypatch.setattr(dse.run, "make_pool", pool)

    monkeypatch.setattr(dse.run, "prepare", lambda spec: replace(digits, spec=spec))
    monkeypatch.setattr(dse.run, "write_report", lambda _results, path: (path / "report.html").write_text("report"))
    return install


@pytest.fixture
def heard() -> Iterator[None]:
    """Signals as a terminal leaves them; nohup has the tests ignore some, and a study then ignores them, too."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_writes_the_tables_and_one_line(
    cli: Cli, tmp_path: Path, number: int, evaluated_by: Callable[[ClosedForm], None]
) -> None:
    study, run = write_study(tmp_path), tmp_path / "run[/b]"  # what rich would take for markup
    evaluated_by(Signalling(number=number))
    handlers = [signal.getsignal(each) for each in SIGNALS]
    stopped = cli("run", study, "--out", run, "--no-cache")
    assert stopped.status == 128 + number, stopped
    line = f"Interrupted. Every finished trial is kept in {run}; run the same command to resume."
    assert "".join(line.split()) in "".join(stopped.out.split())  # long paths are wrapped
    assert "Traceback" not in stopped.err
    assert (pd.read_csv(run / "trials.csv")["state"] == "COMPLETE").sum() == 5
    assert [signal.getsignal(each) for each in SIGNALS] == handlers
    evaluated_by(ClosedForm())
    done = cli("run", study, "--out", run, "--no-cache")
    assert done.status == 0, done.err
    assert f"Report: {run}/report.html" in done.out
    assert check(RunFolder(run)) == []


def test_a_signal_while_a_study_is_prepared_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.setattr(dse.run, "prepare", lambda _spec: os.kill(os.getpid(), signal.SIGTERM))
    stopped = cli("run", write_study(tmp_path), "--out", tmp_path / "run")
    assert stopped.status == 128 + signal.SIGTERM
    assert "Interrupted. Nothing was recorded; run the same command to resume." in " ".join(stopped.out.split())
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("evaluated_by")
def test_a_signal_before_the_first_trial_writes_empty_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.setattr(dse.run, "make_pool", lambda *_, **__: SerialPool(ClosedForm))
    monkeypatch.setattr(Driver, "run", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    stopped = cli("run", write_study(tmp_path), "--out", tmp_path / "run")
    assert stopped.status == 128 + signal.SIGTERM, stopped
    assert (tmp_path / "run" / "results.xlsx").is_file()
    assert cli("show", tmp_path / "run").status == 0


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts().caught():
            os.kill(os.getpid(), signal.SIGHUP)
        with pytest.raises(Interrupted) as raised, Interrupts().caught():
            os.kill(os.getpid(), signal.SIGTERM)
        assert raised.value.status == 143
    finally:
        signal.signal(signal.SIGHUP, before)


def stop_twice(path: Path, digits: PreparedStudy) -> None:
    """A study in which Ctrl-C is pressed in an evaluation and again while the tables are written, which hangs."""

    def hang(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(3600)

    dse.run.prepare = lambda spec: replace(digits, spec=spec)  # type: ignore[assignment] -- in this child alone
    dse.run.make_pool = lambda *_, **__: SerialPool(Signalling)  # type: ignore[assignment]
    dse.run.write_tables = hang  # type: ignore[assignment]
    run_study(small_spec(), RunFolder(path))


def test_a_second_ctrl_c_ends_at_once(digits: PreparedStudy, tmp_path: Path) -> None:
    driver = multiprocessing.get_context("fork").Process(target=stop_twice, args=(tmp_path / "run", digits))
    driver.start()
    driver.join()
    assert driver.exitcode == 130
    assert check(RunFolder(tmp_path / "run")) == []  # five trials, recorded
