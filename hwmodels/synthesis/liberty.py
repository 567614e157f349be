"""Liberty cell libraries: area, function, pin capacitance, delay, internal energy and leakage of every cell."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hwmodels.errors import HardwareError
from hwmodels.synthesis.liberty_conditions import CellStates, Condition
from hwmodels.synthesis.liberty_pins import pin_groups
from hwmodels.synthesis.liberty_syntax import Group, parse_liberty, read_liberty_text
from hwmodels.synthesis.liberty_tables import LibertyUnits, Table, UnsupportedTableError

_DELAY: Final = ("cell_rise", "cell_fall")
_SENSES: Final = ("positive_unate", "negative_unate", "non_unate")
_TRANSITION: Final = ("rise_transition", "fall_transition")
_POWER: Final = ("rise_power", "fall_power")
_UNUSABLE: Final = ("dont_use", "is_isolation_cell", "is_level_shifter", "always_on")
# Arcs from an input to an output that a synthesized netlist uses: not those of three-state enables, clears and presets.
_STORAGE: Final = ("ff", "ff_bank", "latch", "latch_bank")
_USED_ARCS: Final = ("", "combinational", "combinational_rise", "combinational_fall", "rising_edge", "falling_edge")


Weighted = tuple[tuple[float, Table], ...]


@dataclass(frozen=True, slots=True)
class Arc:
    """Tables of the rising and the falling transition, each with the share of the states that it holds for."""

    rise: Weighted
    fall: Weighted


@dataclass(frozen=True, slots=True)
class TimingArc:
    """One timing group of an output: what a transition of an input pin does.

    Attributes:
        related: the input pin.
        sense: ``positive_unate``, ``negative_unate`` or ``non_unate``.
        share: share of the states of the other pins that it holds for.
        delays: delay in ns of a rising and of a falling output, None without a table.
        transitions: transition time in ns of these, likewise.
    """

    related: str
    sense: str
    share: float
    delays: tuple[Table | None, Table | None]
    transitions: tuple[Table | None, Table | None]


@dataclass(frozen=True, slots=True)
class Pin:
    """A pin of a cell.

    Attributes:
        output: whether it drives its net.
        capacitance_pf: load that it is, in picofarads.
        function: Boolean function of an output in Liberty syntax, '' if none.
        timing: timing groups of an output.
        delays: delay of an output in ns over (load in pF, slew in ns), per related input pin, averaged over states.
        energies: internal energy of a transition in pJ, per related input pin; of an input under ''.
    """

    name: str
    output: bool
    capacitance_pf: float
    function: str
    timing: tuple[TimingArc, ...]
    delays: Mapping[str, Arc]
    energies: Mapping[str, Arc]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell.

    Attributes:
        leakage_uw: its leakage in microwatts (0 if the library gives none).
        next_state: input function of a flip-flop, '' for any other cell.
        clock: clock pin of a flip-flop, '' for any other cell.
        state: names of the internal state and its inverse.
        usable: whether synthesis may use it: ``dont_use`` is not set, it is no cell of a power domain's border, and its
            tables can be read.
        unsupported: why its tables cannot be read, '' if they can.
    """

    name: str
    area_um2: float
    leakage_uw: float
    pins: Mapping[str, Pin]
    next_state: str = ""
    clock: str = ""
    state: tuple[str, ...] = ()
    usable: bool = True
    unsupported: str = ""

    @property
    def inputs(self) -> tuple[Pin, ...]:
        """The pins that drive no net."""
        return tuple(pin for pin in self.pins.values() if not pin.output)

    @property
    def outputs(self) -> tuple[Pin, ...]:
        """The pins that drive a net."""
        return tuple(pin for pin in self.pins.values() if pin.output)


@dataclass(frozen=True, eq=False, slots=True)
class Library:
    """A cell library: the nominal supply in volts and temperature in degrees Celsius, and its cells by name."""

    name: str
    path: Path
    voltage_v: float
    temperature_c: float
    cells: Mapping[str, Cell]


def mean_delay(arcs: Iterable[Arc], load_pf: float, slew_ns: float) -> float:
    """Returns the mean delay over inputs and directions, in ns; 0 without tables.

    A direction without a table does not count.
    """
    means = []
    for arc in arcs:
        sides = [_weighted(side, load_pf, slew_ns) for side in (arc.rise, arc.fall) if side]
        means.append(sum(sides) / len(sides))
    return sum(means) / len(means) if means else 0.0


def direction_delays(arcs: Iterable[Arc], load_pf: float, slew_ns: float) -> tuple[float, float]:
    """Returns the mean delay over inputs of a rising and of a falling output, in ns.

    A direction without tables has the delay of the other one; without any tables both are 0.
    """
    known = list(arcs)
    rise = [_weighted(arc.rise, load_pf, slew_ns) for arc in known if arc.rise]
    fall = [_weighted(arc.fall, load_pf, slew_ns) for arc in known if arc.fall]
    means = [sum(values) / len(values) for values in (rise or fall, fall or rise) if values]
    return (means[0], means[1]) if means else (0.0, 0.0)


