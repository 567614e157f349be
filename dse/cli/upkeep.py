"""Commands that look after run folders: ``check``, ``repair``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dse.cli.output import echo
from dse.cli.results import RunPath, Storage

if TYPE_CHECKING:  # imported where it is used: `dse --help` must not wait for torch
    from dse.store import RunFolder

DAMAGED = 1


def check(run: RunPath, storage: Storage = "") -> None:
    """Check a run folder for damage.

    It reads journal, manifest, records and trained weights. The exit status is 1 if anything is missing or damaged.
    """
    from dse.store import RunFolder
    from dse.store import check as check_run

    findings = check_run(RunFolder(run), storage)
    for finding in findings:
        echo(str(finding))
    if findings:
        raise typer.Exit(DAMAGED)
    echo(f"{run}: nothing is missing or damaged")


def repair(
    run: RunPath,
    train: Annotated[
        bool, typer.Option("--train", help="train missing or damaged weights again, from seed and data")
    ] = False,
    study: Annotated[
        Path | None, typer.Option(help="study file that names the run's files where they are today, if they moved")
    ] = None,
    storage: Storage = "",
) -> None:
    """Repair a run folder.

    It keeps the journal up to its last good line, and restores manifest, study file and weights.
    """
    from dse.store import RunFolder
    from dse.store import repair as repair_run

    folder = RunFolder(run)
    done = repair_run(folder)
    if train:
        done += _train(folder, study, storage)
    for line in done or [f"{run}: nothing to repair"]:
        echo(line)


def _train(folder: RunFolder, study: Path | None, storage: str) -> list[str]:
    from dse.retraining import retrain
    from dse.store import EvaluationCache, default_cache_path
    from dse.study import load_study

    moved = load_study(study) if study is not None else None
    cache = EvaluationCache(default_cache_path())
    return retrain(folder, moved, storage=storage, cache=cache, on_trial=lambda n: echo(f"training trial {n}"))
