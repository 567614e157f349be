"""Closed polygons of the characters of a TrueType font."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from fontTools.ttLib import TTFont

from nets.errors import NetworkError

_PARTS: Final = 4  # straight parts of a curve; the largest deviation is 1/64 of what its control point sticks out
_TALL: Final = "H"  # the letter whose height is 1
# It says of several fonts that their dates are odd, which nothing here reads.
logging.getLogger("fontTools.ttLib.tables._h_e_a_d").setLevel(logging.ERROR)
_Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outline:
    """The outline of a character as directed straight edges, around the centre of its bounding box.

    Attributes:
        starts, ends: where each edge begins and ends, ``[edges, 2]`` as x and y; y goes up, a capital H is 1 high.
    """

    starts: _Points
    ends: _Points


def outlines(font: Path, characters: Sequence[str]) -> list[Outline]:
    """Returns the outlines of some characters of a TrueType font.

    Args:
        font: a .ttf file with a ``glyf`` table.
        characters: single characters.

    Raises:
        NetworkError: the font lacks a character.
    """
    with TTFont(font, lazy=True) as opened:
        height = float(np.ptp(_edges(opened, font, _TALL)[0][:, 1]))
        return [_centred(*_edges(opened, font, character), height) for character in characters]


def _centred(starts: _Points, ends: _Points, height: float) -> Outline:
    centre = (starts.min(axis=0) + starts.max(axis=0)) / 2
    return Outline((starts - centre) / height, (ends - centre) / height)


def _edges(opened: TTFont, font: Path, character: str) -> tuple[_Points, _Points]:
    """Returns starts and ends of all edges in the font's units."""
    name = opened.getBestCmap().get(ord(character))
    if name is None:
        raise NetworkError(f"{font}: has no character {character!r}")
    table: Any = opened["glyf"]
    coordinates, contour_ends, flags = table[name].getCoordinates(table)
    points = np.array(coordinates, np.float64)
    on_curve = np.array(flags) & 1 == 1
    bounds = [0, *(end + 1 for end in contour_ends)]
    closed = [
        _polygon(points[first:after], on_curve[first:after]) for first, after in pairwise(bounds) if after - first > 1
    ]
    return np.concatenate(closed), np.concatenate([np.roll(polygon, -1, axis=0) for polygon in closed])


def _polygon(points: _Points, on_curve: npt.NDArray[np.bool_]) -> _Points:
    """Returns the corners of a closed contour of lines and quadratic curves, whose control points are off the curve.

    Between two control points in a row the contour passes through their middle (Apple, TrueType Reference Manual,
    chapter 1, "Outlines").
    """
    corners: list[_Points] = []
    count = len(points)
    for index in range(count):
        before, here, after = points[index - 1], points[index], points[(index + 1) % count]
        if on_curve[index]:
            corners.append(here)
            continue
        start = before if on_curve[index - 1] else (before + here) / 2
        end = after if on_curve[(index + 1) % count] else (here + after) / 2
        if not on_curve[index - 1]:
            corners.append(start)
        for part in range(1, _PARTS):
            share = part / _PARTS
            rest = 1 - share
            corners.append(rest * rest * start + 2 * rest * share * here + share * share * end)
    return np.array(corners)
