"""A mapped netlist made ready to evaluate: gates in topological order, loads, delays and energies per net."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from hwmodels.errors import HardwareError
from hwmodels.synthesis.functions import BitFunction, Words, compile_function
from hwmodels.synthesis.liberty import Cell, Library, Pin, direction_delays, mean_delay, mean_energy
from hwmodels.synthesis.static_timing import ArrivalTimes, TimedOutput
from hwmodels.synthesis.typical_gate import TimeScale, time_scale
from hwmodels.synthesis.yosys import Netlist

Net = int | str
# Below this asymmetry one delay serves both directions: the energy of OSU 0.18 (1.2) then is within 5 % of a simulation
# that keeps them apart; that of sky130 (1.7) would be 13 % too low.
_SYMMETRIC: Final = 1.3


@dataclass(frozen=True, slots=True)
class Gate:
    """A combinational output.

    Attributes:
        cell: name of its cell.
        output: net that it drives.
        timed: its load and timing arcs.
        inputs: net of each pin that its function reads.
        delays_ns: of a rising and of a falling output in a simulation: means over its inputs, at its load and the
            library's typical slew; the mean of both if the library is nearly symmetric.
        energy_pj: energy of one transition of its output: half C V^2 of the load, and the cell's internal energy.
    """

    cell: str
    output: Net
    inputs: Mapping[str, Net]
    function: BitFunction
    timed: TimedOutput
    delays_ns: tuple[float, float]
    energy_pj: float


@dataclass(frozen=True, slots=True)
class FlipFlop:
    """A flip-flop output.

    Attributes:
        state: net that it drives.
        inputs: net of each pin that its next value reads, ``state`` for the stored bit.
        function: the net's next value.
        timed: its load and timing arcs.
        delay_ns: clock to output, mean of both directions.
        energy_pj: energy of one transition of the output (its load and internal energy).
        input_energy_pj: internal energy of one transition of its data input.
        clock_energy_pj: energy of one clock cycle, whether it switches or not.
        starts_high: whether the net is 1 at the start, as if zeros had been loaded.
    """

    state: Net
    inputs: Mapping[str, Net]
    function: BitFunction
    timed: TimedOutput
    delay_ns: float
    energy_pj: float
    input_energy_pj: float
    clock_energy_pj: float
    starts_high: bool


@dataclass(frozen=True, slots=True)
class Circuit:
    """A netlist ready to evaluate; area and leakage are sums over its cells, of which ``cells`` is the number.

    Attributes:
        inputs: nets of the input ports, the lowest bit first.
        outputs: nets of the output ports.
        gates: in topological order.
        input_energy_pj: energy of a transition of a primary input's net, driven from outside (load only).
        pin_energy_pj: internal energy of the gates' input pins per transition of their net.
        slew_ns: transition time of the input ports.
        step_ns: first time step of a simulation with delays.
    """

    inputs: Mapping[str, tuple[Net, ...]]
    outputs: Mapping[str, tuple[Net, ...]]
    gates: tuple[Gate, ...]
    flip_flops: tuple[FlipFlop, ...]
    area_um2: float
    leakage_uw: float
    input_energy_pj: Mapping[Net, float]
    pin_energy_pj: Mapping[Net, float]
    cells: int
    slew_ns: float
    step_ns: float

    @property
    def delay_ns(self) -> float:
        """Longest path from an input or register to a register or output, without setup time."""
        inputs = [net for nets in self.inputs.values() for net in nets]
        launched, gates = (flop.timed for flop in self.flip_flops), (gate.timed for gate in self.gates)
        arrival = ArrivalTimes(inputs, self.slew_ns, launched, gates)
        ends = [net for flop in self.flip_flops for net in flop.inputs.values()]
        return arrival.latest([*ends, *(net for nets in self.outputs.values() for net in nets)])


def build_circuit(netlist: Netlist, library: Library) -> Circuit:
    """Returns a netlist with its loads, delays and energies. Wire capacitance is not known and left out.

    Raises:
        HardwareError: if a cell is not in the library, or the logic has a combinational loop.
    """
    used = [(_known(library, instance.cell), instance.pins) for instance in netlist.cells]
    loads = _loads(used)
    scale = time_scale(library)
    figures = _Figures(library.voltage_v**2 / 2, scale)
    gates: list[Gate] = []
    flip_flops: list[FlipFlop] = []
    pin_energy: dict[Net, float] = {}
    for cell, pins in used:
        if cell.next_state:
            flip_flops += _flip_flops(cell, pins, loads, figures)
        else:
            gates += [_gate(cell, pin, pins, loads, figures) for pin in cell.outputs if pin.name in pins]
            for pin in (pin for pin in cell.inputs if pin.energies and pin.name in pins):
                net = pins[pin.name]
                pin_energy[net] = pin_energy.get(net, 0.0) + figures.input_energy(cell, pin)
    ports = [net for name, nets in netlist.inputs.items() for net in nets]
    return Circuit(
        inputs=netlist.inputs,
        outputs=netlist.outputs,
        gates=_in_order(gates, {*ports, *(flop.state for flop in flip_flops)}),
        flip_flops=tuple(flip_flops),
        area_um2=sum(cell.area_um2 for cell, _ in used),
        leakage_uw=sum(cell.leakage_uw for cell, _ in used),
        input_energy_pj={net: figures.half_v2 * loads.get(net, 0.0) for net in ports},
        pin_energy_pj=pin_energy,
        cells=len(used),
        slew_ns=scale.slew_ns,
        step_ns=scale.step_ns,
    )


def _known(library: Library, name: str) -> Cell:
    cell = library.cells.get(name)
    if cell is None:
        raise HardwareError(f"{library.path}: no cell {name!r}, which the netlist uses")
    if cell.unsupported:
        raise HardwareError(cell.unsupported)
    return cell


def _loads(used: list[tuple[Cell, Mapping[str, Net]]]) -> dict[Net, float]:
    """Returns the capacitance of each net: the input pins on it."""
    loads: dict[Net, float] = {}
    for cell, pins in used:
        for name, net in pins.items():
            pin = cell.pins.get(name)
            if pin is not None and not pin.output:
                loads[net] = loads.get(net, 0.0) + pin.capacitance_pf
    return loads


def _gate(cell: Cell, pin: Pin, pins: Mapping[str, Net], loads: Mapping[Net, float], figures: "_Figures") -> Gate:
    if not pin.function or not set(compile_function(pin.function)[1]) <= cell.pins.keys():
        raise HardwareError(
            f"cell {cell.name}: output {pin.name} is not a function of its inputs; it cannot be simulated"
        )
    function, names = compile_function(pin.function)
    timed = _timed(pin, pins, loads)
    delays, energy = figures.output(cell, pin, timed.load_pf)
    return Gate(cell.name, timed.net, {name: pins[name] for name in names}, function, timed, delays, energy)


def _timed(pin: Pin, pins: Mapping[str, Net], loads: Mapping[Net, float]) -> TimedOutput:
    net = pins[pin.name]
    arcs = tuple((pins[arc.related], arc) for arc in pin.timing if arc.related in pins)
    return TimedOutput(net, loads.get(net, 0.0), arcs)


class _Figures:
    """Delays and energies of pins at the library's typical slew, each looked up once per load."""

    def __init__(self, half_v2: float, scale: TimeScale) -> None:
        self.half_v2 = half_v2
        self._slew_ns = scale.slew_ns
        self._symmetric = scale.asymmetry < _SYMMETRIC
        self._outputs: dict[tuple[str, str, float], tuple[tuple[float, float], float]] = {}
        self._inputs: dict[tuple[str, str], float] = {}

    def output(self, cell: Cell, pin: Pin, load: float) -> tuple[tuple[float, float], float]:
        """Returns the delays of a rising and a falling output pin in ns, and the energy of one transition in pJ."""
        key = (cell.name, pin.name, round(load, 6))
        if key not in self._outputs:
            internal = mean_energy(pin.energies.values(), load, self._slew_ns)
            self._outputs[key] = (self._delays(pin, load), self.half_v2 * load + internal)
        return self._outputs[key]

    def _delays(self, pin: Pin, load: float) -> tuple[float, float]:
        if self._symmetric:
            return (max(mean_delay(pin.delays.values(), load, self._slew_ns), 0.0),) * 2
        rise, fall = direction_delays(pin.delays.values(), load, self._slew_ns)
        return max(rise, 0.0), max(fall, 0.0)

    def input_energy(self, cell: Cell, pin: Pin) -> float:
        """Returns the internal energy of one transition of an input pin in pJ."""
        key = (cell.name, pin.name)
        if key not in self._inputs:
            self._inputs[key] = mean_energy(pin.energies.values(), 0.0, self._slew_ns)
        return self._inputs[key]


