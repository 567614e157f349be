"""Kills drivers of one study at random moments: no recorded trial is lost or repeated, and the study ends as asked.

``python -m tests.kills --number 50 --seed 0`` prints how many drivers were killed.
"""

import argparse
import multiprocessing
import os
import signal
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from optuna.trial import TrialState

from dse.evaluate import contents_of
from dse.run import begin_run, planned
from dse.search import Driver, make_sampler
from dse.search.baselines import baselines
from dse.store import RunFolder, StudyStore, check, record_in
from dse.study.prepared import PreparedStudy, prepare
from dse.workers import SerialPool
from tests.fakes import Faulty
from tests.small_studies import small_spec

TRIALS_A_DRIVER = 12  # a driver that nobody kills in time hangs after so many, so that some are left for the last one
GROWTH_BYTES = 30_000  # of the journal before a kill, at most: six trials or so
LATEST_S = 0.05  # from there to the kill, at most: the time of a few trials

Recorded = dict[int, tuple[list[float], str]]


def drive(prepared: PreparedStudy, path: Path, target: int, hangs: frozenset[int] = frozenset()) -> None:
    """Begins or resumes the run, and searches up to a number of trials."""
    folder, space, spec = RunFolder(path), prepared.space, prepared.spec
    with folder.locked():
        folder.check_free()
        begun = folder.manifest() if folder.exists else None
        store = begin_run(planned(prepared, folder, contents_of(spec), begun), folder)
        store.use(make_sampler(spec.search, space, spec.seed_of("search")), space)
        Driver(spec, store, space, folder, SerialPool(lambda: Faulty(0.01, hangs=hangs))).run(target)


def opened(path: Path) -> StudyStore | None:
    folder = RunFolder(path)
    return StudyStore.of_run(folder, folder.manifest()) if folder.exists else None


def recorded(path: Path) -> Recorded:
    store = opened(path)
    trials = store.complete() if store else []
    return {trial.number: (trial.values, record.design) for trial in trials if (record := record_in(trial))}


def size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def killed_once(prepared: PreparedStudy, path: Path, target: int, chance: np.random.Generator) -> None:
    """Starts a driver and kills it at a random moment, the start of the run included."""
    store = opened(path)
    first = len(store.trials()) if store else 0
    hangs = frozenset(range(first + TRIALS_A_DRIVER, 2 * target + first))
    file = path / "journal.log"
    until = size(file) + int(chance.integers(0, GROWTH_BYTES))
    arguments = (prepared, path, target, hangs)
    driver = multiprocessing.get_context("fork").Process(target=drive, args=arguments, daemon=True)
    driver.start()
    while size(file) < until:
        assert driver.is_alive(), "the driver ended by itself"
        time.sleep(0.0005)
    driver.join(timeout=chance.uniform(0, LATEST_S))
    os.kill(driver.pid or 0, signal.SIGKILL)
    driver.join()


def campaign(number: int, seed: int, work: Path, prepared: PreparedStudy) -> int:
    """Kills so many drivers of one study, then lets it end; returns how many were killed."""
    chance, target = np.random.default_rng(seed), (TRIALS_A_DRIVER + 1) * (number + 1)
    study = replace(prepared, spec=small_spec(search__trials=target))
    path = work / "run"
    before: Recorded = {}
    for _ in range(number):
        killed_once(study, path, target, chance)
        now = recorded(path)
        assert {trial: now.get(trial) for trial in before} == before, "a recorded trial was lost or changed"
        before = now
    drive(study, path, target)

    final, store = recorded(path), opened(path)
    assert store is not None
    assert {trial: final[trial] for trial in before} == before
    states = Counter(trial.state for trial in store.trials())
    assert states[TrialState.COMPLETE] == target
    assert states[TrialState.RUNNING] == states[TrialState.WAITING] == 0
    designs = [design for _, design in final.values()]
    assert len(set(designs)) == target, "a design was recorded twice"
    assert {point.to_json() for _, point in baselines(study.space, (1, 4))} <= set(designs)
    assert check(RunFolder(path)) == []
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        killed = campaign(arguments.number, arguments.seed, Path(work), prepare(small_spec()))
    print(f"{killed} drivers killed; no recorded trial was lost or repeated")  # noqa: T201


if __name__ == "__main__":
    main()
