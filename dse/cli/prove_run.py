"""``dse prove RUN``: every rescaler of a design, as it is exported."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dse.cli.output import echo, terminal
from dse.cli.prove_tables import counterexample_lines
from dse.cli.results import trial_number
from dse.export import UnitProof, load_design, prove_design
from dse.store import RunFolder, results_of
from hwmodels.proof import Outcome

_REFUTED, _NOT_PROVEN = 1, 3


def prove_run(run: Path, trial: str, member: str, storage: str, time_limit: int, *, as_json: bool) -> None:
    """Prints what is known of every unit of a design, and ends with the status of the worst."""
    folder = RunFolder(run)
    number = trial_number(trial, results_of(folder, storage))
    design = load_design(folder, number, 1, member, storage=storage)
    proofs = list(prove_design(design, time_limit))
    if as_json:
        echo(json.dumps([each.document() for each in proofs], indent=2))
    else:
        _print(proofs, f"{design.title}, contract {design.contract}", terminal())
    outcomes = {each.proof.outcome for each in proofs}
    if Outcome.REFUTED in outcomes:
        raise typer.Exit(_REFUTED)
    if Outcome.OPEN in outcomes:
        raise typer.Exit(_NOT_PROVEN)


def _print(proofs: list[UnitProof], title: str, console: Console) -> None:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title=Text(title))
    for heading in ("unit", "layer", "channels", "operands", "result", "seconds"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("channels", "seconds") else "left")
    for each in proofs:
        cells = (each.module, each.layer, str(each.channels), each.operands, str(each.proof.outcome))
        table.add_row(*map(Text, cells), f"{each.proof.seconds:.1f}")
    console.print(table)
    for each in proofs:
        if each.proof.counterexample is not None:
            channel = "" if each.channel is None else f", channel {each.channel}"
            for line in (f"{each.module}{channel}:", *counterexample_lines(each.proof.counterexample)):
                console.print(Text(line), soft_wrap=True)
