"""Drivers that are killed and interrupted: nothing told is lost or told twice, and the study ends as asked."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from optuna.trial import TrialState

from dse.search.driver import Driver, baselines
from dse.search.sampler import make_sampler
from dse.store.journal import journal, own_journal
from dse.store.run_folder import RunFolder
from dse.store.trials import StudyStore, record_in
from dse.study.prepared import PreparedStudy
from dse.study.space import space_over
from dse.workers import SerialPool
from tests.fakes import ClosedForm
from tests.small_studies import write_study

KILLS, TARGET = 20, 250


def drive(problem: PreparedStudy, path: Path) -> None:
    folder = RunFolder(path)
    with folder.locked():
        space = space_over(problem.operators, problem.spec.search, problem.spec.fidelity.finetune)
        store = StudyStore.create_or_load(own_journal(folder.journal_path), "study")
        store.use(make_sampler(problem.spec.search, space, len(store.trials())), space)
        Driver(problem.spec, store, space, folder, SerialPool(lambda: ClosedForm(0.01))).run(TARGET)


def told(path: Path) -> dict[int, tuple[list[float], str]]:
    trials = StudyStore.load(journal(path / "journal.log"), "study").complete()
    return {t.number: (t.values, record.design) for t in trials if (record := record_in(t))}


def test_a_driver_killed_twenty_times_in_one_study(digits: PreparedStudy, tmp_path: Path) -> None:
    """kill -9 at random moments, those inside a write of the journal included."""
    chance = np.random.default_rng(0)
    before: dict[int, tuple[list[float], str]] = {}
    kills = 0
    fork = multiprocessing.get_context("fork")
    while kills < KILLS:
        driver = fork.Process(target=drive, args=(digits, tmp_path))
        driver.start()
        while not (tmp_path / "journal.log").exists() or not (tmp_path / "journal.log").stat().st_size:
            time.sleep(0.01)
        driver.join(timeout=chance.uniform(0.02, 0.5))
        if driver.is_alive():
            os.kill(driver.pid or 0, signal.SIGKILL)
            kills += 1
        driver.join()
        if driver.exitcode == 0:
            break
        now = told(tmp_path)
        assert {number: now[number] for number in before} == before  # what was told stays as it was told
        before = now
    assert kills >= KILLS, f"the study was over after {kills} kills: make it longer"
    drive(digits, tmp_path)

    space = space_over(digits.operators, digits.spec.search, digits.spec.fidelity.finetune)
    final = told(tmp_path)
    assert {number: final[number] for number in before} == before
    states = Counter(t.state for t in StudyStore.load(journal(tmp_path / "journal.log"), "study").trials())
    assert states[TrialState.COMPLETE] == TARGET
    assert states[TrialState.RUNNING] == states[TrialState.WAITING] == 0
    designs = [design for _, design in final.values()]
    assert len(set(designs)) == TARGET  # none told twice
    assert {point.to_json() for _, point in baselines(space, (1, 4))} <= set(designs)


def started(study: Path, run: Path) -> subprocess.Popen[str]:
    command = [str(Path(sys.executable).with_name("dse")), "run", str(study), "--out", str(run)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_trials(run: Path, number: int, driver: subprocess.Popen[str]) -> int:
    """Wait until so many trials are told, without a word to the driver."""
    for _ in range(600):
        assert driver.poll() is None, driver.communicate()
        if (run / "journal.log").exists() and (run / "manifest.json").exists():
            found = len(StudyStore.load(journal(run / "journal.log"), "small").complete())
            if found >= number:
                return found
        time.sleep(0.1)
    raise AssertionError("no trial in a minute")


def test_the_command_is_interrupted_killed_and_resumed_on_ray(tmp_path: Path) -> None:
    study, run = write_study(tmp_path, search__trials=40, workers__executor="ray"), tmp_path / "run"

    interrupted = started(study, run)
    first = wait_for_trials(run, 3, interrupted)
    interrupted.send_signal(signal.SIGINT)
    out, err = interrupted.communicate(timeout=60)
    assert interrupted.returncode == 130, err
    assert "Interrupted. Every finished trial is kept" in out.replace("\n", " ")
    assert "Traceback" not in err
    table = pd.read_csv(run / "trials.csv")
    assert (table["state"] == "COMPLETE").sum() >= first

    killed = started(study, run)
    wait_for_trials(run, first + 5, killed)
    killed.kill()
    killed.communicate(timeout=60)
    kept = StudyStore.load(journal(run / "journal.log"), "small").complete()

    out, err = started(study, run).communicate(timeout=120)
    assert "Report:" in out, err
    final = pd.read_csv(run / "trials.csv").set_index("trial")
    complete = final[final["state"] == "COMPLETE"]
    assert len(complete) == 40
    for trial in kept:
        assert (
            trial.values
            == complete.loc[trial.number][["val_accuracy_drop_pp", "rescaler_area_um2", "rescaler_energy_nj"]].tolist()
        )
