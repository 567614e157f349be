"""Gates of parsed designs: that they compute what the Verilog says, and what they cost."""

import random
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels import HardwareError, cost_verilog, load_technology
from hwmodels.gates import GateDesign, Graph, Kind, lower
from hwmodels.gates import arithmetic as words
from hwmodels.parsing import Port, parse_files
from hwmodels.synthesis.corpus import corpus, corpus_points, read_corpus
from hwmodels.synthesis.corpus.datapaths import datapath_designs
from hwmodels.synthesis.corpus.design import TOP
from hwmodels.synthesis.corpus.table import with_gates

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "studies" / "hardware" / "modules"
needs_icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")


def number(graph: Graph, word: Sequence[int], leaves: Mapping[int, int]) -> int:
    """Return the value of a word, given those of the leaves."""
    values = dict(leaves)
    for node, kind in enumerate(graph.kinds):
        if kind is Kind.CONSTANT:
            values[node] = 0
        elif kind not in (Kind.LEAF, Kind.FLOP):
            reads = [values[literal >> 1] ^ (literal & 1) for literal in graph.inputs[node]]
            values[node] = evaluate(kind, reads)
    return sum((values[literal >> 1] ^ (literal & 1)) << place for place, literal in enumerate(word))


def evaluate(kind: Kind, reads: Sequence[int]) -> int:
    match kind:
        case Kind.AND:
            return reads[0] & reads[1]
        case Kind.XOR | Kind.SUM:
            return sum(reads) & 1
        case Kind.MUX:
            return reads[1] if reads[0] else reads[2]
        case _:
            return int(sum(reads) >= 2)


