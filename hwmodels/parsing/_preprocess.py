"""A Verilog preprocessor in memory: macros, conditions and includes, with the origin of every line kept.

Files that are included must lie in the given folders. Nothing is executed and nothing is written.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hwmodels.errors import HardwareError
from hwmodels.parsing._source import SourceText

_IGNORED: Final = frozenset(
    {"timescale", "celldefine", "endcelldefine", "resetall", "line", "pragma", "begin_keywords", "end_keywords",
     "unconnected_drive", "nounconnected_drive", "delay_mode_path", "suppress_faults", "enable_portfaults"}
)  # fmt: skip
# A string, a comment to the end of its line, or the beginning of a comment or an attribute ("@(*)" is none).
_COMMENT_OR_STRING: Final = re.compile(r'"(?:[^"\\\n]|\\.)*+"|//[^\n]*|/\*|\(\*(?!\s*\))', re.DOTALL)
_CLOSED_BY: Final = {"/*": "*/", "(*": "*)"}
_DIRECTIVE: Final = re.compile(r"`([A-Za-z_][A-Za-z0-9_$]*)")
_DEFINE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_$]*)(\(([^()]*)\))?[ \t]*(.*)", re.DOTALL)
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_MAX_DEPTH: Final = 32  # of includes, and of macros in macros
_MAX_FILES: Final = 1000  # included, all in all
_MAX_TEXT: Final = 10_000_000  # characters of a file, and of all that is read and expanded; doubling macros end here


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro: its parameters (None if it takes none) and its text."""

    parameters: tuple[str, ...] | None
    text: str


@dataclass(slots=True)
class _Lines:
    """Output lines with their origins."""

    text: list[str] = field(default_factory=list)
    origins: list[tuple[str, int]] = field(default_factory=list)
    size: int = 0

    def add(self, text: str, origin: tuple[str, int]) -> None:
        self.text.append(text)
        self.origins.append(origin)
        self.size += len(text)
        if self.size > _MAX_TEXT:
            raise HardwareError(f"{origin[0]}:{origin[1]}: macros expand beyond {_MAX_TEXT} characters")


def preprocess(
    text: str, name: str, *, defines: Mapping[str, str] | None = None, include_folders: Sequence[Path] = ()
) -> SourceText:
    """Returns Verilog without directives.

    ``defines`` are macros without parameters that are defined from the start. Included files are searched for in the
    ``include_folders``, and must lie inside. Messages call the text by ``name``.

    Raises:
        HardwareError: with file and line, on an unknown macro or directive, an unbalanced condition, or a file that
            does not exist or lies outside the folders.
    """
    run = _run(text, name, defines or {}, include_folders)
    return SourceText("\n".join(run.lines.text), tuple(run.lines.origins))


def included_files(path: Path) -> tuple[Path, ...]:
    """Returns the files that a file includes from its own folder, in the order in which they are read.

    Raises:
        HardwareError: as :func:`preprocess`, or if a file cannot be read.
    """
    text = read_source(path)
    return tuple(_run(text, str(path), {}, (path.parent,)).included) if "`" in text else ()


def _run(text: str, name: str, defines: Mapping[str, str], include_folders: Sequence[Path]) -> "_Run":
    macros = {key: Macro(None, value) for key, value in defines.items()}
    run = _Run(macros, tuple(folder.resolve() for folder in include_folders))
    run.file(text, name, 0)
    return run


