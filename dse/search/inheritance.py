"""Weight inheritance: a fine-tune may start from the nearest design that is already trained."""

import math
from collections.abc import Mapping

from dse.design import NATURAL, DesignPoint
from nets.narrow import RescalerChoice


def nearest(point: DesignPoint, trained: Mapping[int, DesignPoint]) -> int | None:
    """Returns the number of the trial with the nearest design, the earliest one on a tie; None if there is none."""
    return min(trained, key=lambda number: (distance(point, trained[number]), number), default=None)


def distance(one: DesignPoint, other: DesignPoint) -> float:
    """Returns the distance of two designs of a network.

    It is the sum of octaves of width and bits of shift window, plus one for every method that differs.
    """
    return sum(
        abs(math.log2(mine.multiplier_bits / theirs.multiplier_bits))
        + (mine.method is not theirs.method)
        + abs(_window(mine) - _window(theirs))
        for (_, mine), (_, theirs) in zip(one.choices, other.choices, strict=True)
    )


def _window(choice: RescalerChoice) -> int:
    return NATURAL if choice.shift_bits is None else choice.shift_bits
