"""Commands that read runs: ``report``, ``show``, ``compare``, ``export``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dse.errors import StudyError

RunPath = Annotated[Path, typer.Argument(help="run folder", show_default=False)]
Storage = Annotated[
    str,
    typer.Option(
        help="URL of the run's database, needed for its password or if you did not make the run on this machine "
        "[default: the URL in the run folder]"
    ),
]


def report(run: RunPath, storage: Storage = "") -> None:
    """Rebuild report, tables and figures from storage alone, even while the study is running."""
    from dse.report import write_report
    from dse.store import RunFolder, results_of

    folder = RunFolder(run)
    folder.check_links()
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
    storage: Storage = "",
) -> None:
    """Compare the fronts of several runs."""
    from dse.report import compare as write_comparison
    from dse.store import RunFolder, results_of

    if len(runs) < 2:
        raise StudyError(f"compare needs at least two run folders, got {len(runs)}")
    folders = [RunFolder(run) for run in runs]
    results = [results_of(folder, storage if folder.manifest().storage else "") for folder in folders]
    RunFolder(out).check_links()
    out.mkdir(parents=True, exist_ok=True)
    _print_path("Comparison", write_comparison(results, out))


def export(
    run: RunPath,
    trial: Annotated[int, typer.Option(help="number of the design's trial", show_default=False)],
    out: Annotated[Path, typer.Option(help="new or empty folder", show_default=False)],
    member: Annotated[str, typer.Option(help="name of the network, if the study has several")] = "",
    study: Annotated[
        Path | None, typer.Option(help="study file that names the run's files where they are today, if they moved")
    ] = None,
    storage: Storage = "",
) -> None:
    """Export one design: Verilog with parameter memories and test bench, C header and JSON."""
    from dse.export import export_design
    from dse.study import load_study

    moved = load_study(study) if study is not None else None
    _print_path("Design", export_design(run, trial, out, member=member, study=moved, storage=storage))


def _print_path(what: str, path: Path) -> None:
    Console().print(f"{what}: {path}", soft_wrap=True, markup=False)
