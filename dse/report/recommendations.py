"""What a report says first: the verdict, and the designs that stand beside it."""

from dataclasses import dataclass

from dse.design import Role
from dse.store import StudyResults
from dse.verdict import Choice, Outcome, Verdict, choices, verdict_of


@dataclass(frozen=True)
class Recommendation:
    """The verdict on a study, with the designs that it is compared with.

    Attributes:
        verdict: the verdict.
        int32: the baseline.
        int16: the baseline with 16-bit multipliers.
        control: int32 with the fine-tuning of the recommended design, or with some.
        best_uniform: the uniform design that the recommended one has to beat: the cheapest that is at least as accurate
            on validation, or else the most accurate one.
        all_absorb: the design with one-bit multipliers, whose weights absorb the rounding.
    """

    verdict: Verdict
    int32: Choice | None
    int16: Choice | None
    control: Choice | None
    best_uniform: Choice | None
    all_absorb: Choice | None

    @property
    def recommended(self) -> dict[str, Choice]:
        """The recommended design by what it is; empty if there is none."""
        if self.verdict.recommended is None:
            return {}
        shown = self.verdict.outcome is Outcome.SHOWN
        return {"recommended" if shown else "best guess": self.verdict.recommended}


def recommendation(results: StudyResults) -> Recommendation:
    """Returns the verdict on a study, and what it is compared with."""
    verdict, baselines = verdict_of(results), choices(results, results.baselines)
    controls = [c for c in baselines if c.role is Role.CONTROL]
    alike = [c for c in controls if verdict.recommended and c.fidelity == verdict.recommended.fidelity]
    return Recommendation(
        verdict=verdict,
        int32=next((c for c in baselines if c.role is Role.INT32), None),
        int16=next((c for c in baselines if c.role is Role.INT16), None),
        control=next(iter([*alike, *controls]), None),
        best_uniform=_best_uniform(verdict, baselines),
        all_absorb=next(
            (c for c in baselines if c.role is Role.UNIFORM_ABSORB and set(c.multiplier_bits) == {1}), None
        ),
    )


def _best_uniform(verdict: Verdict, baselines: list[Choice]) -> Choice | None:
    gain = verdict.gain_over_uniform
    if gain is not None and gain.rival.role.is_uniform:
        return gain.rival
    uniform = [c for c in baselines if c.role.is_uniform]
    return min(uniform, key=lambda c: (c.val_loss, c.area_um2, c.trial), default=None)
