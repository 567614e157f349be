"""Commands that read runs: ``report``, ``show``, ``compare``, ``export``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dse.errors import StudyError

RunPath = Annotated[Path, typer.Argument(help="run folder", show_default=False)]
Storage = Annotated[
    str, typer.Option(help="URL of the run's database with its password [default: the URL in the run folder]")
]


def report(run: RunPath, storage: Storage = "") -> None:
    """Rebuild report, tables and figures from storage alone, even while the study is running."""
    from dse.report import write_report
    from dse.store import RunFolder, results_of

    folder = RunFolder(run)
    _print_path("Report", write_report(results_of(folder, storage), folder.path))


def show(run: RunPath, storage: Storage = "") -> None:
    """Print the front and the recommendation."""
    from dse.report import show as print_results
    from dse.store import RunFolder, results_of

    print_results(results_of(RunFolder(run), storage), Console())


def compare(
    runs: Annotated[list[Path], typer.Argument(help="two or more run folders", show_default=False)],
    out: Annotated[Path, typer.Option(help="folder for compare.html, compare.csv and the figures")] = Path(
        "runs/compare"
    ),
) -> None:
    """Compare the fronts of several runs."""
    from dse.report import compare as write_comparison
    from dse.store import RunFolder, results_of

    if len(runs) < 2:
        raise StudyError(f"compare needs at least two run folders, got {len(runs)}")
    results = [results_of(RunFolder(run)) for run in runs]
    out.mkdir(parents=True, exist_ok=True)
    _print_path("Comparison", write_comparison(results, out))


def export(
    run: RunPath,
    trial: Annotated[int, typer.Option(help="number of the design's trial", show_default=False)],
    out: Annotated[Path, typer.Option(help="new or empty folder", show_default=False)],
    member: Annotated[str, typer.Option(help="name of the network, if the study has several")] = "",
) -> None:
    """Export one design: Verilog with parameter memories and test bench, C header and JSON."""
    from dse.export import export_design

    _print_path("Design", export_design(run, trial, out, member=member))


def _print_path(what: str, path: Path) -> None:
    Console().print(f"{what}: {path}", soft_wrap=True, markup=False)