def _flip_flops(cell: Cell, pins: Mapping[str, Net], loads: Mapping[Net, float], figures: _Figures) -> list[FlipFlop]:
    """Returns the outputs of a flip-flop that are connected; the first has the energies of the whole cell."""
    driven = [pin for pin in cell.outputs if pin.name in pins and pin.function]
    clock = cell.pins.get(cell.clock.strip("!'() "))
    if not driven or clock is None:
        raise HardwareError(f"cell {cell.name}: a flip-flop needs a clock pin, and an output that is connected")
    data = [cell.pins[name] for name in compile_function(cell.next_state)[1] if name in cell.pins]
    flops = [_flip_flop(cell, pin, pins, loads, figures) for pin in driven]
    unconnected = (pin for pin in cell.outputs if pin.name not in pins)
    flops[0] = replace(
        flops[0],
        energy_pj=flops[0].energy_pj + sum(figures.output(cell, pin, 0.0)[1] for pin in unconnected),
        input_energy_pj=sum(figures.input_energy(cell, pin) for pin in data) / max(len(data), 1),
        clock_energy_pj=2 * (figures.input_energy(cell, clock) + figures.half_v2 * clock.capacitance_pf),
    )
    return flops


def _flip_flop(
    cell: Cell, output: Pin, pins: Mapping[str, Net], loads: Mapping[Net, float], figures: _Figures
) -> FlipFlop:
    timed = _timed(output, pins, loads)
    function, names = _next_value(cell, inverted=_inverts(cell, output))
    delays, energy = figures.output(cell, output, timed.load_pf)
    inputs = {name: timed.net if name in cell.state else pins[name] for name in names}
    loaded = function(dict.fromkeys(names, np.zeros(1, dtype=np.uint64)))
    starts_high = bool(int(loaded.flat[0]) & 1)
    return FlipFlop(timed.net, inputs, function, timed, sum(delays) / 2, energy, 0.0, 0.0, starts_high)


