"""The driver: asks Optuna, has points evaluated, lets promising ones climb, tells; it alone touches storage."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import optuna

from dse.design import DesignPoint
from dse.evaluation import Evaluation, Job, Level, TestScore
from dse.interrupts import Interrupts
from dse.pareto import dominates_any, hypervolume, non_dominated, relative_costs
from dse.problem import Problem
from dse.records import TestRecord, record_of
from dse.run_folder import RunFolder
from dse.space import SearchSpace
from dse.spec import Finetune
from dse.storage import SEARCH, StudyStore, record_in, role_of
from dse.workers import Completion, EvaluatorPool
from nets.network import Method
from nets.rescaler import FULL_MULTIPLIER_BITS

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
    """

    complete: int
    target: int
    front: int
    hypervolume: float
    stage: str


@dataclass(slots=True)
class _OpenTrial:
    """A trial that was asked and not yet told."""

    trial: optuna.Trial
    point: DesignPoint
    role: str
    levels: list[Evaluation] = field(default_factory=list)


def baselines(space: SearchSpace, uniform_bits: tuple[int, ...]) -> list[tuple[str, DesignPoint]]:
    """Designs that every study holds, as (role, point): int32, its fine-tuned control, every uniform width."""
    strongest = space.finetune[-1]
    found = [(INT32, space.uniform(FULL_MULTIPLIER_BITS, Method.ROUND, Finetune.NONE))]
    if strongest is not Finetune.NONE:
        found.append((CONTROL, space.uniform(FULL_MULTIPLIER_BITS, Method.ROUND, strongest)))
    methods = sorted({method for variable in space.rescalers for method in variable.methods})
    found += [(f"uniform_{m.value}", space.uniform(k, m, strongest)) for k in uniform_bits for m in methods]
    return found


