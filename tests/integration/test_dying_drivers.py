"""Drivers that are killed and interrupted: no recorded trial is lost or repeated, and the study ends as asked."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from dse.design.metrics import value_of
from dse.errors import StudyError
from dse.store.journal import journal
from dse.store.trials import StudyStore, record_in
from dse.study.prepared import PreparedStudy
from tests import kills
from tests.small_studies import write_study

KILLS = 5
WAIT_S = 300  # for a process to end; a machine that is this busy is taken for a failure


def test_a_driver_killed_again_and_again(digits: PreparedStudy, tmp_path: Path) -> None:
    """kill -9 at random moments, those inside a write of the journal included (:mod:`tests.kills`)."""
    assert kills.campaign(KILLS, 0, tmp_path, digits) == KILLS


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
