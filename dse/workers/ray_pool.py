"""Evaluation by Ray actors, on this machine or on a cluster; the only importer of Ray."""

import logging
import os
import socket
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from dse.errors import StudyError
from dse.evaluation import Job
from dse.workers.pool import Completion, EvaluatorFactory
from dse.workers.serial import evaluate

_POLL_S = 1.0  # how often a wait looks for evaluations that have run out of time
_ATTEMPTS = 3  # a job whose actor died this often is given up, and so is a pool none of whose actors starts
_ANSWER_S = 5.0  # within which a running head accepts a connection
_START_S = 120.0  # a job is given up when no actor took it for this long

Reference = Any  # Ray's object references and actor handles carry no types of their own
Actor = Any


class _Evaluator:
    """The actor: builds an evaluator and runs jobs; everything else is the driver's."""

    def __init__(self, make_evaluator: EvaluatorFactory) -> None:
        self._evaluator = make_evaluator()

    def ready(self) -> None:
        """Return once the evaluator is built."""

    def run(self, job: Job) -> Completion:
        return evaluate(self._evaluator, job)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A job that waits for an actor or is with one; ``deadline`` is in seconds of the monotonic clock."""

    job: Job
    number: int
    deadline: float
    actor: Actor = None


class RayPool:
    """Long-lived actors; a dead one is replaced and its job started again, a hung one is killed.

    Args:
        make_evaluator: builds an evaluator in each actor; placed once in the object store with all it holds.
        workers: number of actors, one CPU each.
        timeout_s: seconds after which a job counts as failed.
        gpus: share of a GPU that every actor gets.
        address: of a running cluster; a local one is started for ``None``.

    Raises:
        StudyError: nothing answers at the address, or the cluster has too few GPUs.
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
        self._started_ray = not ray.is_initialized()
        if self._started_ray:
            _start_ray(workers, address)
        try:
            _check_gpus(workers, gpus)
        except StudyError:
            self._stop_ray()
            raise
        self._workers, self._timeout_s = workers, timeout_s
        self._actor_class: Any = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(_Evaluator)
        self._make_evaluator = ray.put(make_evaluator)
        self._starting: dict[Reference, Actor] = {}
        self._idle: deque[Actor] = deque()
        self._waiting: deque[_Attempt] = deque()
        self._assigned: dict[Reference, _Attempt] = {}
        self._failed_starts, self._start_error = 0, ""
        for _ in range(workers):
            self._start_actor()

    @property
    def capacity(self) -> int:
        """One job or a few more than there are actors: who is done goes on while the driver tells and asks."""
        return self._workers + max(1, self._workers // 8)

    @property
    def running(self) -> int:
        return len(self._waiting) + len(self._assigned)

    def submit(self, job: Job) -> None:
        self._waiting.append(_Attempt(job, 1, time.monotonic() + _START_S))
        self._assign()

    def next(self) -> Completion:
        while True:
            if late := self._out_of_time() or self._without_actors():
                return late
            ready, _ = ray.wait([*self._assigned, *self._starting], num_returns=1, timeout=_POLL_S)
            if not ready:
                continue
            completion = None
            if ready[0] in self._starting:
                self._started(ready[0])
            else:
                completion = self._finished(ready[0])
            self._assign()
            if completion is not None:
                return completion

    def close(self) -> None:
        at_work = [attempt.actor for attempt in self._assigned.values()]
        for actor in (*self._idle, *self._starting.values(), *at_work):
            ray.kill(actor)
        self._idle.clear()
        self._starting.clear()
        self._assigned.clear()
        self._waiting.clear()
        self._stop_ray()

    def _stop_ray(self) -> None:
        if self._started_ray:
            ray.shutdown()

    def _start_actor(self) -> None:
        actor = self._actor_class.remote(self._make_evaluator)
        self._starting[actor.ready.remote()] = actor

    def _started(self, reference: Reference) -> None:
        actor = self._starting.pop(reference)
        try:
            ray.get(reference)
        except RayError as error:
            self._failed_starts, self._start_error = self._failed_starts + 1, _lines(error)[-1]
            self._start_actor()
            return
        self._failed_starts = 0
        self._idle.append(actor)

    def _assign(self) -> None:
        """Give waiting jobs to idle actors; their time runs from here."""
        while self._waiting and self._idle:
            actor = self._idle.popleft()
            attempt = replace(self._waiting.popleft(), actor=actor, deadline=time.monotonic() + self._timeout_s)
            self._assigned[actor.run.remote(attempt.job)] = attempt

    def _finished(self, reference: Reference) -> Completion | None:
        attempt = self._assigned.pop(reference)
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
        late = next((reference for reference, attempt in self._assigned.items() if now > attempt.deadline), None)
        if late is None:
            return None
        attempt = self._assigned.pop(late)
        ray.kill(attempt.actor)
        self._start_actor()
        self._assign()
        return Completion(attempt.job, None, f"no result after {self._timeout_s:g} s")

    def _without_actors(self) -> Completion | None:
        """Give a waiting job up where no actor can be had: none starts, or the cluster has no room for one."""
        if not self._waiting or self._assigned:
            return None
        if self._failed_starts >= max(_ATTEMPTS, self._workers):
            return Completion(self._waiting.popleft().job, None, f"no evaluator starts: {self._start_error}")
        if time.monotonic() > self._waiting[0].deadline:
            return Completion(self._waiting.popleft().job, None, f"no evaluator was free within {_START_S:g} s")
        return None


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {_lines(error)[0]}"


def _lines(error: Exception) -> list[str]:
    return str(error).strip().splitlines() or ["no message"]


def _check_gpus(workers: int, share: float) -> None:
    """Refuse what the cluster could never start, and would wait for."""
    if not share:
        return
    on_one = int(1 / share + 1e-9)  # an actor's share is of one GPU; 1 / 0.1 must count as 10
    wanted, present = -(-workers // on_one), ray.cluster_resources().get("GPU", 0)  # type: ignore[no-untyped-call]
    if wanted > present:
        raise StudyError(
            f"workers.gpus = {share:g} for workers.count = {workers} needs {wanted} GPUs, but Ray's cluster has "
            f"{present:g}; use a smaller share, fewer workers, or gpus = 0 to train on the CPU"
        )


def _check_answers(address: str) -> None:
    """Refuse an address where nothing listens: Ray itself tries again for a quarter of an hour."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():  # "auto" and the like, which Ray resolves
        return
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
    except OSError as error:
        raise StudyError(
            f"--ray-address {address}: {error.strerror or error}; give the address of a running head, such as HEAD:6379"
        ) from None


def _start_ray(workers: int, address: str | None) -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # silences a notice about GPUs on CPU machines
    common: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    if address is not None:
        _check_answers(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    else:
        ray.init(num_cpus=workers, **common)
