"""Proofs: what is right is proven, what is wrong gets a counterexample that a simulation confirms."""

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hw_workloads import addition, built_for, constant, convolution, needs_yosys
from hypothesis import given, settings
from hypothesis import strategies as st
from proof_units import BY_PARTS, HAS_ICARUS, MUTANTS, UNIT, WRONG_PARTS, bench_passes, mutant, question

from hwmodels import HardwareError, RescalerWorkload
from hwmodels.architectures import ARCHITECTURES
from hwmodels.architectures import rounding as exact
from hwmodels.proof import CONTRACTS, Outcome, PortBits, Prover, Source, prove_module, read_netlist, shipped
from hwmodels.proof._cells import Operators
from hwmodels.proof._cycles import outputs_after
from hwmodels.proof._products import Products
from hwmodels.proof._words import Words, number
from hwmodels.proof._words import constant as bits_of
from hwmodels.proof.contracts import Integer, Operands, rescaled
from hwmodels.workload import Pipeline
from nets.network import CONTRACTS as NETWORK_CONTRACTS
from nets.network.requantization import requantize

needs_icarus = pytest.mark.skipif(not HAS_ICARUS, reason="iverilog is not installed")


def contract_of_constants(contract: str, acc: int, multiplier: int, shift: int, k: int) -> int:
    """Evaluates the terms of a contract on constants."""
    words = Words()
    operands = Operands(
        acc=Integer(bits_of(acc, 34), signed=True),
        multiplier=Integer(bits_of(multiplier, 32), signed=False),
        shift=Integer(bits_of(shift, 8), signed=True),
        shift_offset=0,
        shift_range=(shift, shift),
        multiplier_bits=k,
    )
    term = rescaled(contract, operands, words, Products(words), operands.width())
    return number(words.settled(term), signed=True)


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(CONTRACTS)),
    st.one_of(st.integers(-(2**31), 2**31 - 1), st.integers(-40, 40)),
    st.integers(1, 31),
    st.data(),
)
def test_the_terms_of_a_contract_are_the_integers_of_the_executor(
    contract: str, acc: int, k: int, data: st.DataObject
) -> None:
    multiplier = data.draw(st.integers(2 ** (k - 1), 2**k - 1))
    shift = data.draw(st.integers(k if contract in ("tflite_double", "ruy_double") else 1, k + 25))
    wanted = requantize(
        torch.tensor([acc]), torch.tensor([multiplier]), torch.tensor([shift]), k, NETWORK_CONTRACTS[contract]
    )
    assert contract_of_constants(contract, acc, multiplier, shift, k) == int(wanted[0])


@settings(max_examples=40)
@given(st.sampled_from(sorted(exact.ROUNDED_SHIFTS)), st.integers(-5000, 5000), st.integers(1, 15), st.integers(-6, 20))
def test_the_terms_of_a_contract_shift_to_the_left(contract: str, acc: int, multiplier: int, shift: int) -> None:
    wanted = exact.ROUNDED_SHIFTS[contract](acc * multiplier, shift)
    assert contract_of_constants(contract, acc, multiplier, shift, 4) == wanted


OPERATORS = """
module operators (
    input signed [5:0] a, input signed [3:0] b, input [4:0] c, input [2:0] d, input clk,
    output signed [9:0] sum, difference, product, quotient, remainder, output [9:0] low, high, logical,
    output signed [9:0] arithmetic, output [7:0] bits, reduced, compared, output [3:0] chosen, indexed, looked_up
);
    reg [3:0] table_ [0:7];
    integer i;
    initial for (i = 0; i < 8; i = i + 1) table_[i] = 5 * i + 3;
    assign sum = a + b, difference = b - a, product = a * b, quotient = a / 5, remainder = a % 3;
    assign low = c << d, high = c >> d, logical = {a[5], a} >> d, arithmetic = a >>> d;
    assign bits = {a & b, ~(b | d)} ^ {c, 1'b1};
    assign reduced = {&c, |c, ^c, ~^a, ~&b, ~|d, !a, a && b};
    assign compared = {a < b, a <= b, a > c, c >= d, a == b, c != d, -a == b, a || d};
    assign chosen = d == 1 ? a[3:0] : d == 2 ? c[4:1] : d > 5 ? {4{b[0]}} : ~a[5:2];
    assign indexed = c[d[1:0] +: 2], looked_up = table_[d];
endmodule
"""


