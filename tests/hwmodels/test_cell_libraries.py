"""Mapped designs on several cell libraries: results, delays against OpenSTA, energies against Icarus.

The libraries are OSU's, which Debian has, and two that lie beside the project; a test skips if its library or tool is
absent.
"""

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from compare_simulators import MappedDesign, icarus_energy_pj, map_design, opensta_delay_ns
from event_simulation import count_transitions
from hw_workloads import needs_yosys
from liberty_styles import Style, restyled
from settled_outputs import simulate
from small_liberty import flip_flop, small_liberty

from hwmodels import HardwareError
from hwmodels.architectures import ARRAY, RTL_FOLDER, SERIAL
from hwmodels.architectures.rounding import half_up
from hwmodels.orders import DEFAULT_ORDER
from hwmodels.parsing import parse_files
from hwmodels.synthesis.activity import _Timing, measure_energy
from hwmodels.synthesis.circuit import Circuit, build_circuit
from hwmodels.synthesis.liberty import Library, load_liberty
from hwmodels.synthesis.liberty_syntax import parse_liberty
from hwmodels.synthesis.yosys import CellInstance, Netlist, synthesize
from hwmodels.traces import load_recording

SHARED = Path(__file__).parents[3] / "shared" / "data" / "liberty"
LIBRARIES = {
    "osu018": Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib"),
    "nangate45": SHARED / "nangate45_typ.lib.gz",
    "sky130": SHARED / "sky130hd_tt.lib.gz",
}
needs_iverilog = pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")
needs_sta = pytest.mark.skipif(shutil.which("sta") is None, reason="OpenSTA is not installed")
each_library = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.skipif(not path.exists(), reason=f"{path} is absent"))
        for name, path in LIBRARIES.items()
    ],
)


@cache
def mapped(name: str) -> MappedDesign:
    return map_design(load_liberty(LIBRARIES[name]), "array", 4)


@needs_yosys
@each_library
def test_a_mapped_rescaler_computes_the_contract(name: str) -> None:
    """With the library's full adder, flip-flops, constants and complex gates."""
    unit = mapped(name)
    q = (simulate(unit.circuit, unit.trace)["q"][1:, 0] ^ 128) - 128
    columns = [unit.trace[port][:-1].tolist() for port in ("acc", "mult", "shift", "zero_point", "q_min", "q_max")]
    lowest = ARRAY.sweep_point(load_recording().in_order(DEFAULT_ORDER), 4, 20).shift_min
    expected = [
        min(max(z + half_up(a * m, lowest + s), low), high) for a, m, s, z, low, high in zip(*columns, strict=True)
    ]
    assert q.tolist() == expected


@needs_yosys
@needs_sta
@each_library
def test_the_delay_is_that_of_opensta(name: str, tmp_path: Path) -> None:
    """OpenSTA adds wire loads of the library's default model, which are taken out: wires are not modelled."""
    unit = mapped(name)
    assert unit.circuit.delay_ns == pytest.approx(opensta_delay_ns(unit, tmp_path), rel=0.03)


@needs_yosys
@needs_iverilog
@each_library
def test_the_energy_is_that_of_an_event_driven_simulation(name: str, tmp_path: Path) -> None:
    """Icarus with a rising and a falling delay per gate to the picosecond, on the same vectors."""
    unit = mapped(name)
    event_pj = icarus_energy_pj(unit, tmp_path)
    measured = measure_energy(unit.circuit, unit.trace)
    assert measured.delayed_pj == pytest.approx(event_pj, rel=0.1)
    assert event_pj > 1.3 * measured.zero_delay_pj  # most of the difference is glitches


@needs_yosys
@each_library
def test_half_the_time_step_changes_the_energy_by_less_than_3_percent(name: str) -> None:
    unit = mapped(name)
    energy = measure_energy(unit.circuit, unit.trace)
    finer = measure_energy(with_step(unit.circuit, energy.step_ns / 2), unit.trace)
    assert finer.step_ns < energy.step_ns
    halvings = round(np.log2(energy.step_ns / finer.step_ns))  # it may settle only after more than one
    assert finer.delayed_pj == pytest.approx(energy.delayed_pj, rel=0.03 * halvings)


def with_step(circuit: Circuit, step_ns: float) -> Circuit:
    return replace(circuit, step_ns=step_ns)


