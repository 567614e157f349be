"""Units and lookup tables of Liberty files."""

import functools
import math
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from hwmodels.errors import HardwareError
from hwmodels.synthesis.liberty_syntax import Group

Floats = npt.NDArray[np.float64]
_SECONDS: Final = {"fs": 1e-6, "ps": 1e-3, "ns": 1.0, "us": 1e3}  # to nanoseconds
_FARADS: Final = {"ff": 1e-3, "pf": 1.0}  # to picofarads
_WATTS: Final = {"fw": 1e-9, "pw": 1e-6, "nw": 1e-3, "uw": 1.0, "mw": 1e3}  # to microwatts
_VOLTS: Final = {"mv": 1e-3, "v": 1.0}
_LOAD: Final = ("total_output_net_capacitance",)
_SLEW: Final = ("input_net_transition", "input_transition_time")
_VARIABLES: Final = ("variable_1", "variable_2", "variable_3")
_INDICES: Final = ("index_1", "index_2")
_TEMPLATES: Final = ("lu_table_template", "power_lut_template")


class UnsupportedTableError(HardwareError):
    """A table over other variables than load and slew: its cell cannot be used, the others of the library can."""


@dataclass(frozen=True, slots=True)
class Table:
    """A lookup table over (load, slew), interpolated linearly and extrapolated from its edge cells.

    Attributes:
        loads: load in picofarads, ascending; one entry if the table does not depend on it.
        slews: input transition time in nanoseconds, ascending; one entry if the table does not depend on it.
        values: one row per load, of one value per slew.
    """

    loads: tuple[float, ...]
    slews: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def at(self, load_pf: float, slew_ns: float) -> float:
        """Returns the value at a point."""
        row = _cell(self.loads, load_pf)
        low = _interpolate(self.slews, self.values[row], slew_ns)
        if len(self.loads) == 1:
            return low
        high = _interpolate(self.slews, self.values[row + 1], slew_ns)
        return _between(self.loads[row], self.loads[row + 1], low, high, load_pf)


def _cell(points: tuple[float, ...], at: float) -> int:
    """Returns the interval that a value is in, or that is nearest to it."""
    return min(max(bisect_left(points, at) - 1, 0), max(len(points) - 2, 0))


def _interpolate(points: tuple[float, ...], values: tuple[float, ...], at: float) -> float:
    if len(points) == 1:
        return values[0]
    index = _cell(points, at)
    return _between(points[index], points[index + 1], values[index], values[index + 1], at)


def _between(first: float, second: float, low: float, high: float, at: float) -> float:
    return low + (high - low) * (at - first) / (second - first)


