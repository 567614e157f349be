"""What ``dse compare --json`` prints: several studies side by side, for programs."""

from pydantic import Field

from dse.report.comparison import comparison
from dse.report.documents import VERSION, Part, known
from dse.store import StudyResults


class RunDocument(Part):
    """One study of a comparison."""

    label: str
    study: str
    seed: str | None
    complete: bool
    front: tuple[int, ...] = Field(description="trial numbers, cheapest first")
    recommended: int | None
    volume: float | None = Field(description="hypervolume of the validation front, costs relative to the first int32")
    test_volume_low: float | None = Field(description="with every test drop at the upper end of its interval")
    test_volume_high: float | None = Field(description="with every test drop at the lower end")


class PairDocument(Part):
    """What the data show about two runs, or two groups of repeated runs."""

    first: str
    second: str
    better: str | None = Field(description="null: the data do not decide")
    reason: str


class ComparisonDocument(Part):
    """Several studies side by side."""

    version: int = VERSION
    runs: tuple[RunDocument, ...]
    coverage: tuple[tuple[float | None, ...], ...] = Field(
        description="[a][b]: share of b's front that some design of a's equals or beats in every objective"
    )
    verdicts: tuple[PairDocument, ...]
    obstacles: tuple[str, ...] = Field(description="why the fronts cannot be compared; there are no verdicts then")
    cautions: tuple[str, ...]


def comparison_document(studies: list[StudyResults]) -> ComparisonDocument:
    """Returns everything that ``dse compare`` shows.

    Raises:
        ValueError: fewer than two studies.
    """
    compared = comparison(studies)
    return ComparisonDocument(
        runs=tuple(
            RunDocument(
                label=run.label,
                study=run.results.facts.study,
                seed=run.results.facts.provenance.get("seed"),
                complete=run.results.facts.complete,
                front=tuple(choice.trial for choice in run.front),
                recommended=next((choice.trial for choice in run.rec.recommended.values()), None),
                volume=known(run.volume),
                test_volume_low=known(run.test_volume_low),
                test_volume_high=known(run.test_volume_high),
            )
            for run in compared.runs
        ),
        coverage=tuple(tuple(known(float(share)) for share in row) for row in compared.coverage),
        verdicts=tuple(
            PairDocument(first=each.first, second=each.second, better=each.better, reason=each.reason)
            for each in compared.verdicts
        ),
        obstacles=compared.obstacles,
        cautions=compared.cautions,
    )
