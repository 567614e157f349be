"""TOML files of bounded size and depth."""

import re
import tomllib
from pathlib import Path
from typing import Any, Final

# Beyond, tomllib takes time that grows with the square of the number of parts.
_LONG_KEY: Final = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}""")


def read_text(path: Path, most_bytes: int) -> str:
    """Returns the text of a UTF-8 file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is longer than ``most_bytes``, or not UTF-8.
    """
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"it has more than {most_bytes} bytes")
    return content.decode("utf-8")


def parse_toml(text: str) -> dict[str, Any]:
    """Returns the document of a text.

    Raises:
        ValueError: it is not TOML, has a number of too many digits, or is nested too deeply.
    """
    if (key := _LONG_KEY.search(text)) is not None:
        raise ValueError(f"line {text.count(chr(10), 0, key.start()) + 1}: a key has 64 parts or more")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("tables or arrays are nested too deeply") from None