def mean_energy(arcs: Iterable[Arc], load_pf: float, slew_ns: float) -> float:
    """Returns the mean energy of a transition over inputs and directions, in pJ; 0 without tables.

    A direction without a table costs nothing.
    """
    means = [sum(_weighted(side, load_pf, slew_ns) for side in (arc.rise, arc.fall)) / 2 for arc in arcs]
    return sum(means) / len(means) if means else 0.0


def _weighted(side: Weighted, load_pf: float, slew_ns: float) -> float:
    return sum(weight * table.at(load_pf, slew_ns) for weight, table in side)


def load_liberty(path: Path) -> Library:
    """Returns the library of a Liberty file, which may be compressed with gzip.

    Areas count as square micrometres, a unit that Liberty does not state.

    Raises:
        HardwareError: if the file is truncated or not Liberty, lacks units, or a cell has no area, a table of the wrong
            size or a negative size; the message names file, line, key and value.
    """
    try:
        return _load(path.resolve(), path.stat().st_mtime_ns)
    except OSError as error:
        raise HardwareError(f"{path}: cannot be read ({error})") from None


@functools.lru_cache(maxsize=8)
def _load(path: Path, _changed_ns: int) -> Library:
    return build_library(parse_liberty(read_liberty_text(path), str(path)), path)


def build_library(group: Group, path: Path) -> Library:
    """Returns the library that a parsed file describes; error messages call it by its path."""
    units = LibertyUnits(group, str(path))
    cells = {cell.name: cell for cell in _cells(group, units)}
    if not cells:
        raise HardwareError(f"{path}: the library has no cells")
    voltage = units.number(group, "nom_voltage", least=0.0) * units.volts
    if voltage == 0:
        raise HardwareError(f"{path}: nom_voltage is 0; a supply is needed")
    return Library(
        name=group.arguments[0] if group.arguments else path.stem,
        path=path,
        voltage_v=voltage,
        temperature_c=units.number(group, "nom_temperature"),
        cells=cells,
    )


def _cells(library: Group, units: LibertyUnits) -> Iterator[Cell]:
    for group in library.inner("cell"):
        if not group.arguments:
            raise HardwareError(f"{units.place(group)} without a name")
        try:
            yield _cell(group, library, units)
        except UnsupportedTableError as error:
            area = units.number(group, "area", least=0.0)
            yield Cell(group.arguments[0], area, 0.0, {}, usable=False, unsupported=str(error))


def _cell(group: Group, library: Group, units: LibertyUnits) -> Cell:
    pins = dict(pin_groups(group, library, units))
    flip_flop = next(iter(group.inner("ff")), None)
    storage = (stored for kind in _STORAGE for stored in group.inner(kind))
    state = next((stored.arguments[:2] for stored in storage), ())
    states = CellStates({name: pin.values.get("function", "") for name, pin in pins.items()}, state)
    return Cell(
        name=group.arguments[0],
        area_um2=units.number(group, "area", least=0.0),
        leakage_uw=_leakage(group, library, units, states),
        pins={
            name: _pin(name, pin, library, units, states)
            for name, pin in pins.items()
            if pin.values.get("direction") != "internal"
        },
        next_state=flip_flop.values.get("next_state", "") if flip_flop else "",
        clock=flip_flop.values.get("clocked_on", "") if flip_flop else "",
        state=state,
        usable=not any(group.values.get(key, "").lower() == "true" for key in _UNUSABLE),
    )


def _leakage(group: Group, library: Group, units: LibertyUnits, states: CellStates) -> float:
    """Returns the leakage in microwatts: the cell's own figure, else the mean over states, summed over supplies."""
    if "cell_leakage_power" in group.values:
        return units.number(group, "cell_leakage_power", least=0.0) * units.power_uw()
    supplies: dict[str, list[Group]] = {}
    for leakage in group.inner("leakage_power"):
        supplies.setdefault(leakage.values.get("related_pg_pin", ""), []).append(leakage)
    if not supplies:
        default = units.number(library, "default_cell_leakage_power", 0.0, least=0.0)
        return default * units.power_uw() if default else 0.0
    total = 0.0
    for groups in supplies.values():
        shares = states.shares([_condition(leakage, units) for leakage in groups])
        values = [units.number(leakage, "value") for leakage in groups]
        total += sum(share * value for share, value in zip(shares, values, strict=True)) / (sum(shares) or 1.0)
    if total < 0:
        raise HardwareError(
            f"{units.place(group)}: its leakage_power is {total:g} in the mean; it must not be negative"
        )
    return total * units.power_uw()


