"""Evaluation by Ray actors, on this machine or on a cluster; the only importer of Ray."""

import logging
import os
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import ray
import torch
from ray.actor import ActorHandle
from ray.exceptions import RayActorError, RayError

from dse.evaluation import Evaluator, Job
from dse.problem import Problem
from dse.workers.pool import Completion
from dse.workers.serial import evaluate

_POLL_S = 1.0  # how often a wait looks for evaluations that have run out of time
_ATTEMPTS = 3  # a job whose actor died this often is given up


class _Actor:
    """Holds the problem and evaluates; everything else is the driver's."""

    def __init__(self, problem: Problem) -> None:
        torch.set_num_threads(1)
        self._evaluator = Evaluator(problem)

    def run(self, job: Job) -> Completion:
        return evaluate(self._evaluator, job)


@dataclass(frozen=True, slots=True)
class _Assignment:
    job: Job
    actor: ActorHandle  # type: ignore[type-arg]
    deadline: float
    attempt: int


class RayPool:
    """Long-lived actors; a dead one is replaced and its job started again, a hung one is killed.

    Args:
        problem: placed once in the object store.
        workers: number of actors, one CPU each.
        timeout_s: seconds after which a job counts as failed.
        address: of a running cluster; a local one is started for ``None``.
    """

    def __init__(self, problem: Problem, *, workers: int, timeout_s: float, address: str | None = None) -> None:
        self._started_ray = not ray.is_initialized()
        if self._started_ray:
            _start_ray(workers, address)
        self._capacity, self._timeout_s = workers, timeout_s
        self._actor_class: Any = ray.remote(num_cpus=1, max_restarts=0)(_Actor)
        self._problem = ray.put(problem)
        self._idle: deque[Any] = deque(self._new_actor() for _ in range(workers))
        self._assigned: dict[Any, _Assignment] = {}

    @property
    def capacity(self) -> int:
        return self._capacity

    @property
    def running(self) -> int:
        return len(self._assigned)

    def submit(self, job: Job) -> None:
        self._assign(job, attempt=1)

    def next(self) -> Completion:
        while True:
            ready, _ = ray.wait(list(self._assigned), num_returns=1, timeout=_POLL_S)
            completion = self._finished(ready[0]) if ready else self._timed_out()
            if completion is not None:
                return completion

    def close(self) -> None:
        for actor in (*self._idle, *(assignment.actor for assignment in self._assigned.values())):
            ray.kill(actor)
        self._idle.clear()
        self._assigned.clear()
        if self._started_ray:
            ray.shutdown()

    def _new_actor(self) -> Any:  # noqa: ANN401 -- Ray's handles carry no type of their own
        return self._actor_class.remote(self._problem)

    def _assign(self, job: Job, attempt: int) -> None:
        actor = self._idle.popleft()
        deadline = time.monotonic() + self._timeout_s
        self._assigned[actor.run.remote(job)] = _Assignment(job, actor, deadline, attempt)

    def _finished(self, reference: Any) -> Completion | None:  # noqa: ANN401
        assignment = self._assigned.pop(reference)
        try:
            completion: Completion = ray.get(reference)
        except RayActorError as error:
            self._idle.append(self._new_actor())
            if assignment.attempt < _ATTEMPTS:
                self._assign(assignment.job, assignment.attempt + 1)
                return None
            return Completion(assignment.job, None, f"the evaluator died {_ATTEMPTS} times: {_first_line(error)}")
        except RayError as error:
            self._idle.append(assignment.actor)
            return Completion(assignment.job, None, _first_line(error))
        self._idle.append(assignment.actor)
        return completion

    def _timed_out(self) -> Completion | None:
        for reference, assignment in self._assigned.items():
            if time.monotonic() > assignment.deadline:
                ray.kill(assignment.actor)
                del self._assigned[reference]
                self._idle.append(self._new_actor())
                return Completion(assignment.job, None, f"no result after {self._timeout_s:g} s")
        return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def _start_ray(workers: int, address: str | None) -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # silences a notice about GPUs on CPU machines
    common: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    if address is not None:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    else:
        ray.init(num_cpus=workers, **common)
