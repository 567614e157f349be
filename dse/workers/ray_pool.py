"""Evaluation by Ray actors, on this machine or on a cluster."""

import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any, Final

import ray
from ray.exceptions import RayActorError, RayError

from dse.design import Job
from dse.errors import StudyError
from dse.workers.pool import Completion, EvaluatorFactory
from dse.workers.ray_cluster import RayCluster
from dse.workers.serial import evaluate

_POLL_S = 1.0  # interval between two checks for evaluations that exceed their time limit
_ATTEMPTS = 3  # a job fails after as many deaths of its actor; no actor is started after as many failed starts
_START_S = 120.0  # a job fails if no actor takes it for this long

Reference = Any  # Ray does not type its object references and actor handles
Actor = Any

_STOP: Final = object()
_Event = Any  # a submitted job, a reference that became ready, or _STOP


class _Evaluator:
    """The actor: builds an evaluator and runs jobs."""

    def __init__(self, make_evaluator: EvaluatorFactory) -> None:
        self._evaluator = make_evaluator()

    def ready(self) -> None:
        """Returns once the evaluator is built."""

    def run(self, job: Job) -> Completion:
        return evaluate(self._evaluator, job)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A job that waits for an actor or runs on one."""

    job: Job
    number: int  # of attempts so far, this one included
    deadline: float  # time on the monotonic clock at which the job fails, seconds
    actor: Actor = None  # the actor that runs the job; None while it waits


class RayPool:
    """Runs jobs on long-lived actors; replaces dead actors, restarts their jobs, and kills hung actors.

    Args:
        make_evaluator: builds an evaluator in each actor; is put into the object store once, with its data.
        workers: number of actors, one CPU each.
        timeout_s: time limit of a job, seconds.
        gpus: share of a GPU that every actor gets.
        address: address of a running cluster; if it is None, a local one is started.

    Raises:
        StudyError: the address does not answer, or the cluster has too few GPUs.
    """

    def __init__(
        self,
        make_evaluator: EvaluatorFactory,
        *,
        workers: int,
        timeout_s: float,
        gpus: float = 0.0,
        address: str | None = None,
    ) -> None:
        self._cluster = RayCluster(workers, address)
        try:
            _check_gpus(workers, gpus)
        except StudyError:
            self._cluster.close()
            raise
        self.capacity = 2 * workers  # one job runs on each actor and one waits, so that no actor idles
        self.running = 0
        self._feeder = _Feeder(make_evaluator, workers, timeout_s, gpus)
        self._thread = threading.Thread(target=self._feeder.run, daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        self.running += 1
        self._feeder.events.put(job)

    def next(self) -> Completion:
        completion = self._feeder.completions.get()
        if isinstance(completion, BaseException):
            raise completion
        self.running -= 1
        return completion

    def close(self) -> None:
        self.running = 0
        with self._cluster.closing():
            self._feeder.events.put(_STOP)
            self._thread.join()
            self._cluster.close()


class _Feeder:
    """Feeds the actors from a thread of its own, so that an idle actor never waits for the driver.

    Only this thread uses the actors. Submitted jobs and Ray's ready references arrive as events; completions go back.
    """

    def __init__(self, make_evaluator: EvaluatorFactory, workers: int, timeout_s: float, gpus: float) -> None:
        self._workers, self._timeout_s = workers, timeout_s
        self.events: SimpleQueue[_Event] = SimpleQueue()
        self.completions: SimpleQueue[Completion | BaseException] = SimpleQueue()
        self._actor_class: Any = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(_Evaluator)
        self._make_evaluator = ray.put(make_evaluator)
        self._starting: dict[Reference, Actor] = {}
        self._idle: deque[Actor] = deque()
        self._waiting: deque[_Attempt] = deque()
        self.assigned: dict[Reference, _Attempt] = {}
        self._failed_starts, self._start_error = 0, ""

    def run(self) -> None:
        """Handles events until _STOP; passes any exception to the driver, which raises it."""
        try:
            for _ in range(self._workers):
                self._start_actor()
            while (event := self._next_event()) is not _STOP:
                self._handle(event)
                self._assign()
                while late := self._out_of_time() or self._without_actors():
                    self.completions.put(late)
        except BaseException as error:
            self.completions.put(error)
        finally:
            self._kill_actors()

    def _next_event(self) -> _Event:
        try:
            return self.events.get(timeout=_POLL_S)
        except Empty:
            return None

    def _handle(self, event: _Event) -> None:
        if isinstance(event, Job):
            self._waiting.append(_Attempt(event, 1, time.monotonic() + _START_S))
        elif event in self._starting:
            self._started(event)
        elif event in self.assigned and (completion := self._finished(event)):
            self.completions.put(completion)

    def _watch(self, reference: Reference) -> Reference:
        """Puts a reference into the queue of events when it becomes ready."""
        reference.future().add_done_callback(lambda _: self.events.put(reference))
        return reference

    def _kill_actors(self) -> None:
        at_work = [attempt.actor for attempt in self.assigned.values()]
        for actor in (*self._idle, *self._starting.values(), *at_work):
            with suppress(RayError, ConnectionError):  # of a Ray that is stopped or was killed
                ray.kill(actor)

    def _start_actor(self) -> None:
        actor = self._actor_class.remote(self._make_evaluator)
        self._starting[self._watch(actor.ready.remote())] = actor

    def _started(self, reference: Reference) -> None:
        actor = self._starting.pop(reference)
        try:
            ray.get(reference)
        except RayError as error:
            self._failed_starts, self._start_error = self._failed_starts + 1, _lines(error)[-1]
            if not self._given_up():
                self._start_actor()
            return
        self._failed_starts = 0
        self._idle.append(actor)

    def _assign(self) -> None:
        """Starts waiting jobs on idle actors; their time limit begins here."""
        while self._waiting and self._idle:
            actor = self._idle.popleft()
            attempt = replace(self._waiting.popleft(), actor=actor, deadline=time.monotonic() + self._timeout_s)
            self.assigned[self._watch(actor.run.remote(attempt.job))] = attempt

    def _finished(self, reference: Reference) -> Completion | None:
        attempt = self.assigned.pop(reference)
        try:
            completion: Completion = ray.get([reference])[0]
        except RayActorError as error:
            self._start_actor()
            if attempt.number == _ATTEMPTS:
                return Completion(attempt.job, None, f"the evaluator died {_ATTEMPTS} times: {_first_line(error)}")
            self._waiting.appendleft(_Attempt(attempt.job, attempt.number + 1, time.monotonic() + _START_S))
            return None
        except RayError as error:
            self._idle.append(attempt.actor)
            return Completion(attempt.job, None, _first_line(error))
        self._idle.append(attempt.actor)
        return completion

    def _out_of_time(self) -> Completion | None:
        now = time.monotonic()
        late = next((reference for reference, attempt in self.assigned.items() if now > attempt.deadline), None)
        if late is None:
            return None
        attempt = self.assigned.pop(late)
        ray.kill(attempt.actor)
        self._start_actor()
        self._assign()
        return Completion(attempt.job, None, f"no result after {self._timeout_s:g} s")

    def _without_actors(self) -> Completion | None:
        """Fails a waiting job if no actor starts or the cluster has no room for one."""
        if not self._waiting or self.assigned:
            return None
        if self._given_up():
            return Completion(self._waiting.popleft().job, None, f"no evaluator starts: {self._start_error}")
        if time.monotonic() > self._waiting[0].deadline:
            return Completion(self._waiting.popleft().job, None, f"no evaluator was free within {_START_S:g} s")
        return None

    def _given_up(self) -> bool:
        """Returns whether so many actors in a row failed to start that no other is tried."""
        return self._failed_starts >= max(_ATTEMPTS, self._workers)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {_lines(error)[0]}"


def _lines(error: Exception) -> list[str]:
    return str(error).strip().splitlines() or ["no message"]


def _check_gpus(workers: int, share: float) -> None:
    """Refuses actors that the cluster could never start; Ray itself would wait for them."""
    if not share:
        return
    on_one = int(1 / share + 1e-9)  # actors per GPU; 1 / 0.1 must give 10
    wanted, present = -(-workers // on_one), ray.cluster_resources().get("GPU", 0)  # type: ignore[no-untyped-call]
    if wanted > present:
        raise StudyError(
            f"workers.gpus = {share:g} for workers.count = {workers} needs {wanted} GPUs, but Ray's cluster has "
            f"{present:g}; use a smaller share, fewer workers, or gpus = 0 to train on the CPU"
        )
