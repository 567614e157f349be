"""A mapped netlist under Icarus Verilog, an event-driven simulator: the oracle for counted transitions."""

import re
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwmodels.synthesis.activity import _ticks
from hwmodels.synthesis.circuit import Circuit
from hwmodels.synthesis.liberty import Library
from hwmodels.synthesis.yosys import Netlist


def verilog_expression(function: str, pins: dict[str, str]) -> str:
    """Translate a Liberty function: a blank between operands is an AND."""
    tokens = re.findall(r"[A-Za-z_]\w*|[()!&*|+^]", function)
    text = ""
    for before, word in zip(["", *tokens], tokens, strict=False):
        operand_ends = bool(before) and (before == ")" or before[0].isalpha())
        operand_starts = word in "(!" or word[0].isalpha()
        text += " & " if operand_ends and operand_starts else " "
        text += {"!": "~", "*": "&", "+": "|"}.get(word, pins.get(word, word))
    return text


def count_transitions(
    netlist: Netlist, library: Library, circuit: Circuit, trace: dict[str, npt.NDArray[np.int64]], folder: Path
) -> int:
    """Return the transitions of all gate outputs, registers and inputs after the first cycle, with gate delays."""
    delays = {gate.output: _ticks(gate.delay_ns) for gate in circuit.gates}
    delays |= {flop.state: _ticks(flop.delay_ns) for flop in circuit.flip_flops}
    cycles = len(next(iter(trace.values())))
    period = 4 * sum(sorted(delays.values())[-40:])
    lines = ["`timescale 1ns/1ns", "module bench;", "reg clk = 0; reg armed = 0; integer count = 0;"]
    sources = [(name, nets) for name, nets in netlist.inputs.items() if name != "clk"]
    names = {net: f"n{net}" for _, nets in netlist.inputs.items() for net in nets}
    names |= {net: f"n{net}" for net in delays}
    clock = netlist.inputs["clk"][0]
    for net, name in names.items():
        kind = "reg" if net in {flop.state for flop in circuit.flip_flops} else "wire"
        if not any(net in nets for _, nets in sources):
            lines.append(f"wire {name} = clk;" if net == clock else f"{kind} {name};")
    for port, nets in sources:
        lines.append(f"reg [{len(nets) - 1}:0] in_{port};")
        lines += [f"wire n{net} = in_{port}[{bit}];" for bit, net in enumerate(nets)]
    for instance in netlist.cells:
        cell = library.cells[instance.cell]
        pins = {pin: names.get(net, f"1'b{net}") for pin, net in instance.pins.items()}
        if cell.next_state:
            out = next(p for p in cell.pins.values() if p.output and p.name in pins)
            lines.append(f"initial {pins[out.name]} = 0;")
            lines.append(f"always @(posedge clk) {pins[out.name]} <= #{delays[instance.pins[out.name]]} {pins['D']};")
        else:
            for out in (p for p in cell.pins.values() if p.output and p.name in pins):
                expression = verilog_expression(out.function, pins)
                lines.append(f"assign #{delays[instance.pins[out.name]]} {pins[out.name]} = {expression};")
    lines += [f"always @({name}) if (armed) count = count + 1;" for net, name in names.items() if net != clock]
    lines.append("initial begin")
    for cycle in range(cycles):
        drive = " ".join(
            f"in_{port} = {len(nets)}'d{int(trace[port][cycle]) & ((1 << len(nets)) - 1)};" for port, nets in sources
        )
        lines.append(f"{drive} clk = 1; {'armed = 1;' if cycle == 1 else ''} #{period} clk = 0; #{period};")
    lines += ['$display("COUNT %0d", count); $finish;', "end", "endmodule"]
    source, program = folder / "bench.v", folder / "bench.vvp"
    source.write_text("\n".join(lines))
    subprocess.run(["iverilog", "-g2005", "-o", program, source], check=True, capture_output=True)
    done = subprocess.run(["vvp", "-n", program], check=True, capture_output=True, text=True)
    return int(re.findall(r"COUNT (\d+)", done.stdout)[-1])
