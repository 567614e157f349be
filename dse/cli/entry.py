"""The ``dse`` command: one word for each job; bad input gets one clear line and exit status 2."""

import gc
import io
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Never

import typer

from dse.cli.accelergy import accelergy
from dse.cli.doctor import doctor
from dse.cli.fetch import fetch
from dse.cli.hardware import calibrate, cost, trace
from dse.cli.inspect import inspect
from dse.cli.narrow import narrow
from dse.cli.networks import contracts, verify
from dse.cli.output import echo, report_failure
from dse.cli.prove import prove
from dse.cli.results import compare, export, report, show
from dse.cli.run import run
from dse.cli.upkeep import check, repair
from dse.errors import EvaluationsFailedError, bad_input
from dse.formats import printable

FAILURE, BAD_INPUT = 1, 2
_COLLECTED = 50_000  # new objects between collections: at 700, a tenth of the start is a search for garbage in imports

COMMANDS: dict[Callable[..., None], tuple[str, ...]] = {  # every command with its examples
    run: (
        "dse run studies/digits.toml             # two minutes, needs no file",
        "dse run study.toml --trials 200         # go on to 200 trials in all",
    ),
    report: ("dse report runs/digits",),
    show: (
        "dse show runs/digits",
        "dse show runs/digits --trial 12         # that design, layer by layer",
        "dse show runs/digits --json | jq .front",
    ),
    compare: ("dse compare runs/a runs/b --out runs/a-and-b", "dse compare runs/a runs/b --json"),
    export: ("dse export runs/digits --trial recommended --out chip",),
    check: ("dse check runs/digits",),
    repair: ("dse repair runs/digits", "dse repair runs/digits --train"),
    narrow: (
        "dse narrow model.tflite --data samples.npz --out narrow.tflite",
        "dse narrow model.tflite --shift-bits 0 --out narrow.tflite",
    ),
    inspect: ("dse inspect model.tflite", "dse inspect detector.tflite --cut 164"),
    verify: ("dse verify model.tflite --samples 8",),
    contracts: ("dse contracts model.tflite --data samples.npz --samples 50",),
    cost: ("dse cost rescaler.v --top rescaler -P MULT_WIDTH=4 --technology osu018",),
    accelergy: ("dse accelergy --technology osu018 --out rescalers",),
    prove: (
        "dse prove runs/digits                   # the recommended design",
        "dse prove rescaler.v --top rescaler --shift-offset 1 --tie enable=1",
    ),
    calibrate: ("dse calibrate --liberty cells.lib --name mine --node-nm 45",),
    trace: ("dse trace model.tflite --data samples.npz --out trace.npz",),
    fetch: (
        "dse fetch                               # what there is, and what is here",
        "dse fetch kws_ref_model.tflite kws01.npz",
    ),
    doctor: ("dse doctor",),
}

app = typer.Typer(
    name="dse",
    help="Choose the multiplier width of every rescaler of an integer neural network.",
    epilog="Exit status: 0 success, 1 failure, 2 bad input; of prove, 1 refuted and 3 not proven.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain text: markup hides defaults in brackets, and takes longer to import than to show
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _version(*, asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        echo(f"rescale-dse {version('rescale-dse')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Choose the multiplier width of every rescaler of an integer neural network."""


for command, examples in COMMANDS.items():
    listed = "\n".join(f"  {example}" for example in examples)
    app.command(epilog=f"\b\nExamples:\n{listed}")(command)


def main() -> None:
    """Runs the command line; reports bad input and failures of the machine in one line on stderr."""
    gc.set_threshold(_COLLECTED)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a path may have bytes, and a name characters, that it cannot show
            stream.reconfigure(errors="backslashreplace")
    warnings.formatwarning = _once(set())  # a model may be read several times
    try:
        app(prog_name="dse")
    except (ValueError, RuntimeError, OSError) as error:
        _fail(error)


def _once(shown: set[str]) -> Callable[..., str]:
    """Returns what formats a warning as one line, without its place in the program; one in ``shown`` as nothing."""

    def line(message: Warning | str, *_place: object, **_options: object) -> str:
        text = f"dse: {printable(str(message))}\n"
        if text in shown:
            return ""
        shown.add(text)
        return text

    return line


def _fail(error: Exception) -> Never:
    is_bad_input = isinstance(error, bad_input())
    if not is_bad_input and not isinstance(error, EvaluationsFailedError | OSError):
        raise error
    report_failure(str(error))
    sys.exit(BAD_INPUT if is_bad_input else FAILURE)
