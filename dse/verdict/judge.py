"""The verdict on a study, made from its stored results."""

from dataclasses import dataclass, replace

from dse.design import DIVERGENCE, Role
from dse.store import StudyResults
from dse.verdict.candidates import Candidates, candidates_of, entries_of
from dse.verdict.designs import Choice, choices
from dse.verdict.outcome import Gain, Outcome, Power, Stability, Test, Verdict
from dse.verdict.plan import error_of_look, next_look
from dse.verdict.power import power_of
from dse.verdict.resampling import Rule, gain_interval, resampled, rival_of, stability_of
from dse.verdict.testing import Examiner, Step, steps_of
from dse.verdict.words import Obstacle, cautions_of, headline_of, text_of

_FAIR = 0.5  # a test that an equal design passes less often says little if it fails


def verdict_of(results: StudyResults) -> Verdict:
    """Returns the verdict on a study; it depends on what is stored alone."""
    bare = _Case(results).verdict()
    obstacle = obstacle_to(results)
    headline = headline_of(bare, results.facts, obstacle)
    return replace(
        bare,
        headline=headline,
        text=" ".join([headline, *text_of(bare, results.facts)]),
        cautions=tuple(cautions_of(bare, results)),
    )


def obstacle_to(results: StudyResults) -> Obstacle | None:
    """Returns why there is no verdict; None if nothing stands in its way."""
    if results.complete.empty:
        return Obstacle.NO_TRIAL
    if results.int32.empty:
        return Obstacle.NO_INT32
    if results.facts.loss is DIVERGENCE:
        return Obstacle.NO_MARGIN
    if _at_chance(results):
        return Obstacle.AT_CHANCE
    return None


def _at_chance(results: StudyResults) -> bool:
    """Returns whether some network's int32 is right at most as often as if it always named the most frequent class."""
    score = results.scores.get(int(results.int32["trial"].iloc[0]))
    return any(
        each.baseline_correct is not None and each.most_frequent is not None
        and each.baseline_correct <= each.most_frequent
        for _, each in (score.by_member if score else ())
    )  # fmt: skip


@dataclass(frozen=True)
class _Case:
    """A study that is judged."""

    results: StudyResults

    def verdict(self) -> Verdict:
        """Returns the verdict without words."""
        nothing = Verdict(Outcome.NO_VERDICT, None, (), self.results.facts.margin, None, None, None, "", "", ())
        if obstacle_to(self.results):
            return nothing
        margin = self.results.looks[0].margin_pp if self.results.looks else self.results.facts.margin_pp
        designs = self._contenders()
        sequence = self._sequence(designs, margin)
        if designs is None or not sequence:
            return replace(nothing, margin_pp=margin)
        examiner = self._examiner(margin)
        steps = steps_of(self.results.looks, examiner)
        shown = [step.trial for step in steps if step.reached and step.passed]
        error = steps[-1].error if steps else error_of_look(len(self.results.looks) or 1)
        recommended = self._cheapest(designs, shown) if shown else sequence[0]
        power = power_of(designs, recommended, self.results.facts.loss, margin, self._test_samples(), error)
        return Verdict(
            outcome=_outcome(steps, shown, power),
            recommended=self._choice(recommended),
            tested=tuple(self._test(step) for step in steps),
            margin_pp=margin,
            power=power,
            gain_over_uniform=self._gain(designs, recommended),
            stability=self._stability(designs, recommended, shown, examiner, error),
            headline="",
            text="",
            cautions=(),
        )

    def _contenders(self) -> Candidates | None:
        facts, trials = self.results.facts, self.results.complete
        roles = {int(trial): Role(role) for trial, role in zip(trials["trial"], trials["role"], strict=True)}
        feasible = {int(trial): bool(kept) for trial, kept in zip(trials["trial"], trials["feasible"], strict=True)}
        entries = entries_of(self.results.records, roles, feasible)
        tested = {trial for look in self.results.looks for trial in look.sequence}
        return candidates_of(entries, facts.objectives, facts.loss, facts.cost, tested)

    def _sequence(self, designs: Candidates | None, margin: float) -> tuple[int, ...]:
        """Returns the sequence of the last look that has one; before any look, what would be tested now."""
        taken = [look.sequence for look in self.results.looks if look.sequence]
        if taken:
            return taken[-1]
        return next_look(designs, (), margin, self._test_samples(), len(self.results.records)).sequence

    def _test_samples(self) -> tuple[int, ...]:
        score = self.results.scores.get(int(self.results.int32["trial"].iloc[0]))
        if score is not None:
            return tuple(each.samples for _, each in score.by_member)
        return (self.results.facts.samples["test"],) * max(1, len(self.results.facts.members))

    def _examiner(self, margin: float) -> Examiner:
        trials = self.results.trials
        controls = {
            self.results.records[trial].fidelity: trial
            for trial in trials.loc[trials["role"] == Role.CONTROL, "trial"].tolist()
            if trial in self.results.records
        }
        trained = {trial: record.fidelity for trial, record in self.results.records.items() if record.is_trained}
        return Examiner(
            self.results.facts.loss,
            margin,
            dict(self.results.scores),
            {trial: controls.get(fidelity) for trial, fidelity in trained.items()},
        )

    def _cheapest(self, designs: Candidates, shown: list[int]) -> int:
        """Returns the cheapest shown design, preferably one that no baseline dominates by now."""
        rows = [row for trial in shown if (row := designs.index(trial)) is not None]
        return int(designs.trials[min([row for row in rows if designs.eligible[row]] or rows)])

    def _choice(self, trial: int) -> Choice:
        trials = self.results.trials
        return choices(self.results, trials[trials["trial"] == trial])[0]

    def _test(self, step: Step) -> Test:
        return Test(self._choice(step.trial), step.look, step.error, step.comparisons, step.passed, step.reached)

    def _gain(self, designs: Candidates, recommended: int) -> Gain | None:
        row = designs.index(recommended)
        rival = None if row is None else rival_of(designs, row)
        if row is None or rival is None:
            return None
        low, high = gain_interval(designs, row, resampled(designs))
        saved = 1 - float(designs.costs[row] / designs.costs[rival])
        return Gain(self._choice(int(designs.trials[rival])), saved, low, high)

    def _stability(
        self, designs: Candidates, recommended: int, shown: list[int], examiner: Examiner, error: float
    ) -> Stability | None:
        row = designs.index(recommended)
        if row is None:
            return None
        known: dict[int, bool] = {}

        def passes(trial: int) -> bool | None:
            if trial not in examiner.scores:
                return None
            if trial not in known:
                known[trial] = all(each.passed for each in examiner.comparisons(trial, error))
            return known[trial]

        planned = set(self.results.looks[-1].sequence) if self.results.looks else set()
        rows = (designs.index(trial) for trial in shown if trial not in planned)
        earlier = tuple(each for each in rows if each is not None)
        rule = Rule(examiner.margin_pp, self._test_samples(), error, earlier, passes)
        return stability_of(designs, row, rule, resampled(designs))


def _outcome(steps: list[Step], shown: list[int], power: Power) -> Outcome:
    if not steps:
        return Outcome.NO_VERDICT
    if shown:
        return Outcome.SHOWN
    return Outcome.TOO_LITTLE_DATA if power.chance < _FAIR else Outcome.NOT_SHOWN
