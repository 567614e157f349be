"""The time scale of a cell library: slew at which its tables are read, and first time step of a gate simulation.

Both follow from the library's smallest inverter that drives four copies of itself (its fan-out-of-four delay, the usual
measure of a technology's speed), its input as steep as its output.
"""

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np

from hwmodels.errors import HardwareError
from hwmodels.synthesis.functions import compile_function
from hwmodels.synthesis.liberty import Cell, Library, Pin, direction_delays, mean_delay
from hwmodels.synthesis.liberty_tables import Table

_FANOUT: Final = 4
_ITERATIONS: Final = 64  # the slew settles within a few
# The mean transition of mapped rescalers is 0.9 to 1.35 of it on OSU 0.18, Nangate45 and sky130.
_SLEW_RATIO: Final = 1.3
_STEP_RATIO: Final = 0.5
_ROUND: Final = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0)
# Between the fastest gates (a picosecond) and those of the 5 um processes of 1975 (tens of nanoseconds).
_DELAYS_NS: Final = (1e-4, 100.0)


@dataclass(frozen=True, slots=True)
class TimeScale:
    """The time scale of a library.

    Attributes:
        fanout_of_four_ns: delay of the smallest inverter that drives four copies of itself.
        slew_ns: transition time at which tables are read.
        step_ns: first time step of a gate simulation, which halves it until the energy settles.
        asymmetry: ratio of the slower to the faster direction of an output, rising or falling, geometric mean over the
            gates at that load and slew; at least 1.
    """

    fanout_of_four_ns: float
    slew_ns: float
    step_ns: float
    asymmetry: float


@functools.lru_cache(maxsize=8)
def time_scale(library: Library) -> TimeScale:
    """Returns the time scale of a library.

    Raises:
        HardwareError: if it has no inverter with delays and transition times, or an absurd one.
    """
    inverters = [(cell.area_um2, cell.name, cell) for cell in library.cells.values() if _is_inverter(cell)]
    if not inverters:
        unread = next((f" ({cell.unsupported})" for cell in library.cells.values() if cell.unsupported), "")
        raise HardwareError(f"{library.path}: no cell is an inverter with delay and transition tables{unread}")
    _, name, cell = min(inverters)
    [output], [pin] = cell.outputs, cell.inputs
    load, slew = _FANOUT * pin.capacitance_pf, 0.0
    for _ in range(_ITERATIONS):
        slew = _transition(output, load, slew)
    delay = mean_delay(output.delays.values(), load, slew)
    low, high = _DELAYS_NS
    if not (low <= delay <= high and low <= slew <= high):
        raise HardwareError(
            f"{library.path}: {name} driving four copies of itself has a delay of {delay:g} ns and a transition of "
            f"{slew:g} ns; {low:g} to {high:g} ns are plausible: check time_unit and capacitive_load_unit"
        )
    typical = _rounded(_SLEW_RATIO * slew)
    return TimeScale(delay, typical, _rounded(_STEP_RATIO * delay), _asymmetry(library, load, typical))


def _asymmetry(library: Library, load_pf: float, slew_ns: float) -> float:
    outputs = (pin for cell in library.cells.values() if cell.usable and not cell.state for pin in cell.outputs)
    pairs = (direction_delays(pin.delays.values(), load_pf, slew_ns) for pin in outputs if pin.function)
    ratios = [abs(np.log(rise / fall)) for rise, fall in pairs if rise > 0 and fall > 0]
    return float(np.exp(np.mean(ratios)))  # of the inverter at least


def _transitions(output: Pin) -> list[Table]:
    return [table for arc in output.timing for table in arc.transitions if table is not None]


def _transition(output: Pin, load_pf: float, slew_ns: float) -> float:
    """Returns the mean transition time of an output in ns."""
    tables = _transitions(output)
    return sum(table.at(load_pf, slew_ns) for table in tables) / len(tables)


def _is_inverter(cell: Cell) -> bool:
    if not cell.usable or cell.state or len(cell.outputs) != 1 or len(cell.inputs) != 1:
        return False
    [output], [pin] = cell.outputs, cell.inputs
    if not (output.function and output.delays and _transitions(output) and pin.capacitance_pf > 0):
        return False
    function, names = compile_function(output.function)
    words = np.array([0b10], dtype=np.uint64)
    return names == (pin.name,) and int(function({pin.name: words})[0]) & 0b11 == 0b01


def _rounded(value: float) -> float:
    """Returns the nearest round number (by ratio), so that figures do not follow the last digits of a table."""
    power = 10.0 ** np.floor(np.log10(value))
    nearest = min(_ROUND, key=lambda digits: abs(np.log(value / (digits * power))))
    return float(f"{nearest * power:.2g}")
