"""The fidelity ladder: the levels that a design may reach, and whether it is promoted to the next one."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from dse.design import DROP, DesignPoint, Evaluation, Finetune, Level, figure_named, rank_among, values_of
from dse.store import LevelRecord
from dse.study import FidelitySpec

_TRAINED = {
    Finetune.NONE: (),
    Finetune.SHORT: (Level.SHORT_FINETUNE,),
    Finetune.FULL: (Level.SHORT_FINETUNE, Level.FULL_FINETUNE),
}
_FINETUNES = {Level.SHORT_FINETUNE: Finetune.SHORT, Level.FULL_FINETUNE: Finetune.FULL}


def levels_of(fidelity: FidelitySpec, point: DesignPoint, *, baseline: bool) -> tuple[Level, ...]:
    """Returns the levels that a design may reach, lowest first; baselines skip the part of the split."""
    first = (Level.PART,) if fidelity.part < 1 and not baseline else ()
    untrained = Level.CALIBRATED if point.calibration else Level.INTEGER
    return (*first, untrained, *_TRAINED[point.finetune])


def reached(point: DesignPoint, level: Level) -> DesignPoint:
    """Returns the design that was evaluated: the point, fine-tuned as far as the level at which the ladder stopped."""
    return replace(point, finetune=_FINETUNES.get(level, Finetune.NONE))


class Ladder:
    """Promotes designs that are near the front of all designs evaluated at their level so far.

    The slack allows for the noise of an accuracy; costs are exact and get none. Baselines are always promoted as far
    as they may be, and no budget counts them.

    Args:
        fidelity: the study's [fidelity] table.
        objectives: what the search minimises (:func:`~dse.design.search_objectives`); the first one is the loss.
    """

    def __init__(self, fidelity: FidelitySpec, objectives: Sequence[str]) -> None:
        self._fidelity, self._objectives = fidelity, objectives
        self._seen: dict[Level, list[tuple[float, ...]]] = defaultdict(list)
        self._spent: Counter[Level] = Counter()
        self._budget = {Level.SHORT_FINETUNE: fidelity.max_short, Level.FULL_FINETUNE: fidelity.max_full}

    def restore(self, levels: Iterable[LevelRecord], *, baseline: bool) -> None:
        """Counts the levels that a trial of an earlier session reached."""
        for level in levels:
            self._seen[level.level].append(values_of(level, self._objectives))
            self._spent[level.level] += not baseline

    def next_level(self, point: DesignPoint, evaluation: Evaluation, *, baseline: bool) -> Level | None:
        """Counts an evaluation and returns the design's next level, or None if it is not promoted."""
        values = values_of(evaluation, self._objectives)
        seen = np.array(self._seen[evaluation.level], dtype=np.float64).reshape(-1, len(values))
        self._seen[evaluation.level].append(values)
        levels = levels_of(self._fidelity, point, baseline=baseline)
        above = levels[levels.index(evaluation.level) + 1 :]
        if not above or baseline:
            return above[0] if above else None
        budget = self._budget.get(above[0])
        if budget is not None and self._spent[above[0]] >= budget:
            return None
        part = self._fidelity.part if evaluation.level is Level.PART else 1.0
        hopeful = np.array(values)
        slack = self._fidelity.slack_pp / DROP.reference * figure_named(self._objectives[0]).reference
        hopeful[0] -= slack / math.sqrt(part)  # noise grows with the root of the inverse share
        if rank_among(seen, hopeful) > self._fidelity.promote_rank:
            return None
        self._spent[above[0]] += 1
        return above[0]
