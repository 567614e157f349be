"""What follows from all trials: growth of the front, agreement of the cost models, marginal prices of accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import spearmanr

from dse.design import DEFAULT_OBJECTIVES, Role, hypervolume, metrics, non_dominated, reference_point, relative_costs
from dse.store import StudyResults
from dse.verdict import Choice

Floats = npt.NDArray[np.float64]
TENTH_PP = 0.1
SMALLEST_SIGNIFICANT_GAIN = 6  # samples: 2 * 0.5**6 < 0.05, a sign test's best case; below it no gain is significant
_BY_OTHER_MODEL = {
    metrics.RESCALER_AREA.name: metrics.OTHER_AREA.name,
    metrics.RESCALER_ENERGY.name: metrics.OTHER_ENERGY.name,
}


@dataclass(frozen=True)
class Convergence:
    """The growth of the front over the trials that can be on it, in the order in which they finished.

    Attributes:
        hypervolume: after each trial, relative to the reference point of 5 pp and int32's costs, ``[trials]``: 5 for a
            design with no drop and no cost, more if designs are more accurate than int32.
        front_size: number of designs on the front after each trial, ``[trials]``.
        minutes: wall-clock time since the first trial finished (pauses between runs included), ``[trials]``; empty
            if a trial has no time.
        first_search: number of complete trials before the first one of the search: the baselines.
    """

    hypervolume: Floats
    front_size: npt.NDArray[np.int64]
    minutes: Floats
    first_search: int


@dataclass(frozen=True)
class Agreement:
    """How the other cost model compares with the objective's, over the trials that can be on the front.

    Attributes:
        area_ratio: area by the other model over area by the objective's, ``[trials]``.
        energy_ratio: the same for energy, ``[trials]``.
        area_rank: Spearman's rank correlation of the areas.
        energy_rank: Spearman's rank correlation of the energies.
        front_kept: number of designs that stay on the front if the other model provides the rescalers' costs; None if
            these are not objectives.
        front_size: number of designs on the front.
    """

    area_ratio: Floats
    energy_ratio: Floats
    area_rank: float
    energy_rank: float
    front_kept: int | None
    front_size: int


@dataclass(frozen=True)
class FrontVolume:
    """What the front covers on the samples that chose it and on samples that no search saw, in hypervolume.

    Losses are floored at int32's. The interval holds for all designs together: every loss on test is at the worse end
    of its 95% interval, or at the better one.

    Attributes:
        validation: with the losses on validation.
        test: with the losses on test.
        low, high: ends of the interval of ``test``.
    """

    validation: float
    test: float
    low: float
    high: float


def front_volume(results: StudyResults) -> FrontVolume | None:
    """Computes what the front covers; returns None if a design of it is not scored on test, or without int32."""
    objectives, on_test = list(results.facts.objectives), results.facts.loss.on_test
    front, int32 = results.front.dropna(subset=objectives), results.int32[objectives].dropna()
    if front.empty or int32.empty or front[list(on_test)].isna().any(axis=None):
        return None
    unit = int32.to_numpy(dtype=np.float64)[0]
    values = front[objectives].to_numpy(dtype=np.float64)

    def volume(losses: str) -> float:
        shown = np.column_stack([front[losses].to_numpy(dtype=np.float64), values[:, 1:]])
        return hypervolume(relative_costs(shown, unit), objectives)

    test, best, worst = on_test
    return FrontVolume(volume(objectives[0]), volume(test), volume(worst), volume(best))


def convergence(results: StudyResults) -> Convergence | None:
    """Computes the growth of the front; returns None without an int32 baseline, whose costs are the unit."""
    objectives = list(results.facts.objectives)
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


def grown(relative: Floats, objectives: Sequence[str] = DEFAULT_OBJECTIVES) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Computes hypervolume and front size after each row, with work only for rows that join the front.

    Args:
        relative: float64 ``[points, objectives]``, drop in pp and costs over int32's, in order of arrival.
        objectives: what the columns are.

    Returns:
        Hypervolumes, float64 ``[points]``, and front sizes, int64 ``[points]``.
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
    """Compares the cost models; returns None if the other one has no costs."""
    columns = [*_BY_OTHER_MODEL, *_BY_OTHER_MODEL.values()]
    rows = results.judged.dropna(subset=columns)
    if len(rows) < 2:
        return None
    area, energy, other_area, other_energy = (rows[name].to_numpy(dtype=np.float64) for name in columns)
    objectives = list(results.facts.objectives)
    others = [_BY_OTHER_MODEL.get(name, name) for name in objectives]
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


@dataclass(frozen=True)
class Step:
    """A step from one design of the front to the next more expensive and more accurate one.

    Attributes:
        gain_pp: validation accuracy gained, percentage points.
        gain_samples: the same as a number of validation samples.
        area_um2: area added, µm².
        energy_nj: energy of one inference added, nJ (negative if the more expensive design needs less).
    """

    cheaper: Choice
    dearer: Choice
    gain_pp: float
    gain_samples: int
    area_um2: float
    energy_nj: float

    @property
    def area_per_tenth_um2(self) -> float:
        """Area added per 0.1 pp gained, µm²."""
        return self.area_um2 * TENTH_PP / self.gain_pp

    @property
    def energy_per_tenth_pj(self) -> float:
        """Energy per inference added per 0.1 pp gained, pJ."""
        return 1000 * self.energy_nj * TENTH_PP / self.gain_pp

    @property
    def can_be_significant(self) -> bool:
        """Whether a gain of so many validation samples can be significant."""
        return self.gain_samples >= SMALLEST_SIGNIFICANT_GAIN


def marginal_steps(front: list[Choice], validation_samples: int, limit: int = 12) -> list[Step]:
    """Returns steps along the lower convex hull of validation drop over area, cheapest first; prices rise along it.

    Designs off the hull are worse value than a mixture of their neighbours, and designs with a loss of more than 5 pp
    are no candidates; both are left out. A hull of more than ``limit`` steps is thinned to every n-th design.
    """
    corners = _thinned(_lower_hull([c for c in front if c.val_loss <= c.loss.reference]), limit + 1)
    return [_step(cheaper, dearer, validation_samples) for cheaper, dearer in pairwise(corners)]


def _lower_hull(designs: list[Choice]) -> list[Choice]:
    hull: list[Choice] = []
    for design in _staircase(designs):
        while len(hull) > 1 and not _turns_up(hull[-2], hull[-1], design):
            hull.pop()
        hull.append(design)
    return hull


def _staircase(designs: list[Choice]) -> list[Choice]:
    """Returns the designs that are more accurate than every cheaper one, by area."""
    kept: list[Choice] = []
    for design in sorted(designs, key=lambda c: (c.area_um2, c.val_loss)):
        if not kept or design.val_loss < kept[-1].val_loss:
            kept.append(design)
    return kept


def _turns_up(first: Choice, middle: Choice, last: Choice) -> bool:
    """Returns whether the corner at ``middle`` is convex: it lies below the line from ``first`` to ``last``."""
    run, rise = last.area_um2 - first.area_um2, last.val_loss - first.val_loss
    return (middle.val_loss - first.val_loss) * run < rise * (middle.area_um2 - first.area_um2)


def _thinned(designs: list[Choice], most: int) -> list[Choice]:
    if len(designs) <= most:
        return designs
    return [designs[int(position)] for position in np.linspace(0, len(designs) - 1, most).round()]


def _step(cheaper: Choice, dearer: Choice, samples: int) -> Step:
    gain = cheaper.val_loss - dearer.val_loss
    return Step(
        cheaper=cheaper,
        dearer=dearer,
        gain_pp=gain,
        gain_samples=round(gain * samples / 100),
        area_um2=dearer.area_um2 - cheaper.area_um2,
        energy_nj=dearer.energy_nj - cheaper.energy_nj,
    )
