"""What the driver costs and how well it feeds its workers: docs/results/throughput.md.

python -m studies.experiments.throughput studies/digits.toml
"""

import os
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import optuna
import typer
from optuna.trial import FrozenTrial

from dse.design.evaluation import Evaluation, Job, Level, TestScore
from dse.design.point import Finetune
from dse.run import run_study
from dse.search.driver import Driver
from dse.search.sampler import DistinctSampler, make_sampler
from dse.store.journal import own_journal
from dse.store.run_folder import RunFolder
from dse.store.trials import StudyStore, record_in
from dse.study.loading import load_study
from dse.study.prepared import PreparedStudy, prepare
from dse.study.space import space_over
from dse.study.spec import Study
from dse.workers import Completion, EvaluatorPool, SerialPool
from hwmodels import NetworkCost
from hwmodels.accelerator import AcceleratorCost

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
        rescalers = NetworkCost(float(bits.sum()), float((bits**2).sum()), int(bits.sum()), ())
        cost = AcceleratorCost(
            area_um2=None,
            energy_nj=None,
            latency_cycles=0,
            latency_us=0.0,
            rescaler_area_share=None,
            rescaler_energy_share=None,
            rescaler_bound_layers=(),
            mac_area_um2=None,
            mac_energy_nj=None,
            parameter_energy_nj=None,
            rescalers=rescalers,
            layers=(),
            missing=(),
        )
        return Evaluation(job.level, 90 - drop, drop, cost, rescalers, (), job.point.digest, None, self._seconds)


class SleepingPool:
    """Many logical workers as threads that sleep."""

    def __init__(self, workers: int, seconds: float) -> None:
        self.capacity = 2 * workers  # as RayPool's: one job waits for every worker
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


@dataclass(frozen=True)
class Run:
    """A simulated study: wall, processor and sampler seconds, and its trials."""

    wall: float
    processor: float
    asking: float
    trials: list[FrozenTrial]


def simulated(study: PreparedStudy, pool: EvaluatorPool, trials: int) -> Run:
    """A study on a pool, journal on disk included."""
    search = study.spec.search.model_copy(update={"sampler": "nsga2", "starts": 0})
    space = space_over(study.operators, search, Finetune.NONE)
    sampler = make_sampler(search, space, 0)
    sampler.__class__ = Timed
    with TemporaryDirectory() as path:
        folder = RunFolder(Path(path))
        store = StudyStore.create_or_load(own_journal(folder.journal_path), "throughput")
        store.use(sampler, space)
        wall, processor = time.perf_counter(), time.process_time()
        Driver(study.spec, store, space, folder, pool).run(trials)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        told = store.complete()
    pool.close()
    return Run(wall, processor, getattr(sampler, "seconds", 0.0), told)


def real(spec: Study) -> list[FrozenTrial]:
    """The trials of a real study, evaluated by Ray; no cache of earlier evaluations is used."""
    with TemporaryDirectory() as path:
        folder = RunFolder(Path(path) / "run")
        run_study(spec, folder)
        return StudyStore.of_run(folder, folder.manifest()).complete()


def busy(trials: list[FrozenTrial], workers: int) -> tuple[float, float]:
    """Share of a search that its workers evaluate, and the seconds from the first ask to the first evaluation.

    The search lasts from the first evaluation's begin to the last tell; test scores come after it.
    """
    seconds = {trial.number: record.seconds for trial in trials if (record := record_in(trial))}
    ended = {t.number: t.datetime_complete.timestamp() for t in trials if t.datetime_complete}
    asked = min(trial.datetime_start.timestamp() for trial in trials if trial.datetime_start)
    begun = min(ended[number] - seconds[number] for number in ended)
    return sum(seconds.values()) / (workers * (max(ended.values()) - begun)), begun - asked


def main(
    study: Annotated[Path, typer.Argument(help="a study that trains nothing large, such as studies/digits.toml")],
    out: Annotated[Path, typer.Option(help="page to write")] = Path("docs/results/throughput.md"),
) -> None:
    """Measure, and write the page."""
    prepared = prepare(load_study(study))
    alone = simulated(prepared, SerialPool(Formula), TRIALS)
    wall, processor = alone.wall - alone.asking, alone.processor - alone.asking
    trials = 10 * LOGICAL_WORKERS
    asleep, _ = busy(simulated(prepared, SleepingPool(LOGICAL_WORKERS, SLEEP_S), trials).trials, LOGICAL_WORKERS)
    workers = prepared.spec.workers.count
    at_work, starting = busy(real(prepared.spec), workers)
    load = os.getloadavg()[0]
    rows = [
        f"| driver's own time, wall, a trial of {TRIALS} | {1000 * wall / TRIALS:.1f} ms |",
        f"| driver's own time, processor, a trial of {TRIALS} | {1000 * processor / TRIALS:.1f} ms |",
        f"| {LOGICAL_WORKERS} workers asleep for {SLEEP_S:g} s a trial, {trials} trials: busy | {asleep:.0%} |",
        f"| {workers} Ray workers on {study}: busy | {at_work:.0%} |",
        f"| before that, from the first ask to the first evaluation | {starting:.1f} s |",
    ]
    head = ["# Throughput", "", f"`python -m studies.experiments.throughput {study}`", ""]
    notes = [
        "The driver's own time has no asking of the sampler in it, but storage: a journal, one fsync a told trial.",
        "Busy is the share of the time that workers evaluate, from the first evaluation's begin to the last tell;",
        "neither the start of the workers nor the test scores after the search are in it.",
        f"Measured with {os.cpu_count()} cores at a load average of {load:.1f}.",
    ]
    out.write_text("\n".join([*head, *notes, "", "| | |", "|---|---|", *rows, ""]), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
