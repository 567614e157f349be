"""Rows of a CSV file as validated records."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from hwmodels.errors import HardwareError

_Row = TypeVar("_Row")


def read_rows(path: Path, records: TypeAdapter[list[_Row]], kind: str) -> list[_Row]:
    """Returns the records of a CSV file, none if it does not exist.

    Args:
        path: the file.
        records: what a list of them must be.
        kind: what messages call the file.

    Raises:
        HardwareError: if the file is no CSV file, or a row does not fit.
    """
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return records.validate_python(list(csv.DictReader(file)))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        raise HardwareError(f"{path}: not a table of {kind}: {key}: {problem['msg']}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise HardwareError(f"{path}: not a table of {kind}: {error}") from None


def append_row(path: Path, row: Mapping[str, object]) -> None:
    """Adds one row to a CSV file, with a header if it is new.

    Args:
        path: the file.
        row: values by column.
    """
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
