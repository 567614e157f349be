"""Commands that read runs: ``report``, ``show``, ``compare``, ``export``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dse.cli.output import echo, terminal
from dse.errors import StudyError

if TYPE_CHECKING:  # imported by the commands that need it: `dse --help` must not wait for pandas
    from dse.store import StudyResults
    from dse.verdict import Verdict

RunPath = Annotated[Path, typer.Argument(help="run folder", show_default=False)]
Storage = Annotated[
    str,
    typer.Option(
        help="URL of the run's database, needed for its password or if you did not make the run on this machine",
        show_default="the URL in the run folder",
    ),
]
_COMPARISON = Path("runs/compare")


def report(run: RunPath, storage: Storage = "") -> None:
    """Rebuild report, tables and figures from storage alone.

    It works even while the study is running.
    """
    from dse.store import RunFolder, results_of

    folder = RunFolder(run)
    folder.check_links()
    results = results_of(folder, storage)
    from dse.report import write_report  # imports what draws pictures: a run that cannot be read is refused before

    _print_path("Report", write_report(results, folder.path))


def show(
    run: RunPath,
    trial: Annotated[
        int | None,
        typer.Option(help="the design to list layer by layer", show_default="the recommended one"),
    ] = None,
    storage: Storage = "",
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Print the front and the recommendation."""
    from dse.store import RunFolder, results_of

    results = results_of(RunFolder(run), storage)
    if as_json:
        from dse.report import results_document

        echo(results_document(results).model_dump_json(indent=2))
        return
    from dse.report import recommendation
    from dse.report import show as print_results

    rec = recommendation(results)
    print_results(results, rec, terminal(), trial)
    print_export(run, rec.verdict, results.facts.members)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="two or more run folders", show_default=False)],
    out: Annotated[Path, typer.Option(help="folder for compare.html, compare.csv and the figures")] = _COMPARISON,
    storage: Storage = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON object instead of writing the page and its figures")
    ] = False,
) -> None:
    """Compare the fronts of several runs."""
    from dse.store import RunFolder, results_of

    if len(runs) < 2:
        raise StudyError(f"compare needs at least two run folders, got {len(runs)}")
    folders = [RunFolder(run) for run in runs]
    results = [results_of(folder, storage if folder.manifest().storage else "") for folder in folders]
    if as_json:
        from dse.report import comparison_document

        echo(comparison_document(results).model_dump_json(indent=2))
        return
    RunFolder(out).check_links()
    from dse.report import compare as write_comparison

    out.mkdir(parents=True, exist_ok=True)
    _print_path("Comparison", write_comparison(results, out))


def export(
    run: RunPath,
    trial: Annotated[str, typer.Option(help="number of the design's trial, or recommended", show_default=False)],
    out: Annotated[Path, typer.Option(help="new or empty folder", show_default=False)],
    member: Annotated[str, typer.Option(help="name of the network, if the study has several")] = "",
    study: Annotated[
        Path | None, typer.Option(help="study file that names the run's files where they are today, if they moved")
    ] = None,
    handshake: Annotated[
        Literal["none", "enable", "valid", "valid_ready"] | None,
        typer.Option(
            help="flow control of the units: clock enable, valid flags, or these and stalls",
            show_default="none; valid_ready for serial units",
        ),
    ] = None,
    reset: Annotated[
        Literal["none", "sync", "sync_low", "async", "async_low"] | None,
        typer.Option(help="reset of the units; low: active low", show_default="none; sync with valid flags"),
    ] = None,
    parameters: Annotated[
        Literal["rom", "load"], typer.Option(help="parameters of channels: wired, or a memory with a write port")
    ] = "rom",
    liberty: Annotated[
        Path | None,
        typer.Option(
            help="cell library, FILE.lib, to synthesize the units with and compare them with their costs",
            show_default=False,
        ),
    ] = None,
    storage: Storage = "",
) -> None:
    """Export one design as Verilog, C header, model and JSON.

    The Verilog comes with parameters, test bench, constraints and a synthesis script.
    """
    from dse.store import RunFolder, results_of

    number = trial_number(trial, results_of(RunFolder(run), storage))
    from dse.export import export_design  # imports torch: a design that does not exist is refused before
    from dse.study import load_study

    moved = load_study(study) if study is not None else None
    readme = export_design(
        run, number, out, member=member, study=moved, storage=storage, handshake=handshake, reset=reset,
        parameters=parameters, liberty=liberty,
    )  # fmt: skip
    _print_path("Design", readme)


def trial_number(text: str, results: StudyResults) -> int:
    """Returns the number of a complete trial, from its number or ``recommended``."""
    from dse.report import complete_trial
    from dse.verdict import verdict_of

    if text == "recommended":
        if (recommended := verdict_of(results).recommended) is None:
            raise StudyError(f"--trial is recommended, but {results.facts.study} recommends no design; give a number")
        return recommended.trial
    if not text.isdecimal():
        raise StudyError(f"--trial is {text!r}; give the number of a trial, or recommended")
    return complete_trial(results, int(text)).trial


def print_export(run: Path, verdict: Verdict, members: Sequence[str]) -> None:
    """Prints the command that exports the recommended design, if there is one; of a portfolio, one for each network."""
    if verdict.recommended is not None:
        command = f"dse export {shlex.quote(str(run))} --trial recommended"
        named = ((shlex.quote(name), shlex.quote(f"chip/{name}")) for name in members)
        for where in [f"--member {name} --out {out}" for name, out in named] or ["--out chip"]:
            echo(f"Export trial {verdict.recommended.trial}: {command} {where}")


def print_next(
    run: Path, study: Sequence[str], trials: int, written: int, verdict: Verdict, members: Sequence[str]
) -> None:
    """Prints what to try next: commands that work for this run.

    Args:
        run: the run's folder.
        study: the arguments of ``dse run`` that name this run.
        trials: how many trials the run has.
        written: how many the study file asks for.
        verdict: the run's verdict.
        members: networks of a portfolio; empty in a study of one network.
    """
    folder, more = shlex.quote(str(run)), shlex.join(study)
    member = ["--member", members[0]] if members else []
    steps = [("the design layer by layer, and how sure the verdict is", f"dse show {folder}")]
    if verdict.recommended is not None and all(map(find_spec, ("pyosys", "bitwuzla"))):
        steps.append(
            ("its units equal their contract, for all inputs", shlex.join(["dse", "prove", str(run), *member]))
        )
    if trials < written:
        steps.append(("the rest of the search, and the test split", f"dse run {more}"))
    else:
        steps.append(("search on from here", f"dse run {more} --trials {trials + trials // 2}"))
    echo("Try next:")
    for what, command in steps:
        echo(f"  {command}  # {what}")


def _print_path(what: str, path: Path) -> None:
    echo(f"{what}: {path}")