def read_source(path: Path) -> str:
    """Returns the text of a file. Bytes that are not UTF-8 are replaced: they only occur in comments of valid files.

    Raises:
        HardwareError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_TEXT + 1)
    except OSError as error:
        raise HardwareError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > _MAX_TEXT:
        raise HardwareError(f"{path}: has more than {_MAX_TEXT} bytes; cost a smaller part of the design")
    return content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")


@dataclass(slots=True)
class _Condition:
    """One `ifdef: whether its present branch is read, whether one was, and the line at which it began."""

    active: bool
    taken: bool
    line: int
    outer: bool
    had_else: bool = False


class _Run:
    """One preprocessor run over a file and what it includes."""

    def __init__(self, macros: dict[str, Macro], folders: tuple[Path, ...]) -> None:
        self._macros = macros
        self._folders = folders
        self.included: list[Path] = []
        self._expanded = 0  # characters that macros gave so far
        self.lines = _Lines()

    def file(self, text: str, name: str, depth: int) -> None:
        """Processes one file."""
        conditions: list[_Condition] = []
        for number, line in _logical_lines(_without_comments(text, name)):
            directive = _DIRECTIVE.match(line.lstrip())
            keyword = directive[1] if directive else ""
            rest = line.lstrip()[len(keyword) + 1 :] if directive else ""
            where = (name, number)
            if keyword in ("ifdef", "ifndef", "elsif", "else", "endif"):
                after = self._condition(keyword, rest, conditions, where)
                if after.strip() and _reading(conditions):
                    self._line(after, where, depth)
            elif _reading(conditions):
                self._line(line, where, depth)
            for extra in range(line.count("\n")):  # keeps the line count of a directive continued over several lines
                self.lines.add("", (name, number + extra + 1))
        if conditions:
            raise HardwareError(f"{name}:{conditions[-1].line}: `ifdef is not closed by `endif")

    def _condition(self, keyword: str, rest: str, conditions: list[_Condition], where: tuple[str, int]) -> str:
        """Follows a condition; returns the rest of its line."""
        place = f"{where[0]}:{where[1]}"
        if keyword in ("ifdef", "ifndef", "elsif"):
            match = _WORD.match(rest.strip())
            if match is None:
                raise HardwareError(f"{place}: `{keyword} needs the name of a macro")
            after = rest.strip()[match.end() :]
            holds = (match[0] in self._macros) != (keyword == "ifndef")
        else:
            after, holds = rest, True
        if keyword in ("ifdef", "ifndef"):
            outer = _reading(conditions)
            conditions.append(_Condition(outer and holds, holds, where[1], outer))
            return after
        if not conditions:
            raise HardwareError(f"{place}: `{keyword} without `ifdef")
        if keyword == "endif":
            conditions.pop()
            return after
        current = conditions[-1]
        if current.had_else:
            raise HardwareError(f"{place}: `{keyword} after `else")
        current.had_else = keyword == "else"
        current.active = current.outer and holds and not current.taken
        current.taken |= holds
        return after

    def _line(self, line: str, where: tuple[str, int], depth: int) -> None:
        directive = _DIRECTIVE.match(line.lstrip())
        keyword = directive[1] if directive else ""
        rest = line.lstrip()[len(keyword) + 1 :].strip() if directive else ""
        if keyword == "define":
            self._define(rest, where)
        elif keyword == "undef":
            self._macros.pop(rest, None)
        elif keyword == "include":
            self._include(self._expand(rest, where, 0), where, depth)
        elif keyword == "default_nettype":
            self.lines.add(f"`default_nettype {rest.split()[0] if rest else 'wire'}", where)
        elif keyword not in _IGNORED:
            self.lines.add(self._expand(line, where, 0).replace("\n", " "), where)

    def _define(self, rest: str, where: tuple[str, int]) -> None:
        match = _DEFINE.fullmatch(rest.replace("\\\n", "\n"))
        if match is None:
            raise HardwareError(f"{where[0]}:{where[1]}: `define needs a name")
        parameters = None
        if match[2] is not None:
            parameters = tuple(part.strip() for part in match[3].split(",")) if match[3].strip() else ()
        self._macros[match[1]] = Macro(parameters, match[4].strip())

    def _include(self, rest: str, where: tuple[str, int], depth: int) -> None:
        place = f"{where[0]}:{where[1]}"
        match = re.fullmatch(r'["<]([^">]+)[">]', rest.strip())
        if match is None:
            raise HardwareError(f"{place}: `include needs a file name in quotes, got {rest!r}")
        if depth >= _MAX_DEPTH:
            raise HardwareError(f"{place}: more than {_MAX_DEPTH} files include each other")
        if len(self.included) >= _MAX_FILES:
            raise HardwareError(f"{place}: more than {_MAX_FILES} files are included")
        path = self._find(match[1], place)
        self.included.append(path)
        self.file(read_source(path), str(path), depth + 1)

    def _find(self, name: str, place: str) -> Path:
        outside = False
        for folder in self._folders:
            path = (folder / name).resolve()
            if not path.is_relative_to(folder):
                outside = True
            elif path.is_file():
                return path
        if outside:
            raise HardwareError(f"{place}: {name!r} lies outside the folders that may be included from")
        raise HardwareError(f"{place}: {name!r} is in none of the include folders")

    def _expand(self, text: str, where: tuple[str, int], depth: int) -> str:
        """Replaces macros, innermost text included."""
        if depth > _MAX_DEPTH:
            raise HardwareError(f"{where[0]}:{where[1]}: macros refer to each other without end")
        pieces, position = [], 0
        while (match := _DIRECTIVE.search(text, position)) is not None:
            pieces.append(text[position : match.start()])
            expansion, position = self._expansion(match, text, where, depth)
            pieces.append(expansion)
        stray = text.find("`", position)
        if stray >= 0:
            raise HardwareError(f"{where[0]}:{where[1]}: a stray ` in {text.strip()[:40]!r}")
        return "".join([*pieces, text[position:]])

    def _expansion(self, match: re.Match[str], text: str, where: tuple[str, int], depth: int) -> tuple[str, int]:
        name, place = match[1], f"{where[0]}:{where[1]}"
        macro = self._macros.get(name)
        if macro is None:
            raise HardwareError(f"{place}: macro or directive `{name} is not known")
        self._count(len(macro.text), place)
        if macro.parameters is None:
            return self._expand(macro.text, where, depth + 1), match.end()
        arguments, end = _arguments(text, match.end(), place, name)
        if len(arguments) != len(macro.parameters):
            raise HardwareError(f"{place}: macro `{name} takes {len(macro.parameters)} arguments, got {len(arguments)}")
        values = dict(zip(macro.parameters, arguments, strict=True))
        self._count(sum(len(values.get(word, "")) for word in _WORD.findall(macro.text)), place)
        body = _WORD.sub(lambda word: values.get(word[0], word[0]), macro.text)
        return self._expand(body, where, depth + 1), end

    def _count(self, characters: int, place: str) -> None:
        """Counts what macros give, before it is made."""
        self._expanded += characters + 1
        if self._expanded > _MAX_TEXT:
            raise HardwareError(f"{place}: macros expand beyond {_MAX_TEXT} characters")


