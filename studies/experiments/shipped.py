"""Runs studies from scratch, several times each, and writes what they found and whether they found the same.

    python -m studies.experiments.shipped studies/digits.toml studies/kws.toml --runs 3

The page gives, for each study, what the choice per layer gained over the best uniform design that is as accurate on
validation, what the test split shows, how stable the recommendation is, and whether all runs have equal trials.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from dse import formats
from dse.fetch import Fetcher
from dse.run import run_study
from dse.store import RunFolder, StudyResults
from dse.study import Study, load_study
from dse.verdict import Verdict, verdict_of

_PAGE = Path("docs/results/shipped.md")
_TIMES = ("seconds", "finished")  # columns of the table of trials that no two runs have in common
_HEAD = (
    "study", "trials", "time", "recommended: area, share of int32's", "what the test split shows",
    "loss on test, pp", "area saved against the best uniform design of equal accuracy (95%)", "stability", "runs",
)  # fmt: skip


@dataclass(frozen=True)
class Repeated:
    """The runs of one study.

    Attributes:
        path: the study file.
        spec: the study.
        results: the results of every run.
        seconds: wall-clock time of the first run with its report.
    """

    path: Path
    spec: Study
    results: tuple[StudyResults, ...]
    seconds: float

    @property
    def identical(self) -> bool:
        """Whether all runs have the same trials, figures and recommendation."""
        first, *others = self.results
        tables = [each.trials.drop(columns=list(_TIMES)) for each in (first, *others)]
        same = all(table.equals(tables[0]) for table in tables)
        return same and len({_recommended(verdict_of(each)) for each in self.results}) == 1


def repeated(path: Path, runs: int, trials: int | None = None, fetcher: Fetcher | None = None) -> Repeated:
    """Runs a study from scratch, without the cache; each run has an empty folder.

    Args:
        path: the study file.
        runs: number of runs.
        trials: number of trials; None for the study's.
        fetcher: what brings public files; None brings them from their addresses.
    """
    spec = load_study(path, fetcher)
    if trials is not None:
        spec = spec.model_copy(update={"search": spec.search.model_copy(update={"trials": trials})})
    results, seconds = [], []
    for _ in range(runs):
        with TemporaryDirectory() as folder:
            started = time.perf_counter()
            results.append(run_study(spec, RunFolder(Path(folder) / spec.name)))
            seconds.append(time.perf_counter() - started)
    return Repeated(path, spec, tuple(results), seconds[0])


def row(study: Repeated) -> tuple[str, ...]:
    """Returns the study's row of the table; the first run stands for all."""
    verdict = verdict_of(study.results[0])
    return (
        f"`{study.path}`",
        str(study.spec.search.trials),
        f"{study.seconds:.0f} s",
        _cost(study.results[0], verdict),
        verdict.outcome.value,
        _loss(verdict),
        _gain(verdict),
        "-" if verdict.stability is None else f"{verdict.stability.share:.0%} of resamples",
        f"{len(study.results)}, {'equal' if study.identical else 'different'}",
    )


def page(studies: Sequence[Repeated], command: str) -> str:
    """Returns the page with the table and every verdict in words."""
    rows = [_HEAD, ("---",) * len(_HEAD), *(row(study) for study in studies)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    verdicts = "\n\n".join(f"## {study.spec.name}\n\n{verdict_of(study.results[0]).text}" for study in studies)
    return (
        "# What the shipped studies find\n\n"
        f"`{command}`\n\n"
        "Every run starts from scratch, without the cache. Equal runs have the same trials with the same figures.\n"
        "The gain is that of the recommended design over the cheapest uniform one with no larger validation loss.\n\n"
        f"{table}\n\n{verdicts}\n"
    )


def _recommended(verdict: Verdict) -> int | None:
    return None if verdict.recommended is None else verdict.recommended.trial


def _cost(results: StudyResults, verdict: Verdict) -> str:
    if verdict.recommended is None:
        return "-"
    areas = results.trials.set_index("trial")[results.facts.area.name]
    own, full = areas[verdict.recommended.trial], results.int32[results.facts.area.name].iloc[0]
    return f"{formats.area(own)}, {own / full:.1%}"


def _loss(verdict: Verdict) -> str:
    if verdict.evidence is None:
        return "-"
    worst = max(verdict.evidence.comparisons, key=lambda each: each.high)
    return f"{worst.loss:.2f} ({worst.low:.2f} to {worst.high:.2f}) against {worst.reference.value}"


def _gain(verdict: Verdict) -> str:
    if verdict.gain_over_uniform is None:
        return "-"
    gain = verdict.gain_over_uniform
    return f"{gain.saved:.1%} ({gain.low:.1%} to {gain.high:.1%})"


def main(
    studies: Annotated[list[Path], typer.Argument(help="study files")],
    runs: Annotated[int, typer.Option(help="runs of each study", min=1)] = 3,
    out: Annotated[Path, typer.Option(help="page to write")] = _PAGE,
    mirror: Annotated[Path | None, typer.Option(help="folder that holds public files", show_default="none")] = None,
) -> None:
    """Runs studies several times each, and writes what they found."""
    named = " ".join(map(str, studies))
    found = [repeated(path, runs, fetcher=Fetcher(mirror)) for path in studies]
    out.write_text(page(found, f"python -m studies.experiments.shipped {named} --runs {runs}"), encoding="utf-8")
    typer.echo(f"Written: {out}")


if __name__ == "__main__":
    typer.run(main)
