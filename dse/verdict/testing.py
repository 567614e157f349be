"""The fixed-sequence test of what was planned: every step at the whole level of its look, up to the first failure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dse.design import DROP, Figure, PairedCounts, TestScore, paired_counts, paired_interval, share_interval
from dse.store import Look
from dse.verdict.outcome import Comparison, Reference


@dataclass(frozen=True)
class Step:
    """A step of a look's sequence; the attributes are those of :class:`~dse.verdict.outcome.Test`."""

    trial: int
    look: int
    error: float
    comparisons: tuple[Comparison, ...]
    passed: bool
    reached: bool


@dataclass(frozen=True)
class Examiner:
    """Compares designs with their references on the test split.

    Attributes:
        loss: accuracy drop or disagreement.
        margin_pp: the margin, percentage points.
        scores: the test scores, by trial.
        controls: the trial of int32 trained alike, by trial, for every design that was trained; None if there is none.
    """

    loss: Figure
    margin_pp: float
    scores: Mapping[int, TestScore]
    controls: Mapping[int, int | None]

    def comparisons(self, trial: int, error: float) -> tuple[Comparison, ...]:
        """Returns the comparisons of a scored design, at a one-sided error."""
        score = self.scores[trial]
        made = [self._deployed(name, each, error) for name, each in score.by_member]
        if self.loss is DROP and trial in self.controls:
            control = self.scores.get(-1 if (number := self.controls[trial]) is None else number)
            others = dict(control.by_member) if control else {}
            made += [self._alike(name, each, others.get(name), error) for name, each in score.by_member]
        return tuple(made)

    def _deployed(self, member: str, score: TestScore, error: float) -> Comparison:
        if self.loss is DROP:
            return self._paired(Reference.DEPLOYED, member, score.samples, score.counts, error)
        if score.differing is None:
            return self._paired(Reference.DEPLOYED, member, score.samples, None, error)
        low, high = share_interval(score.differing, score.samples, 1 - 2 * error)
        share = 100.0 * score.differing / score.samples
        return Comparison(Reference.DEPLOYED, member, score.samples, share, low, high, high <= self.margin_pp)

    def _alike(self, member: str, score: TestScore, control: TestScore | None, error: float) -> Comparison:
        counts = paired_counts(control.answers if control else None, score.answers)
        return self._paired(Reference.TREATED_ALIKE, member, score.samples, counts, error)

    def _paired(
        self, reference: Reference, member: str, samples: int, counts: PairedCounts | None, error: float
    ) -> Comparison:
        if counts is None:  # without the reference nothing is shown
            return Comparison(reference, member, samples, math.nan, math.nan, math.nan, passed=False)
        low, high = paired_interval(counts, 1 - 2 * error)
        return Comparison(reference, member, samples, counts.drop_pp, low, high, high <= self.margin_pp)


def steps_of(looks: Iterable[Look], examiner: Examiner) -> list[Step]:
    """Returns the steps of all looks, in order, as far as their designs are scored.

    A look whose designs all passed hands its error on to the next one.
    """
    steps: list[Step] = []
    handed_on = 0.0
    for number, look in enumerate(looks, start=1):
        error, going = look.error + handed_on, True
        for trial in look.sequence:
            if trial not in examiner.scores:
                going = False
                break
            comparisons = examiner.comparisons(trial, error)
            passed = all(each.passed for each in comparisons)
            steps.append(Step(trial, number, error, comparisons, passed, reached=going))
            going = going and passed
        handed_on = error if going else 0.0
    return steps
