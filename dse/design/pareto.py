"""Non-dominated points and hypervolume; every objective is minimised."""

from collections.abc import Sequence

import moocore
import numpy as np
import numpy.typing as npt

from dse.design.metrics import DEFAULT_OBJECTIVES, Metric

FloatMatrix = npt.NDArray[np.float64]

# Accuracy drop in percentage points, then every cost as a share of the int32 baseline's. Narrowing alone leaves the
# latency as it is: a design that keeps it must count too, so its reference lies a tenth above.
_REFERENCE = {Metric.DROP: 5.0, Metric.LATENCY: 1.1}
_REFERENCE_COST = 1.0


def non_dominated(values: FloatMatrix) -> npt.NDArray[np.bool_]:
    """Which rows no other row dominates; equal rows stay together.

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
    """Every value as its rank in its column: dominance stays, infinities (which moocore gets wrong) go."""
    return np.column_stack([np.unique(column, return_inverse=True)[1] for column in values.T]).astype(np.float64)


def rank_among(values: FloatMatrix, point: npt.NDArray[np.float64]) -> int:
    """How many fronts of ``values`` lie before ``point``: 0 where no row dominates it.

    Args:
        values: ``[points, objectives]``, minimised.
        point: ``[objectives]``.
    """
    better = values[(values <= point).all(axis=1) & (values < point).any(axis=1)]
    rank = 0
    while len(better):
        better = better[~non_dominated(better)]
        rank += 1
    return rank


def reference_point(objectives: Sequence[Metric]) -> npt.NDArray[np.float64]:
    """Where the hypervolume ends, ``[objectives]``, as :func:`relative_costs` counts."""
    return np.array([_REFERENCE.get(objective, _REFERENCE_COST) for objective in objectives])


def relative_costs(values: FloatMatrix, baseline: npt.NDArray[np.float64]) -> FloatMatrix:
    """Objectives as the hypervolume takes them: the drop in points, costs divided by the baseline's.

    Args:
        values: ``[points, objectives]``: drop in pp, then costs.
        baseline: ``[objectives]``: the int32 design's values.
    """
    return np.column_stack([values[:, 0], values[:, 1:] / baseline[1:]])


def hypervolume(relative: FloatMatrix, objectives: Sequence[Metric] = DEFAULT_OBJECTIVES) -> float:
    """Volume dominated up to :func:`reference_point`; points beyond it add nothing.

    Args:
        relative: ``[points, objectives]``, as :func:`relative_costs` gives them.
        objectives: what the columns are.
    """
    reference = reference_point(objectives)
    inside = relative[(relative < reference).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    return float(moocore.hypervolume(inside, ref=reference))
