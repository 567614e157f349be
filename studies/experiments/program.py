"""The end of a program that reads files of others."""

import typer

from dse.errors import bad_input


def run(app: typer.Typer) -> None:
    """Runs a program; bad input ends it with one line and exit status 2."""
    try:
        app()
    except bad_input() as error:
        typer.echo(str(error), err=True)
        raise SystemExit(2) from None
