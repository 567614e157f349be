"""The syntax of Liberty files: groups with simple and complex attributes."""

import gzip
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hwmodels.errors import HardwareError

_STRING: Final = r'"(?:[^"\\]|\\.)*+"'
_COMMENT: Final = re.compile(rf"{_STRING}|/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL)  # one without an end takes the rest
_CONTINUED: Final = re.compile(r"\\[ \t\r]*\n")  # blanks behind the backslash are common, if against the standard
_MARKS: Final = re.compile(r"/\*|\*/|//")  # no function or number has them
_MOST_BYTES: Final = 1 << 29  # of a library, unpacked
# One statement: the end of a group, a simple attribute, or a complex attribute, which a brace turns into a group.
_STATEMENT: Final = re.compile(
    rf"""[\s;]*+(?:
        (?P<end>\}})
      | (?P<name>[A-Za-z_][\w.\[\]]*+|{_STRING})\s*+
        (?: :\s*+(?P<value>(?:{_STRING}|[^;{{}}"\n])++)
          | \((?P<arguments>(?:{_STRING}|[^()"{{}}])*+)\)\s*+(?P<opens>\{{)?
        )
    )""",
    re.DOTALL | re.VERBOSE,
)
_BLANK: Final = re.compile(r"[\s;]*+")
_ARGUMENT: Final = re.compile(rf"{_STRING}|[^\s,]+")
_GZIP_MAGIC: Final = b"\x1f\x8b"


@dataclass(slots=True)
class Group:
    """A group of the file: its name, arguments, simple and complex attributes, and inner groups by kind.

    Attributes:
        line: line of the file at which it begins.
        values: text of each simple attribute (``name : value;``), without quotation marks.
        lists: arguments of each complex attribute (``name (a, b);``), without quotation marks.
    """

    kind: str
    arguments: tuple[str, ...]
    line: int
    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: "dict[str, list[Group]]" = field(default_factory=dict)

    def inner(self, kind: str) -> "list[Group]":
        """Returns the inner groups of one kind, in the order of the file."""
        return self.groups.get(kind, [])

    @property
    def title(self) -> str:
        """The kind and arguments, as error messages name the group."""
        return f"{self.kind} {' '.join(self.arguments)}".rstrip()


def read_liberty_text(path: Path) -> str:
    """Returns the text of a file, which may be compressed with gzip.

    Raises:
        HardwareError: if it cannot be read, or the compressed data end early.
    """
    try:
        with gzip.open(path) if is_compressed(path) else path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise HardwareError(f"{path}: cannot be read ({error})") from None
    if len(data) > _MOST_BYTES:
        raise HardwareError(f"{path}: has more than {_MOST_BYTES} bytes unpacked; no cell library has")
    # Names, numbers and functions are ASCII; comments may be in any encoding.
    return data.decode("utf-8", errors="replace").replace("\r\n", "\n")


def is_compressed(path: Path) -> bool:
    """Returns whether a file is compressed with gzip, whatever its name.

    Raises:
        HardwareError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    except OSError as error:
        raise HardwareError(f"{path}: cannot be read ({error})") from None


def parse_liberty(text: str, name: str) -> Group:
    """Returns the library group of a text; error messages call the file by ``name``.

    Raises:
        HardwareError: if the text is truncated or not Liberty; the message gives the line.
    """
    clean = without_comments(text)
    tree = _Tree(clean, name)
    position = 0
    while (match := _STATEMENT.match(clean, position)) is not None and tree.take(match):
        position = match.end()
    return tree.library(position)


class _Tree:
    """Builds the tree of groups, statement by statement."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name
        self._stack: list[Group] = []
        self._root: Group | None = None
        self._counted = (0, 1)  # a position of the text, and its line

    def take(self, statement: re.Match[str]) -> bool:
        """Processes a statement; returns whether it has a place inside the library."""
        end, word, value, arguments, opens = statement.groups()
        if not self._stack and (self._root is not None or not opens):
            return False
        if end:
            self._stack.pop()
        elif opens:
            self._open(Group(word, _split(arguments), self._line(statement.start("name"))))
        elif value is not None:
            self._stack[-1].values[word] = _unquoted(value.strip())
        elif word == "include_file":
            place = f"{self._name}:{self._line(statement.start('name'))}"
            raise HardwareError(f"{place}: include_file ({arguments}): included files are not read; put them into one")
        else:
            self._stack[-1].lists[word] = _split(arguments)
        return True

    def library(self, position: int) -> Group:
        """Returns the library, if the statements reach from it to the end of the text at ``position``."""
        if self._root is None or self._root.kind != "library":
            raise HardwareError(f"{self._name}: not a Liberty file (no library group)")
        stopped = _BLANK.match(self._text, position).end()  # type: ignore[union-attr]  # matches the empty text
        place = f"{self._name}:{self._line(stopped)}"
        inner = self._stack[-1] if self._stack else None
        where = "after the library" if inner is None else f"inside {inner.title} (line {inner.line})"
        if stopped < len(self._text):
            shown = self._text[stopped:].partition("\n")[0][:40]
            raise HardwareError(f"{place}: {shown!r} {where} is not a Liberty statement; is the file truncated?")
        if inner is not None:
            raise HardwareError(f"{place}: the file ends {where}: truncated?")
        return self._root

    def _open(self, group: Group) -> None:
        if self._stack:
            self._stack[-1].groups.setdefault(group.kind, []).append(group)
        else:
            self._root = group
        self._stack.append(group)

    def _line(self, position: int) -> int:
        """Returns the line of a position, which only grows from call to call."""
        counted, line = self._counted
        self._counted = (position, line + self._text.count("\n", counted, position))
        return self._counted[1]


def without_comments(text: str) -> str:
    """Returns the text with comments and line continuations blanked; line numbers stay."""

    def blank(match: re.Match[str]) -> str:
        word = match.group()
        return word if word[0] == '"' else "\n" * word.count("\n") or " "

    clean = _COMMENT.sub(blank, text) if "/*" in text or "//" in text else text
    return _CONTINUED.sub(" \n", clean) if "\\" in clean else clean


def plain_text(text: str) -> str:
    """Returns the text for parsers of others: without comments, nor anything in a string that they take for one."""
    return _MARKS.sub("  ", without_comments(text))


def _split(arguments: str) -> tuple[str, ...]:
    return tuple([_unquoted(word) for word in _ARGUMENT.findall(arguments)])


def _unquoted(word: str) -> str:
    return word[1:-1] if word[:1] == '"' and word[-1:] == '"' else word
