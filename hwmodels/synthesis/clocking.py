"""What a clock asks of a cell library: flip-flop delays, energy of idle clock pins, and the cost of a clock gate."""

import itertools
from collections.abc import Iterator
from typing import Final

import numpy as np

from hwmodels.errors import HardwareError
from hwmodels.synthesis.functions import compile_function
from hwmodels.synthesis.liberty import Cell, Library, Pin, direction_delays, mean_energy
from hwmodels.synthesis.liberty_pins import pin_groups
from hwmodels.synthesis.liberty_syntax import Group, parse_liberty, read_liberty_text
from hwmodels.synthesis.liberty_tables import LibertyUnits, Table
from hwmodels.synthesis.typical_gate import TimeScale, time_scale
from hwmodels.technologies import Clocking

_FANOUT: Final = 4  # inverters of the smallest size, the load of the usual measure of a technology's speed
_SETUP: Final = ("setup_rising", "setup_falling")
_MANY: Final = 32  # gates that a select signal of a shifter drives
_THREE: Final = (0b10101010, 0b11001100, 0b11110000)  # all values of three inputs
_WORDS: Final = (0b1010, 0b1100)  # all values of two inputs
_INTEGRATED: Final = "clock_gating_integrated_cell"


def clocking(library: Library) -> Clocking | None:
    """Returns the clock's figures of a library, at its typical slew.

    The flip-flop is the smallest one without reset, scan or enable. A clock gate is the smallest integrated cell that
    holds its enable while the clock is high, or else the smallest latch and the smallest AND of two inputs; its figures
    are None in a library without them, and there are no figures at all without such a flip-flop.
    """
    scale, cells = time_scale(library), library.cells.values()
    flops = [(cell.area_um2, cell.name, cell) for cell in cells if _is_plain_flip_flop(cell)]
    if not flops:
        return None
    _, name, flop = min(flops)
    parsed = parse_liberty(read_liberty_text(library.path), str(library.path))
    groups = {group.arguments[0]: group for group in parsed.inner("cell") if group.arguments}
    load = _FANOUT * min(pin.capacitance_pf for cell in cells if _is_inverter(cell) for pin in cell.inputs)
    delays = [direction_delays(pin.delays.values(), load, scale.slew_ns) for pin in flop.outputs if pin.delays]
    setup = _setup_ns(groups[name], parsed, LibertyUnits(parsed, str(library.path)), scale.slew_ns)
    gate, area, energy = _gate(library, groups, scale, flop)
    return Clocking(
        clock_to_q_ns=float(f"{max(max(pair) for pair in delays):.4g}"),
        setup_ns=float(f"{setup:.4g}"),
        fanout_ns=float(f"{_fanout_ns(flop, library, scale.slew_ns, load):.4g}"),
        clock_pj=float(f"{_cycle_pj(library, _clock_pin(flop), scale):.4g}"),
        gate_area_um2=area,
        gate_pj=None if energy is None else float(f"{energy:.4g}"),
        source=f"{library.name}: flip-flop {name}, clock gate {gate}",
    )


def _fanout_ns(flop: Cell, library: Library, slew_ns: float, load_pf: float) -> float:
    """Returns the delay that every gate adds which a flip-flop drives, in ns.

    A gate is the select pin of the smallest multiplexer, or else two inverters. The slower edge delays the driven gate
    by about as much as it is late, which synthesis of pipelined rescalers confirms (see the results page).
    """
    selects = [(cell.area_um2, _select_pf(cell)) for cell in library.cells.values() if _is_multiplexer(cell)]
    driven = min(selects)[1] if selects else 2 * load_pf / _FANOUT
    few, many = (
        max(max(direction_delays(pin.delays.values(), at, slew_ns)) for pin in flop.outputs if pin.delays)
        for at in (load_pf, load_pf + _MANY * driven)
    )
    return 2 * max(many - few, 0.0) / _MANY


def _is_multiplexer(cell: Cell) -> bool:
    """Returns whether a cell has one output that chooses between two inputs, inverted or not."""
    if not cell.usable or cell.state or len(cell.outputs) != 1 or len(cell.inputs) != 3 or not cell.outputs[0].function:
        return False
    function, names = compile_function(cell.outputs[0].function)
    if len(set(names)) != 3:
        return False
    words = dict(zip(names, (np.array([word], np.uint64) for word in _THREE), strict=True))
    value = int(function(words)[0]) & 0xFF
    first, second, third = _THREE
    choices = {(s & a | ~s & b) & 0xFF for s, a, b in itertools.permutations((first, second, third))}
    return value in choices | {~each & 0xFF for each in choices}


def _select_pf(cell: Cell) -> float:
    """Returns the load of a multiplexer's select pin, its largest."""
    return max(pin.capacitance_pf for pin in cell.inputs)


