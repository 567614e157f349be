"""The driver: asks for designs, evaluates them, promotes promising ones and records the results."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import optuna

from dse.design import (
    DesignPoint,
    Evaluation,
    Finetune,
    Job,
    Level,
    Observation,
    Role,
    SearchSpace,
    TestScore,
    cost_of,
    figure_named,
    hypervolume,
    relative_costs,
    search_objectives,
    value_of,
    values_of,
)
from dse.errors import EvaluationsFailedError
from dse.search.baselines import BaselineQueue
from dse.search.inheritance import nearest
from dse.search.interrupts import Interrupts
from dse.search.ladder import Ladder, levels_of, reached
from dse.search.observations import expected_losses
from dse.search.starts import Probe, Values, probes, promising
from dse.store import (
    RunFolder,
    StudyStore,
    TrialRecord,
    contenders,
    front_of,
    is_feasible,
    observation_in,
    record_in,
    record_of,
    role_of,
    violations,
)
from dse.study import Study
from dse.verdict import candidates_of, entries_of, next_look, tested_loss
from dse.workers import Completion, EvaluatorPool
from nets.network import FULL_MULTIPLIER_BITS, Method

_FAILURES_IN_A_ROW = 20  # so many failures are the fault of the study, not of a design


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a study.

    Attributes:
        complete: number of complete trials.
        target: number of complete trials at which the search ends.
        front: number of designs on the Pareto front.
        hypervolume: hypervolume of the front, costs relative to int32; 0 until int32 is evaluated.
        stage: ``search`` or ``test``.
        reused: number of evaluations taken from the cache.
    """

    complete: int
    target: int
    front: int
    hypervolume: float
    stage: str
    reused: int = 0


@dataclass(slots=True)
class _OpenTrial:
    """A trial that has not been recorded yet."""

    trial: optuna.Trial
    point: DesignPoint
    role: Role
    levels: list[Evaluation] = field(default_factory=list)  # so far, lowest level first
    heir_of: int | None = None  # number of the trial whose trained weights its fine-tune started from
    error: str = ""  # why it has no result


