"""Liberty cell libraries: area, function, pin capacitance, delay, internal energy and leakage of every cell."""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwmodels.errors import HardwareError

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z0-9_.+\-\[\]]+|[(){}:;,]')
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_SECONDS = {"ps": 1e-3, "ns": 1.0, "us": 1e3}  # to nanoseconds
_FARADS = {"ff": 1e-3, "pf": 1.0}  # to picofarads
_WATTS = {"pw": 1e-6, "nw": 1e-3, "uw": 1.0, "mw": 1e3}  # to microwatts


@dataclass(slots=True)
class _Group:
    """A group of the file: its name, arguments, simple and list attributes, and inner groups."""

    kind: str
    arguments: tuple[str, ...]
    line: int
    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: "list[_Group]" = field(default_factory=list)

    def inner(self, kind: str) -> "Iterator[_Group]":
        return (group for group in self.groups if group.kind == kind)


@dataclass(frozen=True, slots=True)
class Table:
    """A lookup table over one or two indices, interpolated linearly and extrapolated from its edge cells."""

    first: npt.NDArray[np.float64]
    second: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]

    def at(self, first: float, second: float) -> float:
        """Returns the value at a point; a table with one index ignores the other."""
        rows = self.values if self.second.size > 1 else self.values.reshape(-1, 1)
        column = np.array([_interpolate(self.second, row, second) for row in rows])
        return _interpolate(self.first, column, first)