@needs_yosys
@needs_iverilog
def test_counted_transitions_are_those_of_an_event_driven_simulator(tmp_path: Path) -> None:
    """To one in a thousand: where two inputs of a gate change in one step, the order of events is the simulator's."""
    library = small(tmp_path)
    parameters = {"ACC_WIDTH": 8, "MULT_WIDTH": 3, "SHIFT_WIDTH": 2, "SHIFT_MIN": 2}
    netlist = synthesize(ARRAY.files, "rescaler", parameters, library)
    circuit = build_circuit(netlist, library)
    rng = np.random.default_rng(8)
    cycles = 40
    trace = {
        "acc": rng.integers(-128, 128, cycles),
        "mult": rng.integers(4, 8, cycles),
        "shift": rng.integers(0, 4, cycles),
        "zero_point": np.full(cycles, 3),
        "q_min": np.full(cycles, -128),
        "q_max": np.full(cycles, 127),
        "reset": np.zeros(cycles, np.int64),
        "enable": np.ones(cycles, np.int64),
    }
    energy = measure_energy(circuit, trace)
    timing = _Timing(circuit, energy.step_ns)
    delays = timing.delays | {net: (launch, launch) for net, launch in timing.launches.items()}
    counted = sum(count_transitions(netlist, library, trace, delays, tmp_path).values())
    assert counted == pytest.approx(energy.delayed_transitions * (cycles - 1), rel=1e-3)
    assert energy.delayed_transitions > 1.2 * energy.transitions


def small(folder: Path, text: str | None = None, name: str = "small.lib") -> Library:
    path = folder / name
    path.write_text(text or small_liberty())
    return load_liberty(path)


FLIP_FLOPS = {
    "an asynchronous clear": flip_flop(clear="!R", pins="CDR"),
    "an inverted output only": flip_flop(output="QN", function="IQN"),
    "an inverted input and output": flip_flop(next_state="!D", output="QN", function="IQ"),
    "an enable": flip_flop(next_state="(E D) + (!E IQ)", pins="CDE"),
}


@needs_yosys
@pytest.mark.parametrize("text", FLIP_FLOPS.values(), ids=FLIP_FLOPS)
def test_any_flip_flop_gives_the_same_results(text: str, tmp_path: Path) -> None:
    """The serial unit holds state over many cycles, so that a wrong next value shows."""
    trace = load_recording().in_order(DEFAULT_ORDER)
    workload = SERIAL.sweep_workload(SERIAL.sweep_point(trace, 2, 8))
    stimulus = {port: values[:12, :8] for port, values in SERIAL.stimulus(trace, workload).items()}
    outputs = []
    for library in (small(tmp_path), small(tmp_path, small_liberty(text), "other.lib")):
        netlist = synthesize(SERIAL.files, SERIAL.top, SERIAL.parameters(workload), library)
        circuit = build_circuit(netlist, library)
        assert measure_energy(circuit, stimulus).delayed_pj > 0
        outputs.append(simulate(circuit, stimulus))
    for port, values in outputs[0].items():
        assert np.array_equal(values, outputs[1][port]), port
    assert np.ptp(outputs[0]["q"]) > 0


def test_both_outputs_of_a_flip_flop_and_the_energy_of_an_unconnected_one(tmp_path: Path) -> None:
    """QN has an internal energy of 0.03 pJ, and the bit toggles every cycle."""
    made = flip_flop().replace(
        "  pin(Q)",
        '  pin(QN) { direction : output; function : "IQN"; internal_power() { related_pin : "C";'
        ' power(scalar) { values ("0.03"); } } }\n  pin(Q)',
    )
    library = small(tmp_path, small_liberty(made))
    both = netlist({"C": 2, "D": 4, "Q": 3, "QN": 4}, output=4)
    one = netlist({"C": 2, "D": 4, "Q": 3}, output=3, inverter=CellInstance("INV", {"A": 3, "Y": 4}))
    clock = {"unused": np.zeros(9, dtype=np.int64)}
    circuits = [build_circuit(n, library) for n in (both, one)]
    assert simulate(circuits[0], clock)["y"][:, 0].tolist() == [1, 0] * 4 + [1]
    assert simulate(circuits[1], clock)["y"][:, 0].tolist() == [0, 1] * 4 + [0]
    fixed = circuits[0].flip_flops[0].clock_energy_pj
    assert sum(flop.clock_energy_pj for flop in circuits[0].flip_flops) == fixed
    half_v2 = 2.0
    assert measure_energy(circuits[0], clock).zero_delay_pj == pytest.approx(fixed + 0.03 + half_v2 * 0.01)
    assert measure_energy(circuits[1], clock).zero_delay_pj == pytest.approx(fixed + 0.03 + half_v2 * 0.02 + 0.05)


