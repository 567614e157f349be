"""Weight inheritance: a fine-tune may start from the nearest design that was trained already."""

import math

from dse.design.point import DesignPoint


class TrainedDesigns:
    """The designs of a study that have fine-tuned weights."""

    def __init__(self) -> None:
        self._points: dict[int, DesignPoint] = {}

    def add(self, trial: int, point: DesignPoint) -> None:
        """Count a trial whose trained weights are kept."""
        self._points[trial] = point

    def nearest(self, point: DesignPoint) -> tuple[int, DesignPoint] | None:
        """The trial and design nearest to a point, the earliest of equals; None before anything was trained."""
        found = sorted((distance(point, other), trial) for trial, other in self._points.items())
        return (found[0][1], self._points[found[0][1]]) if found else None


def distance(one: DesignPoint, other: DesignPoint) -> float:
    """How far apart two designs of a network are: octaves of width, and one for every method that differs."""
    return sum(
        abs(math.log2(mine.multiplier_bits / theirs.multiplier_bits)) + (mine.method is not theirs.method)
        for (_, mine), (_, theirs) in zip(one.choices, other.choices, strict=True)
    )