@needs_yosys
@needs_icarus
def test_operators_compute_what_a_simulator_says(tmp_path: Path) -> None:
    path = tmp_path / "operators.v"
    path.write_text(OPERATORS)
    netlist = read_netlist(Source(files=(path,), top="operators"))
    rng, widths = np.random.default_rng(3), {"a": 6, "b": 4, "c": 5, "d": 3}
    rows = [{name: int(rng.integers(1 << bits)) for name, bits in widths.items()} for _ in range(40)]
    simulated = simulate(rows, {port.name: len(port.nets) for port in netlist.ports.values()}, tmp_path)
    for row, wanted in zip(rows, simulated, strict=True):
        words = Words()
        inputs = {name: bits_of(row.get(name, 0), len(netlist.ports[name].nets)) for name in (*widths, "clk")}
        outputs = outputs_after(netlist, Operators(words, Products(words)), [inputs])
        assert {name: number(bits, signed=False) for name, bits in outputs.items()} == wanted


def simulate(rows: list[dict[str, int]], widths: Mapping[str, int], folder: Path) -> list[dict[str, int]]:
    """Runs the operators in Icarus Verilog; returns the outputs of every row."""
    inputs = [*rows[0], "clk"]
    outputs = [name for name in widths if name not in inputs]
    declared = [f"{'reg' if name in inputs else 'wire'} [{bits - 1}:0] {name};" for name, bits in widths.items()]
    driven = [
        "".join(f"{name} = {value};" for name, value in row.items())
        + f'#1 $display("{" ".join("%0d" for _ in outputs)}", {", ".join(outputs)});'
        for row in rows
    ]
    connected = ", ".join(f".{name}({name})" for name in widths)
    text = "\n".join(["module bench;", *declared, f"operators dut ({connected});", "initial begin", *driven])
    (folder / "bench.v").write_text(f"{text}\nend\nendmodule\n")
    subprocess.run(["iverilog", "-g2012", "-o", "b.vvp", "bench.v", "operators.v"], cwd=folder, check=True)
    done = subprocess.run(["vvp", "b.vvp"], cwd=folder, capture_output=True, text=True, check=True)
    return [dict(zip(outputs, map(int, line.split()), strict=True)) for line in done.stdout.splitlines()]


@needs_yosys
def test_a_pipelined_unit_is_proven(tmp_path: Path) -> None:
    answer = prove_module(question(tmp_path / "unit.v", UNIT))
    assert answer.proof.outcome is Outcome.PROVEN
    assert answer.bench == ""
    assert answer.operands["q_max"] == "the constant 127"


@needs_yosys
@needs_icarus
@pytest.mark.parametrize("name", MUTANTS)
def test_every_fault_has_a_counterexample_that_a_simulation_confirms(name: str, tmp_path: Path) -> None:
    answer = prove_module(question(tmp_path / "unit.v", mutant(name)))
    found = answer.proof.counterexample
    assert answer.proof.outcome is Outcome.REFUTED
    assert found is not None
    assert found.unit != found.expected
    assert not bench_passes(answer.bench, mutant(name), tmp_path)
    assert bench_passes(answer.bench, UNIT, tmp_path)  # what the bench expects is what the right unit answers


@needs_yosys
def test_a_product_by_parts_is_recognised(tmp_path: Path) -> None:
    proof = prove_module(question(tmp_path / "unit.v", BY_PARTS)).proof
    assert (proof.outcome, proof.products) == (Outcome.PROVEN, "equal products are one unknown")


@needs_yosys
@pytest.mark.parametrize("name", WRONG_PARTS)
def test_a_product_of_wrong_parts_is_refuted(name: str, tmp_path: Path) -> None:
    old, new = WRONG_PARTS[name]
    assert BY_PARTS.count(old) == 1
    answer = prove_module(question(tmp_path / "unit.v", BY_PARTS.replace(old, new)))
    assert answer.proof.outcome is Outcome.REFUTED


@needs_yosys
def test_a_counterexample_says_which_rounding_a_unit_has(tmp_path: Path) -> None:
    cut = UNIT.replace("(value + half)", "value")
    answer = prove_module(question(tmp_path / "unit.v", cut))
    assert answer.others["floor"] is Outcome.PROVEN
    assert answer.others["half_away"] is Outcome.REFUTED
    even = UNIT.replace("(value + half)", "(value + half - !value[amount + 3])")
    others = prove_module(question(tmp_path / "unit.v", even)).others
    assert Outcome.PROVEN not in others.values()


@needs_yosys
def test_inputs_that_must_be_held_are_told_apart(tmp_path: Path) -> None:
    late = mutant("a pipeline stage is missing")
    assert prove_module(question(tmp_path / "unit.v", late, held=True)).proof.outcome is Outcome.PROVEN


def case(name: str, k: int, acc_bits: int, low: int, span: int) -> RescalerWorkload:
    workload = convolution(operand_bits=acc_bits, multiplier_bits=k, right_shift_min=low, right_shift_max=low + span)
    return replace(workload, contract=ARCHITECTURES[name].contract, folded=ARCHITECTURES[name].folded)


