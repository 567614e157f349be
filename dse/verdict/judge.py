"""The verdict on a study, made from its stored results."""

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from dse.design import Figure, Role
from dse.store import StudyResults
from dse.verdict.candidates import BoolArray, Candidates, candidates_of, entries_of, tested_loss
from dse.verdict.designs import Choice, choices
from dse.verdict.outcome import Gain, Outcome, Power, Stability, Test, Verdict
from dse.verdict.plan import Weights, error_of_look, planned
from dse.verdict.power import power_of
from dse.verdict.resampling import Rule, gain_interval, resampled, rival_of, stability_of
from dse.verdict.testing import Examiner, Step, steps_of
from dse.verdict.words import Obstacle, cautions_of, headline_of, text_of

_FEWEST = 30  # test samples, for a word on whether int32 is better than chance
_FAIR = 0.5  # a test that an equal design passes less often says little if it fails


def verdict_of(results: StudyResults) -> Verdict:
    """Returns the verdict on a study; it depends on what is stored alone."""
    case = _Case(results)
    bare = case.verdict()
    headline = headline_of(bare, results.facts, case.obstacle())
    return replace(
        bare,
        headline=headline,
        text=" ".join([headline, *text_of(bare, results.facts)]),
        cautions=tuple(cautions_of(bare, results)),
    )


def _at_chance(results: StudyResults) -> bool:
    """Returns whether some network's int32 is right at most as often as if it always named the most frequent class.

    A handful of samples tells nothing of that.
    """
    score = results.scores.get(int(results.int32["trial"].iloc[0]))
    return any(
        each.samples >= _FEWEST and (each.baseline_correct or 0) <= (each.most_frequent or -1)
        for _, each in (score.by_member if score else ())
    )


