"""``dse run``: runs a study from its file to its report."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from dse.cli.output import terminal
from dse.cli.results import print_export, print_next
from dse.errors import StudyError, bad_input

INTERRUPTED = 130  # by Ctrl-C: 128 + SIGINT, the shells' convention


def run(
    study: Annotated[Path, typer.Argument(help="study file (.toml)", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="run folder", show_default="runs/<name>")] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            help="total number of completed trials, earlier invocations included; with fewer than the study file's the "
            "test split is not read yet",
            show_default="the study file's",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="number of parallel evaluators", show_default="the study file's")
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="address of a running Ray cluster", show_default="a local one")
    ] = None,
    storage: Annotated[str, typer.Option(help="URL of a database for the trials", show_default="a journal file")] = "",
    seed: Annotated[
        int | None, typer.Option(help="seed for all random choices", show_default="the study file's")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="cache folder for evaluations", show_default="the user's cache")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="neither read nor write the cache")] = False,
    mirror: Annotated[
        Path | None,
        typer.Option(help="folder with the public files that the study names", show_default="their addresses"),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="start over; the run in the folder is moved into a folder inside of it")
    ] = False,
    accept_changes: Annotated[
        bool,
        typer.Option(
            "--accept-changes",
            help="go on although files or program changed since the run began: in a new front, from the designs of the "
            "old one",
        ),
    ] = False,
) -> None:
    """Run a study, or resume the one in the run folder."""
    from dse.cli.fetch import fetching
    from dse.study import load_study, with_overrides

    with fetching(mirror) as fetcher:
        written = load_study(study, fetcher)
    spec = with_overrides(written, trials=trials, workers=workers, seed=seed)
    from dse.cli.progress import StudyProgress
    from dse.report import front_table, notes, recommendation
    from dse.run import default_folder, run_study  # imports torch: a study file that cannot be used is refused before
    from dse.store import EvaluationCache, RunFolder, default_cache_path
    from dse.verdict import shares_of

    folder = RunFolder(out if out is not None else default_folder(spec))
    evaluations = None if no_cache else EvaluationCache(cache or default_cache_path())
    console = terminal()
    try:
        with StudyProgress(console, spec.name) as progress:
            results = run_study(
                spec,
                folder,
                fresh=fresh,
                accept_changes=accept_changes,
                ray_address=ray_address,
                storage=storage,
                cache=evaluations,
                read_test=spec.search.trials >= written.search.trials,
                on_progress=progress.update,
            )
    except KeyboardInterrupt as interrupt:
        kept = f"Every finished trial is kept in {folder.path}" if folder.exists else "Nothing was recorded"
        with suppress(OSError):  # the terminal may be what was closed
            console.print(f"Interrupted. {kept}; run the same command to resume.", markup=False)
        raise typer.Exit(getattr(interrupt, "status", INTERRUPTED)) from None
    except bad_input() as error:
        raise StudyError(f"{study}: {error}") from None
    rec = recommendation(results)
    console.print(front_table(results, rec))
    console.print(rec.verdict.headline, markup=False, highlight=False)
    if rec.verdict.recommended and (shares := shares_of(rec.verdict.recommended, results.facts)):
        console.print(shares, markup=False, highlight=False)
    console.print(notes(rec.verdict))
    console.print(f"Report: {folder.report_path}", soft_wrap=True, markup=False)
    print_export(folder.path, rec.verdict, results.facts.members)
    again = [
        str(study),
        *([] if out is None else ["--out", str(out)]),
        *([] if seed is None else ["--seed", str(seed)]),
    ]
    print_next(folder.path, again, spec.search.trials, written.search.trials, rec.verdict, results.facts.members)
