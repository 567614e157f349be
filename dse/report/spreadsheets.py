"""CSV files that spreadsheets open: text from outside stays text."""

import re
from pathlib import Path
from typing import Final

import pandas as pd

from nets.files import replacing

_FORMULA: Final = re.compile(r"[=+\-@\t\n]")  # how a cell begins that a spreadsheet computes; it may start a program
_NUMBER: Final = re.compile(r"[+-]?(\d[\d,]*+(\.\d*+)?|\.\d++)([eE][+-]?\d++)?")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Replaces a CSV file by a table in one step; text that would be a formula begins with an apostrophe."""
    text = frame.select_dtypes(include=["object", "string"]).columns
    cells = frame.assign(**{column: frame[column].map(as_text) for column in text})
    with replacing(path) as temporary:
        cells.rename(columns=as_text).to_csv(temporary, index=False)


def as_text(cell: object) -> object:
    """Returns a cell that no spreadsheet takes for a formula; numbers, also as text, stay what they are."""
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r\n", "\n").replace("\r", "\n")  # unquoted, a return would begin a row
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