class LibertyUnits:
    """Numbers and tables of one library in the units of this package; no unit is guessed.

    Attributes:
        time_ns: the library's unit of time in nanoseconds.
        load_pf: its unit of capacitance in picofarads.
        volts: its unit of voltage in volts.
        energy_pj: its unit of internal energy, capacitance times squared voltage, in picojoules.
    """

    def __init__(self, library: Group, name: str) -> None:
        self._name = name
        self._library = library
        self.time_ns = self._unit("time_unit", _SECONDS)
        self.volts = self._unit("voltage_unit", _VOLTS)
        self.load_pf = self._load_unit()
        self.energy_pj = self.load_pf * self.volts**2
        self._templates = {
            template.arguments: template
            for kind in _TEMPLATES
            for template in library.inner(kind)
            if template.arguments
        }

    def place(self, group: Group) -> str:
        """Returns file, line and title of a group, as error messages begin."""
        return f"{self._name}:{group.line}: {group.title}"

    def power_uw(self) -> float:
        """Returns the library's unit of leakage in microwatts."""
        return self._unit("leakage_power_unit", _WATTS)

    def number(self, group: Group, key: str, default: float | None = None, *, least: float | None = None) -> float:
        """Returns a numeric attribute, which must not be below ``least``."""
        text = group.values.get(key)
        if text is None and default is not None:
            return default
        if text is None:
            raise HardwareError(f"{self.place(group)} has no {key}")
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not np.isfinite(value):
            raise HardwareError(f"{self.place(group)}: {key} is {text!r}; a number is needed")
        if least is not None and value < least:
            raise HardwareError(f"{self.place(group)}: {key} is {text}; at least {least:g} is expected")
        return value

    def table(self, group: Group, scale: float) -> Table:
        """Returns a table over load and slew, in the order that its template states, with values times ``scale``."""
        indices = self._indices(group)
        rows = [row.replace(",", " ").split() for row in group.lists.get("values", ())]
        values = self._shaped(group, rows, tuple(len(points) for _, points in indices)) * scale
        axes = dict(indices)
        if [kind for kind, _ in indices][:1] == ["slew"]:
            values = values.T
        loads, slews = axes.get("load", (0.0,)), axes.get("slew", (0.0,))
        return Table(
            loads=tuple([load * self.load_pf for load in loads]),
            slews=tuple([slew * self.time_ns for slew in slews]),
            values=tuple([tuple(row) for row in values.reshape(len(loads), len(slews)).tolist()]),
        )

    def _shaped(self, group: Group, rows: list[list[str]], shape: tuple[int, ...]) -> Floats:
        """Returns the values of a table in the shape of its indices; one row may hold all of them."""
        try:
            values = np.array([word for row in rows for word in row], dtype=np.float64)
        except ValueError as error:
            raise HardwareError(f"{self.place(group)} is not a complete table: values: {error}") from None
        if not np.isfinite(values).all():
            raise HardwareError(f"{self.place(group)}: values has one that is not a finite number")
        lengths = [len(row) for row in rows]
        listed = len(rows) > 1 and set(lengths) != {1}  # row by row; without quotation marks, every number is a row
        if values.size != math.prod(shape) or (listed and lengths != _rows(shape)):
            wanted, found = " x ".join(map(str, shape)) or "1", " + ".join(map(str, lengths)) or "none"
            place = self.place(group)
            raise HardwareError(f"{place} is not a complete table: its indices want {wanted} values, it has {found}")
        return values.reshape(shape or (1,))

    def _indices(self, group: Group) -> list[tuple[str, tuple[float, ...]]]:
        """Returns ('load' or 'slew', points) of each axis of a table, in the order of its values."""
        place = self.place(group)
        if group.arguments == ("scalar",):
            return []
        template = self._templates.get(group.arguments)
        if template is None:
            raise HardwareError(f"{place}: no template of this name, which would state the order of the indices")
        variables = [template.values[key] for key in _VARIABLES if key in template.values]
        kinds = ["load" if name in _LOAD else "slew" if name in _SLEW else "other" for name in variables]
        if sorted(kinds) not in (["load"], ["slew"], ["load", "slew"]):
            stated = ", ".join(variables) or "nothing"
            raise UnsupportedTableError(
                f"{place}: its template has {stated} as variables; output load and input slew are read"
            )
        axes = []
        for kind, key in zip(kinds, _INDICES, strict=False):
            words = group.lists.get(key) or template.lists.get(key) or ()
            try:
                axes.append((kind, _ascending(", ".join(words))))
            except ValueError as error:
                raise HardwareError(f"{place}: {key}: {error}") from None
        return axes

    def _unit(self, key: str, units: Mapping[str, float]) -> float:
        text = self._library.values.get(key, "")
        match = re.fullmatch(r"([0-9.]+)\s*([a-zA-Z]+)", text)
        if match is None or match[2].lower() not in units:
            raise HardwareError(f"{self._name}: {key} is {text!r}; expected a number with one of {', '.join(units)}")
        return self._positive(key, match[1], text) * units[match[2].lower()]

    def _load_unit(self) -> float:
        load = self._library.lists.get("capacitive_load_unit")
        if load is None or len(load) != 2 or load[1].lower() not in _FARADS:
            raise HardwareError(f"{self._name}: capacitive_load_unit is {load!r}; expected like (1, pf)")
        return self._positive("capacitive_load_unit", load[0], ", ".join(load)) * _FARADS[load[1].lower()]

    def _positive(self, key: str, number: str, text: str) -> float:
        try:
            value = float(number)
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            raise HardwareError(f"{self._name}: {key} is {text!r}; a positive number is needed")
        return value


def _rows(shape: tuple[int, ...]) -> list[int]:
    """Returns the values per row of a table that is written row by row."""
    return [math.prod(shape[1:])] * (shape[0] if shape else 1)


@functools.lru_cache(maxsize=1024)  # thousands of tables share their indices
def _ascending(text: str) -> tuple[float, ...]:
    points = tuple([float(word) for word in text.replace(",", " ").split()])
    if not points:
        raise ValueError("there is none, in the table or in its template")
    if not (points[0] >= 0 and points[-1] < math.inf and all(low < high for low, high in pairwise(points))):
        raise ValueError(f"{text!r} must ascend from 0 or more")
    return points