class Driver:
    """Runs one study up to a number of complete trials; nothing else writes to its storage.

    Args:
        spec: the study.
        store: stores the trials.
        space: the study's search space.
        folder: stores trained weights.
        pool: evaluates designs.
        on_progress: called after every recorded trial.
        test_samples: size of the test split of every network, by which it is decided what to test; none: as many as
            for validation.
        looks_before: looks at the test samples that earlier runs took.
        interrupts: delays signals while something is written; its own ones if None.
    """

    def __init__(
        self,
        spec: Study,
        store: StudyStore,
        space: SearchSpace,
        folder: RunFolder,
        pool: EvaluatorPool,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
        *,
        test_samples: Sequence[int] = (),
        looks_before: int = 0,
        interrupts: Interrupts | None = None,
    ) -> None:
        self._search_spec, self._fidelity = spec.search, spec.fidelity
        self._margin_pp, self._test_samples = spec.report.margin_pp, tuple(test_samples)
        self._looks_before = looks_before
        self._store, self._space, self._folder, self._pool = store, space, folder, pool
        self._on_progress, self._objectives = on_progress, self._search_spec.objectives
        self._searched = search_objectives(self._objectives)
        self._interrupts, self._ladder = interrupts or Interrupts(), Ladder(self._fidelity, self._searched)
        self._baselines = BaselineQueue(store, space, spec.search)
        self._observations: list[Observation] = []
        self._open: dict[int, _OpenTrial] = {}
        self._promoted: deque[Job] = deque()
        self._complete, self._failures = 0, 0
        self._best: dict[int, TrialRecord] = {}  # the front so far, as measured
        self._trained: dict[int, DesignPoint] = {}  # designs whose trained weights are stored, by trial
        self._networks: dict[int, str] = {}  # fingerprints of the networks that they make
        self._baseline: tuple[float, ...] | None = None  # objectives of int32
        self._first_of_batch: int | None = None  # number of its first trial; None without batches

    def run(self, target: int, *, read_test: bool = True) -> None:
        """Searches until ``target`` trials are complete, then scores the front and the baselines on the test split.

        Without ``read_test`` the test split is left alone: every reading spends a part of the verdict's error.

        Raises:
            EvaluationsFailedError: too many evaluations in a row failed.
            Interrupted: a signal came; it is delayed until nothing is being written.
        """
        with self._interrupts.held():
            self._restore()
            self._report(target, "search")
            self._start()
            if self._search_spec.batch is None:
                self._search(target)
            else:
                self._search_in_batches(target, self._search_spec.batch)
            if read_test:
                self._score_on_test()
                self._report(target, "test")

    def _restore(self) -> None:
        """Resumes from storage: queues interrupted trials and missing baselines, counts complete trials."""
        interrupted = self._store.interrupted()
        for trial in interrupted:
            if record_in(trial) is None:
                self._store.put_back(trial.number)
        self._baselines.restore()
        evaluated = [trial for trial in interrupted if record_in(trial)]  # stopped just before they were completed
        for trial in (*self._store.complete(), *evaluated):
            record, observation = record_in(trial), observation_in(trial)
            if record and observation:
                self._ladder.restore(record.levels, baseline=role_of(trial) is not Role.SEARCH)
                self._observations.append(observation)
                if trial in evaluated:
                    self._store.complete_with(trial.number, record, self._expected())
                self._count(trial.number, role_of(trial), record)

    def _start(self) -> None:
        """Queues designs that the sensitivity of single rescalers makes promising, once per study."""
        if not self._search_spec.starts or self._store.started():
            return
        by_kind = self._search_spec.start_groups == "kind"
        measured, baseline = self._measured(candidates := probes(self._space, by_kind=by_kind))
        if baseline is not None:
            present = {digest for _, digest in self._store.designs(self._space)}
            for point in promising(self._space, measured, baseline, self._search_spec.starts, by_kind=by_kind):
                if point.digest not in present:
                    self._store.enqueue(self._space, point, Role.SEARCH)
        self._store.set_started(1 + len(candidates))

    def _measured(self, candidates: Sequence[Probe]) -> tuple[dict[Probe, Values], Values | None]:
        """Returns what the search minimises, of probes that did not fail and of int32, each at its lowest level."""
        int32 = self._space.uniform(FULL_MULTIPLIER_BITS, Method.ROUND, Finetune.NONE)
        points = [int32, *(probe.point for probe in candidates)]
        values = {
            completion.job.trial: values_of(completion.result, self._searched)
            for completion in self._each(self._first_job(number, point) for number, point in enumerate(points))
            if isinstance(completion.result, Evaluation)
        }
        measured = {probe: values[number] for number, probe in enumerate(candidates, start=1) if number in values}
        return measured, values.get(0)

    def _search(self, target: int) -> None:
        """Keeps every worker busy until the target is reached."""
        while self._fill(target) or self._pool.running:
            completion = self._next()
            if job := self._judged(completion):
                self._promoted.append(job)
            else:
                self._conclude(completion.job.trial)
            self._report(target, "search")

    def _search_in_batches(self, target: int, size: int) -> None:
        """Evaluates batches level by level and records each as a whole, in order, when its last trial is evaluated.

        The result is the same with any number of workers, and if the study is stopped and resumed within a batch: all
        of a batch is asked for before any of it is evaluated, and what is beyond the target is put back.
        """
        while self._complete < target:
            self._baselines.enqueue_due(self._complete)
            asked = self._store.asked(self._space)
            count = sum(asked.values()) + -len(asked) % size or size
            batch = [self._store.ask(self._space) for _ in range(count)]
            self._first_of_batch = sorted({*asked, *(trial.number for trial in batch)})[-size]
            for trial in batch[target - self._complete :]:
                self._store.put_back(trial.number)
            self._evaluate([self._opened(trial) for trial in batch[: target - self._complete]])
            self._report(target, "search")

    def _evaluate(self, jobs: list[Job]) -> None:
        """Evaluates the jobs of new trials as far as these climb, then records the trials in order."""
        while jobs:
            done = sorted(self._each(jobs), key=lambda completion: completion.job.trial)
            jobs = [job for completion in done if (job := self._judged(completion))]
        for number in sorted(self._open):
            self._conclude(number)

    def _fill(self, target: int) -> bool:
        """Starts jobs on idle workers; returns whether it started any."""
        started = False
        while self._pool.running < self._pool.capacity:
            job = self._promoted.popleft() if self._promoted else self._ask(target)
            if job is None:
                break
            self._pool.submit(job)
            started = True
        return started

    def _each(self, jobs: Iterable[Job]) -> Iterator[Completion]:
        """Runs jobs and yields their completions in the order in which they finish."""
        waiting = deque(jobs)
        while waiting or self._pool.running:
            while waiting and self._pool.running < self._pool.capacity:
                self._pool.submit(waiting.popleft())
            yield self._next()

    def _next(self) -> Completion:
        with self._interrupts.let_in():
            return self._pool.next()

    def _ask(self, target: int) -> Job | None:
        """Opens the next trial and returns its first job, or None if there are enough trials."""
        if self._complete + len(self._open) >= target:
            return None
        self._baselines.enqueue_due(self._complete + len(self._open))
        return self._opened(self._store.ask(self._space))

    def _opened(self, trial: optuna.Trial) -> Job:
        """Opens a trial and returns its first job."""
        point, role = self._space.point(trial.params), role_of(trial)
        self._open[trial.number] = _OpenTrial(trial, point, role)
        return self._first_job(trial.number, point, baseline=role is not Role.SEARCH)

    def _first_job(self, number: int, point: DesignPoint, *, baseline: bool = False) -> Job:
        return Job(number, point, levels_of(self._fidelity, point, baseline=baseline)[0])

    def _judged(self, completion: Completion) -> Job | None:
        """Returns the job of the next level if the trial is promoted; None if the trial is to be concluded."""
        opened, evaluation = self._open[completion.job.trial], completion.result
        if not isinstance(evaluation, Evaluation):
            opened.error = completion.error
            return None
        values = values_of(evaluation, (*self._objectives, self._searched[0]))
        if not np.isfinite(values).all():
            opened.error = f"the objectives are not finite: {values}"
            return None
        opened.levels.append(evaluation)
        above = self._ladder.next_level(opened.point, evaluation, baseline=opened.role is not Role.SEARCH)
        return None if above is None else self._promoted_job(opened, above)

    def _promoted_job(self, opened: _OpenTrial, level: Level) -> Job:
        """Returns the job of the next level; a fine-tune of a searched design may start from inherited weights."""
        inherits = self._fidelity.inherit and level.is_trained and opened.role is Role.SEARCH
        heir_of = nearest(opened.point, self._elders()) if inherits else None
        if heir_of is None:
            return Job(opened.trial.number, opened.point, level)
        opened.heir_of = heir_of
        weights = self._folder.load_weights(heir_of, self._networks[heir_of])
        return Job(opened.trial.number, opened.point, level, weights, heir_of=self._trained[heir_of])

    def _elders(self) -> dict[int, DesignPoint]:
        """Returns the designs with trained weights from which a trial may inherit: not those of its own batch."""
        first = self._first_of_batch
        return {number: point for number, point in self._trained.items() if first is None or number < first}

    def _conclude(self, number: int) -> None:
        """Records what became of an open trial."""
        opened = self._open.pop(number)
        if opened.error:
            self._fail(opened)
        else:
            self._record(opened)

    def _record(self, opened: _OpenTrial) -> None:
        self._failures = 0
        design = reached(opened.point, opened.levels[-1].level)
        record = record_of(design.to_json(), opened.levels, opened.heir_of)
        if (weights := opened.levels[-1].weights) is not None:
            self._folder.save_weights(opened.trial.number, weights, record.network_sha256)
        self._observations.append(observation := self._observed(opened))
        limits = violations(record, self._search_spec.constraints)
        self._store.tell(opened.trial, record, observation, self._expected(), limits)
        self._count(opened.trial.number, opened.role, record)

    def _observed(self, opened: _OpenTrial) -> Observation:
        baseline = opened.role is not Role.SEARCH
        return Observation(
            asked=levels_of(self._fidelity, opened.point, baseline=baseline)[-1],
            levels={each.level: value_of(each, self._searched[0]) for each in opened.levels},
        )

    def _expected(self) -> float:
        """Returns the loss of the latest observation at the level that its design asks for."""
        if (latest := self._observations[-1]).is_whole:
            return latest.levels[latest.asked]
        reference = figure_named(self._searched[0]).reference
        return float(expected_losses(self._observations, reference).values[-1])

    def _fail(self, opened: _OpenTrial) -> None:
        self._store.tell_failed(opened.trial, opened.error)
        self._failures += 1
        if self._failures >= _FAILURES_IN_A_ROW:
            raise EvaluationsFailedError(
                f"{self._failures} evaluations in a row failed, the last one with: {opened.error}"
            )

    def _count(self, number: int, role: Role, record: TrialRecord) -> None:
        """Counts a complete trial: updates the front, the trained designs and int32."""
        self._complete += 1
        if record.is_trained:
            self._trained[number] = DesignPoint.from_json(record.design)
            self._networks[number] = record.network_sha256
        rivals = {**self._best, number: record}
        self._best = {number: rivals[number] for number in front_of(rivals, self._search_spec)}
        if role is Role.INT32:
            self._baseline = values_of(record, self._objectives)

    def _score_on_test(self) -> None:
        """Scores the front, the baselines and what is to be tested on samples that the search never saw."""
        self._fix_sequence()
        for completion in self._each(self._test_jobs()):
            if not isinstance(completion.result, TestScore):
                raise EvaluationsFailedError(f"trial {completion.job.trial} on the test split: {completion.error}")
            self._store.set_test(completion.job.trial, completion.result)

    def _fix_sequence(self) -> None:
        """Records what is going to be tested, once for every number of trials, before the test split is read."""
        records = {trial.number: record for trial in self._store.complete() if (record := record_in(trial))}
        roles, looks = {trial.number: role_of(trial) for trial in self._store.complete()}, self._store.looks()
        int32 = next((record for number, record in records.items() if roles[number] is Role.INT32), None)
        loss = None if int32 is None else tested_loss(figure_named(self._objectives[0]), int32)
        if loss is None or (looks and looks[-1].trials >= len(records)):
            return
        feasible = {number: is_feasible(record, self._search_spec.constraints) for number, record in records.items()}
        entries = entries_of(records, roles, feasible)
        designs = candidates_of(entries, self._objectives, loss, cost_of(self._objectives))
        look = next_look(
            designs, looks, self._margin_pp, self._test_samples, len(records), looks_before=self._looks_before
        )
        if look.sequence:
            self._store.add_look(look)

    def _test_jobs(self) -> list[Job]:
        scored, records = self._store.tests(), {t.number: r for t in self._store.complete() if (r := record_in(t))}
        baselines = {t.number for t in self._store.complete() if role_of(t) is not Role.SEARCH}
        int32 = next((records[t.number] for t in self._store.complete() if role_of(t) is Role.INT32), None)
        tested = {number for look in self._store.looks() for number in look.sequence} | baselines
        tested |= front_of(records, self._search_spec, int32)
        return [
            Job(
                number,
                DesignPoint.from_json(record.design),
                Level.TEST,
                self._folder.load_weights(number, record.network_sha256) if record.is_trained else None,
                record.network_sha256,
            )
            for number, record in records.items()
            if number in tested and number not in scored
        ]

    def _report(self, target: int, stage: str) -> None:
        front = contenders(self._best, self._search_spec.constraints)
        volume = 0.0
        if self._baseline and front:
            values = np.array([values_of(record, self._objectives) for record in front.values()], dtype=np.float64)
            volume = hypervolume(relative_costs(values, np.array(self._baseline)), self._objectives)
        self._on_progress(Progress(self._complete, target, len(front), volume, stage))