@dataclass(frozen=True)
class _Case:
    """A study that is judged."""

    results: StudyResults

    def obstacle(self) -> Obstacle | None:
        """Returns why there is no verdict; None if nothing stands in its way."""
        if self.results.complete.empty:
            return Obstacle.NO_TRIAL
        if self.results.int32.empty:
            return Obstacle.NO_INT32
        if self._loss() is None:
            return Obstacle.NO_MARGIN
        return Obstacle.AT_CHANCE if _at_chance(self.results) else None

    def verdict(self) -> Verdict:
        """Returns the verdict without words."""
        facts, looks, loss = self.results.facts, self.results.looks, self._loss()
        nothing = Verdict(Outcome.NO_VERDICT, None, (), loss or facts.loss, None, None, None, None, "", "", ())
        if loss is None or self.obstacle():
            return nothing
        margin = looks[0].margin_pp if looks else facts.margin_pp
        designs, examiner = self._candidates(loss), self._examiner(loss, margin)
        steps = steps_of(looks, examiner)
        shown = [step.trial for step in steps if step.reached and step.passed]
        error = steps[-1].error if steps else error_of_look(facts.looks_before + 1)
        tested = tuple(self._test(step) for step in steps)
        if designs is None:
            return replace(nothing, margin_pp=margin)
        refuted = _refuted(designs, examiner, error)
        left = replace(designs, eligible=designs.eligible & ~refuted)
        guess = planned(left, margin, self._test_samples(), error)
        if not (shown or guess):
            outcome = Outcome.NOT_SHOWN if tested else Outcome.NO_VERDICT
            return replace(nothing, outcome=outcome, tested=tested, margin_pp=margin)
        recommended = self._cheapest(designs, shown) if shown else guess[0]
        weights = resampled(designs)
        power = power_of(designs, recommended, loss, margin, self._test_samples(), error)
        return Verdict(
            outcome=_outcome(steps, shown, power),
            recommended=self._choice(recommended),
            tested=tested,
            loss=loss,
            margin_pp=margin,
            power=power,
            gain_over_uniform=self._gain(designs, recommended, weights),
            stability=self._stability(designs, recommended, shown, examiner, error, refuted, weights),
            headline="",
            text="",
            cautions=(),
        )

    def _loss(self) -> Figure | None:
        """Returns the loss that is tested; None if none has a margin, or int32 is missing."""
        int32 = self.results.int32
        if int32.empty:
            return None
        return tested_loss(self.results.facts.loss, self.results.records[int(int32["trial"].iloc[0])])

    def _candidates(self, loss: Figure) -> Candidates | None:
        facts, trials = self.results.facts, self.results.complete
        feasible = {int(trial): bool(kept) for trial, kept in zip(trials["trial"], trials["feasible"], strict=True)}
        entries = entries_of(self.results.records, self._roles, feasible)
        tested = {trial for look in self.results.looks for trial in look.sequence}
        return candidates_of(entries, facts.objectives, loss, facts.cost, tested)

    def _test_samples(self) -> tuple[int, ...]:
        score = self.results.scores.get(int(self.results.int32["trial"].iloc[0]))
        if score is not None:
            return tuple(each.samples for _, each in score.by_member)
        return (self.results.facts.samples["test"],) * max(1, len(self.results.facts.members))

    def _examiner(self, loss: Figure, margin: float) -> Examiner:
        records = self.results.records
        controls = {record.fidelity: trial for trial, record in records.items() if self._roles[trial] is Role.CONTROL}
        alike = {trial: controls.get(record.fidelity) for trial, record in records.items() if record.is_trained}
        return Examiner(loss, margin, self.results.scores, alike)

    @cached_property
    def _roles(self) -> dict[int, Role]:
        """The role of every complete trial."""
        trials = self.results.complete
        return {int(trial): Role(role) for trial, role in zip(trials["trial"], trials["role"], strict=True)}

    def _cheapest(self, designs: Candidates, shown: list[int]) -> int:
        """Returns the cheapest shown design, preferably one that no baseline dominates by now."""
        rows = [row for trial in shown if (row := designs.index(trial)) is not None]
        return int(designs.trials[min([row for row in rows if designs.eligible[row]] or rows)])

    def _choice(self, trial: int) -> Choice:
        trials = self.results.trials
        return choices(self.results, trials[trials["trial"] == trial])[0]

    def _test(self, step: Step) -> Test:
        return Test(self._choice(step.trial), step.look, step.error, step.comparisons, step.passed, step.reached)

    def _gain(self, designs: Candidates, recommended: int, weights: Weights) -> Gain | None:
        row = designs.index(recommended)
        rival = None if row is None else rival_of(designs, row)
        if row is None or rival is None:
            return None
        low, high = gain_interval(designs, row, weights)
        saved = 1 - float(designs.costs[row] / designs.costs[rival])
        return Gain(self._choice(int(designs.trials[rival])), saved, low, high)

    def _stability(
        self,
        designs: Candidates,
        recommended: int,
        shown: list[int],
        examiner: Examiner,
        error: float,
        refuted: BoolArray,
        weights: Weights,
    ) -> Stability | None:
        row = designs.index(recommended)
        if row is None:
            return None

        @cache
        def passes(trial: int) -> bool | None:
            if trial not in examiner.scores:
                return None
            return all(each.passed for each in examiner.comparisons(trial, error))

        before = {trial for look in self.results.looks[:-1] for trial in look.sequence}
        earlier = {at: trial in shown for trial in before if (at := designs.index(trial)) is not None}
        rule = Rule(examiner.margin_pp, self._test_samples(), error, earlier, passes, refuted)
        return stability_of(designs, row, rule, weights)


def _refuted(designs: Candidates, examiner: Examiner, error: float) -> BoolArray:
    """Returns which designs lost more than the margin on the test split, shown or not: none is a good guess."""
    known = [int(trial) for trial in designs.trials if trial in examiner.scores]
    worse = [t for t in known if any(each.loss > examiner.margin_pp for each in examiner.comparisons(t, error))]
    return np.isin(designs.trials, worse)


def _outcome(steps: list[Step], shown: list[int], power: Power) -> Outcome:
    if not steps:
        return Outcome.NO_VERDICT
    if shown:
        return Outcome.SHOWN
    return Outcome.TOO_LITTLE_DATA if power.chance < _FAIR else Outcome.NOT_SHOWN
