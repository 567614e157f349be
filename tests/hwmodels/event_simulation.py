"""A mapped netlist under Icarus Verilog, an event-driven simulator: the oracle for counted transitions."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwmodels.synthesis.circuit import Circuit, Net
from hwmodels.synthesis.liberty import Cell, Library, TimingArc
from hwmodels.synthesis.yosys import Netlist

Delays = Mapping[Net, tuple[int, int]]  # of a rising and a falling transition, in units of the simulator's time


def verilog_expression(function: str, pins: Mapping[str, str]) -> str:
    """Translate a Liberty function: a blank between operands is an AND, an apostrophe negates what is before it."""
    tokens = re.findall(r"[A-Za-z_]\w*|[()!'&*|+^]", function)
    while "'" in tokens:
        at = tokens.index("'")
        start = at - 1
        if tokens[start] == ")":
            depth = 1
            while depth:
                start -= 1
                depth += {")": 1, "(": -1}.get(tokens[start], 0)
        tokens[start : at + 1] = ["(", "!", *tokens[start:at], ")"]
    text = ""
    for before, word in zip(["", *tokens], tokens, strict=False):
        operand_ends = bool(before) and (before == ")" or before[0].isalpha())
        operand_starts = word in "(!" or word[0].isalpha()
        text += " & " if operand_ends and operand_starts else " "
        text += {"!": "~", "*": "&", "+": "|"}.get(word, pins.get(word, word))
    return text


def table_delays(circuit: Circuit, slew_ns: float) -> dict[Net, tuple[int, int]]:
    """Return the delays of each output in picoseconds, rising and falling apart, the mean over inputs and states."""
    outputs = [gate.timed for gate in circuit.gates] + [flop.timed for flop in circuit.flip_flops]
    delays = {}
    for output in outputs:
        sides = [_mean_ps([arc for _, arc in output.arcs], side, output.load_pf, slew_ns) for side in (0, 1)]
        delays[output.net] = (sides[0] or sides[1], sides[1] or sides[0])
    return delays


def _mean_ps(arcs: list[TimingArc], side: int, load_pf: float, slew_ns: float) -> int:
    values = [table.at(load_pf, slew_ns) for arc in arcs if (table := arc.delays[side]) is not None]
    return max(1, round(1000 * sum(values) / len(values))) if values else 0


def count_transitions(
    netlist: Netlist,
    library: Library,
    trace: Mapping[str, npt.NDArray[np.int64]],
    delays: Delays,
    folder: Path,
) -> dict[Net, int]:
    """Return the transitions of each gate output, register and input after the first cycle, with gate delays."""
    cycles = len(next(iter(trace.values())))
    period = 4 * sum(sorted(max(pair) for pair in delays.values())[-60:])
    clock = netlist.inputs["clk"][0]
    sources = [(name, nets) for name, nets in netlist.inputs.items() if name != "clk"]
    inputs = [net for _, nets in sources for net in nets]
    names: dict[Net, str] = {net: f"n{net}" for net in [*inputs, *delays, clock]}
    lines = [
        "`timescale 1ns/1ns",
        "module bench;",
        "reg clk = 0; reg armed = 0; integer cycle;",
        f"wire n{clock} = clk;",
    ]
    for port, nets in sources:
        values = " ".join(f"{int(v) & ((1 << len(nets)) - 1):x}" for v in trace[port])
        (folder / f"{port}.hex").write_text(values)
        lines.append(f"reg [{len(nets) - 1}:0] in_{port}; reg [{len(nets) - 1}:0] v_{port} [0:{cycles - 1}];")
        lines += [f"wire n{net} = in_{port}[{bit}];" for bit, net in enumerate(nets)]
        lines.append(f'initial $readmemh("{folder / f"{port}.hex"}", v_{port});')
    for index, instance in enumerate(netlist.cells):
        cell = library.cells[instance.cell]
        pins = {pin: names.get(net, "1'b1" if net == "1" else "1'b0") for pin, net in instance.pins.items()}
        lines += _cell(cell, pins, {pin: delays.get(net) for pin, net in instance.pins.items()}, f"r{index}")
    counted = [*inputs, *delays]
    for net in counted:
        lines.append(f"integer c{net} = 0; always @(n{net}) if (armed) c{net} = c{net} + 1;")
    drive = " ".join(f"in_{port} <= v_{port}[cycle];" for port, _ in sources)
    lines += [
        f"initial begin #1 cycle = 0; {drive} #{period} armed = 1;",
        f"for (cycle = 1; cycle < {cycles}; cycle = cycle + 1) begin",
        f"clk = 1; {drive} #{period} clk = 0; #{period}; end",
        *(f'$display("COUNT {net} %0d", c{net});' for net in counted),
        "$finish; end endmodule",
    ]
    source, program = folder / "bench.v", folder / "bench.vvp"
    source.write_text("\n".join(lines))
    subprocess.run(["iverilog", "-g2005", "-o", program, source], check=True, capture_output=True)
    done = subprocess.run(["vvp", "-n", program], check=True, capture_output=True, text=True)
    return {int(net): int(count) for net, count in re.findall(r"COUNT (\d+) (\d+)", done.stdout)}


def _cell(
    cell: Cell, pins: Mapping[str, str], delays: Mapping[str, tuple[int, int] | None], register: str
) -> list[str]:
    outputs = [pin for pin in cell.outputs if pin.name in pins]
    lines, names = [f"wire {pins[pin.name]};" for pin in outputs], dict(pins)
    if cell.next_state:
        names |= dict(zip(cell.state, (register, f"(~{register})"), strict=False))
        lines.append(
            f"reg {register} = 0; always @(posedge clk) {register} <= {verilog_expression(cell.next_state, names)};"
        )
    for pin in outputs:
        rise, fall = delays[pin.name] or (1, 1)
        lines.append(f"assign #({rise},{fall}) {pins[pin.name]} = {verilog_expression(pin.function, names)};")
    return lines
