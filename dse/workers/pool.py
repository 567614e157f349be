"""The contract of an evaluator pool."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dse.design.evaluation import Evaluation, Job, TestScore


class Evaluates(Protocol):
    """Does jobs, one at a time; what it raises is the job's error."""

    def run(self, job: Job) -> Evaluation | TestScore:
        """Do a job."""


EvaluatorFactory = Callable[[], Evaluates]


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished job: its result, or why there is none.

    Attributes:
        job: as submitted.
        result: None exactly where there is an error.
        error: one line, empty where there is a result.
    """

    job: Job
    result: Evaluation | TestScore | None
    error: str = ""


class EvaluatorPool(Protocol):
    """Evaluates jobs, several at a time.

    Every submitted job comes back exactly once, in any order, also when its worker dies, hangs or raises: a job
    without a result is a completion with an error, never an exception. No method is called from two threads.
    """

    @property
    def capacity(self) -> int:
        """How many jobs it takes at once, those that wait for a worker included."""

    @property
    def running(self) -> int:
        """How many submitted jobs have not come back."""

    def submit(self, job: Job) -> None:
        """Start a job; the caller keeps ``running`` at or below ``capacity``."""

    def next(self) -> Completion:
        """Wait for one job; the caller has submitted one that has not come back."""

    def close(self) -> None:
        """Stop all work; jobs that are running are lost."""
