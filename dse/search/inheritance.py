"""Weight inheritance: a fine-tune may start from the nearest design that is already trained."""

import math
from collections.abc import Mapping

from dse.design import DesignPoint


def nearest(point: DesignPoint, trained: Mapping[int, DesignPoint]) -> int | None:
    """Returns the number of the trial with the nearest design, the earliest one on a tie; None if there is none."""
    return min(trained, key=lambda number: (distance(point, trained[number]), number), default=None)


def distance(one: DesignPoint, other: DesignPoint) -> float:
    """Returns the distance of two designs of a network: octaves of width, plus one for every method that differs."""
    return sum(
        abs(math.log2(mine.multiplier_bits / theirs.multiplier_bits)) + (mine.method is not theirs.method)
        for (_, mine), (_, theirs) in zip(one.choices, other.choices, strict=True)
    )
