"""What the scripts of this folder share: arguments, errors in one line, and CSV files."""

import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hwmodels.errors import HardwareError


def run_script(name: str, expected: str, work: Callable[..., None]) -> int:
    """Calls ``work`` with the script's arguments as paths; returns the exit status.

    ``expected`` has the names of the arguments, separated by blanks.
    """
    arguments = sys.argv[1:]
    if len(arguments) != len(expected.split()):
        sys.stderr.write(f"usage: python -m studies.hardware.{name} {expected}\n")
        return 2
    try:
        work(*map(Path, arguments))
    except HardwareError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Writes rows with the same keys as a CSV file with a header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