def _reading(conditions: list[_Condition]) -> bool:
    return not conditions or conditions[-1].active  # an inner one is active only if those around it are


def _without_comments(text: str, name: str) -> str:
    """Blanks comments and attributes, keeping line ends and strings."""
    pieces, position = list[str](), 0
    while (match := _COMMENT_OR_STRING.search(text, position)) is not None:
        pieces.append(text[position : match.start()])
        position, opened = match.end(), match[0]
        if opened in _CLOSED_BY:
            end = text.find(_CLOSED_BY[opened], position)
            if end < 0:
                line = text.count("\n", 0, match.start()) + 1
                raise HardwareError(f"{name}:{line}: {opened} is not closed by {_CLOSED_BY[opened]}")
            position = end + 2
        kept = match[0] if opened[0] == '"' else " " + "\n" * text.count("\n", match.start(), position)
        pieces.append(kept)
    return "".join([*pieces, text[position:]])


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yields (number, line); a `define that ends in a backslash takes its continuation with it."""
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        start, parts = number, [lines[number]]
        is_define = parts[0].lstrip().startswith("`define")
        while number + 1 < len(lines) and (
            parts[-1].rstrip().endswith("\\") if is_define else _open_macro_call("\n".join(parts))
        ):
            number += 1
            parts.append(lines[number])
        yield start + 1, "\n".join(parts)
        number += 1


def _open_macro_call(line: str) -> bool:
    """Returns whether a macro's arguments go on in the next line."""
    match = _DIRECTIVE.search(line)
    if match is None or match[1] in _IGNORED or line.lstrip().startswith(("`define", "`if", "`els", "`inc")):
        return False
    rest = line[match.end() :].lstrip()
    return rest.startswith("(") and rest.count("(") > rest.count(")") and line.count("\n") < _MAX_DEPTH


def _arguments(text: str, start: int, place: str, name: str) -> tuple[list[str], int]:
    """Returns the arguments of a macro call and the index at which it ends."""
    position = start + len(text[start:]) - len(text[start:].lstrip())
    if text[position : position + 1] != "(":
        raise HardwareError(f"{place}: macro `{name} needs arguments")
    depth, arguments, current = 0, list[str](), ""
    for index in range(position, len(text)):
        sign = text[index]
        depth += (sign in "([{") - (sign in ")]}")
        if depth == 0:
            arguments.append(current.strip())
            return ([] if arguments == [""] else arguments), index + 1
        if depth == 1 and sign == ",":
            arguments.append(current.strip())
            current = ""
        elif index > position:
            current += sign
    raise HardwareError(f"{place}: the arguments of macro `{name} are not closed")
