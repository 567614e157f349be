"""A mapped netlist made ready to evaluate: gates in topological order, loads, delays and energies per net."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from hwmodels.errors import HardwareError
from hwmodels.synthesis.functions import BitFunction, compile_function
from hwmodels.synthesis.liberty import Cell, Library, Pin, Table
from hwmodels.synthesis.yosys import Netlist

Net = int | str
# Slew at which tables are read, in ns: within the range of OSU's tables (0.06 to 1.2) and near what its gates drive.
SLEW_NS: Final = 0.15


@dataclass(frozen=True, slots=True)
class Gate:
    """A combinational output.

    Attributes:
        output: net that it drives.
        inputs: net of each pin that its function reads.
        delay_ns: mean of rise and fall over its inputs, at its load.
        energy_pj: energy of one transition of its output: half C V^2 of the load, and the cell's internal energy.
    """

    output: Net
    inputs: Mapping[str, Net]
    function: BitFunction
    delay_ns: float
    energy_pj: float


@dataclass(frozen=True, slots=True)
class FlipFlop:
    """A flip-flop.

    Attributes:
        state: net of its Q.
        inputs: net of each pin that its next state reads.
        function: its next state.
        delay_ns: clock to Q.
        energy_pj: energy of one transition of Q (its load and internal energy).
        input_energy_pj: internal energy of one transition of its data input.
        clock_energy_pj: energy of one clock cycle, whether it switches or not.
    """

    state: Net
    inputs: Mapping[str, Net]
    function: BitFunction
    delay_ns: float
    energy_pj: float
    input_energy_pj: float
    clock_energy_pj: float


@dataclass(frozen=True, slots=True)
class Circuit:
    """A netlist ready to evaluate; area and leakage are sums over its cells, of which ``cells`` is the number.

    Attributes:
        inputs: nets of the input ports, the lowest bit first.
        outputs: nets of the output ports.
        gates: in topological order.
        input_energy_pj: energy of a transition of a primary input's net, driven from outside (load only).
    """

    inputs: Mapping[str, tuple[Net, ...]]
    outputs: Mapping[str, tuple[Net, ...]]
    gates: tuple[Gate, ...]
    flip_flops: tuple[FlipFlop, ...]
    area_um2: float
    leakage_uw: float
    input_energy_pj: Mapping[Net, float]
    cells: int

    @property
    def delay_ns(self) -> float:
        """Longest path from an input or register to a register or output, without setup time."""
        arrival: dict[Net, float] = {flop.state: flop.delay_ns for flop in self.flip_flops}
        for gate in self.gates:
            arrival[gate.output] = gate.delay_ns + max(
                (arrival.get(net, 0.0) for net in gate.inputs.values()), default=0.0
            )
        ends = [net for flop in self.flip_flops for net in flop.inputs.values()]
        ends += [net for nets in self.outputs.values() for net in nets]
        return max((arrival.get(net, 0.0) for net in ends), default=0.0)


def build_circuit(netlist: Netlist, library: Library) -> Circuit:
    """Returns a netlist with its loads, delays and energies. Wire capacitance is not known and left out.

    Raises:
        HardwareError: if a cell is not in the library, or the logic has a combinational loop.
    """
    used = [(_known(library, instance.cell), instance.pins) for instance in netlist.cells]
    loads = _loads(used)
    half_v2 = library.voltage_v**2 / 2
    gates, flip_flops = [], []
    arcs = _Arcs(half_v2)
    for cell, pins in used:
        if cell.next_state:
            flip_flops.append(_flip_flop(cell, pins, loads, arcs))
        else:
            driven = (pin for pin in cell.pins.values() if pin.output and pin.name in pins)
            gates += [_gate(cell, pin, pins, loads, arcs) for pin in driven]
    ports = [net for name, nets in netlist.inputs.items() for net in nets]
    return Circuit(
        inputs=netlist.inputs,
        outputs=netlist.outputs,
        gates=_in_order(gates, {*ports, *(flop.state for flop in flip_flops)}),
        flip_flops=tuple(flip_flops),
        area_um2=sum(cell.area_um2 for cell, _ in used),
        leakage_uw=sum(cell.leakage_uw for cell, _ in used),
        input_energy_pj={net: half_v2 * loads.get(net, 0.0) for net in ports},
        cells=len(used),
    )


def _known(library: Library, name: str) -> Cell:
    cell = library.cells.get(name)
    if cell is None:
        raise HardwareError(f"{library.path}: no cell {name!r}, which the netlist uses")
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


def _gate(cell: Cell, pin: Pin, pins: Mapping[str, Net], loads: Mapping[Net, float], arcs: "_Arcs") -> Gate:
    function, names = compile_function(pin.function)
    output = pins[pin.name]
    delay, energy = arcs.of(cell, pin, loads.get(output, 0.0))
    return Gate(output, {name: pins[name] for name in names}, function, delay, energy)


class _Arcs:
    """Delay and energy of output pins by load, each looked up once."""

    def __init__(self, half_v2: float) -> None:
        self.half_v2 = half_v2
        self._known: dict[tuple[str, str, float], tuple[float, float]] = {}

    def of(self, cell: Cell, pin: Pin, load: float) -> tuple[float, float]:
        """Returns (delay in ns, energy of one transition in pJ) of an output pin."""
        key = (cell.name, pin.name, round(load, 6))
        if key not in self._known:
            delay = max(_mean(pin.delays.values(), load, SLEW_NS), 0.0)
            self._known[key] = (delay, self.half_v2 * load + _mean(pin.energies, load, SLEW_NS))
        return self._known[key]


def _mean(pairs: Iterable[tuple[Table, Table]], first: float, second: float) -> float:
    """Returns the mean value of tables at a point, 0 without tables."""
    values = [table.at(first, second) for pair in pairs for table in pair]
    return sum(values) / len(values) if values else 0.0


def _flip_flop(cell: Cell, pins: Mapping[str, Net], loads: Mapping[Net, float], arcs: _Arcs) -> FlipFlop:
    function, names = compile_function(cell.next_state)
    q = next(pin for pin in cell.pins.values() if pin.output and pin.function == cell.state[0] and pin.name in pins)
    clock = cell.pins[cell.clock.strip("!'() ")]
    data = [cell.pins[name] for name in names if name in cell.pins]
    delay, energy = arcs.of(cell, q, loads.get(pins[q.name], 0.0))
    return FlipFlop(
        state=pins[q.name],
        inputs={name: pins[name] for name in names},
        function=function,
        delay_ns=delay,
        energy_pj=energy,
        input_energy_pj=sum(_passive(pin) for pin in data) / max(len(data), 1),
        clock_energy_pj=2 * (_passive(clock) + arcs.half_v2 * clock.capacitance_pf),
    )


def _passive(pin: Pin) -> float:
    """Returns the internal energy of one transition of an input pin."""
    return _mean(pin.energies, SLEW_NS, 0.0)


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