def _pin(name: str, group: Group, library: Group, units: LibertyUnits, states: CellStates) -> Pin:
    output = group.values.get("direction") == "output"
    timing = _timing(group, units, states) if output else ()
    return Pin(
        name=name,
        output=output,
        capacitance_pf=_capacitance(group, library, units, output=output) * units.load_pf,
        function=group.values.get("function", ""),
        timing=timing,
        delays=_delays(timing),
        energies=_energies(group.inner("internal_power"), units, states, complete=output),
    )


def _capacitance(group: Group, library: Group, units: LibertyUnits, *, output: bool) -> float:
    sides = [
        units.number(group, key, least=0.0) for key in ("rise_capacitance", "fall_capacitance") if key in group.values
    ]
    if "capacitance" in group.values or not sides:
        default = 0.0 if output else units.number(library, "default_input_pin_cap", 0.0, least=0.0)
        return units.number(group, "capacitance", default, least=0.0)
    return sum(sides) / len(sides)


def _timing(pin: Group, units: LibertyUnits, states: CellStates) -> tuple[TimingArc, ...]:
    groups = [group for group in pin.inner("timing") if group.values.get("timing_type", "") in _USED_ARCS]
    arcs = []
    for related, members in _per_related_pin(groups).items():
        shares = states.shares([_condition(group, units) for group in members])
        for group, share in zip(members, shares, strict=True):
            delays, transitions = _pair(group, _DELAY, units), _pair(group, _TRANSITION, units)
            sense = group.values.get("timing_sense", "non_unate")
            arcs.append(TimingArc(related, _sense(sense, units.place(group)), share, delays, transitions))
    return tuple(arcs)


def _pair(group: Group, kinds: tuple[str, str], units: LibertyUnits) -> tuple[Table | None, Table | None]:
    """Returns a timing group's tables of a rising and a falling output, None for one that it lacks."""
    rise, fall = (next((units.table(t, units.time_ns) for t in group.inner(kind)), None) for kind in kinds)
    return rise, fall


def _sense(text: str, place: str) -> str:
    if text not in _SENSES:
        raise HardwareError(f"{place}: timing_sense is {text!r}; expected one of {', '.join(_SENSES)}")
    return text


def _delays(timing: Iterable[TimingArc]) -> dict[str, Arc]:
    """Returns the delays per related pin, the arcs of each direction weighted by the states that they hold for."""
    per_pin: dict[str, list[TimingArc]] = {}
    for arc in timing:
        per_pin.setdefault(arc.related, []).append(arc)
    sides = {
        related: [[(arc.share, table) for arc in arcs if (table := arc.delays[side]) is not None] for side in (0, 1)]
        for related, arcs in per_pin.items()
    }
    return {
        related: Arc(_normalised(rise), _normalised(fall)) for related, (rise, fall) in sides.items() if rise or fall
    }


def _energies(groups: Iterable[Group], units: LibertyUnits, states: CellStates, *, complete: bool) -> dict[str, Arc]:
    """Returns the internal energies per related pin, summed over supplies.

    ``complete`` says that a transition happens in a state that the groups hold for, so that the shares of each
    direction add up to 1; else it may happen in a state without a group, at no cost.
    """
    arcs = {}
    for related, members in _per_related_pin(groups).items():
        sides: tuple[list[tuple[float, Table]], ...] = ([], [])
        for supply in dict.fromkeys(group.values.get("related_pg_pin", "") for group in members):
            fed = [group for group in members if group.values.get("related_pg_pin", "") == supply]
            shares = states.shares([_condition(group, units) for group in fed])
            for side, kind in zip(sides, _POWER, strict=True):
                tables = _weighted_tables(fed, shares, kind, units)
                side += _normalised(tables) if complete else tables
        if any(sides):
            arcs[related] = Arc(tuple(sides[0]), tuple(sides[1]))
    return arcs


def _weighted_tables(
    groups: Sequence[Group], shares: Sequence[float], kind: str, units: LibertyUnits
) -> list[tuple[float, Table]]:
    """Returns the energies of one direction; a ``power`` table holds for both."""
    return [
        (share, units.table(table, units.energy_pj))
        for group, share in zip(groups, shares, strict=True)
        for table in (group.inner(kind) or group.inner("power"))[:1]
    ]


def _per_related_pin(groups: Iterable[Group]) -> dict[str, list[Group]]:
    """Returns groups per pin that they name; ``related_pin : "A B"`` names two."""
    per_pin: dict[str, list[Group]] = {}
    for group in groups:
        for related in group.values.get("related_pin", "").split() or [""]:
            per_pin.setdefault(related, []).append(group)
    return per_pin


def _normalised(side: Sequence[tuple[float, Table]]) -> Weighted:
    """Returns tables with shares that add up to 1; equal ones if no state has any."""
    total = sum(share for share, _ in side)
    return tuple((share / total if total else 1 / len(side), table) for share, table in side)


def _condition(group: Group, units: LibertyUnits) -> Condition:
    return Condition(group.values.get("when", ""), units.place(group))
