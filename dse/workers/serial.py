"""Evaluation in the driver's own process: for debugging, for tests, and where Ray cannot run."""

from collections import deque

import torch

from dse.evaluation import Evaluator, Job
from dse.problem import Problem
from dse.workers.pool import Completion


class SerialPool:
    """One evaluator, here; a job runs when its result is asked for, and cannot be timed out."""

    def __init__(self, problem: Problem) -> None:
        torch.set_num_threads(1)  # as in the Ray actors: sums in training depend on it
        self._evaluator = Evaluator(problem)
        self._jobs: deque[Job] = deque()

    @property
    def capacity(self) -> int:
        return 1

    @property
    def running(self) -> int:
        return len(self._jobs)

    def submit(self, job: Job) -> None:
        self._jobs.append(job)

    def next(self) -> Completion:
        return evaluate(self._evaluator, self._jobs.popleft())

    def close(self) -> None:
        self._jobs.clear()


def evaluate(evaluator: Evaluator, job: Job) -> Completion:
    """Run a job; what it raises becomes the completion's error."""
    # One bad design must not end the study: the trial keeps the reason.
    try:
        return Completion(job, evaluator.run(job))
    except Exception as error:
        return Completion(job, None, f"{type(error).__name__}: {error}")
