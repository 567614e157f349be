"""Rearrangements as operators of .tflite files: parts along one axis, blocks, or any order of a flat tensor."""

from dataclasses import dataclass

import numpy as np

from nets.network import IntArray

_IMAGE_RANK = 3


@dataclass(frozen=True, eq=False, slots=True)
class Arrangement:
    """One operator that rearranges.

    Attributes:
        kind: the schema's name of the operator.
        axis: the only axis along which elements are taken, from 0, or 0 of blocks.
        indices: int64, the positions taken along the axis; empty of blocks.
        block: the side of a block, or 0.
    """

    kind: str
    axis: int
    indices: IntArray
    block: int


def arrangement(positions: IntArray, shape: tuple[int, ...]) -> Arrangement | None:
    """Returns the operator that takes these positions of a tensor of this shape, or None if it takes several."""
    if (indices := indices_by_axis(positions, shape)) is not None:
        moved = moved_axes(indices, shape)
        return _taken(moved[0] if moved else 0, indices) if len(moved) <= 1 else None
    return _blocks(positions, shape) if len(shape) == positions.ndim == _IMAGE_RANK else None


def indices_by_axis(positions: IntArray, shape: tuple[int, ...]) -> list[IntArray] | None:
    """Returns the positions taken along each axis, or None if the order is not one of axes."""
    if positions.ndim != len(shape) or not positions.size:
        return None
    steps = [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
    lines = [np.moveaxis(positions, axis, -1).reshape(-1, size)[0] for axis, size in enumerate(positions.shape)]
    indices = [line // step % size for line, step, size in zip(lines, steps, shape, strict=True)]
    whole = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
    return indices if np.array_equal(whole[np.ix_(*indices)], positions) else None


def moved_axes(indices: list[IntArray], shape: tuple[int, ...]) -> list[int]:
    """Returns the axes along which anything is moved or left out."""
    return [axis for axis, size in enumerate(shape) if not np.array_equal(indices[axis], np.arange(size))]


def _taken(axis: int, indices: list[IntArray]) -> Arrangement:
    steps = np.diff(indices[axis])
    regular = not steps.size or (steps[0] > 0 and (steps == steps[0]).all())
    return Arrangement("STRIDED_SLICE" if regular else "GATHER", axis, indices[axis], 0)


def _blocks(positions: IntArray, shape: tuple[int, ...]) -> Arrangement | None:
    height, width, channels = shape
    whole = np.arange(positions.size, dtype=np.int64)
    side, rest = divmod(positions.shape[0], height)
    if side > 1 and not rest and positions.shape == (height * side, width * side, channels // side**2):
        blocks = whole.reshape(height, width, side, side, -1).transpose(0, 2, 1, 3, 4)
        if np.array_equal(blocks.reshape(positions.shape), positions):
            return Arrangement("DEPTH_TO_SPACE", 0, np.empty(0, np.int64), side)
    side, rest = divmod(height, positions.shape[0])
    if side > 1 and not rest and positions.shape == (height // side, width // side, channels * side**2):
        blocks = whole.reshape(height // side, side, width // side, side, -1).transpose(0, 2, 1, 3, 4)
        if np.array_equal(blocks.reshape(positions.shape), positions):
            return Arrangement("SPACE_TO_DEPTH", 0, np.empty(0, np.int64), side)
    return None
