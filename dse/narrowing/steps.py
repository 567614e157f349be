"""The steps of narrowing a model, for whoever shows its progress."""

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """A part of the work; the value is what a progress bar says."""

    OBSERVE = "statistics of int32"
    NARROW = "narrowing"
    COMPARE = "comparing outputs"
    WRITE = "checking the file"


# Called with the step, the parts of it that are done, and the number of its parts.
Progress = Callable[[Step, int, int], None]


def unseen(_step: Step, _done: int, _total: int) -> None:
    """Shows no progress."""
