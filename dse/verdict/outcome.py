"""The verdict on a study: what was shown on the test split, how sure the choice is, and what it is worth."""

from dataclasses import dataclass
from enum import StrEnum

from dse.design import Figure
from dse.verdict.designs import Choice


class Outcome(StrEnum):
    """What the test split says about the designs that were chosen on validation."""

    SHOWN = "shown"
    NOT_SHOWN = "not shown: best guess"
    TOO_LITTLE_DATA = "too little data"
    NO_VERDICT = "no verdict"


class Reference(StrEnum):
    """What a design is compared with."""

    DEPLOYED = "the deployed int32"
    TREATED_ALIKE = "int32 trained alike"


@dataclass(frozen=True)
class Comparison:
    """A design against a reference on the test split, in pairs.

    Attributes:
        reference: what it is compared with.
        member: the network of a portfolio; empty in a study of one network.
        samples: samples of the test split.
        loss: what the design loses, percentage points.
        low, high: ends of the interval of the loss, at the confidence of the test.
        passed: whether the upper end is within the margin.
    """

    reference: Reference
    member: str
    samples: int
    loss: float
    low: float
    high: float
    passed: bool


@dataclass(frozen=True)
class Test:
    """One step of a look's sequence; it passes if every one of its comparisons does.

    Attributes:
        choice: the design.
        look: number of the look at the test split, from 1.
        error: one-sided error of the step: the intervals have a confidence of 1 - 2 * error.
        comparisons: every reference, and every network of a portfolio.
        passed: whether the design is shown to lose at most the margin.
        reached: whether every earlier step passed; a step that is not reached shows nothing.
    """

    __test__ = False  # not a test class

    choice: Choice
    look: int
    error: float
    comparisons: tuple[Comparison, ...]
    passed: bool
    reached: bool

    @property
    def shown(self) -> bool:
        """Whether the design is shown."""
        return self.reached and self.passed

    @property
    def confidence(self) -> float:
        """Confidence of the two-sided intervals."""
        return 1 - 2 * self.error


@dataclass(frozen=True)
class Power:
    """What the test split can show of a design that is exactly as accurate as int32.

    Attributes:
        discordance: share of samples on which exactly one of design and reference is right, as seen on validation: the
            upper end of its one-sided 80% interval, so that few samples without any difference promise nothing.
        error: one-sided error of the test.
        chance: chance that an equal design passes at the study's margin.
        margin_pp: margin at which an equal design passes with a chance of 80%; None if there is none below 100 pp.
        samples: test samples (of each network) with which an equal design passes at the study's margin with 80%.
    """

    discordance: float
    error: float
    chance: float
    margin_pp: float | None
    samples: int


@dataclass(frozen=True)
class Gain:
    """What the choice per layer gained over the best uniform design that loses no more on validation.

    Losses below 0 count as 0: being better than int32 on a few samples is luck. What training gains is none: those of a
    trained design count down to the loss of int32 trained alike.

    Attributes:
        rival: the cheapest baseline whose loss on validation is not larger.
        saved: share of the rival's cost that the recommended design saves; 0 if they cost the same or are the same.
        low, high: ends of the 95% interval of ``saved`` over resamples of the validation samples.
    """

    rival: Choice
    saved: float
    low: float
    high: float


@dataclass(frozen=True)
class Stability:
    """How much the recommendation depends on which samples happen to be in the validation split.

    Attributes:
        share: share of the resamples of the validation samples that lead to the same recommendation.
        designs: number of different designs that are recommended over all resamples.
        resamples: number of resamples.
    """

    share: float
    designs: int
    resamples: int


@dataclass(frozen=True)
class Verdict:
    """The one verdict on a study.

    Attributes:
        outcome: what the test split shows.
        recommended: the design to take if it is shown, else the best guess; None if there is none.
        tested: the steps of every look's sequence, in order, as far as they are scored.
        loss: what the margin is about: the accuracy drop, or without labels the disagreement.
        margin_pp: the margin that is tested, percentage points; None if nothing can be.
        power: what the test split can show; None if nothing is planned.
        gain_over_uniform: the gain of the recommended design; None without one, or without a baseline to compare.
        stability: how stable the recommendation is; None without one.
        headline: one sentence.
        text: the verdict in a few sentences, the headline first.
        cautions: what a reader should know before acting on it.
    """

    outcome: Outcome
    recommended: Choice | None
    tested: tuple[Test, ...]
    loss: Figure
    margin_pp: float | None
    power: Power | None
    gain_over_uniform: Gain | None
    stability: Stability | None
    headline: str
    text: str
    cautions: tuple[str, ...]

    @property
    def shown(self) -> tuple[Choice, ...]:
        """The designs that are shown, each once, in the order of the tests."""
        return tuple({test.choice.trial: test.choice for test in self.tested if test.shown}.values())

    @property
    def evidence(self) -> Test | None:
        """The step at which the recommended design was tested: where it was shown, or else the last one."""
        steps = [test for test in self.tested if self.recommended and test.choice.trial == self.recommended.trial]
        return next((test for test in steps if test.shown), steps[-1] if steps else None)
