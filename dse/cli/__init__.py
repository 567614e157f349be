"""The command line: one module for each group of commands."""

from dse.cli.entry import BAD_INPUT, FAILURE, app
from dse.cli.run import INTERRUPTED

__all__ = [
    "BAD_INPUT",
    "FAILURE",
    "INTERRUPTED",
    "app",
]