class Driver:
    """Runs one study to a number of complete trials.

    Args:
        problem: what is evaluated.
        store: where trials are kept.
        space: where designs come from.
        folder: where trained weights are kept.
        pool: who evaluates.
        on_progress: called after every told trial.
    """

    def __init__(
        self,
        problem: Problem,
        store: StudyStore,
        space: SearchSpace,
        folder: RunFolder,
        pool: EvaluatorPool,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self._problem, self._store, self._space = problem, store, space
        self._folder, self._pool, self._on_progress = folder, pool, on_progress
        self._open: dict[int, _OpenTrial] = {}
        self._climbs: deque[Job] = deque()
        self._interrupts = Interrupts()
        self._failures = 0
        self._told: list[tuple[float, float, float]] = []
        self._integer_level: list[tuple[float, float, float]] = []
        self._baseline: tuple[float, float, float] | None = None

    def run(self, target: int) -> None:
        """Search until ``target`` trials are complete, then score front and baselines on the test split.

        Raises:
            EvaluationsFailError: too many evaluations in a row had no result.
            KeyboardInterrupt: Ctrl-C, held back until nothing is being written.
        """
        with self._interrupts.held():
            self._restore()
            self._report(target, "search")
            while self._fill(target) or self._pool.running:
                self._take(self._next())
                self._report(target, "search")
            self._score_on_test()
            self._report(target, "test")

    def _next(self) -> Completion:
        with self._interrupts.let_in():
            return self._pool.next()

    def _restore(self) -> None:
        self._store.requeue_interrupted(self._space)
        present = self._store.designs(self._space)
        for role, point in baselines(self._space, self._problem.spec.search.uniform_multiplier_bits):
            if (role, point.digest) not in present:
                self._store.enqueue(self._space, point, role)
        baseline_accuracy = 100.0 * float(self._problem.baseline_correct.mean())
        for trial in self._store.complete():
            if record := record_in(trial):
                self._remember(record.values, role_of(trial))
                self._integer_level.append((baseline_accuracy - record.val_accuracy_integer, *record.values[1:]))

    def _remember(self, values: tuple[float, float, float], role: str) -> None:
        self._told.append(values)
        if role == INT32:
            self._baseline = values

    def _fill(self, target: int) -> bool:
        """Keep every worker busy; False when there was nothing to start."""
        started = False
        while self._pool.running < self._pool.capacity:
            job = self._climbs.popleft() if self._climbs else self._ask(target)
            if job is None:
                break
            self._pool.submit(job)
            started = True
        return started

    def _ask(self, target: int) -> Job | None:
        if len(self._told) + len(self._open) >= target:
            return None
        trial = self._store.ask(self._space)
        point = self._space.point(trial.params)
        self._open[trial.number] = _OpenTrial(trial, point, role_of(trial))
        return Job(trial.number, point, Level.INTEGER)

    def _take(self, completion: Completion) -> None:
        opened = self._open[completion.job.trial]
        if not isinstance(completion.result, Evaluation):
            self._fail(opened, completion.error)
            return
        if not np.isfinite(completion.result.values).all():
            self._fail(opened, f"the objectives are not finite: {completion.result.values}")
            return
        self._failures = 0
        opened.levels.append(completion.result)
        if completion.result.level is Level.INTEGER and self._climbs_on(opened, completion.result):
            self._climbs.append(Job(opened.trial.number, opened.point, Level.SHORT_FINETUNE))
        else:
            self._tell(opened)

    def _climbs_on(self, opened: _OpenTrial, found: Evaluation) -> bool:
        """Whether a point is worth training: near the front of what integer inference has shown so far.

        The slack hedges against the noise of the validation split; costs are exact and get none. Baselines always
        climb as far as they may.
        """
        peers = np.array(self._integer_level, dtype=np.float64).reshape(-1, 3)
        self._integer_level.append(found.values)
        if opened.point.finetune is Finetune.NONE:
            return False
        hopeful = np.array(found.values) - (self._problem.spec.fidelity.slack_pp, 0.0, 0.0)
        return opened.role != SEARCH or not dominates_any(peers, hopeful)

    def _tell(self, opened: _OpenTrial) -> None:
        record = record_of(opened.point.to_json(), opened.levels)
        if (weights := opened.levels[-1].weights) is not None:
            self._folder.save_weights(opened.trial.number, weights)
        self._store.tell(opened.trial, record)
        del self._open[opened.trial.number]
        self._remember(record.values, opened.role)

    def _fail(self, opened: _OpenTrial, error: str) -> None:
        self._store.tell_failed(opened.trial, error)
        del self._open[opened.trial.number]
        self._failures += 1
        if self._failures >= _FAILURES_IN_A_ROW:
            raise EvaluationsFailError(f"{self._failures} evaluations in a row failed, the last one with: {error}")

    def _score_on_test(self) -> None:
        """Front members and baselines on samples that the search never saw."""
        waiting = deque(self._test_jobs())
        while waiting or self._pool.running:
            while waiting and self._pool.running < self._pool.capacity:
                self._pool.submit(waiting.popleft())
            completion = self._next()
            if not isinstance(completion.result, TestScore):
                raise EvaluationsFailError(f"trial {completion.job.trial} on the test split: {completion.error}")
            self._store.set_test(completion.job.trial, TestRecord.of(completion.result))

    def _test_jobs(self) -> list[Job]:
        complete = [(trial, record) for trial in self._store.complete() if (record := record_in(trial))]
        if not complete:
            return []
        front = non_dominated(np.array([record.values for _, record in complete]))
        scored = self._store.tests()
        return [
            Job(
                trial.number,
                DesignPoint.from_json(record.design),
                Level.TEST,
                self._folder.load_weights(trial.number) if record.fidelity != Level.INTEGER else None,
                record.network_sha256,
            )
            for (trial, record), on_front in zip(complete, front, strict=True)
            if (on_front or role_of(trial) != SEARCH) and trial.number not in scored
        ]

    def _report(self, target: int, stage: str) -> None:
        values = np.array(self._told, dtype=np.float64).reshape(-1, 3)
        volume = hypervolume(relative_costs(values, np.array(self._baseline))) if self._baseline else 0.0
        front = int(non_dominated(values).sum()) if len(values) else 0
        self._on_progress(Progress(len(self._told), target, front, volume, stage))
