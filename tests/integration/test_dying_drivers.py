"""Drivers that are killed and interrupted: no recorded trial is lost or repeated, and the study ends as asked."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.trial import TrialState

from dse.design.metrics import value_of
from dse.errors import StudyError
from dse.search.baselines import baselines
from dse.search.driver import Driver
from dse.search.sampler import make_sampler
from dse.store.journal import journal
from dse.store.run_folder import RunFolder
from dse.store.trials import StudyStore, record_in
from dse.study.prepared import PreparedStudy
from dse.study.space import space_over
from dse.workers import SerialPool
from tests import stores
from tests.fakes import Faulty
from tests.small_studies import write_study

KILLS, TARGET = 20, 250
TRIALS_A_DRIVER = 12  # a driver that nobody kills in time hangs after so many: KILLS of them leave some for the last
GROWTH_BYTES = 30_000  # of the journal before a kill, at most: six trials or so
WAIT_S = 300  # for a process to end; a machine that is this busy is taken for a failure


def drive(prepared: PreparedStudy, path: Path, *, hangs: frozenset[int] = frozenset()) -> None:
    folder = RunFolder(path)
    with folder.locked():
        space = space_over(prepared.operators, prepared.spec.search, prepared.spec.fidelity.finetune)
        store = stores.opened(stores.journal_for_driver(folder.journal_path), "study")
        store.use(make_sampler(prepared.spec.search, space, 0), space)
        Driver(prepared.spec, store, space, folder, SerialPool(lambda: Faulty(0.01, hangs=hangs))).run(TARGET)


def recorded(path: Path) -> dict[int, tuple[list[float], str]]:
    trials = StudyStore.load(journal(path / "journal.log"), "study").complete()
    return {t.number: (t.values, record.design) for t in trials if (record := record_in(t))}


def size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def test_a_driver_killed_twenty_times_in_one_study(digits: PreparedStudy, tmp_path: Path) -> None:
    """kill -9 at random moments, those inside a write of the journal included."""
    chance = np.random.default_rng(0)
    before: dict[int, tuple[list[float], str]] = {}
    file = tmp_path / "journal.log"
    fork = multiprocessing.get_context("fork")
    for kill in range(KILLS):
        first = len(StudyStore.load(journal(file), "study").trials()) if kill else 0
        hangs = frozenset(range(first + TRIALS_A_DRIVER, 2 * TARGET))
        until = size(file) + int(chance.integers(1_000, GROWTH_BYTES))
        driver = fork.Process(target=drive, args=(digits, tmp_path), kwargs={"hangs": hangs}, daemon=True)
        driver.start()
        while size(file) < until:
            assert driver.is_alive()
            time.sleep(0.001)
        driver.join(timeout=chance.uniform(0, 0.01))  # anywhere between two trials
        os.kill(driver.pid or 0, signal.SIGKILL)
        driver.join()
        now = recorded(tmp_path)
        assert {number: now[number] for number in before} == before  # recorded trials stay as they were
        before = now
    drive(digits, tmp_path)

    space = space_over(digits.operators, digits.spec.search, digits.spec.fidelity.finetune)
    final = recorded(tmp_path)
    assert {number: final[number] for number in before} == before
    states = Counter(t.state for t in StudyStore.load(journal(file), "study").trials())
    assert states[TrialState.COMPLETE] == TARGET
    assert states[TrialState.RUNNING] == states[TrialState.WAITING] == 0
    designs = [design for _, design in final.values()]
    assert len(set(designs)) == TARGET  # no design is recorded twice
    assert {point.to_json() for _, point in baselines(space, (1, 4))} <= set(designs)


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``dse run``; kills what is still running at the end, since the studies have no end of their own."""
    drivers: list[subprocess.Popen[str]] = []

    def start_driver(study: Path, run: Path, *options: str) -> subprocess.Popen[str]:
        command = [str(Path(sys.executable).with_name("dse")), "run", str(study), "--out", str(run), *options]
        drivers.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return drivers[-1]

    yield start_driver
    for driver in drivers:
        driver.kill()
        driver.wait()


def wait_for_trials(run: Path, number: int, driver: subprocess.Popen[str]) -> int:
    """Waits until so many trials are recorded, or the driver ends."""
    complete = 0
    while complete < number:
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.1)
        if not (run / "journal.log").exists():
            continue  # reading would create it
        with suppress(StudyError):  # the journal exists a moment before the study in it
            complete = len(StudyStore.load(journal(run / "journal.log"), "small").complete())
    return complete


@pytest.mark.usefixtures("default_interrupts")
def test_the_command_is_interrupted_killed_and_resumed_on_ray(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    endless = write_study(tmp_path, search__trials=100_000, workers__executor="ray")
    run = tmp_path / "run"

    interrupted = start(endless, run)
    first = wait_for_trials(run, 3, interrupted)
    interrupted.send_signal(signal.SIGINT)
    out, err = interrupted.communicate(timeout=WAIT_S)
    assert interrupted.returncode == 130, err
    assert "Interrupted. Every finished trial is kept" in out.replace("\n", " ")
    assert "Traceback" not in err
    table = pd.read_csv(run / "trials.csv")
    complete = (table["state"] == "COMPLETE").sum()
    assert complete >= first

    killed = start(endless, run)
    wait_for_trials(run, complete + 2, killed)
    killed.kill()
    killed.communicate(timeout=WAIT_S)
    kept = StudyStore.load(journal(run / "journal.log"), "small").complete()

    target = len(kept) + 10
    out, err = start(endless, run, "--trials", str(target)).communicate(timeout=WAIT_S)
    assert "Report:" in out, err
    final = pd.read_csv(run / "trials.csv").set_index("trial")
    complete_trials = final[final["state"] == "COMPLETE"]
    assert len(complete_trials) == target
    objectives = ["val_accuracy_drop_pp", "rescaler_area_um2", "rescaler_energy_nj"]
    for trial in kept:
        assert (record := record_in(trial))
        assert [value_of(record, name) for name in objectives] == complete_trials.loc[trial.number][objectives].tolist()