def leaves(graph: Graph, bits: int, value: int) -> tuple[tuple[int, ...], dict[int, int]]:
    word = tuple(graph.leaf() for _ in range(bits))
    return word, {literal >> 1: value >> place & 1 for place, literal in enumerate(word)}


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_words_of_gates_compute_as_integers_do(left: int, right: int, data: st.DataObject) -> None:
    graph = Graph()
    x, y = (data.draw(st.integers(0, (1 << bits) - 1)) for bits in (left, right))
    (a, known), (b, more) = leaves(graph, left, x), leaves(graph, right, y)
    known |= more
    sx, sy = signed(x, left), signed(y, right)
    width = left + right
    mask = (1 << width) - 1
    rows = words.product_rows(graph, a, b, width, signed=True, negative=False)
    wide = words.stretched(a, width), words.stretched(b, width)
    found = {
        "sum": (words.add(graph, wide[0], wide[1], width), (sx + sy) & mask),
        "difference": (words.add(graph, wide[0], words.inverted(wide[1]), width, 1), (sx - sy) & mask),
        "product": (words.total(graph, rows, width), (sx * sy) & mask),
        "less": ((words.less(graph, *wide, signed=True),), int(sx < sy)),
        "at most": ((words.less(graph, *wide, signed=True, or_equal=True),), int(sx <= sy)),
        "shift": (words.shifted_right(graph, a, b, a[-1]), (sx >> y) & ((1 << left) - 1)),
    }
    if y:
        quotient, remainder = words.divided(graph, a, b)
        found |= {"quotient": (quotient, x // y), "remainder": (remainder, x % y)}
    assert {name: number(graph, word, known) for name, (word, _) in found.items()} == {
        name: value for name, (_, value) in found.items()
    }


def simulate(design: GateDesign, vectors: Sequence[Mapping[str, int]]) -> Iterator[dict[str, int]]:
    """Yield the outputs of every cycle, registers starting at 0."""
    state = dict.fromkeys(design.flops, 0)
    for vector in vectors:
        known = {
            literal >> 1: vector.get(name, 0) >> place & 1
            for name, word in design.inputs.items()
            for place, literal in enumerate(word)
        } | state
        yield {name: number(design.graph, word, known) for name, word in design.outputs.items()}
        state = {node: number(design.graph, design.graph.inputs[node], known) for node in design.flops}


def icarus(
    path: Path, top: str, ports: Sequence[Port], vectors: Sequence[Mapping[str, int]], folder: Path
) -> list[str]:
    """Return what Icarus Verilog prints of the outputs in every cycle."""
    outputs = [port.name for port in ports if port.direction == "output"]
    declared = [f"{'reg' if port.direction == 'input' else 'wire'} [{port.width - 1}:0] {port.name};" for port in ports]
    widths = {port.name: port.width for port in ports}
    steps = [
        " ".join(f"{name} = {widths[name]}'h{value:x};" for name, value in vector.items())
        + f' #5 $display("{" ".join("%h" for _ in outputs)}", {", ".join(outputs)}); clk = 1; #5 clk = 0;'
        for vector in vectors
    ]
    connected = ", ".join(f".{port.name}({port.name})" for port in ports)
    bench = folder / "bench.v"
    bench.write_text(
        f"module bench;\n{' '.join(declared)}\n{top} unit ({connected});\ninitial begin clk = 0; "
        + "\n".join(steps)
        + "\nend\nendmodule\n"
    )
    subprocess.run(["iverilog", "-g2005", "-o", folder / "bench", path, bench], check=True)
    return subprocess.run(["vvp", folder / "bench"], check=True, capture_output=True, text=True).stdout.splitlines()


def differences(path: Path, top: str, fixed: Mapping[str, int], folder: Path) -> tuple[int, int]:
    """Return how many outputs differ from Icarus Verilog's, and how many were compared (x is not)."""
    design = parse_files((path,), top, {})
    generator = random.Random(7)  # noqa: S311
    inputs = [port for port in design.ports if port.direction == "input" and port.name != "clk"]
    vectors = [
        {port.name: fixed.get(port.name, generator.getrandbits(port.width) >> generator.choice((0, 0, port.width // 2)))
         for port in inputs}
        for _ in range(24)
    ]  # fmt: skip
    printed = icarus(path, top, design.ports, vectors, folder)
    names = [port.name for port in design.ports if port.direction == "output"]
    compared = wrong = 0
    for line, values in zip(printed, simulate(lower(design), vectors), strict=True):
        for name, text in zip(names, line.split(), strict=True):
            if "x" not in text.lower():
                compared += 1
                wrong += int(text, 16) != values[name]
    return wrong, compared


@needs_icarus
@pytest.mark.parametrize("name", ["lane_array", "tosa_rescale", "case_rom", "sdp_convert", "leading_zeros"])
def test_gates_of_other_peoples_modules_compute_what_a_simulator_does(name: str, tmp_path: Path) -> None:
    wrong, compared = differences(MODULES / f"{name}.v", name, {"rstn": 1}, tmp_path)
    assert wrong == 0
    assert compared > 20


@needs_icarus
@pytest.mark.parametrize("seed", [3, 17])
def test_gates_of_random_datapaths_compute_what_a_simulator_does(seed: int, tmp_path: Path) -> None:
    (design,) = datapath_designs(range(seed, seed + 1))
    path = tmp_path / "design.v"
    path.write_text(design.text)
    wrong, compared = differences(path, TOP, {"rst": 0, "rst_n": 1}, tmp_path)
    assert wrong == 0
    assert compared > 10


def gates_of(text: str, folder: Path) -> GateDesign:
    path = folder / "design.v"
    path.write_text(text)
    return lower(parse_files((path,), "top", {}))


def test_bits_that_nothing_reads_or_that_never_change_have_no_gates(tmp_path: Path) -> None:
    text = """module top(input clk, input rst, input [15:0] a, input [15:0] b, output reg [7:0] y);
    reg [15:0] zero, unread; wire [31:0] p = a * b;
    always @(posedge clk) begin if (rst) zero <= 0; else zero <= zero & a; unread <= p[31:16]; y <= p[7:0] + zero; end
    endmodule"""
    design = gates_of(text, tmp_path)
    alive = design.alive()
    assert sum(design.graph.kinds[node] is Kind.FLOP for node in alive) == 8
    low = gates_of("module top(input [7:0] a, b, output [7:0] y); assign y = a * b; endmodule", tmp_path)
    gates = sum(design.graph.kinds[node] not in (Kind.FLOP, Kind.LEAF) for node in alive)
    needed = sum(low.graph.kinds[node] is not Kind.LEAF for node in low.alive())
    assert needed <= gates < 1.3 * needed, (
        "the low half of the product, and not the whole, which has four times as many"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("wire [3:0] x = y + a; assign y = x;", r"design\.v:2: a combinational loop, or a latch"),
        ("reg [3:0] q; always @* if (a[0]) q = a; assign y = q;", r"design\.v:2: a combinational loop, or a latch"),
        ("assign y = a; assign y = ~a;", r"a net has two drivers"),
        ("assign y = a ** a;", r"design\.v:2: no model of the operator pow"),
    ],
)
def test_what_is_no_synchronous_design_is_refused(body: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match=message):
        gates_of(f"module top(input [3:0] a, output [3:0] y);\n{body}\nendmodule", tmp_path)


@pytest.mark.parametrize("name", ["case_rom", "dual_mode", "padded_shift", "serial_scale", "leading_zeros"])
def test_areas_of_modules_that_no_fit_has_seen_are_near_synthesis(name: str) -> None:
    rows = {row.design: row for row in read_corpus(ROOT / "docs/results/hardware/modules_osu018.csv")}
    cost = cost_verilog(MODULES / f"{name}.v", name, {}, load_technology("osu018"))
    assert cost.area_um2 == pytest.approx(rows[name].area_um2, rel=0.25)
    assert cost.area_um2 == pytest.approx(sum(part.area_um2 for part in cost.parts))
    assert cost.energy_pj == pytest.approx(sum(part.energy_pj for part in cost.parts))
    assert cost.instances[0].area_um2 == pytest.approx(cost.area_um2)


def test_every_shipped_operator_and_datapath_is_within_what_the_table_says() -> None:
    gates = load_technology("osu018").gates
    assert gates is not None
    errors = gates.errors["area_um2"]
    assert errors["operator"].worst < 0.25
    assert errors["datapath"].mean < 0.1
    assert errors["datapath"].worst < 0.4
    assert errors["datapath"].rank > 0.97
    some = corpus()[::25]
    rows = read_corpus(ROOT / "docs/results/hardware/corpus_osu018.csv")
    for point in corpus_points(some, rows):
        area = sum(count * gates.area_um2[kind] for kind, count in point.counts.items())
        assert area == pytest.approx(point.measured.area_um2, rel=errors[point.group].worst + 0.05)


def test_the_section_of_a_table_is_replaced_not_repeated() -> None:
    table = load_technology("osu018")
    assert table.gates is not None
    text = 'name = "x"\n\n[components.logic]\n'
    once = with_gates(text, table.gates)
    assert with_gates(once, table.gates) == once
    assert once.startswith(text.rstrip())
