"""Trials in a PostgreSQL server: its password stays out of every file, and runs survive kills and lost connections."""

import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from optuna.trial import TrialState

import dse.run
from dse.report import write_tables
from dse.search.driver import Driver
from dse.search.sampler import make_sampler
from dse.store.databases import database
from dse.store.run_folder import RunFolder
from dse.store.trials import StudyStore, record_in
from dse.study.prepared import PreparedStudy
from dse.study.space import space_over
from dse.workers import SerialPool
from tests import stores
from tests.conftest import Cli
from tests.fakes import Faulty
from tests.postgresql import PASSWORD, Server, server
from tests.small_studies import write_study

KILLS, TARGET = 3, 30
STEP = 5  # trials between two kills


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    with server() as running:
        yield running


def assert_one_line(err: str, *words: str) -> None:
    assert err.startswith("dse: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err
    assert PASSWORD not in err


def test_the_password_is_in_no_file_and_comes_from_where_libpq_looks(
    postgresql: Server, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run from start to end: run, refused without the password, resumed and shown with it; a second run beside."""
    monkeypatch.setattr(dse.run, "write_report", write_tables)  # pictures take longer than all the rest
    study, run = write_study(tmp_path, fidelity__finetune="none"), tmp_path / "runs" / "small"
    done = cli("run", study, "--trials", 7, "--storage", postgresql.url)
    assert done.status == 0, done.err
    assert not (run / "journal.log").exists()
    files = [path for path in run.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []
    assert RunFolder(run).manifest().storage == postgresql.public_url

    for arguments in (("show", run), ("report", run), ("run", study, "--trials", 8)):
        refused = cli(*arguments)
        assert refused.status == 2
        assert_one_line(refused.err, postgresql.public_url, "password", "--storage, PGPASSWORD or ~/.pgpass")
    wrong = cli("show", run, "--storage", postgresql.url.replace(PASSWORD, "wrong"))
    assert wrong.status == 2
    assert_one_line(wrong.err, "password authentication failed")
    other_place = cli("show", run, "--storage", postgresql.url.replace("/postgres", "/other"))
    assert other_place.status == 2
    assert_one_line(other_place.err, 'database "other" does not exist')
    assert cli("show", run, "--storage", postgresql.url).status == 0
    more = cli("run", study, "--trials", 8, "--storage", postgresql.url)
    assert more.status == 0, more.err

    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert cli("show", run).status == 0
    other = tmp_path / "other"
    assert cli("run", study, "--trials", 7, "--storage", postgresql.public_url, "--out", other).status == 0
    counts = [(pd.read_csv(path / "trials.csv")["state"] == "COMPLETE").sum() for path in (run, other)]
    assert counts == [8, 7]


def drive(prepared: PreparedStudy, path: Path, url: str, *, hangs: frozenset[int] = frozenset()) -> None:
    space = space_over(prepared.operators, prepared.spec.search, prepared.spec.fidelity.finetune)
    store = stores.opened(database(url), "killed")
    store.use(make_sampler(prepared.spec.search, space, 0), space)
    Driver(prepared.spec, store, space, RunFolder(path), SerialPool(lambda: Faulty(0.01, hangs=hangs))).run(TARGET)


def recorded(store: StudyStore) -> dict[int, tuple[list[float], str]]:
    return {t.number: (t.values, record.design) for t in store.complete() if (record := record_in(t))}


def test_killed_drivers_lose_no_recorded_trial(postgresql: Server, digits: PreparedStudy, tmp_path: Path) -> None:
    before: dict[int, tuple[list[float], str]] = {}
    fork = multiprocessing.get_context("fork")
    store = stores.opened(database(postgresql.url), "killed")
    for _ in range(KILLS):
        # A driver that is not killed in time hangs, so that it never reaches the target.
        hangs = frozenset(range(len(store.trials()) + STEP + 3, 2 * TARGET))
        arguments = (digits, tmp_path, postgresql.url)
        driver = fork.Process(target=drive, args=arguments, kwargs={"hangs": hangs}, daemon=True)
        driver.start()
        while len(now := recorded(store)) < len(before) + STEP:
            assert driver.is_alive()
            time.sleep(0.01)
        os.kill(driver.pid or 0, signal.SIGKILL)
        driver.join()
        assert {number: now[number] for number in before} == before
        before = now
    drive(digits, tmp_path, postgresql.url)
    final = recorded(store)
    assert {number: final[number] for number in before} == before
    states = Counter(t.state for t in store.trials())
    assert states[TrialState.COMPLETE] == TARGET
    assert states[TrialState.RUNNING] == states[TrialState.WAITING] == 0
    assert len({design for _, design in final.values()}) == TARGET  # no design is recorded twice


def test_a_database_that_goes_away_and_comes_back(
    postgresql: Server, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dse.run, "write_report", write_tables)
    study, run = write_study(tmp_path, search__trials=7, fidelity__finetune="none"), tmp_path / "runs" / "small"
    set_test = StudyStore.set_test

    def stop_first(*arguments: object) -> None:
        postgresql.stop()
        set_test(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(StudyStore, "set_test", stop_first)
        gone = cli("run", study, "--storage", postgresql.url)
    assert gone.status == 1
    assert_one_line(gone.err, postgresql.public_url, "run the same command again")
    postgresql.start()
    back = cli("run", study, "--storage", postgresql.url)
    assert back.status == 0, back.err
    assert (pd.read_csv(run / "trials.csv")["state"] == "COMPLETE").sum() == 7