def netlist(pins: dict[str, int | str], output: int, inverter: CellInstance | None = None) -> Netlist:
    cells = (CellInstance("DFF", pins), *([inverter] if inverter else []))
    return Netlist(inputs={"clk": (2,), "unused": (9,)}, outputs={"y": (output,)}, cells=cells)


def test_a_tie_cell_is_a_constant(tmp_path: Path) -> None:
    tie = 'cell (TIE) { area : 1; pin(Y) { direction : output; function : "1"; } }\n'
    library = small(tmp_path, small_liberty(flip_flop() + tie))
    cells = (CellInstance("TIE", {"Y": 3}), CellInstance("NAND2", {"A": 2, "B": 3, "Y": 4}))
    circuit = build_circuit(Netlist({"a": (2,)}, {"y": (4,)}, cells), library)
    trace = {"a": np.array([0, 1, 0])}
    assert simulate(circuit, trace)["y"][:, 0].tolist() == [1, 0, 1]
    assert measure_energy(circuit, trace).zero_delay_pj > 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("pin(A) { direction : input; } pin(Y) { direction : output; }", "output Y is not a function of its inputs"),
        (
            'latch(IQ, IQN) { } pin(A) { direction : input; } pin(Y) { direction : output; function : "IQ"; }',
            "output Y is not a function of its inputs",
        ),
        (
            'ff(IQ, IQN) { next_state : A; clocked_on : A; } pin(A) { direction : input; }'
            ' pin(Y) { direction : output; function : "IQ A"; }',
            "output Y is neither the stored bit nor its inverse",
        ),
        (
            'ff(IQ, IQN) { next_state : A; clocked_on : Z; } pin(A) { direction : input; }'
            ' pin(Y) { direction : output; function : "IQ"; }',
            "a flip-flop needs a clock pin",
        ),
    ],
)  # fmt: skip
def test_cells_that_cannot_be_simulated_are_refused_if_used(body: str, message: str, tmp_path: Path) -> None:
    library = small(tmp_path, small_liberty(flip_flop() + f"cell (ODD) {{ area : 1; {body} }}\n"))
    cells = (CellInstance("ODD", {"A": 2, "Y": 3}),)
    with pytest.raises(HardwareError, match=f"cell ODD: {message}"):
        build_circuit(Netlist({"a": (2,)}, {"y": (3,)}, cells), library)


def test_an_absurd_delay_is_refused_and_not_simulated(tmp_path: Path) -> None:
    before, gate, after = small_liberty().partition("cell (NAND2)")
    slow = before + gate + after.replace('values ("0.1, 0.1", "0.2, 0.2")', 'values ("9e5, 9e5", "9e5, 9e5")', 2)
    cells = (CellInstance("NAND2", {"A": 2, "B": 3, "Y": 4}),)
    circuit = build_circuit(Netlist({"a": (2,), "b": (3,)}, {"y": (4,)}, cells), small(tmp_path, slow))
    trace = {"a": np.array([0, 1, 0]), "b": np.array([1, 1, 1])}
    with pytest.raises(HardwareError, match=r"time steps of 0.05 ns, .* the slowest cell, a NAND2, takes .* ns: check"):
        measure_energy(circuit, trace)


