"""The contract of an evaluator pool."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dse.design import Evaluation, Job, TestScore


class Evaluates(Protocol):
    """Runs jobs one at a time; an exception becomes the job's error."""

    def run(self, job: Job) -> Evaluation | TestScore:
        """Runs a job."""


EvaluatorFactory = Callable[[], Evaluates]


@dataclass(frozen=True, slots=True)
class Completion:
    """A submitted job with its result, or with None and an error of one line."""

    job: Job
    result: Evaluation | TestScore | None
    error: str = ""


class EvaluatorPool(Protocol):
    """Runs jobs, several at a time.

    Every submitted job comes back exactly once, in any order, even if its worker dies, hangs or raises: such a job
    comes back as a completion with an error, never as an exception. No two threads call methods of one pool. At any
    time a trial has at most one job per level in the pool.
    """

    @property
    def capacity(self) -> int:
        """The number of jobs that the pool accepts at once, including those that wait for a worker."""

    @property
    def running(self) -> int:
        """The number of submitted jobs that have not come back."""

    def submit(self, job: Job) -> None:
        """Starts a job; the caller keeps ``running`` at or below ``capacity``."""

    def next(self) -> Completion:
        """Waits for a job to finish; at least one submitted job has not come back."""

    def close(self) -> None:
        """Stops all work; running jobs are lost."""
