"""Options of commands that read Verilog, and their assignments of the form NAME=VALUE."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from hwmodels import HardwareError

T = TypeVar("T")
Defines = Annotated[list[str] | None, typer.Option("-D", "--define", metavar="NAME[=TEXT]", help="a macro; repeatable")]
Includes = Annotated[
    list[Path] | None,
    typer.Option("-I", "--include", metavar="FOLDER", help="folder of included files; repeatable"),
]
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.+)")


def bad_input(message: str) -> HardwareError:
    """Returns the error of an option."""
    from hwmodels.errors import HardwareError

    return HardwareError(message)


def parameters_of(texts: Sequence[str] | None) -> dict[str, int]:
    """Returns the parameters of a module by name.

    Raises:
        HardwareError: one is no assignment of a whole number, or given twice.
    """
    return integers("parameter", texts)


def integers(what: str, texts: Sequence[str] | None) -> dict[str, int]:
    """Returns the integers of assignments by name.

    Raises:
        HardwareError: one is no assignment of a whole number, or given twice.
    """
    return _unique(what, [(name, _integer(what, name, value)) for name, value in map(_split(what), texts or [])])


def names(what: str, texts: Sequence[str] | None) -> dict[str, str]:
    """Returns the texts of assignments by name.

    Raises:
        HardwareError: one is no assignment, or given twice.
    """
    return _unique(what, [_split(what)(text) for text in texts or []])


def ranges(what: str, texts: Sequence[str] | None) -> dict[str, tuple[int, int]]:
    """Returns the ranges of assignments ``NAME=LOW:HIGH`` by name.

    Raises:
        HardwareError: one is no range, or given twice.
    """
    return _unique(what, [(name, _range(what, name, value)) for name, value in map(_split(what), texts or [])])


def macros(texts: Sequence[str] | None) -> dict[str, str]:
    """Returns macros by name.

    Raises:
        HardwareError: one has no name, or is given twice.
    """
    return _unique("macro", [_define(text) for text in texts or []])


def _unique(what: str, pairs: list[tuple[str, T]]) -> dict[str, T]:
    for index, (name, value) in enumerate(pairs):
        if name in (earlier for earlier, _ in pairs[:index]):
            raise bad_input(f"{what} {name} is given twice, the second time as {value!r}; give it once")
    return dict(pairs)


def _split(what: str) -> Callable[[str], tuple[str, str]]:
    def split(text: str) -> tuple[str, str]:
        match = _ASSIGNMENT.fullmatch(text)
        if match is None:
            raise bad_input(f"{what} {text!r}: expected NAME=VALUE")
        return match[1], match[2]

    return split


def _integer(what: str, name: str, text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise bad_input(f"{what} {name} is {text!r}; a whole number is needed") from None


def _range(what: str, name: str, text: str) -> tuple[int, int]:
    low, colon, high = text.partition(":")
    try:
        pair = int(low, 0), int(high, 0)
    except ValueError:
        pair = 1, 0
    if not colon or pair[0] > pair[1]:
        raise bad_input(f"{what} {name} is {text!r}; expected LOW:HIGH")
    return pair


def _define(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name.isidentifier():
        raise bad_input(f"macro {text!r}: expected NAME or NAME=TEXT")
    return name, value
