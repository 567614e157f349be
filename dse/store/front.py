"""The front of a study: the non-dominated trials among those that keep its constraints."""

from collections.abc import Mapping, Sequence

import numpy as np

from dse.design import DROP, Level, non_dominated, value_of, values_of
from dse.store.records import TrialRecord
from dse.store.shrinkage import expected_drops
from dse.study import Constraint, SearchSpec


def violations(record: TrialRecord, constraints: Sequence[Constraint]) -> dict[str, float]:
    """Returns by how much a design exceeds every constraint, in the figure's unit; at most 0 if it keeps it."""
    return {c.metric: value_of(record, c.metric) - c.at_most for c in constraints}


def is_feasible(record: TrialRecord, constraints: Sequence[Constraint]) -> bool:
    """Returns whether a design keeps every constraint."""
    return all(excess <= 0 for excess in violations(record, constraints).values())


def contenders(records: Mapping[int, TrialRecord], constraints: Sequence[Constraint]) -> dict[int, TrialRecord]:
    """Returns the trials that may be on the front: scored on the whole validation split, feasible if any is."""
    judged = {number: record for number, record in records.items() if record.fidelity != Level.PART}
    feasible = {number: record for number, record in judged.items() if is_feasible(record, constraints)}
    return feasible or judged


def front_of(records: Mapping[int, TrialRecord], search: SearchSpec, int32: TrialRecord | None = None) -> set[int]:
    """Returns the numbers of the trials on the front.

    Args:
        records: results by trial.
        search: the study's [search] table.
        int32: the result of int32: accuracy drops then are those that are expected on other samples
            (:func:`~dse.store.shrinkage.expected_drops`); None for the front of the figures as they were measured.
    """
    chosen = contenders(records, search.constraints)
    if not chosen:
        return set()
    values = np.array([values_of(record, search.objectives) for record in chosen.values()])
    if int32 is not None and search.objectives[0] == DROP.name:
        values[:, 0] = list(expected_drops(chosen, int32).values())
    best = non_dominated(values)
    return {number for number, on_front in zip(chosen, best, strict=True) if on_front}
