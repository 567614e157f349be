"""A netlist over clock cycles: its outputs as functions of its inputs, its registers in any state at first."""

from collections.abc import Mapping, Sequence

from hwmodels.proof._cells import Operators
from hwmodels.proof._netlist import Cell, NetBit, WordNetlist
from hwmodels.proof._words import Bit, Bits

Values = dict[NetBit, Bit | int]


def outputs_after(netlist: WordNetlist, operators: Operators, cycles: Sequence[Mapping[str, Bits]]) -> dict[str, Bits]:
    """Returns the bits of every output port in the last cycle, before its clock edge.

    Args:
        netlist: the design.
        operators: what builds the results of its cells.
        cycles: bits of every input port but the clock in each cycle.
    """
    state: Values = {}
    for register in netlist.registers:
        nets = register.ports["Q"]
        state.update(zip(nets, operators.unknown("state", len(nets)), strict=True))
    values: Values = {}
    for inputs in cycles:
        values = dict(state)
        for name, bits in inputs.items():
            values.update(zip(netlist.ports[name].nets, bits, strict=True))
        for cell in netlist.cells:
            _compute(cell, values, operators)
        state = {}
        for register in netlist.registers:
            read = _read(register.ports["D"], values, operators)
            state.update(zip(register.ports["Q"], read, strict=True))
    return {
        port.name: _read(port.nets, values, operators) for port in netlist.ports.values() if port.direction == "output"
    }


def _compute(cell: Cell, values: Values, operators: Operators) -> None:
    inputs = {name: _read(nets, values, operators) for name, nets in cell.ports.items() if name != cell.output and nets}
    result = operators.result(cell, inputs)
    values.update(zip(cell.ports[cell.output], result, strict=True))


def _read(nets: Sequence[NetBit], values: Values, operators: Operators) -> Bits:
    """Returns the bits of nets; one that nothing drives, and an undefined constant, is unknown."""
    return operators.current(tuple(_bit(net, values, operators) for net in nets))


def _bit(net: NetBit, values: Values, operators: Operators) -> Bit | int:
    if net in ("0", "1"):
        return int(net)
    if net in ("x", "z"):  # undefined, and anew at every place
        return operators.unknown("undefined", 1)[0]
    if net not in values:
        values[net] = operators.unknown("undriven", 1)[0]
    return values[net]
