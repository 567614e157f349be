"""How study files name a public file in place of a path."""

from pathlib import Path
from typing import Final

PREFIX: Final = "fetch:"


def name_in(path: Path) -> str | None:
    """Returns the name in ``fetch:NAME``; None for any other path."""
    text = str(path)
    return text.removeprefix(PREFIX) if text.startswith(PREFIX) else None