@needs_yosys
def test_file_names_never_become_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A semicolon begins a command of yosys, and its command `exec` runs a program."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a b; exec -- touch out"
    folder.mkdir()
    library, source = folder / "x.lib ; exec -- touch pwned ;", folder / "top.v ; exec -- touch pwned ;"
    library.write_text(small_liberty())
    (folder / "inverse.vh").write_text("`define INVERSE(x) ~x\n")
    source.write_text('`include "inverse.vh"\nmodule top (input a, output y); assign y = `INVERSE(a); endmodule\n')
    netlist = synthesize((source,), "top", {}, load_liberty(library))
    assert [cell.cell for cell in netlist.cells] == ["INV"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(
        [folder.name, library.name, source.name, "inverse.vh"]
    )


@needs_yosys
@pytest.mark.parametrize("flag", ["dont_use : true;", 'is_isolation_cell : "true";', 'is_level_shifter : "true";'])
def test_cells_that_are_not_for_synthesis_stay_unused(flag: str, tmp_path: Path) -> None:
    """An XOR at no cost would be chosen for every one, but for the flag."""
    path = tmp_path / "top.v"
    path.write_text("module top (input [1:0] a, output y); assign y = ^a; endmodule\n")
    cheap = small_liberty().replace("cell (XOR2) { area : 4.0;", "cell (XOR2) { area : 0.1;")
    flagged = cheap.replace("area : 0.1;", f"area : 0.1; {flag}")
    used = [
        {cell.cell for cell in synthesize((path,), "top", {}, small(tmp_path, text, f"{index}.lib")).cells}
        for index, text in enumerate((cheap, flagged))
    ]
    assert used[0] == {"XOR2"}
    assert "XOR2" not in used[1]


@needs_yosys
def test_what_only_yosys_can_read_is_synthesized(tmp_path: Path) -> None:
    """A package, a typedef and a parameter that decides the width of a port; its value may be negative."""
    path = tmp_path / "mine.sv"
    path.write_text(
        "package p; typedef logic [3:0] word; endpackage\n"
        "module mine #(parameter int W = 8) (input p::word a, output logic [3 - W:0] \\y+ );\n"
        "always_comb \\y+ = ~a;\nendmodule\n"
    )
    with pytest.raises(HardwareError):
        parse_files((path,), "mine", {})
    netlist = synthesize((path,), "mine", {"W": -1}, small(tmp_path))
    assert {name: len(bits) for name, bits in netlist.outputs.items()} == {"y+": 5}
    assert [cell.cell for cell in netlist.cells] == ["INV"] * 4
    with pytest.raises(HardwareError, match="module 'mine; exec': expected a plain Verilog identifier"):
        synthesize((path,), "mine; exec", {}, small(tmp_path))


@needs_yosys
def test_messages_of_yosys_name_the_users_files(tmp_path: Path) -> None:
    path = tmp_path / "mine.v"
    path.write_text("module mine (input a, output y);\nmissing part (.a(a), .y(y));\nendmodule\n")
    with pytest.raises(HardwareError, match=r"missing") as caught:
        synthesize((path,), "mine", {}, small(tmp_path))
    assert "source_0" not in str(caught.value)


# Delays that depend on the slew as well, so that a transposed table shows.
TILTED = small_liberty().replace('values ("0.1, 0.1", "0.2, 0.2")', 'values ("0.1, 0.3", "0.2, 0.6")')
STYLES = {
    "as ASAP7: ps, fF, pW, slew first, other models": Style(True, True, True, True, quoted=True, modern=True),
    "as IHP: pF, slew first, numbers without quotation marks": Style(
        False, False, True, True, quoted=False, modern=True
    ),
    "ps and pF, load first, bare": Style(True, False, False, False, quoted=False, modern=False),
}


@needs_yosys
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_a_library_written_in_another_style_gives_the_same_figures(style: Style, tmp_path: Path) -> None:
    """The mapper reads the same file, and so must understand the style, too."""
    text = restyled(parse_liberty(TILTED, "small.lib"), style)
    circuits = []
    for library in (small(tmp_path, TILTED), small(tmp_path, text, "styled.lib")):
        trace = load_recording().in_order(DEFAULT_ORDER)
        workload = ARRAY.sweep_workload(ARRAY.sweep_point(trace, 2, 8))
        circuit = build_circuit(synthesize(ARRAY.files, ARRAY.top, ARRAY.parameters(workload), library), library)
        energy = measure_energy(circuit, ARRAY.stimulus(trace, workload))
        circuits.append(
            (circuit.area_um2, circuit.leakage_uw, circuit.delay_ns, energy.zero_delay_pj, energy.delayed_pj)
        )
    assert circuits[1] == pytest.approx(circuits[0], rel=1e-6)


def test_a_library_in_parts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match=r"small\.lib:2: include_file \(rest\.lib\): included files are not read"):
        small(tmp_path, small_liberty().replace("{\n", "{\n  include_file (rest.lib);\n", 1))


def test_a_table_over_other_variables_bars_its_cell_alone(tmp_path: Path) -> None:
    template = "lu_table_template(odd) { variable_1 : related_out_total_output_net_capacitance; }\n"
    odd = f"{template}  cell (XOR2)"
    text = small_liberty().replace("cell (XOR2)", odd)
    before, after = text.split("cell (XOR2)")
    library = small(tmp_path, f"{before}cell (XOR2){after.replace('cell_rise(t)', 'cell_rise(odd)', 1)}")
    assert [cell.name for cell in library.cells.values() if not cell.usable] == ["XOR2"]
    netlist = synthesize((RTL_FOLDER / "components.v",), "component_adder", {"A_WIDTH": 4}, library)
    assert build_circuit(netlist, library).cells > 10
    used = Netlist({"a": (2, 3)}, {"y": (4,)}, (CellInstance("XOR2", {"A": 2, "B": 3, "Y": 4}),))
    with pytest.raises(HardwareError, match=r"small\.lib:\d+: cell_rise odd: its template has related_out_total"):
        build_circuit(used, library)
