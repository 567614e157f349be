"""Weight inheritance: a fine-tune may start from the nearest design that is already trained."""

import math

from dse.design import DesignPoint


class TrainedDesigns:
    """The designs of a study that have fine-tuned weights."""

    def __init__(self) -> None:
        self._points: dict[int, DesignPoint] = {}

    def add(self, trial: int, point: DesignPoint) -> None:
        """Adds a trial whose trained weights are stored."""
        self._points[trial] = point

    def nearest(self, point: DesignPoint) -> tuple[int, DesignPoint] | None:
        """Returns the nearest trial and its design, the earliest one on a tie; None if nothing is trained yet."""
        if not self._points:
            return None
        trial = min(self._points, key=lambda number: (distance(point, self._points[number]), number))
        return trial, self._points[trial]


def distance(one: DesignPoint, other: DesignPoint) -> float:
    """Returns the distance of two designs of a network: octaves of width, plus one for every method that differs."""
    return sum(
        abs(math.log2(mine.multiplier_bits / theirs.multiplier_bits)) + (mine.method is not theirs.method)
        for (_, mine), (_, theirs) in zip(one.choices, other.choices, strict=True)
    )
