"""What the driver costs and how well it feeds its workers: docs/results/throughput.md.

python -m dse.experiments.throughput studies/digits.toml
"""

import os
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import optuna
import typer
from optuna.trial import FrozenTrial

from dse.driver import Driver
from dse.evaluation import Evaluation, Job, Level, TestScore
from dse.journal import own_journal
from dse.problem import Problem, prepare
from dse.run_folder import RunFolder
from dse.sampler import DistinctSampler, make_sampler
from dse.space import space_of
from dse.spec import Finetune, StudySpec
from dse.spec_loading import load_study
from dse.storage import StudyStore, record_in
from dse.study import run_study
from dse.workers import Completion, EvaluatorPool, SerialPool
from hwmodels import NetworkCost

TRIALS = 2000
LOGICAL_WORKERS = 64
SLEEP_S = 2.0  # one simulated evaluation


class Formula:
    """Objectives by formula, after a sleep: what is left is the driver's own time."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds

    def run(self, job: Job) -> Evaluation | TestScore:
        """Sleep, and compute."""
        time.sleep(self._seconds)
        if job.level is Level.TEST:
            return TestScore(1000, 900, 10, 5)
        bits = np.array([choice.multiplier_bits for _, choice in job.point.choices])
        drop = float((2.0**-bits).sum())
        cost = NetworkCost(float(bits.sum()), float((bits**2).sum()), int(bits.sum()), ())
        return Evaluation(job.level, 90 - drop, drop, cost, cost, (), job.point.digest, None, self._seconds)


class SleepingPool:
    """Many logical workers as threads that sleep; counts the seconds that they work."""

    def __init__(self, workers: int, seconds: float) -> None:
        self.capacity = workers + workers // 8  # as RayPool has some waiting
        self._evaluator, self._threads = Formula(seconds), ThreadPoolExecutor(workers)
        self._futures: set[Future[Completion]] = set()
        self._done: deque[Completion] = deque()

    @property
    def running(self) -> int:
        """Jobs that have not come back."""
        return len(self._futures) + len(self._done)

    def submit(self, job: Job) -> None:
        """Start a job in a thread."""
        self._futures.add(self._threads.submit(lambda: Completion(job, self._evaluator.run(job))))

    def next(self) -> Completion:
        """The next job that is done."""
        if not self._done:
            done, self._futures = wait(self._futures, return_when=FIRST_COMPLETED)
            self._done.extend(future.result() for future in done)
        return self._done.popleft()

    def close(self) -> None:
        """Stop."""
        self._threads.shutdown()


class Timed(DistinctSampler):
    """Measures the seconds that the sampler itself takes."""

    seconds = 0.0

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: dict) -> dict:  # type: ignore[type-arg]
        """As the sampler, measured."""
        started = time.perf_counter()
        try:
            return super().sample_relative(study, trial, search_space)
        finally:
            self.seconds += time.perf_counter() - started


def simulated(problem: Problem, pool: EvaluatorPool, trials: int) -> tuple[float, float, float]:
    """Wall, processor and sampler seconds of a study on a pool, journal on disk included."""
    search = problem.spec.search.model_copy(update={"sampler": "nsga2", "starts": 0})
    space = space_of(problem.network, search, Finetune.NONE)
    sampler = make_sampler(search, space, 0)
    sampler.__class__ = Timed
    with TemporaryDirectory() as path:
        folder = RunFolder(Path(path))
        store = StudyStore.create_or_load(own_journal(folder.journal_path), "throughput")
        store.use(sampler, space)
        wall, processor = time.perf_counter(), time.process_time()
        Driver(problem, store, space, folder, pool).run(trials)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    pool.close()
    return wall, processor, getattr(sampler, "seconds", 0.0)


def busy(spec: StudySpec) -> tuple[float, int]:
    """Share of the time from first to last trial that the workers of a real study evaluate, and how many there are."""
    with TemporaryDirectory() as path:
        folder = RunFolder(Path(path) / "run")
        run_study(spec, folder)
        trials = StudyStore.of_run(folder).complete()
    begun = min(trial.datetime_start for trial in trials if trial.datetime_start)
    ended = max(trial.datetime_complete for trial in trials if trial.datetime_complete)
    worked = sum(record.seconds for trial in trials if (record := record_in(trial)))
    return worked / ((ended - begun).total_seconds() * spec.workers.count), spec.workers.count


def main(
    study: Annotated[Path, typer.Argument(help="a study that trains nothing large, such as studies/digits.toml")],
    out: Annotated[Path, typer.Option(help="page to write")] = Path("docs/results/throughput.md"),
) -> None:
    """Measure, and write the page."""
    problem = prepare(load_study(study))
    wall, processor, asking = simulated(problem, SerialPool(Formula), TRIALS)
    trials = 10 * LOGICAL_WORKERS
    fed, _, _ = simulated(problem, SleepingPool(LOGICAL_WORKERS, SLEEP_S), trials)
    share, workers = busy(problem.spec)
    load = os.getloadavg()[0]
    rows = [
        f"| driver's own time, wall, a trial of {TRIALS} | {1000 * (wall - asking) / TRIALS:.1f} ms |",
        f"| driver's own time, processor, a trial of {TRIALS} | {1000 * (processor - asking) / TRIALS:.1f} ms |",
        f"| {LOGICAL_WORKERS} workers asleep for {SLEEP_S:g} s a trial, {trials} trials: busy | "
        f"{trials * SLEEP_S / (fed * LOGICAL_WORKERS):.0%} |",
        f"| {workers} Ray workers on {study}, from first ask to last tell: busy | {share:.0%} |",
    ]
    head = ["# Throughput", "", f"`python -m dse.experiments.throughput {study}`", ""]
    notes = [
        "The sampler's asking is not counted; storage (a journal on disk, one fsync a told trial) is.",
        f"Measured with {os.cpu_count()} cores at a load average of {load:.1f}.",
    ]
    out.write_text("\n".join([*head, *notes, "", "| | |", "|---|---|", *rows, ""]), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
