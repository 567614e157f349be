"""The ``dse`` command: one word for each job; bad input gets one clear line and exit status 2."""

import io
import sys
from typing import Never

import typer

from dse.cli.doctor import doctor
from dse.cli.hardware import calibrate, cost, trace
from dse.cli.narrow import narrow
from dse.cli.networks import contracts, verify
from dse.cli.results import compare, export, report, show
from dse.cli.run import run
from dse.cli.upkeep import check, repair
from dse.errors import EvaluationsFailedError, bad_input

FAILURE, BAD_INPUT = 1, 2

app = typer.Typer(
    name="dse",
    help="Choose the multiplier width of every rescaler of an integer neural network.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_RUNS = (run, report, show, compare, export, check, repair)
_PARTS = (narrow, verify, contracts, cost, calibrate, trace, doctor)
for command in (*_RUNS, *_PARTS):
    app.command()(command)


def main() -> None:
    """Runs the command line; reports bad input and failures of the machine in one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a path may have bytes, and a name characters, that it cannot show
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except (ValueError, RuntimeError, OSError) as error:
        _fail(error)


def _fail(error: Exception) -> Never:
    is_bad_input = isinstance(error, bad_input())
    if not is_bad_input and not isinstance(error, EvaluationsFailedError | OSError):
        raise error
    print(f"dse: {error}", file=sys.stderr)  # noqa: T201 -- plain text: the message may hold markup
    sys.exit(BAD_INPUT if is_bad_input else FAILURE)
