"""What the commands print; nothing of it can command the terminal, whatever the files hold that it comes from."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dse.formats import printable

if TYPE_CHECKING:  # rich is imported by the commands that print tables
    from rich.console import Console


def echo(text: str) -> None:
    """Prints plain text, of one line or several."""
    print(printable(text, lines=True))  # noqa: T201


def report_failure(message: str) -> None:
    """Prints a message on stderr, on one line."""
    print(f"dse: {printable(message)}", file=sys.stderr)  # noqa: T201 -- plain text: the message may hold markup


def terminal(*, stderr: bool = False) -> Console:
    """Returns the console for tables, progress and marked-up text."""
    from dse.cli.console import PrintableConsole

    return PrintableConsole(stderr=stderr)
