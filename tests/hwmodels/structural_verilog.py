"""A mapped netlist as structural Verilog, for other tools."""

from hwmodels.synthesis.yosys import Netlist


def structural_verilog(netlist: Netlist) -> str:
    """Return a module ``top`` of cell instances."""
    ports = netlist.inputs | netlist.outputs
    names = {net: f"{port}[{bit}]" for port, nets in reversed(ports.items()) for bit, net in enumerate(nets)}
    inner = {net for cell in netlist.cells for net in cell.pins.values() if isinstance(net, int)} - names.keys()
    names |= {net: f"n{net}" for net in inner}
    names |= {"0": "1'b0", "1": "1'b1", "x": "1'b0"}
    lines = [f"module top ({', '.join(ports)});"]
    for direction, group in (("input", netlist.inputs), ("output", netlist.outputs)):
        lines += [f"{direction} [{len(nets) - 1}:0] {port};" for port, nets in group.items()]
    lines += [f"wire n{net};" for net in sorted(inner)]
    for index, cell in enumerate(netlist.cells):
        pins = ", ".join(f".{pin}({names[net]})" for pin, net in cell.pins.items())
        lines.append(f"{cell.cell} u{index} ({pins});")
    return "\n".join([*lines, "endmodule"])
