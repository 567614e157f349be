"""Compares searches on one problem: docs/results/search-PROBLEM.md and .png.

    python -m studies.experiments.search synthetic --seeds 10 --marks 50,150,500
    python -m studies.experiments.search studies/kws.toml --seeds 10 --marks 50,150

A study file gives its network with frozen weights, rounding only; a study with shift windows gives its own space,
calibrated. Results of single runs are kept in a folder, so that a comparison that was stopped goes on; another folder
begins anew.
"""

import warnings
from pathlib import Path
from typing import Annotated

import optuna
import typer
from rich.progress import track

from dse.study import load_study
from studies.experiments.search.networks import frozen, windows
from studies.experiments.search.optional_rivals import available, missing
from studies.experiments.search.page import Result, draw, table
from studies.experiments.search.problem import Problem
from studies.experiments.search.rivals import SEARCHES
from studies.experiments.search.runs import Store
from studies.experiments.search.synthetic import Synthetic

_FOUND = (
    "Found: hypervolume of all evaluated designs with their drops on {test}, floored at int32's, above that of the "
    "uniform designs that every search starts with{share}. Reference: 5 pp, int32's area and energy.",
    "Reported: the same of the designs that are on the front by what a study expects of them on other samples, the sum "
    "of the cross-entropy's increase and the divergence from int32 on validation samples. Lucky designs hide better "
    "ones there, even the uniform designs; the search itself is given the cross-entropy.",
    "Mean and 95% interval (Student's t) over runs; a run counts the uniform designs among its evaluations.",
    "The seconds are those of one processor core that other programs shared.",
)
_AUTO = (
    "Optuna's AutoSampler, which is loaded from GitHub, is GPSampler in such a space up to 250 trials, and then TPE."
)


def main(
    what: Annotated[str, typer.Argument(help="synthetic, or a study file")],
    searches: Annotated[str, typer.Option(help="names, separated by ;, default: all that are installed")] = "",
    marks: Annotated[str, typer.Option(help="numbers of evaluations")] = "50,150",
    seeds: Annotated[int, typer.Option(min=1, help="runs of every search")] = 10,
    samples: Annotated[int | None, typer.Option(min=1, help="validation and test samples [default: all]")] = None,
    kept: Annotated[Path, typer.Option(help="folder of single runs")] = Path("runs/search"),
    out: Annotated[Path | None, typer.Option(help="folder for page and picture; none: runs only")] = None,
    only_kept: Annotated[bool, typer.Option(help="run nothing: show the runs that are kept")] = False,
) -> None:
    """Runs the searches that are not kept yet, and writes the page and its picture."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    kinds = SEARCHES | available()
    names = searches.split(";") if searches else list(kinds)
    counts = [int(mark) for mark in marks.split(",")]
    store = Store(kept)
    problems = [problem(what, seed, samples, kept) for seed in (range(seeds) if what == "synthetic" else (0,))]
    results: dict[str, list[Result]] = {name: [] for name in names}
    for name, count in track([(name, count) for name in names for count in counts], "searching"):
        runs, attainable = [], []
        for seed in range(seeds):
            own = problems[seed % len(problems)]
            kept_run = store.kept(own, name, count, seed)
            if kept_run is None and not only_kept:
                kept_run = store.result(own, name, kinds[name], count, seed)
            if kept_run is not None:
                runs.append(kept_run)
                attainable.append(own.attainable)
        if runs:
            results[name].append(Result.of(runs, len(problems[0].uniform()), attainable))
    results = {name: own for name, own in results.items() if own}
    if out is not None:
        command = f"python -m studies.experiments.search {what} --marks {marks} --seeds {seeds}"
        command += f" --samples {samples}" if samples else ""
        write(command, problems[0], results, counts, out)


def problem(what: str, seed: int, samples: int | None, kept: Path) -> Problem:
    """Returns the problem of a name or a study file."""
    if what == "synthetic":
        return Synthetic(seed)
    path = Path(what)
    file = kept / f"evaluated-{path.stem}{'' if samples is None else f'-{samples}'}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    has_windows = any(window != "natural" for window in load_study(path).search.shift_bits)
    return windows(path, file, samples) if has_windows else frozen(path, file)


def write(command: str, first: Problem, results: dict[str, list[Result]], marks: list[int], out: Path) -> None:
    """Writes the page and its picture."""
    known = isinstance(first, Synthetic)
    name = "synthetic" if known else first.name
    test = "the whole population, in closed form" if known else "test samples that no search sees"
    share = ", as a share of what the front of all designs adds to them" if known else ""
    problem = "every run has a problem of its own, drawn anew; " if known else ""
    lines = [f"# Searches: {name}", "", f"`{command} --out docs/results`:"]
    lines += [
        f"{len(first.space.rescalers)} rescalers, {first.samples} validation samples; {problem}the column of runs "
    ]
    lines[-1] += "says how many each search was given."
    lines += ["", *(line.format(test=test, share=share) for line in _FOUND)]
    lines += ["", *table(results, marks), "", _AUTO, *missing(), ""]
    lines += [f"![gain against evaluations](search-{name}.png)", ""]
    out.mkdir(parents=True, exist_ok=True)
    draw(results, out / f"search-{name}.png")
    (out / f"search-{name}.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
