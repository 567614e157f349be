"""The designs that may be recommended, and the samples of the validation split on which each differs from int32."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from dse.design import DISAGREEMENT, DROP, Figure, Level, Role, value_of, values_of
from dse.errors import StudyError
from dse.store import TrialRecord

_MOST_BETTER = 10  # designs at least as accurate and as cheap: one with more of them has no chance to be chosen

Differences = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Entry:
    """A complete trial of a study.

    Attributes:
        trial: its number.
        role: why it is in the study.
        record: its result.
        feasible: whether it keeps the study's constraints.
    """

    trial: int
    role: Role
    record: TrialRecord
    feasible: bool


@dataclass(frozen=True, eq=False)
class Candidates:
    """The designs that the verdict chooses from, and the baselines that they are compared with; cheapest first.

    A difference is 1 for a sample that only the reference gets right, -1 for one that only the design does, else 0. In
    a study of disagreement it is 1 if the answer is not that of int32.

    Attributes:
        trials: numbers of the trials, ``[designs]``.
        costs: of every design, as a share of int32's, ``[designs]``.
        eligible: whether the design may be recommended, ``[designs]``.
        baseline: whether it is one of the baselines, ``[designs]``.
        deployed: differences from the deployed int32, ``[designs, samples]``; those of all networks side by side.
        alike: differences from int32 trained like the design, ``[designs, samples]``; from the deployed one for designs
            that were not trained.
        members: the columns of each network.
    """

    trials: npt.NDArray[np.int64]
    costs: Floats
    eligible: BoolArray
    baseline: BoolArray
    deployed: Differences
    alike: Differences
    members: tuple[slice, ...]

    @property
    def samples(self) -> tuple[int, ...]:
        """Number of validation samples of every network."""
        return tuple(columns.stop - columns.start for columns in self.members)

    def index(self, trial: int) -> int | None:
        """Returns the row of a trial; None if it is not among the designs."""
        found = np.flatnonzero(self.trials == trial)
        return int(found[0]) if len(found) else None


def tested_loss(loss: Figure, int32: TrialRecord) -> Figure | None:
    """Returns the loss that a verdict is about: the study's own if it has a margin, else the best that has one.

    That is the accuracy drop, or without labels the disagreement; None if the outputs are no classes.
    """
    if loss.has_margin:
        return loss
    return next((each for each in (DROP, DISAGREEMENT) if _has_answers(int32, each)), None)


def candidates_of(
    entries: Sequence[Entry], objectives: Sequence[str], loss: Figure, cost: Figure, tested: Collection[int] = ()
) -> Candidates | None:
    """Returns what a verdict can be made of; None without int32, its answers, or any design that has both.

    Candidates are all designs, of the search and uniform ones, that keep the constraints, were evaluated on the whole
    validation split, cost less than int32, and are not dominated by a baseline. A trained one needs a control: int32
    with the same training.

    Args:
        entries: the complete trials.
        objectives: names of the figures that the study minimises.
        loss: the loss that has a margin: accuracy drop or disagreement.
        cost: what the cheapest design has least of.
        tested: trials that are among the designs in any case.
    """
    judged = [
        entry for entry in entries if entry.record.fidelity is not Level.PART and _has_answers(entry.record, loss)
    ]
    int32 = next((entry for entry in judged if entry.role is Role.INT32), None)
    if int32 is None:
        return None
    controls = {entry.record.fidelity: entry.record for entry in judged if entry.role is Role.CONTROL}
    full = value_of(int32.record, cost.name)
    eligible = _eligible(judged, objectives, cost, full, frozenset(controls) if loss is DROP else frozenset(Level))
    kept = _promising([e for e in judged if e.trial in eligible], loss, cost)
    rows = [e for e in judged if e.trial in kept or e.trial in tested or _is_rival(e)]
    rows.sort(key=lambda e: (value_of(e.record, cost.name), values_of(e.record, objectives), e.trial))
    deployed = np.array([_differences(e.record, int32.record, loss) for e in rows])
    alike = np.array([_differences(e.record, controls.get(e.record.fidelity, int32.record), loss) for e in rows])
    ends = np.cumsum([0, *(answers.samples for _, answers in int32.record.by_member if answers)])
    return Candidates(
        trials=np.array([e.trial for e in rows]),
        costs=np.array([value_of(e.record, cost.name) / full for e in rows]),
        eligible=np.array([e.trial in kept for e in rows]),
        baseline=np.array([_is_rival(e) for e in rows]),
        deployed=deployed,
        alike=alike,
        members=tuple(slice(int(low), int(high)) for low, high in pairwise(ends)),
    )


def _is_rival(entry: Entry) -> bool:
    """Returns whether the search has to beat the design: int32, trained or not, int16, and everything uniform."""
    return entry.role.is_deployed or entry.role.is_uniform


def _eligible(
    entries: Sequence[Entry], objectives: Sequence[str], cost: Figure, full: float, controls: frozenset[Level]
) -> set[int]:
    baselines = np.array([values_of(e.record, objectives) for e in entries if _is_rival(e)])
    return {
        e.trial
        for e in entries
        if e.feasible
        and not e.role.is_deployed
        and value_of(e.record, cost.name) < full
        and (not e.record.is_trained or e.record.fidelity in controls)
        and not _dominated(np.array(values_of(e.record, objectives)), baselines)
    }


def _dominated(point: Floats, others: Floats) -> bool:
    return bool(((others <= point).all(axis=1) & (others < point).any(axis=1)).any())


def _promising(entries: Sequence[Entry], loss: Figure, cost: Figure) -> set[int]:
    """Returns the trials that at most a few others beat in both loss and cost."""
    losses, costs = (np.array([value_of(e.record, figure.name) for e in entries]) for figure in (loss, cost))
    beaten = (
        int(((losses <= own) & (costs <= price)).sum() - ((losses == own) & (costs == price)).sum())
        for own, price in zip(losses, costs, strict=True)
    )
    return {e.trial for e, count in zip(entries, beaten, strict=True) if count <= _MOST_BETTER}


def _has_answers(record: TrialRecord, loss: Figure) -> bool:
    """Returns whether the answers that count for the loss are known of every network."""
    known = ((each.right if loss is DROP else each.same) if each else None for _, each in record.by_member)
    return all(packed is not None for packed in known)


def _marks(record: TrialRecord, loss: Figure) -> BoolArray:
    """Returns which answers count for the loss, those of all networks side by side, ``[samples]``."""
    answers = [each for _, each in record.by_member if each]
    marks = [each.are_right() if loss is DROP else each.are_same() for each in answers]
    return np.concatenate([each for each in marks if each is not None])


def _differences(record: TrialRecord, reference: TrialRecord, loss: Figure) -> Differences:
    own = _marks(record, loss).astype(np.int8)
    if loss is not DROP:
        return np.asarray(1 - own, dtype=np.int8)
    theirs = _marks(reference, loss).astype(np.int8)
    if own.shape != theirs.shape:
        raise StudyError(f"stored answers are damaged: a design's to {len(own)} samples, int32's to {len(theirs)}")
    return theirs - own


def entries_of(
    records: Mapping[int, TrialRecord], roles: Mapping[int, Role], feasible: Mapping[int, bool]
) -> list[Entry]:
    """Returns the complete trials of a study, each of the arguments by trial."""
    return [Entry(trial, roles[trial], record, feasible[trial]) for trial, record in records.items()]
