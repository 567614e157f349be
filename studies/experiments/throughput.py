"""Measures the driver's own time and how busy it keeps its workers: docs/results/throughput.md.

python -m studies.experiments.throughput studies/digits.toml
"""

import os
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import optuna
import typer
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from dse.design import Evaluation, Finetune, Job, Level, SearchSpace, TestScore
from dse.run import run_study
from dse.search import DistinctSampler, Driver, Proposer, proposer
from dse.store import RunFolder, StudyStore, new_journal, record_in
from dse.study import PreparedStudy, Study, load_study, prepare, space_over
from dse.workers import Completion, EvaluatorPool, SerialPool
from hwmodels import NetworkCost
from hwmodels.accelerator import AcceleratorCost

TRIALS = 2000
LOGICAL_WORKERS = 64
SLEEP_S = 2.0  # one simulated evaluation


class Formula:
    """Evaluates designs by a formula after a sleep, so that only the driver's own time remains."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds

    def run(self, job: Job) -> Evaluation | TestScore:
        """Sleeps, then computes the objectives."""
        time.sleep(self._seconds)
        if job.level is Level.TEST:
            return TestScore(1000, 900, 10, 5)
        bits = np.array([choice.multiplier_bits for _, choice in job.point.choices])
        drop = float((2.0**-bits).sum())
        rescalers = NetworkCost(float(bits.sum()), float((bits**2).sum()), int(bits.sum()), ())
        cost = AcceleratorCost(area_um2=None, energy_nj=None, latency_cycles=0, rescalers=rescalers, missing=())
        return Evaluation(
            level=job.level,
            val_accuracy=90 - drop,
            val_accuracy_drop_pp=drop,
            accelerator=cost,
            other_cost=rescalers,
            workloads=(),
            network_sha256=job.point.digest,
            weights=None,
            seconds=self._seconds,
            val_cross_entropy_increase=0.03 * drop,
        )


class SleepingPool:
    """Simulates many workers with threads that sleep."""

    def __init__(self, workers: int, seconds: float) -> None:
        self.capacity = 2 * workers  # as RayPool's: one job waits for every worker
        self._evaluator, self._threads = Formula(seconds), ThreadPoolExecutor(workers)
        self._futures: set[Future[Completion]] = set()
        self._done: deque[Completion] = deque()

    @property
    def running(self) -> int:
        """The number of submitted jobs that have not come back."""
        return len(self._futures) + len(self._done)

    def submit(self, job: Job) -> None:
        """Starts a job in a thread."""
        self._futures.add(self._threads.submit(lambda: Completion(job, self._evaluator.run(job))))

    def next(self) -> Completion:
        """Waits for a job to finish."""
        if not self._done:
            done, self._futures = wait(self._futures, return_when=FIRST_COMPLETED)
            self._done.extend(future.result() for future in done)
        return self._done.popleft()

    def close(self) -> None:
        """Stops all threads."""
        self._threads.shutdown()


class TimedSampler(DistinctSampler):
    """Measures the time that proposals take: ``seconds``, so far."""

    def __init__(self, inner: Proposer, space: SearchSpace, seed: int) -> None:
        super().__init__(inner, space, seed)
        self.seconds = 0.0

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Proposes a design, and adds the time that it took."""
        started = time.perf_counter()
        try:
            return super().sample_relative(study, trial, search_space)
        finally:
            self.seconds += time.perf_counter() - started


@dataclass(frozen=True)
class Run:
    """A simulated study: wall-clock time, processor time and time in the sampler (seconds), and complete trials."""

    wall: float
    processor: float
    sampling: float
    trials: list[FrozenTrial]


def simulated(study: PreparedStudy, pool: EvaluatorPool, trials: int) -> Run:
    """Runs a study on a pool, with its journal on disk."""
    search = study.spec.search.model_copy(update={"sampler": "nsga2", "starts": 0})
    space = space_over(study.operators, search, Finetune.NONE)
    sampler = TimedSampler(proposer(search, space, 0), space, 0)
    with TemporaryDirectory() as path:
        folder = RunFolder(Path(path))
        store = StudyStore.create(new_journal(folder.journal_path), "throughput")
        store.use(sampler, space)
        wall, processor = time.perf_counter(), time.process_time()
        Driver(study.spec, store, space, folder, pool).run(trials)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        complete = store.complete()
    pool.close()
    return Run(wall, processor, sampler.seconds, complete)


def real(spec: Study) -> list[FrozenTrial]:
    """Runs a real study with Ray and without the cache, and returns its complete trials."""
    with TemporaryDirectory() as path:
        folder = RunFolder(Path(path) / "run")
        run_study(spec, folder)
        return StudyStore.of_run(folder, folder.manifest()).complete()


def busy(trials: list[FrozenTrial], workers: int) -> tuple[float, float]:
    """Returns the share of a search in which its workers evaluate, and the time before the first evaluation.

    The search lasts from the start of the first evaluation to the last recorded trial; test scores come after it. The
    time, in seconds, is counted from the first proposal.
    """
    seconds = {trial.number: record.seconds for trial in trials if (record := record_in(trial))}
    ended = {t.number: t.datetime_complete.timestamp() for t in trials if t.datetime_complete}
    proposed = min(trial.datetime_start.timestamp() for trial in trials if trial.datetime_start)
    begun = min(ended[number] - seconds[number] for number in ended)
    return sum(seconds.values()) / (workers * (max(ended.values()) - begun)), begun - proposed


def main(
    study: Annotated[Path, typer.Argument(help="a study that trains nothing large, such as studies/digits.toml")],
    out: Annotated[Path, typer.Option(help="page to write")] = Path("docs/results/throughput.md"),
) -> None:
    """Measures the throughput and writes the page."""
    prepared = prepare(load_study(study))
    alone = simulated(prepared, SerialPool(Formula), TRIALS)
    wall, processor = alone.wall - alone.sampling, alone.processor - alone.sampling
    trials = 10 * LOGICAL_WORKERS
    asleep, _ = busy(simulated(prepared, SleepingPool(LOGICAL_WORKERS, SLEEP_S), trials).trials, LOGICAL_WORKERS)
    workers = prepared.spec.workers.count
    at_work, starting = busy(real(prepared.spec), workers)
    load = os.getloadavg()[0]
    rows = [
        f"| driver's own time per trial, wall clock, {TRIALS} trials | {1000 * wall / TRIALS:.1f} ms |",
        f"| driver's own time per trial, processor, {TRIALS} trials | {1000 * processor / TRIALS:.1f} ms |",
        f"| {LOGICAL_WORKERS} workers that sleep {SLEEP_S:g} s per trial, {trials} trials: busy | {asleep:.0%} |",
        f"| {workers} Ray workers on {study}: busy | {at_work:.0%} |",
        f"| before that, from the first proposal to the first evaluation | {starting:.1f} s |",
    ]
    head = ["# Throughput", "", f"`python -m studies.experiments.throughput {study}`", ""]
    notes = [
        "The driver's own time includes storage (a journal, with one fsync per recorded trial) but not the sampler.",
        "Busy is the share of time in which workers evaluate, from the start of the first evaluation to the last",
        "recorded trial; it excludes the start of the workers and the test scores after the search.",
        f"Measured with {os.cpu_count()} cores at a load average of {load:.1f}.",
    ]
    out.write_text("\n".join([*head, *notes, "", "| | |", "|---|---|", *rows, ""]), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
