"""``dse run``: runs a study from its file to its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dse.cli.progress import StudyProgress
from dse.errors import StudyError, bad_input

if TYPE_CHECKING:  # imported where it is used: `dse --help` must not wait for torch
    from dse.study import Study

INTERRUPTED = 130  # the shells' convention: 128 + SIGINT


def run(
    study: Annotated[Path, typer.Argument(help="study file (.toml)", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="run folder [default: runs/<name>]")] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            help="total number of completed trials, earlier invocations included; with fewer than the study file's the "
            "test split is not read yet [default: the study file's]"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="number of parallel evaluators [default: the study file's]")
    ] = None,
    ray_address: Annotated[str | None, typer.Option(help="address of a running Ray cluster")] = None,
    storage: Annotated[str, typer.Option(help="URL of a database for the trials [default: a journal file]")] = "",
    seed: Annotated[int | None, typer.Option(help="seed for all random choices [default: the study file's]")] = None,
    cache: Annotated[Path | None, typer.Option(help="cache folder for evaluations [default: the user's cache]")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="neither read nor write the cache")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="start over: delete the run in the folder")] = False,
) -> None:
    """Run a study, or resume the one in the run folder."""
    from dse.report import front_table
    from dse.run import default_folder, run_study
    from dse.store import EvaluationCache, RunFolder, default_cache_path
    from dse.study import load_study

    written = load_study(study)
    spec = _overridden(written, trials, workers, seed)
    folder = RunFolder(out if out is not None else default_folder(spec))
    evaluations = None if no_cache else EvaluationCache(cache or default_cache_path())
    console = Console()
    try:
        with StudyProgress(console, spec.name) as progress:
            results = run_study(
                spec,
                folder,
                fresh=fresh,
                ray_address=ray_address,
                storage=storage,
                cache=evaluations,
                read_test=spec.search.trials >= written.search.trials,
                on_progress=progress.update,
            )
    except KeyboardInterrupt:
        console.print(f"Interrupted. Every finished trial is kept in {folder.path}; run the same command to resume.")
        raise typer.Exit(INTERRUPTED) from None
    except bad_input() as error:
        raise StudyError(f"{study}: {error}") from None
    console.print(front_table(results))
    console.print(f"Report: {folder.report_path}", soft_wrap=True)


def _overridden(spec: Study, trials: int | None, workers: int | None, seed: int | None) -> Study:
    from dse.study import validated

    document = spec.model_dump(mode="json", exclude_none=True)
    given = ((document["search"], "trials", trials), (document["workers"], "count", workers), (document, "seed", seed))
    for table, key, value in given:
        if value is not None:
            table[key] = value
    return validated(document)
