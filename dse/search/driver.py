"""The driver: asks Optuna, has points evaluated, lets promising ones climb, tells; it alone touches storage."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import optuna

from dse.design.evaluation import Evaluation, Job, Level, TestScore
from dse.design.metrics import values_of
from dse.design.pareto import hypervolume, relative_costs
from dse.design.point import DesignPoint, Finetune
from dse.design.space import SearchSpace
from dse.evaluate.ladder import Ladder, levels_of
from dse.search.inheritance import TrainedDesigns
from dse.search.interrupts import Interrupts
from dse.search.starts import probes, promising
from dse.store.front import contenders, front_of, violations
from dse.store.records import TestRecord, TrialRecord, record_of
from dse.store.run_folder import RunFolder
from dse.store.trials import SEARCH, StudyStore, record_in, role_of
from dse.study.spec import Study
from dse.workers import Completion, EvaluatorPool
from nets.network.network import Method
from nets.network.rescaler import FULL_MULTIPLIER_BITS

INT32, CONTROL = "int32", "int32_finetuned"
_FAILURES_IN_A_ROW = 20  # so many say that the study, not a design, is at fault


class EvaluationsFailError(RuntimeError):
    """Every evaluation fails; the study cannot go on."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a study stands.

    Attributes:
        complete: trials told with values.
        target: trials asked for.
        front: size of the Pareto front.
        hypervolume: by PROTOCOL.md's reference point, costs relative to int32; 0 before the baseline is known.
        stage: ``search`` or ``test``.
        reused: evaluations that earlier runs had done already.
    """

    complete: int
    target: int
    front: int
    hypervolume: float
    stage: str
    reused: int = 0


@dataclass(slots=True)
class _OpenTrial:
    """A trial that was asked and not yet told."""

    trial: optuna.Trial
    point: DesignPoint
    role: str
    levels: list[Evaluation] = field(default_factory=list)
    heir_of: int | None = None


def baselines(space: SearchSpace, uniform_bits: tuple[int, ...]) -> list[tuple[str, DesignPoint]]:
    """Designs that every study holds, as (role, point): int32, its fine-tuned control, every uniform width."""
    strongest = space.finetune[-1]
    found = [(INT32, space.uniform(FULL_MULTIPLIER_BITS, Method.ROUND, Finetune.NONE))]
    if strongest is not Finetune.NONE:
        found.append((CONTROL, space.uniform(FULL_MULTIPLIER_BITS, Method.ROUND, strongest)))
    methods = sorted({method for variable in space.rescalers for method in variable.every_method})
    found += [(f"uniform_{m.value}", space.uniform(k, m, strongest)) for k in uniform_bits for m in methods]
    return found


class Driver:
    """Runs one study to a number of complete trials.

    Args:
        spec: the study.
        store: where trials are kept.
        space: where designs come from.
        folder: where trained weights are kept.
        pool: who evaluates.
        on_progress: called after every told trial.
    """

    def __init__(
        self,
        spec: Study,
        store: StudyStore,
        space: SearchSpace,
        folder: RunFolder,
        pool: EvaluatorPool,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self._spec, self._store, self._space = spec, store, space
        self._folder, self._pool, self._on_progress = folder, pool, on_progress
        self._search_spec, self._objectives = spec.search, spec.search.objectives
        self._interrupts, self._ladder = Interrupts(), Ladder(spec.fidelity, self._objectives)
        self._open: dict[int, _OpenTrial] = {}
        self._climbs: deque[Job] = deque()
        self._complete, self._failures = 0, 0
        self._best: dict[int, TrialRecord] = {}  # the front so far
        self._trained = TrainedDesigns()
        self._baseline: tuple[float, ...] | None = None

    def run(self, target: int) -> None:
        """Search until ``target`` trials are complete, then score front and baselines on the test split.

        Raises:
            EvaluationsFailError: too many evaluations in a row had no result.
            KeyboardInterrupt: Ctrl-C, held back until nothing is being written.
        """
        with self._interrupts.held():
            self._restore()
            self._report(target, "search")
            self._start()
            if self._search_spec.batch is None:
                self._search(target)
            else:
                self._search_in_batches(target, self._search_spec.batch)
            self._score_on_test()
            self._report(target, "test")

    def _restore(self) -> None:
        """Take up what is in storage: told trials count, running ones are queued again, baselines are queued."""
        self._store.requeue_interrupted(self._space)
        present = self._store.designs(self._space)
        for role, point in baselines(self._space, self._search_spec.uniform_multiplier_bits):
            if (role, point.digest) not in present:
                self._store.enqueue(self._space, point, role)
        for trial in self._store.complete():
            if record := record_in(trial):
                self._ladder.restore(record.levels, baseline=role_of(trial) != SEARCH)
                self._count(trial.number, role_of(trial), record)

    def _start(self) -> None:
        """Queue the designs that the sensitivity of single rescalers makes promising, once a study."""
        count = self._search_spec.starts
        if not count or self._store.started():
            return
        level = levels_of(self._spec.fidelity, Finetune.NONE, baseline=False)[0]
        int32 = self._space.uniform(FULL_MULTIPLIER_BITS, Method.ROUND, Finetune.NONE)
        found = probes(self._space)
        jobs = [Job(number, point, level) for number, point in enumerate([int32, *(probe.point for probe in found)])]
        values = {
            completion.job.trial: values_of(completion.result, self._objectives)
            for completion in self._each(jobs)
            if isinstance(completion.result, Evaluation)
        }
        if 0 in values:
            measured = {probe: values[n] for n, probe in enumerate(found, start=1) if n in values}
            present = {digest for _, digest in self._store.designs(self._space)}
            for point in promising(self._space, measured, values[0], count):
                if point.digest not in present:
                    self._store.enqueue(self._space, point, SEARCH)
        self._store.set_started(len(jobs))

    def _search(self, target: int) -> None:
        """Keep every worker busy until the target is reached."""
        while self._fill(target) or self._pool.running:
            if climb := self._take(self._next()):
                self._climbs.append(climb)
            self._report(target, "search")

    def _search_in_batches(self, target: int, size: int) -> None:
        """Ask a batch, evaluate it level by level, tell it in order: the same for any number of workers."""
        while batch := [job for _ in range(size) if (job := self._ask(target))]:
            while batch:
                done = sorted(self._each(batch), key=lambda completion: completion.job.trial)
                batch = [climb for completion in done if (climb := self._take(completion))]
            self._report(target, "search")

    def _fill(self, target: int) -> bool:
        """Give idle workers something to do; False when there was nothing to start."""
        started = False
        while self._pool.running < self._pool.capacity:
            job = self._climbs.popleft() if self._climbs else self._ask(target)
            if job is None:
                break
            self._pool.submit(job)
            started = True
        return started

    def _each(self, jobs: Iterable[Job]) -> Iterator[Completion]:
        """The completions of jobs, as they come."""
        waiting = deque(jobs)
        while waiting or self._pool.running:
            while waiting and self._pool.running < self._pool.capacity:
                self._pool.submit(waiting.popleft())
            yield self._next()

    def _next(self) -> Completion:
        with self._interrupts.let_in():
            return self._pool.next()

    def _ask(self, target: int) -> Job | None:
        if self._complete + len(self._open) >= target:
            return None
        trial = self._store.ask(self._space)
        point = self._space.point(trial.params)
        self._open[trial.number] = opened = _OpenTrial(trial, point, role_of(trial))
        return Job(
            trial.number,
            point,
            levels_of(self._spec.fidelity, point.finetune, baseline=opened.role != SEARCH)[0],
        )

    def _take(self, completion: Completion) -> Job | None:
        """Tell a trial, or give the job with which it climbs on."""
        opened, found = self._open[completion.job.trial], completion.result
        if not isinstance(found, Evaluation):
            self._fail(opened, completion.error)
            return None
        if not np.isfinite(values := values_of(found, self._objectives)).all():
            self._fail(opened, f"the objectives are not finite: {values}")
            return None
        self._failures = 0
        opened.levels.append(found)
        above = self._ladder.next_level(opened.point.finetune, found, baseline=opened.role != SEARCH)
        if above is not None:
            return self._climb(opened, above)
        self._tell(opened)
        return None

    def _climb(self, opened: _OpenTrial, level: Level) -> Job:
        """The job of the next level; a fine-tune of the search may inherit weights, baselines start from their own."""
        nearest = self._trained.nearest(opened.point)
        inherits = self._spec.fidelity.inherit and level in (Level.SHORT_FINETUNE, Level.FULL_FINETUNE)
        if not inherits or nearest is None or opened.role != SEARCH:
            return Job(opened.trial.number, opened.point, level)
        opened.heir_of, point = nearest
        weights = self._folder.load_weights(opened.heir_of)
        return Job(opened.trial.number, opened.point, level, weights, heir_of=point)

    def _tell(self, opened: _OpenTrial) -> None:
        record = record_of(opened.point.to_json(), opened.levels, opened.heir_of)
        if (weights := opened.levels[-1].weights) is not None:
            self._folder.save_weights(opened.trial.number, weights)
        self._store.tell(opened.trial, record, violations(record, self._search_spec.constraints))
        del self._open[opened.trial.number]
        self._count(opened.trial.number, opened.role, record)

    def _fail(self, opened: _OpenTrial, error: str) -> None:
        self._store.tell_failed(opened.trial, error)
        del self._open[opened.trial.number]
        self._failures += 1
        if self._failures >= _FAILURES_IN_A_ROW:
            raise EvaluationsFailError(f"{self._failures} evaluations in a row failed, the last one with: {error}")

    def _count(self, number: int, role: str, record: TrialRecord) -> None:
        self._complete += 1
        if record.is_trained:
            self._trained.add(number, DesignPoint.from_json(record.design))
        rivals = {**self._best, number: record}
        best = front_of(rivals, self._search_spec)
        self._best = {number: rivals[number] for number in best}
        if role == INT32:
            self._baseline = values_of(record, self._objectives)

    def _score_on_test(self) -> None:
        """Front members and baselines on samples that the search never saw."""
        for completion in self._each(self._test_jobs()):
            if not isinstance(completion.result, TestScore):
                raise EvaluationsFailError(f"trial {completion.job.trial} on the test split: {completion.error}")
            self._store.set_test(completion.job.trial, TestRecord.of(completion.result))

    def _test_jobs(self) -> list[Job]:
        scored = self._store.tests()
        return [
            Job(
                trial.number,
                DesignPoint.from_json(record.design),
                Level.TEST,
                self._folder.load_weights(trial.number) if record.is_trained else None,
                record.network_sha256,
            )
            for trial in self._store.complete()
            if (record := record_in(trial))
            and (trial.number in self._best or role_of(trial) != SEARCH)
            and trial.number not in scored
        ]

    def _report(self, target: int, stage: str) -> None:
        kept = contenders(self._best, self._search_spec.constraints)
        values = np.array([values_of(record, self._objectives) for record in kept.values()], dtype=np.float64)
        volume = 0.0
        if self._baseline and kept:
            volume = hypervolume(relative_costs(values, np.array(self._baseline)), self._objectives)
        self._on_progress(Progress(self._complete, target, len(kept), volume, stage))
