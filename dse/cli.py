"""The command line: one word a job; bad input gets one clear line and exit status 2."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dse.commands.doctor import doctor
from dse.commands.hardware import calibrate, cost
from dse.commands.networks import contracts, verify
from dse.commands.progress import StudyProgress
from dse.commands.results import compare, export, report, show
from dse.errors import StudyError
from dse.run_folder import RunFolder
from dse.spec import StudySpec, load_study, validated
from hwmodels.errors import HardwareError
from nets.errors import NetworkError

BAD_INPUT = 2
BAD_INPUTS = (StudyError, NetworkError, HardwareError)
INTERRUPTED = 130  # the shells' convention: 128 + SIGINT

app = typer.Typer(
    name="dse",
    help="Choose the multiplier width of every rescaler of an integer neural network.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="study file (.toml)", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="run folder [default: runs/<name>]")] = None,
    trials: Annotated[int | None, typer.Option(help="complete trials in the study in all")] = None,
    workers: Annotated[int | None, typer.Option(help="evaluators at work at once")] = None,
    ray_address: Annotated[str | None, typer.Option(help="address of a running Ray cluster")] = None,
    seed: Annotated[int | None, typer.Option(help="seed of everything random")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="start over: forget the run in the folder")] = False,
) -> None:
    """Run a study, or resume it if the run folder holds it already."""
    from dse.report import front_table
    from dse.study import default_folder, run_study

    spec = _overridden(load_study(study), trials, workers, seed)
    folder = RunFolder(out if out is not None else default_folder(spec))
    console = Console()
    try:
        with StudyProgress(console, spec.name) as progress:
            results = run_study(spec, folder, fresh=fresh, ray_address=ray_address, on_progress=progress.update)
    except KeyboardInterrupt:
        console.print(f"Interrupted. Every finished trial is kept in {folder.path}; run the same command to go on.")
        raise typer.Exit(INTERRUPTED) from None
    except BAD_INPUTS as error:
        raise StudyError(f"{study}: {error}") from None
    console.print(front_table(results))
    console.print(f"Report: {folder.report_path}", soft_wrap=True)


for command in (report, show, compare, export, verify, contracts, cost, calibrate, doctor):
    app.command()(command)


def _overridden(spec: StudySpec, trials: int | None, workers: int | None, seed: int | None) -> StudySpec:
    document = spec.model_dump(mode="json", exclude_none=True)
    if trials is not None:
        document["search"]["trials"] = trials
    if workers is not None:
        document["workers"]["count"] = workers
    if seed is not None:
        document["seed"] = seed
    return validated(document)


def main() -> None:
    """Run the command line; bad input ends with one line on stderr and exit status 2."""
    try:
        app()
    except BAD_INPUTS as error:
        print(f"dse: {error}", file=sys.stderr)  # noqa: T201 -- plain text: the message may hold markup
        sys.exit(BAD_INPUT)
