"""Groups of rescalers that a reader of a long report may want to see alone: kinds of layers, and blocks of one size."""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd

from dse.store import StudyResults

LEAST_FILTERED = 25  # rescalers from which a page lets its reader choose among them

Group = tuple[str, list[int]]  # what it is called, and the places of its rescalers


def row_groups(results: StudyResults) -> list[Group]:
    """Returns the kinds of rescalers, then the blocks of layers whose outputs have one height and width.

    A layer whose rescaler has one set of constants for all channels, such as an ADD, belongs to the block before it.
    The blocks of a portfolio are its networks.
    """
    names = results.rescalers
    kinds = _grouped([name.rpartition("_")[0] or name for name in names])
    if results.facts.members:
        return [*_grouped([name.partition("/")[0] for name in names]), *kinds]
    return [*kinds, *_grouped(_sizes(names, results.layers))]


def _grouped(labels: Sequence[str]) -> list[Group]:
    """Returns the places of every label, in order; nothing if that leaves no choice."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        if label:
            places[label].append(place)
    return [*places.items()] if len(places) > 1 else []


def _sizes(names: Sequence[str], layers: pd.DataFrame) -> list[str]:
    """Returns the size of every layer's output in words; empty texts for the first layers if theirs is not known."""
    if layers.empty:
        return []
    table = layers[layers["trial"] == layers["trial"].iloc[0]].set_index("rescaler").reindex(list(names))
    sizes, last = [], ""
    for rescales, channels in zip(table["rescales"], table["channels"], strict=True):
        if np.isfinite(channels) and rescales >= channels > 1:
            last = _size(int(rescales) // int(channels))
        sizes.append(last)
    return sizes


def _size(positions: int) -> str:
    side = math.isqrt(positions)
    return f"{side} x {side}" if side * side == positions else f"{positions:,} positions"
