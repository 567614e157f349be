"""What ``dse show --json`` prints: the results of a study, for programs."""

import math
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from dse.design import Section
from dse.store import StudyResults, trial_columns
from dse.verdict import Choice, Gain, Test, Verdict, choices, verdict_of

VERSION = 1


class Part(BaseModel):
    """A part of a JSON document."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


class RescalerDocument(Part):
    """What a design chose for one rescaler."""

    name: str
    multiplier_bits: int = Field(description="width of the multiplier; 1 is a pure shift")
    method: str = Field(description="round or absorb; empty in int32")
    shift_bits: int | None = Field(description="width of the shift window, 0 is one constant shift; null: natural")


class DesignDocument(Part):
    """A complete trial."""

    trial: int
    role: str = Field(description="search, or which baseline")
    on_front: bool
    feasible: bool = Field(description="whether it keeps the study's constraints")
    fidelity: str = Field(description="highest level that its accuracy was evaluated at")
    evidence: str = Field(description="what the test interval says about the margin")
    also: str = Field(description="what else the design chose, in words")
    figures: Mapping[str, float | None] = Field(description="the columns of trials.csv; null if unknown")
    rescalers: tuple[RescalerDocument, ...]


class ComparisonWithInt32(Part):
    """A tested design against one reference, in pairs of samples."""

    reference: str = Field(description="the deployed int32, or int32 trained alike")
    member: str = Field(description="network of a portfolio; empty in a study of one network")
    samples: int
    loss: float = Field(description="what the design loses, in the unit of the study's loss")
    low: float = Field(description="lower end of its interval, at the confidence of the step")
    high: float = Field(description="upper end")
    passed: bool = Field(description="whether the upper end is within the margin")


class TestDocument(Part):
    """One step of the fixed sequence of tests."""

    __test__: ClassVar[bool] = False  # not a test class

    trial: int
    look: int = Field(description="number of the look at the test split, from 1")
    confidence: float = Field(description="of the two-sided intervals")
    comparisons: tuple[ComparisonWithInt32, ...]
    passed: bool
    reached: bool = Field(description="whether every earlier step passed; else it shows nothing")


class PowerDocument(Part):
    """What the test split can show of a design that is exactly as accurate as int32."""

    chance: float = Field(description="to pass at the verdict's margin")
    margin_pp: float | None = Field(description="at which the chance is 80%; null: none below 100 pp")
    samples: int = Field(description="test samples with which the chance is 80% at the verdict's margin")
    discordance: float = Field(description="share of samples on which exactly one of the two is right")


class GainDocument(Part):
    """What the choice per layer gained over the cheapest baseline that loses no more on validation."""

    rival: int = Field(description="trial number of the baseline")
    saved: float = Field(description="share of its cost")
    low: float | None = Field(description="lower end of the 95% interval over resamples of validation")
    high: float | None


class StabilityDocument(Part):
    """How much the recommendation depends on the samples that happen to be in the validation split."""

    share: float = Field(description="of the resamples that lead to the same recommendation")
    designs: int = Field(description="number of different designs that are recommended")
    resamples: int


class VerdictDocument(Part):
    """The one verdict on a study."""

    outcome: str = Field(description="shown; not shown: best guess; too little data; no verdict")
    margin_pp: float | None = Field(description="that is tested: of the first look at the test split; null: none")
    recommended: int | None = Field(description="trial number; null if there is none")
    headline: str
    text: str
    cautions: tuple[str, ...]
    shown: tuple[int, ...] = Field(description="trial numbers of all designs that are shown")
    tested: tuple[TestDocument, ...]
    power: PowerDocument | None
    gain_over_uniform: GainDocument | None
    stability: StabilityDocument | None


class ResultsDocument(Part):
    """The front of a study, its baselines, and the recommendation."""

    version: int = VERSION
    study: str
    network: str
    dataset: str
    complete: bool = Field(description="whether all trials of the study are complete")
    samples: Mapping[str, int] = Field(description="samples of each split")
    objectives: tuple[str, ...] = Field(description="names of the figures that were minimised")
    margin_pp: float | None = Field(
        description="margin of the loss that the study asks for; null for a loss without one"
    )
    verdict: VerdictDocument
    recommended: DesignDocument | None = Field(description="the design of the verdict; it may be off the front")
    int32: DesignDocument | None = Field(description="null before it is complete")
    front: tuple[DesignDocument, ...] = Field(description="cheapest first")
    baselines: tuple[DesignDocument, ...] = Field(description="int32, its fine-tuned control, the uniform designs")


def results_document(results: StudyResults) -> ResultsDocument:
    """Returns everything that ``dse show`` prints, with every figure of every design."""
    facts, verdict = results.facts, verdict_of(results)
    on_front = frozenset(int(trial) for trial in results.front["trial"])

    def documents(designs: list[Choice]) -> tuple[DesignDocument, ...]:
        return tuple(_design(choice, results, on_front=choice.trial in on_front) for choice in designs)

    return ResultsDocument(
        study=facts.study,
        network=facts.network,
        dataset=facts.dataset,
        complete=facts.complete,
        samples=facts.samples,
        objectives=facts.objectives,
        margin_pp=facts.margin,
        verdict=_verdict(verdict),
        recommended=next(iter(documents([verdict.recommended] if verdict.recommended else [])), None),
        int32=next(iter(documents(choices(results, results.int32))), None),
        front=documents(choices(results, results.front)),
        baselines=documents(choices(results, results.baselines)),
    )


def _design(choice: Choice, results: StudyResults, *, on_front: bool) -> DesignDocument:
    chosen = zip(results.rescalers, choice.multiplier_bits, choice.methods, choice.shift_bits, strict=True)
    return DesignDocument(
        trial=choice.trial,
        role=choice.role.value,
        on_front=on_front,
        feasible=bool(choice.figures["feasible"]),
        fidelity=choice.fidelity,
        evidence=choice.evidence.value,
        also=choice.also,
        figures={name: known(choice.figures[name]) for name in _figure_names()},
        rescalers=tuple(
            RescalerDocument(name=name, multiplier_bits=bits, method=method, shift_bits=window)
            for name, bits, method, window in chosen
        ),
    )


def _verdict(verdict: Verdict) -> VerdictDocument:
    return VerdictDocument(
        outcome=verdict.outcome.value,
        margin_pp=verdict.margin_pp,
        recommended=None if verdict.recommended is None else verdict.recommended.trial,
        headline=verdict.headline,
        text=verdict.text,
        cautions=verdict.cautions,
        shown=tuple(choice.trial for choice in verdict.shown),
        tested=tuple(map(_test, verdict.tested)),
        power=None if verdict.power is None else PowerDocument.model_validate(verdict.power),
        gain_over_uniform=None if verdict.gain_over_uniform is None else _gain(verdict.gain_over_uniform),
        stability=None if verdict.stability is None else StabilityDocument.model_validate(verdict.stability),
    )


def _test(test: Test) -> TestDocument:
    return TestDocument(
        trial=test.choice.trial,
        look=test.look,
        confidence=test.confidence,
        comparisons=tuple(map(ComparisonWithInt32.model_validate, test.comparisons)),
        passed=test.passed,
        reached=test.reached,
    )


def _gain(gain: Gain) -> GainDocument:
    return GainDocument(rival=gain.rival.trial, saved=gain.saved, low=known(gain.low), high=known(gain.high))


def _figure_names() -> list[str]:
    described = (Section.DESIGN, Section.BOOKKEEPING)  # these columns are fields of their own, or texts
    return [column.name for column in trial_columns() if column.section not in described and column.name != "feasible"]


def known(value: float) -> float | None:
    """Returns a figure, or None, which JSON can hold, if it is not known (NaN)."""
    return value if math.isfinite(value) else None
