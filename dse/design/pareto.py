"""Non-dominated points and hypervolume; every objective is minimised."""

from collections.abc import Sequence

import moocore
import numpy as np
import numpy.typing as npt

from dse.design.metrics import DEFAULT_OBJECTIVES, figure_named

FloatMatrix = npt.NDArray[np.float64]


def non_dominated(values: FloatMatrix) -> npt.NDArray[np.bool_]:
    """Marks the rows that no other row dominates; equal rows stay together.

    Args:
        values: float64 ``[points, objectives]``, minimised; a row with a NaN is never on the front.

    Returns:
        bool ``[points]``.
    """
    valid = ~np.isnan(values).any(axis=1)
    front = np.zeros(len(values), dtype=bool)
    if valid.any():
        front[valid] = moocore.is_nondominated(_ranks(values[valid]), keep_weakly=True)
    return front


def _ranks(values: FloatMatrix) -> FloatMatrix:
    """Replaces values by their ranks per column: dominance stays, infinities (which moocore gets wrong) go."""
    return np.column_stack([np.unique(column, return_inverse=True)[1] for column in values.T]).astype(np.float64)


def rank_among(values: FloatMatrix, point: npt.NDArray[np.float64]) -> int:
    """Counts the fronts of ``values`` (``[points, objectives]``) that precede ``point``; 0 if no row dominates it."""
    better = values[(values <= point).all(axis=1) & (values < point).any(axis=1)]
    rank = 0
    while len(better):
        better = better[~non_dominated(better)]
        rank += 1
    return rank


def reference_point(objectives: Sequence[str]) -> npt.NDArray[np.float64]:
    """Returns the reference point of the hypervolume, ``[objectives]``, in the units of :func:`relative_costs`."""
    return np.array([figure_named(name).reference for name in objectives])


def relative_costs(values: FloatMatrix, baseline: npt.NDArray[np.float64]) -> FloatMatrix:
    """Converts objectives to the hypervolume's units: the drop in pp, costs as multiples of the baseline's.

    Args:
        values: ``[points, objectives]``: drop in pp, then costs.
        baseline: ``[objectives]``: the int32 design's values.
    """
    return np.column_stack([values[:, 0], values[:, 1:] / baseline[1:]])


def hypervolume(relative: FloatMatrix, objectives: Sequence[str] = DEFAULT_OBJECTIVES) -> float:
    """Computes the volume dominated up to :func:`reference_point`; points beyond it add nothing.

    Losses are floored at 0, which is int32's: a design that does better than int32 on some hundred samples is lucky.

    Args:
        relative: ``[points, objectives]``, from :func:`relative_costs`.
        objectives: names of the columns.
    """
    reference = reference_point(objectives)
    inside = relative[(relative < reference).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    floored = np.column_stack([np.maximum(inside[:, 0], 0.0), inside[:, 1:]])
    return float(moocore.hypervolume(floored, ref=reference))