def _is_plain_flip_flop(cell: Cell) -> bool:
    if not (cell.usable and cell.next_state and cell.clock.isidentifier()):
        return False
    return len(compile_function(cell.next_state)[1]) == 1 and len(cell.inputs) == 2 and bool(cell.outputs)


def _is_inverter(cell: Cell) -> bool:
    return cell.usable and _table_of(cell, 1) == 0b01


def _table_of(cell: Cell, inputs: int) -> int | None:
    """Returns the truth table of a gate with one output and a number of inputs, the first input's ones highest."""
    if cell.state or len(cell.outputs) != 1 or len(cell.inputs) != inputs or not cell.outputs[0].function:
        return None
    function, names = compile_function(cell.outputs[0].function)
    if set(names) != {pin.name for pin in cell.inputs}:
        return None
    words = [np.array([word], np.uint64) for word in _WORDS[:inputs]]
    value = function(dict(zip(names, words, strict=True)))
    return int(value[0]) & ((1 << (1 << inputs)) - 1)


def _clock_pin(cell: Cell) -> Pin:
    return cell.pins[cell.clock]


def _cycle_pj(library: Library, pin: Pin, scale: TimeScale) -> float:
    """Returns the energy of a rising and a falling edge at an input pin, in pJ."""
    internal = mean_energy(pin.energies.values(), 0.0, scale.slew_ns)
    return 2 * (internal + library.voltage_v**2 / 2 * pin.capacitance_pf)


def _gate(
    library: Library, groups: dict[str, Group], scale: TimeScale, flop: Cell
) -> tuple[str, float | None, float | None]:
    """Returns name, area in um2 and energy of a cycle in pJ of the clock gate.

    A latch whose area is stated as 0 counts with that of the flip-flop.
    """
    cells = library.cells
    integrated = [
        (cells[name].area_um2, name, pin.arguments[0])
        for name, group in groups.items()
        if "latch_posedge" in group.values.get(_INTEGRATED, "") and "obs" not in group.values[_INTEGRATED]
        for pin in group.inner("pin")
        if pin.values.get("clock_gate_clock_pin") == "true" and pin.arguments[0] in cells[name].pins
    ]
    if integrated:
        area, name, pin = min(integrated)
        return name, area, _cycle_pj(library, cells[name].pins[pin], scale)
    latches = [
        (cells[name].area_um2, name, latch.values["enable"].strip("!'() "))
        for name, group in groups.items()
        for latch in group.inner("latch")
        if latch.values.get("enable", "").strip("!'() ") in cells[name].pins and len(cells[name].inputs) == 2
    ]
    ands = [(cell.area_um2, cell.name, cell) for cell in cells.values() if cell.usable and _is_and(cell)]
    if not (latches and ands):
        return "none", None, None
    (area, name, enable), (and_area, and_name, and_cell) = min(latches), min(ands)
    area = area or flop.area_um2
    energy = _cycle_pj(library, cells[name].pins[enable], scale) + _cycle_pj(library, and_cell.inputs[0], scale)
    return f"{name} with {and_name}", area + and_area, energy


def _is_and(cell: Cell) -> bool:
    return _table_of(cell, 2) == 0b1000


def _setup_ns(cell: Group, library: Group, units: LibertyUnits, slew_ns: float) -> float:
    """Returns the larger setup time of a rising and a falling input if clock and data have a slew, at least 0."""
    tables = [
        _constraint(table, library, units)
        for _, pin in pin_groups(cell, library, units)
        for timing in pin.inner("timing")
        if timing.values.get("timing_type") in _SETUP
        for kind in ("rise_constraint", "fall_constraint")
        for table in timing.inner(kind)
    ]
    # Both axes are slews, so that their order does not matter where they are equal.
    return max([0.0, *(table.at(slew_ns, slew_ns) for table in tables)])


def _constraint(group: Group, library: Group, units: LibertyUnits) -> Table:
    """Returns a table over two slews in ns; the values are in ns."""
    template = next((t for t in library.inner("lu_table_template") if t.arguments == group.arguments), None)
    axes = [tuple(_numbers(group, key) or (_numbers(template, key) if template else ())) for key in _INDICES]
    rows = np.array([float(word) for row in group.lists.get("values", ()) for word in row.replace(",", " ").split()])
    first, second = (axis or (0.0,) for axis in axes)
    if rows.size != len(first) * len(second):
        raise HardwareError(f"{units.place(group)} is not a complete table")
    values = rows.reshape(len(first), len(second)) * units.time_ns
    return Table(
        tuple(point * units.time_ns for point in first),
        tuple(point * units.time_ns for point in second),
        tuple(tuple(row) for row in values.tolist()),
    )


_INDICES: Final = ("index_1", "index_2")


def _numbers(group: Group, key: str) -> list[float]:
    words: Iterator[str] = (word for text in group.lists.get(key, ()) for word in text.replace(",", " ").split())
    return [float(word) for word in words]