def _inverts(cell: Cell, output: Pin) -> bool:
    """Returns whether an output of a flip-flop is the inverse of its stored bit."""
    function, names = compile_function(output.function)
    stored = np.array([0b10], dtype=np.uint64)
    values = dict(zip(cell.state, (stored, ~stored), strict=False))
    result = int(function(values)[0]) & 0b11 if set(names) <= values.keys() and names else 0
    if result not in (0b01, 0b10):
        raise HardwareError(f"cell {cell.name}: output {output.name} is neither the stored bit nor its inverse")
    return result == 0b01


def _next_value(cell: Cell, *, inverted: bool) -> tuple[BitFunction, tuple[str, ...]]:
    """Returns the next value of an output as a function of data pins and of the output itself, and the names it reads.

    The names of the stored bit and its inverse stand for the output, whatever it is.
    """
    function, names = compile_function(cell.next_state)
    flipped = [name for name in names if name in cell.state and (name == cell.state[0]) == inverted]

    def next_value(pins: Mapping[str, Words]) -> Words:
        value = function({name: ~word if name in flipped else word for name, word in pins.items()})
        return ~value if inverted else value

    return (next_value if inverted or flipped else function), names


def _in_order(gates: list[Gate], sources: set[Net]) -> tuple[Gate, ...]:
    """Sorts gates so that each follows those that drive it."""
    readers: dict[Net, list[int]] = {}
    waiting = []
    for index, gate in enumerate(gates):
        needs = {net for net in gate.inputs.values() if isinstance(net, int) and net not in sources}
        waiting.append(len(needs))
        for net in needs:
            readers.setdefault(net, []).append(index)
    ready = [index for index, count in enumerate(waiting) if count == 0]
    ordered = []
    while ready:
        index = ready.pop()
        ordered.append(gates[index])
        for reader in readers.get(gates[index].output, ()):
            waiting[reader] -= 1
            if waiting[reader] == 0:
                ready.append(reader)
    if len(ordered) != len(gates):
        raise HardwareError("the netlist has a combinational loop or an undriven net")
    return tuple(ordered)
