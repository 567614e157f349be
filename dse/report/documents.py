"""What ``dse show --json`` prints: the results of a study, for programs."""

import math
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from dse.design import Section
from dse.report.designs import Choice, choices
from dse.report.recommendations import recommendation
from dse.store import StudyResults, trial_columns

VERSION = 1


class Part(BaseModel):
    """A part of a JSON document."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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


class ResultsDocument(Part):
    """The front of a study, its baselines, and the recommendation."""

    version: int = VERSION
    study: str
    network: str
    dataset: str
    complete: bool = Field(description="whether all trials of the study are complete")
    samples: Mapping[str, int] = Field(description="samples of each split")
    objectives: tuple[str, ...] = Field(description="names of the figures that were minimised")
    margin_pp: float | None = Field(description="non-inferiority margin of the loss; null for a divergence")
    recommended: int | None = Field(description="trial number")
    headline: str
    text: str
    cautions: tuple[str, ...]
    int32: DesignDocument | None = Field(description="null before it is complete")
    front: tuple[DesignDocument, ...] = Field(description="cheapest first")
    baselines: tuple[DesignDocument, ...] = Field(description="int32, its fine-tuned control, the uniform designs")


def results_document(results: StudyResults) -> ResultsDocument:
    """Returns everything that ``dse show`` prints, with every figure of every design."""
    facts, rec = results.facts, recommendation(results)
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
        recommended=None if rec.chosen is None else rec.chosen.trial,
        headline=rec.headline,
        text=rec.text,
        cautions=rec.cautions,
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


def _figure_names() -> list[str]:
    described = (Section.DESIGN, Section.BOOKKEEPING)  # these columns are fields of their own, or texts
    return [column.name for column in trial_columns() if column.section not in described and column.name != "feasible"]


def known(value: float) -> float | None:
    """Returns a figure, or None, which JSON can hold, if it is not known (NaN)."""
    return value if math.isfinite(value) else None