SHIPPED = {
    "array": case("array", 5, 12, 4, 3),
    "array to the left": case("array", 3, 8, -1, 3),
    "array of constants": built_for(case("array", 5, 12, 4, 3), -3, -20, 90),
    "array in slices": replace(case("array", 5, 12, 4, 1), pipeline=Pipeline(product=2, shift=1, sum=1)),
    "floor": case("floor", 5, 12, 4, 1),
    "half_away": case("half_away", 5, 12, 4, 1),
    "tflite_double": case("tflite_double", 5, 12, 5, 1),
    "constant": built_for(constant(12, operand_bits=12, right_shift=6)),
    "shift": built_for(case("shift", 1, 20, 8, 3), 0),
    "serial": case("serial", 5, 12, 4, 1),
    "fractured": case("fractured", 8, 6, 9, 0),
    "add": addition(multiplier_bits=8),
    "add_shift": replace(built_for(addition(multiplier_bits=1)), folded=True),
}


@needs_yosys
@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_units_are_proven(name: str) -> None:
    _, netlist, statements = shipped(ARCHITECTURES[name.split()[0]], SHIPPED[name])
    prover = Prover(netlist)
    for statement in statements:
        assert prover.prove(statement.interface, statement.claim, 100).outcome is Outcome.PROVEN
    wrong = replace(statement.claim, contract="half_away" if statement.claim.contract != "half_away" else "floor")
    assert prover.prove(statement.interface, wrong, 100).outcome is Outcome.REFUTED


@needs_yosys
def test_a_proof_that_takes_too_long_is_not_proven(tmp_path: Path) -> None:
    answer = prove_module(question(tmp_path / "unit.v", UNIT, time_limit=0.0))
    assert answer.proof.outcome is Outcome.OPEN
    assert answer.proof.counterexample is None


REFUSED = {
    "latch": ("always @* if (en) q = a;", "latch"),
    "loop": ("wire [7:0] s = q; always @* q = s ^ a;", "combinational loop"),
    "two clocks": ("reg [7:0] r; always @(posedge clk) r <= a; always @(negedge clk) q <= r;", "several clocks"),
    "unknown module": ("other o (a); always @* q = a;", "other"),
    "an empty module": (
        "core c(.a(a), .x(q)); endmodule (* blackbox *) module core(input [7:0] a, output [7:0] x);",
        "core",
    ),
    "syntax": ("always @* q = ;", "syntax error"),
    "foreign code": ('import "DPI-C" function integer getpid(); always @* q = getpid();', "DPI"),
}


@needs_yosys
@pytest.mark.parametrize("name", REFUSED)
def test_designs_of_which_nothing_can_be_proven_are_refused(name: str, tmp_path: Path) -> None:
    body, reason = REFUSED[name]
    path = tmp_path / "unit.sv"
    path.write_text(f"module unit (input clk, en, input [7:0] a, output reg [7:0] q);\n{body}\nendmodule\n")
    with pytest.raises(HardwareError, match=reason):
        read_netlist(Source(files=(path,), top="unit"))


@needs_yosys
@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"ports": {"acc": PortBits("accu")}}, "no port 'accu', only"),
        ({"ports": {"acc": PortBits("q")}}, "port q is an output"),
        ({"ports": {"multiplier": PortBits("mult", 7, 0)}}, "bits 3 to 0, not 7 to 0"),
        ({"values": {"shift": 1}}, "input shift: name its role"),
        ({"values": {"bias": 1}}, "value 'bias': no such role"),
        ({"ties": {"enable": 1}}, "port 'enable': the module has no input"),
        ({"ties": {"acc": 3}, "ports": {"acc": PortBits("acc"), "out": PortBits("q")}}, "acc is tied to 3, and is acc"),
        ({"ports": {"acc": PortBits("acc"), "multiplier": PortBits("mult", 2, 0)}, "ties": {"mult": 1}}, "is tied to"),
        ({"values": {"q_min": 5, "q_max": 3}}, "no inputs have the ranges"),
        ({"ranges": {"shift": (40, 50)}}, "no inputs have the ranges"),
        ({"ranges": {"out": (0, 1)}}, "range 'out': no such role"),
        ({"values": {"clk": 1}}, "value 'clk': no such role"),
        ({"contract": "half_even"}, "use one of half_up"),
        ({"contract": "tflite_double", "shift_offset": 0}, "right shifts of at least 4"),
    ],
)
def test_questions_that_do_not_fit_are_refused(more: dict[str, object], reason: str, tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match=reason):
        prove_module(question(tmp_path / "unit.v", UNIT, **more))  # type: ignore[arg-type]


@needs_yosys
def test_what_a_design_leaves_undefined_may_be_anything(tmp_path: Path) -> None:
    text = UNIT.replace("$signed(sum[7:0])", "(sum == 5 ? 8'bx : $signed(sum[7:0]))")
    assert prove_module(question(tmp_path / "unit.v", text)).proof.outcome is Outcome.REFUTED
