"""How the front grew with trials and time, and how far the two cost models agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import spearmanr

from dse.design.metrics import DEFAULT_OBJECTIVES
from dse.design.pareto import hypervolume, non_dominated, reference_point, relative_costs
from dse.design.roles import Role
from dse.store.results import StudyResults

Floats = npt.NDArray[np.float64]
_RESCALER_COSTS = ("rescaler_area_um2", "rescaler_energy_nj")


@dataclass(frozen=True)
class Convergence:
    """Hypervolume after each trial that a front is made of, in the order in which they finished.

    Attributes:
        hypervolume: up to the reference point of 5 pp and int32's costs; 5 for a design that loses and
            costs nothing, more where designs beat int32's accuracy.
        front_size: designs on the front by then.
        minutes: clock time since the first trial finished (pauses between runs included); empty without times.
        first_search: how many complete trials came before the first one of the search (the baselines).
    """

    hypervolume: Floats
    front_size: npt.NDArray[np.int64]
    minutes: Floats
    first_search: int


@dataclass(frozen=True)
class Agreement:
    """The other cost model against the objective's, over the trials that a front is made of.

    Attributes:
        area_ratio: other area over the objective's area, ``[trials]``.
        energy_ratio: the same for energy.
        area_rank: Spearman's rank correlation of the areas.
        energy_rank: and of the energies.
        front_kept: designs of the front that stay on it when the other model gives the rescalers' costs; None where
            these are no objectives.
        front_size: designs of the front.
    """

    area_ratio: Floats
    energy_ratio: Floats
    area_rank: float
    energy_rank: float
    front_kept: int | None
    front_size: int


def convergence(results: StudyResults) -> Convergence | None:
    """The growth of the front; None without an int32 baseline, whose costs are the unit."""
    objectives = objective_columns(results)
    rows = results.judged.dropna(subset=objectives)
    int32 = rows[rows["role"] == Role.INT32]
    if int32.empty:
        return None
    rows = rows.sort_values(["finished", "trial"] if rows["finished"].notna().any() else ["trial"])
    baseline = int32[objectives].to_numpy(dtype=np.float64)[0]
    volumes, sizes = grown(
        relative_costs(rows[objectives].to_numpy(dtype=np.float64), baseline), results.facts.objectives
    )
    searched = np.flatnonzero((rows["role"] == Role.SEARCH).to_numpy())
    first = int(searched[0]) if len(searched) else len(rows)
    return Convergence(volumes, sizes, _minutes(rows["finished"]), first)


def objective_columns(results: StudyResults) -> list[str]:
    """Columns of ``trials`` with the study's objectives."""
    return list(results.facts.objectives)


def grown(relative: Floats, objectives: Sequence[str] = DEFAULT_OBJECTIVES) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Hypervolume and front size after each row; work is done only where a row joins the front.

    Args:
        relative: float64 ``[points, objectives]``, drop in pp and costs over int32's, in order of arrival.
        objectives: what the columns are.
    """
    volumes, sizes = np.zeros(len(relative)), np.zeros(len(relative), dtype=np.int64)
    front: Floats = np.empty((0, relative.shape[1]))
    volume, reference = 0.0, reference_point(objectives)
    for index, point in enumerate(relative):
        worse_or_equal = (front <= point).all(axis=1)
        if not (worse_or_equal & (front < point).any(axis=1)).any():
            front = np.vstack([front[~((front >= point).all(axis=1) & (front > point).any(axis=1))], point])
            volume = hypervolume(front, objectives) if (point < reference).all() else volume
        volumes[index], sizes[index] = volume, len(front)
    return volumes, sizes


def _minutes(finished: pd.Series) -> Floats:
    times = pd.to_datetime(finished, utc=True)
    if times.isna().any() or times.empty:
        return np.empty(0)
    elapsed: Floats = (times - times.min()).dt.total_seconds().to_numpy(dtype=np.float64) / 60
    return elapsed


def agreement(results: StudyResults) -> Agreement | None:
    """Compare the cost models; None where the other one has no numbers."""
    columns = [*_RESCALER_COSTS, *(f"other_{name}" for name in _RESCALER_COSTS)]
    rows = results.judged.dropna(subset=columns)
    if len(rows) < 2:
        return None
    area, energy, other_area, other_energy = (rows[name].to_numpy(dtype=np.float64) for name in columns)
    objectives = objective_columns(results)
    others = [f"other_{name}" if name in _RESCALER_COSTS else name for name in objectives]
    stays = non_dominated(rows[others].to_numpy(dtype=np.float64))
    on_front = rows["on_front"].to_numpy(dtype=bool)
    return Agreement(
        area_ratio=other_area / area,
        energy_ratio=other_energy / energy,
        area_rank=_rank_correlation(area, other_area),
        energy_rank=_rank_correlation(energy, other_energy),
        front_kept=int((stays & on_front).sum()) if others != objectives else None,
        front_size=int(on_front.sum()),
    )


def _rank_correlation(first: Floats, second: Floats) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(spearmanr(first, second).statistic)
