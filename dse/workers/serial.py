"""Evaluation in the driver's own process: for debugging, for tests, and on machines that cannot run Ray."""

from collections import deque

from dse.design import Job
from dse.workers.pool import Completion, Evaluates, EvaluatorFactory


class SerialPool:
    """Runs each job when its result is requested, with a single evaluator and without a time limit."""

    capacity = 1

    def __init__(self, make_evaluator: EvaluatorFactory) -> None:
        self._evaluator = make_evaluator()
        self._jobs: deque[Job] = deque()

    @property
    def running(self) -> int:
        return len(self._jobs)

    def submit(self, job: Job) -> None:
        self._jobs.append(job)

    def next(self) -> Completion:
        return evaluate(self._evaluator, self._jobs.popleft())

    def close(self) -> None:
        self._jobs.clear()


def evaluate(evaluator: Evaluates, job: Job) -> Completion:
    """Runs a job; an exception becomes the completion's error."""
    # One bad design must not end the study: the trial keeps the reason.
    try:
        return Completion(job, evaluator.run(job))
    except Exception as error:
        return Completion(job, None, f"{type(error).__name__}: {error}")