@dataclass(frozen=True, slots=True)
class Pin:
    """A pin of a cell.

    Attributes:
        output: whether it drives its net.
        capacitance_pf: load that it is, in picofarads.
        function: Boolean function of an output in Liberty syntax, '' if none.
        delays: (rise, fall) delay tables over (load in pF, slew in ns), per related input pin.
        energies: (rise, fall) internal energy tables in pJ; of an input without index on load.
    """

    name: str
    output: bool
    capacitance_pf: float
    function: str
    delays: Mapping[str, tuple[Table, Table]]
    energies: tuple[tuple[Table, Table], ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell.

    Attributes:
        leakage_uw: its leakage in microwatts (0 if the library gives none).
        next_state: input function of a flip-flop, '' for a gate.
        clock: clock pin of a flip-flop, '' for a gate.
        state: names of the internal state and its inverse.
    """

    name: str
    area_um2: float
    leakage_uw: float
    pins: Mapping[str, Pin]
    next_state: str = ""
    clock: str = ""
    state: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Library:
    """A cell library: the nominal supply in volts and temperature in degrees Celsius, and its cells by name."""

    name: str
    path: Path
    voltage_v: float
    temperature_c: float
    cells: Mapping[str, Cell]


def load_liberty(path: Path) -> Library:
    """Returns the library of a Liberty file; areas count as square micrometres, a unit that Liberty does not state.

    Raises:
        HardwareError: if the file is truncated or not Liberty, has no units, or a cell has no area.
    """
    try:
        return _load(path.resolve(), path.stat().st_mtime_ns)
    except (OSError, UnicodeDecodeError) as error:
        raise HardwareError(f"{path}: cannot be read as text ({error})") from None


@functools.lru_cache(maxsize=8)
def _load(path: Path, _changed_ns: int) -> Library:
    library = _parse(path.read_text(encoding="utf-8"), str(path))
    units = _Units(library, str(path))
    cells = {cell.name: cell for cell in (_cell(group, units) for group in library.inner("cell"))}
    if not cells:
        raise HardwareError(f"{path}: the library has no cells")
    return Library(
        name=library.arguments[0] if library.arguments else path.stem,
        path=path,
        voltage_v=units.number(library, "nom_voltage"),
        temperature_c=units.number(library, "nom_temperature"),
        cells=cells,
    )


class _Parser:
    """Builds the tree of groups, word by word."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stack: list[_Group] = []
        self._words: list[str] = []
        self._line = 1
        self.root: _Group | None = None

    def take(self, word: str, line: int) -> None:
        """Processes the next word."""
        self._line = line
        if word == "{":
            self._open()
        elif word in ("}", ";"):
            self._end(closes=word == "}")
        else:
            self._words.append(word)
            if word == ")" and self._stack and ":" not in self._words:
                # A list such as index_1 ("...") needs no semicolon; its words are kept, as a group may follow.
                self._stack[-1].lists[self._words[0]] = self._arguments()

    def finish(self) -> _Group:
        """Returns the library."""
        if self._stack:
            inner = self._stack[-1]
            place = f"inside {inner.kind} (line {inner.line})"
            raise HardwareError(f"{self._name}:{self._line}: the file ends {place}: truncated?")
        if self.root is None or self.root.kind != "library":
            raise HardwareError(f"{self._name}: not a Liberty file (no library group)")
        return self.root

    def _open(self) -> None:
        if not self._words:
            raise HardwareError(f"{self._name}:{self._line}: '{{' without a group name")
        group = _Group(self._words[0], self._arguments(), self._line)
        if self._stack:
            self._stack[-1].groups.append(group)
        elif self.root is None:
            self.root = group
        self._stack.append(group)
        self._words = []

    def _end(self, *, closes: bool) -> None:
        if len(self._words) >= 3 and self._words[1] == ":" and self._stack:
            self._stack[-1].values[self._words[0]] = " ".join(word.strip('"') for word in self._words[2:])
        self._words = []
        if closes and not self._stack:
            raise HardwareError(f"{self._name}:{self._line}: '}}' closes nothing")
        if closes:
            self._stack.pop()

    def _arguments(self) -> tuple[str, ...]:
        return tuple(word.strip('"') for word in self._words[2:-1] if word != ",")


def _parse(text: str, name: str) -> _Group:
    parser = _Parser(name)
    for word, line in _tokens(text, name):
        parser.take(word, line)
    return parser.finish()


def _tokens(text: str, name: str) -> Iterator[tuple[str, int]]:
    def blank(match: re.Match[str]) -> str:
        return "\n" * match.group().count("\n")

    clean = _COMMENT.sub(blank, text).replace("\\\n", " \n")
    if clean.count('"') % 2:
        raise HardwareError(f"{name}: a string is not closed: truncated?")
    line, position = 1, 0
    for match in _TOKEN.finditer(clean):
        line += clean.count("\n", position, match.start())
        position = match.start()
        yield match.group(), line


class _Units:
    """Units of one library; nothing is guessed."""

    def __init__(self, library: _Group, name: str) -> None:
        self._name = name
        self.time_ns = self._scale(library, "time_unit", _SECONDS)
        self.power_uw = self._scale(library, "leakage_power_unit", _WATTS)
        load = library.lists.get("capacitive_load_unit")
        if load is None or len(load) != 2 or load[1].lower() not in _FARADS:
            raise HardwareError(f"{name}: capacitive_load_unit is {load!r}; expected like (1, pf)")
        self.load_pf = float(load[0]) * _FARADS[load[1].lower()]
        volts = library.values.get("voltage_unit", "")
        if volts != "1V":
            raise HardwareError(f"{name}: voltage_unit is {volts!r}; 1V is supported")

    def _scale(self, library: _Group, key: str, units: Mapping[str, float]) -> float:
        text = library.values.get(key, "")
        match = re.fullmatch(r"([0-9.]+)\s*([a-zA-Z]+)", text)
        if match is None or match[2].lower() not in units:
            raise HardwareError(f"{self._name}: {key} is {text!r}; expected a number with one of {', '.join(units)}")
        return float(match[1]) * units[match[2].lower()]

    def number(self, group: _Group, key: str, default: float | None = None) -> float:
        """Returns a numeric attribute."""
        text = group.values.get(key)
        if text is None and default is not None:
            return default
        place = f"{self._name}:{group.line}: {group.kind} {' '.join(group.arguments)}".rstrip()
        if text is None:
            raise HardwareError(f"{place} has no {key}")
        try:
            return float(text)
        except ValueError:
            raise HardwareError(f"{place}: {key} is {text!r}; a number is needed") from None

    def table(self, group: _Group, scale: float, first_scale: float, second_scale: float) -> Table:
        """Returns a lookup table in the units of this package."""
        try:
            rows = [[float(x) for x in row.split(",")] for row in group.lists["values"]]
            first = np.array([float(x) for x in group.lists["index_1"][0].split(",")])
            second = np.array([float(x) for x in group.lists.get("index_2", ("0",))[0].split(",")])
            values = np.array(rows).reshape(first.size, -1) * scale
        except (KeyError, ValueError, IndexError):
            raise HardwareError(f"{self._name}:{group.line}: {group.kind} is not a complete table") from None
        if values.shape[1] != second.size:
            raise HardwareError(f"{self._name}:{group.line}: {group.kind} does not fit its indices")
        return Table(first * first_scale, second * second_scale, values)


def _cell(group: _Group, units: _Units) -> Cell:
    flip_flop = next(group.inner("ff"), None)
    return Cell(
        name=group.arguments[0],
        area_um2=units.number(group, "area"),
        leakage_uw=units.number(group, "cell_leakage_power", 0.0) * units.power_uw,
        pins={pin.arguments[0]: _pin(pin, units) for pin in group.inner("pin")},
        next_state=flip_flop.values.get("next_state", "") if flip_flop else "",
        clock=flip_flop.values.get("clocked_on", "") if flip_flop else "",
        state=flip_flop.arguments if flip_flop else (),
    )


def _pin(group: _Group, units: _Units) -> Pin:
    output = group.values.get("direction") == "output"
    load, time = units.load_pf, units.time_ns
    delays = {}
    for timing in group.inner("timing"):
        pair = _pair(timing, ("cell_rise", "cell_fall"), units, (time, load, time))
        if pair is not None:
            delays[timing.values.get("related_pin", "")] = pair
    energy = units.load_pf  # internal_power is in capacitance times volts squared: pF * V^2 = pJ
    scales = (energy, load if output else time, time)
    tables = [_pair(power, ("rise_power", "fall_power"), units, scales) for power in group.inner("internal_power")]
    return Pin(
        name=group.arguments[0],
        output=output,
        capacitance_pf=units.number(group, "capacitance", 0.0) * load,
        function=group.values.get("function", ""),
        delays=delays,
        energies=tuple(pair for pair in tables if pair is not None),
    )


def _pair(
    group: _Group, kinds: tuple[str, str], units: _Units, scales: tuple[float, float, float]
) -> tuple[Table, Table] | None:
    """Returns a group's tables for rise and fall, scaled in value and both indices; None if one is missing."""
    rise, fall = (next(group.inner(kind), None) for kind in kinds)
    return None if rise is None or fall is None else (units.table(rise, *scales), units.table(fall, *scales))


def _interpolate(points: npt.NDArray[np.float64], values: npt.NDArray[np.float64], at: float) -> float:
    if points.size == 1:
        return float(values[0])
    index = int(np.clip(np.searchsorted(points, at) - 1, 0, points.size - 2))
    low, high = points[index], points[index + 1]
    return float(values[index] + (values[index + 1] - values[index]) * (at - low) / (high - low))
