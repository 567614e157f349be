"""Outlines as fine black-and-white masks."""

from typing import Final

import numpy as np
import numpy.typing as npt

from nets.characters.outlines import Outline

MASK_SIZE: Final = 128  # cells along each side
CELLS_PER_HEIGHT: Final = 64  # of a capital H
Mask = npt.NDArray[np.uint8]


def mask(outline: Outline) -> Mask:
    """Returns which cells have their centres inside of an outline, uint8 0 or 1, ``[MASK_SIZE, MASK_SIZE]``, y down.

    Inside is where the edges wind around a point other than zero times, as TrueType fills outlines.
    """
    x0, y0 = _cells(outline.starts)
    x1, y1 = _cells(outline.ends)
    rows = np.arange(MASK_SIZE, dtype=np.float64)[:, None]
    down, up = (y0 <= rows) & (rows < y1), (y1 <= rows) & (rows < y0)
    row, edge = np.nonzero(down | up)
    share = (row - y0[edge]) / (y1[edge] - y0[edge])
    crossing = x0[edge] + share * (x1[edge] - x0[edge])
    winding = np.zeros((MASK_SIZE, MASK_SIZE + 1), np.int64)
    columns = np.clip(np.ceil(crossing), 0, MASK_SIZE).astype(np.intp)
    np.add.at(winding, (row, columns), np.where(down[row, edge], 1, -1))
    inside: npt.NDArray[np.bool_] = np.cumsum(winding, axis=1)[:, :MASK_SIZE] != 0
    return inside.astype(np.uint8)


def _cells(points: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns columns and rows in cells; whole numbers are centres of cells."""
    middle = (MASK_SIZE - 1) / 2
    return points[:, 0] * CELLS_PER_HEIGHT + middle, middle - points[:, 1] * CELLS_PER_HEIGHT
