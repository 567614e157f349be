"""Delays and energies of mapped rescalers against OpenSTA and Icarus Verilog, library by library.

Written by ``python tests/hwmodels/compare_simulators.py OUT.csv NAME=FILE.lib ...``.
"""

import csv
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from event_simulation import count_transitions, table_delays
from structural_verilog import structural_verilog

from hwmodels.architectures import ARCHITECTURES
from hwmodels.orders import DEFAULT_ORDER
from hwmodels.synthesis.activity import _energies, measure_energy
from hwmodels.synthesis.circuit import Circuit, build_circuit
from hwmodels.synthesis.liberty import Library, load_liberty
from hwmodels.synthesis.liberty_syntax import read_liberty_text
from hwmodels.synthesis.yosys import Netlist, synthesize
from hwmodels.traces import load_recording

DESIGNS = (("array", 1), ("array", 4), ("array", 8), ("array", 31), ("serial", 8))
ACC_BITS = 20
CYCLES = 60


@dataclass(frozen=True, slots=True)
class MappedDesign:
    """A rescaler on a library, and the first stream of its stimulus."""

    library: Library
    netlist: Netlist
    circuit: Circuit
    trace: Mapping[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One design: our delay and energy per cycle, and those of the other tools."""

    library: str
    architecture: str
    multiplier_bits: int
    delay_ns: float
    opensta_ns: float
    energy_pj: float
    icarus_pj: float
    step_ns: float


def map_design(library: Library, architecture: str, multiplier_bits: int) -> MappedDesign:
    """Synthesize a rescaler of the sweep."""
    described, trace = ARCHITECTURES[architecture], load_recording().in_order(DEFAULT_ORDER)
    workload = described.sweep_workload(described.sweep_point(trace, multiplier_bits, ACC_BITS))
    netlist = synthesize(described.files, described.top, described.parameters(workload), library)
    columns = described.stimulus(trace, workload).items()
    stimulus = {port: values.reshape(len(values), -1)[:CYCLES, 0] for port, values in columns}
    return MappedDesign(library, netlist, build_circuit(netlist, library), stimulus)


def opensta_delay_ns(design: MappedDesign, folder: Path) -> float:
    """Return OpenSTA's latest arrival, without the wire loads of the library's default model."""
    library, netlist, script = folder / "l.lib", folder / "n.v", folder / "s.tcl"
    library.write_text(re.sub(r"default_wire_load\s*:[^;]*;", "", read_liberty_text(design.library.path)))
    netlist.write_text(structural_verilog(design.netlist))
    script.write_text(
        f"read_liberty {library}\nread_verilog {netlist}\nlink_design top\n"
        "create_clock -name c -period 1000 [get_ports clk]\nset_input_delay 0 -clock c [all_inputs]\n"
        f"set_output_delay 0 -clock c [all_outputs]\nset_input_transition {design.circuit.slew_ns} [all_inputs]\n"
        "report_checks -path_delay max -digits 5\nexit\n"
    )
    done = subprocess.run(["sta", "-no_splash", "-exit", script], check=True, capture_output=True, text=True)
    return float(re.findall(r"([\d.]+)\s+data arrival time", done.stdout)[0])


def icarus_energy_pj(design: MappedDesign, folder: Path) -> float:
    """Return the energy per cycle by Icarus' transitions, a rising and a falling delay per gate in picoseconds."""
    delays = table_delays(design.circuit, design.circuit.slew_ns)
    counts = count_transitions(design.netlist, design.library, design.trace, delays, folder)
    energies, cycles = _energies(design.circuit), len(next(iter(design.trace.values()))) - 1
    switched = sum(energies.get(net, 0.0) * count for net, count in counts.items()) / cycles
    return switched + sum(flop.clock_energy_pj for flop in design.circuit.flip_flops)


def compare(name: str, path: Path) -> Iterator[Comparison]:
    """Yield the comparison of each design on a library."""
    library = load_liberty(path)
    for architecture, k in DESIGNS:
        design = map_design(library, architecture, k)
        energy = measure_energy(design.circuit, design.trace)
        with tempfile.TemporaryDirectory() as folder:
            opensta, icarus = opensta_delay_ns(design, Path(folder)), icarus_energy_pj(design, Path(folder))
        figures = (round(x, 5) for x in (design.circuit.delay_ns, opensta, energy.delayed_pj, icarus, energy.step_ns))
        yield Comparison(name, architecture, k, *figures)


def main(out: str, *libraries: str) -> None:
    """Write the table."""
    rows = [row for named in libraries for row in compare(named.partition("=")[0], Path(named.partition("=")[2]))]
    with Path(out).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(asdict(rows[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
