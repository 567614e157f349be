"""The parsing package on varied Verilog: against yosys, on bad input, and on what it must leave alone."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hw_workloads import needs_yosys
from hypothesis import given
from hypothesis import strategies as st
from yosys_oracle import parsed_operators, yosys_netlist, yosys_operators

from hwmodels import HardwareError
from hwmodels.parsing import Design, parse_files
from hwmodels.parsing._preprocess import preprocess
from hwmodels.parsing._values import parse_literal

SAMPLES = Path(__file__).parent / "verilog"


def parse_text(folder: Path, text: str, top: str = "top", parameters: dict[str, int] | None = None) -> Design:
    path = folder / "design.v"
    path.write_text(text)
    return parse_files((path,), top, parameters or {})


@needs_yosys
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("arithmetic", {}),
        ("arithmetic", {"W": 13}),
        ("machine", {}),
        ("generated", {}),
        ("generated", {"KIND": 0, "LANES": 5}),
        ("generated", {"KIND": 7}),
        ("queue", {}),
        ("queue", {"WIDTH": 5, "DEPTH": 40}),
        ("macros", {}),
        ("arrays", {}),
        ("arrays", {"N": 8}),
    ],
)
def test_operators_of_varied_designs_equal_those_of_yosys(
    name: str, parameters: dict[str, int], tmp_path: Path
) -> None:
    files = (SAMPLES / f"{name}.v",)
    expected = yosys_operators(yosys_netlist(files, name, parameters, tmp_path))
    assert parsed_operators(parse_files(files, name, parameters)) == expected
    assert sum(expected[0].values()) >= 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("module top(input a, output y);\n assign y = ;\nendmodule", r"design\.v:2: syntax error"),
        ("module top(input a, output y);\n assign y = a;\n", r"design\.v:\d+: syntax error at end"),
        ("", r"<empty>:0: no module|design\.v:1: no module in this file"),
        ("// a comment alone\n", r"design\.v:1: no module in this file"),
        ("module top(output y);\n assign y = '0;\nendmodule", r"design\.v:2: \"'0\" is SystemVerilog"),
        ("module top(input a, output y);\n assign y = {9{{99999{a}}}};\nendmodule", r"design\.v:2: .* has 99999 bits"),
        (f"module top(input a, output y);\nassign y = {' + '.join(['a'] * 2000)};\nendmodule", "nested too deeply"),
        ("module top(input a, output y);\n assign y = b;\nendmodule", r"design\.v:2: 'b' is not declared"),
        ("module top;\n wire [0-1:0] x;\nendmodule", r"design\.v:2: the range \[-1:0\] has no bits"),
        ("module top(input [3:0] a, output y);\n assign y = a[7];\nendmodule", r"design\.v:2: index 7 lies outside"),
        ("module top(input a);\n reg m [2:5];\n always @* m[6] = a;\nendmodule", r"design\.v:3: index 6 lies outside"),
        ("module top;\n other u();\nendmodule", r"design\.v:2: module 'other' is not there"),
        ("module sub(input a);\nendmodule\nmodule top;\n sub u(.b(1'b0));\nendmodule", r"design\.v:4: .*no port 'b'"),
        ("module sub;\nendmodule\nmodule top;\n sub #(.W(2)) u();\nendmodule", r"has no parameter 'W'; it has: none"),
        ("module top;\n top u();\nendmodule", r"design\.v:1: module 'top' contains itself"),
        ("module top(input a, output y);\n assign y = $random;\nendmodule", r"design\.v:2: \$random is not supported"),
        ("module top;\n real x;\nendmodule", r"design\.v:2: real is not synthesizable"),
        ("module top(output [3:0] y);\n assign y = 1 / 0;\nendmodule", r"design\.v:2: division by zero"),
        ("module top(output y);\n assign y = {0{1'b1}};\nendmodule", r"replication count is 0"),
        ("module top;\n genvar i;\n for (i=0; i<2; i=i) begin wire x; end\nendmodule", r"does not end within"),
        ("module top;\n typedef logic t;\nendmodule", r"design\.v:2: 'typedef' is SystemVerilog"),
        ("module top;\n `FOO\nendmodule", r"design\.v:2: macro or directive `FOO is not known"),
        ("`ifdef A\nmodule top;\nendmodule", r"design\.v:1: `ifdef is not closed"),
        ("module top;\nendmodule\n`endif", r"design\.v:3: `endif without `ifdef"),
        ('`include "nothing.vh"\nmodule top;\nendmodule', r"design\.v:1: 'nothing.vh' is in none"),
        ('`include "/etc/passwd"\nmodule top;\nendmodule', r"design\.v:1: '/etc/passwd' lies outside"),
        ('`include "../secret.vh"\nmodule top;\nendmodule', r"lies outside the folders"),
        ("`define A `B\n`define B `A\nmodule top; `A\nendmodule", r"design\.v:3: macros refer to each other"),
    ],
)  # fmt: skip
def test_bad_verilog_is_refused_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match=message) as caught:
        parse_text(tmp_path, text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("parameters", [{"W": 0}, {"W": -3}, {"V": 4}, {"HALF": 2}])
def test_parameters_that_do_not_exist_or_leave_no_width_are_refused(parameters: dict[str, int], tmp_path: Path) -> None:
    header = "module top #(parameter W = 4) (input [W-1:0] a, output y);"
    text = f"{header}\nlocalparam HALF = W / 2;\nassign y = ^a;\nendmodule"
    with pytest.raises(HardwareError, match=r"design\.v:1: "):
        parse_text(tmp_path, text, parameters=parameters)


def test_a_top_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(HardwareError, match="'nope' does not exist; the files define: cell_adder, generated"):
        parse_files((SAMPLES / "generated.v",), "nope", {})


def test_nothing_is_written_and_parallel_parses_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        designs = list(pool.map(lambda w: parse_files((SAMPLES / "arithmetic.v",), "arithmetic", {"W": w}), [4, 9] * 8))
    assert os.listdir(tmp_path) == []  # noqa: PTH208  # the simplest way to say: nothing at all
    assert all(design.operators == designs[index % 2].operators for index, design in enumerate(designs))


@pytest.mark.parametrize(("address", "memories", "registers"), [("1", 0, 2 * 8), ("w", 1, 0)])
def test_an_array_is_a_memory_only_if_an_address_that_varies_writes_it(
    address: str, memories: int, registers: int, tmp_path: Path
) -> None:
    header = "module top(input clk, input w, r, input [7:0] d, output [7:0] y);\nreg [7:0] m [0:1];\ninitial m[0] = 1;"
    body = f"always @(posedge clk) begin m[{address}] <= d; m[0] <= ~d; end\nassign y = m[r];"
    design = parse_text(tmp_path, f"{header}\n{body}\nendmodule")
    assert (len(design.memories), design.register_bits) == (memories, registers)
    assert [op.kind for op in design.operators if op.kind in ("memrd", "shiftx")] == ["memrd" if memories else "shiftx"]


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf", b"// caf\xe9\n"])
def test_a_byte_order_mark_and_comments_in_any_encoding_are_read(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "design.v"
    path.write_bytes(content + b"module top(input a, output y);\nassign y = ~a;\nendmodule\n")
    assert [operator.kind for operator in parse_files((path,), "top", {}).operators] == ["not"]


def test_a_file_that_is_no_text_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "design.v"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(HardwareError, match=r"design\.v"):
        parse_files((path,), "top", {})


def test_included_and_continued_lines_keep_their_origin(tmp_path: Path) -> None:
    (tmp_path / "inner.vh").write_text("wire x;\nassign x = missing;\n")
    text = '`define TWO \\\n  2\nmodule top;\n`include "inner.vh"\nendmodule\n'
    with pytest.raises(HardwareError, match=r"inner\.vh:2: 'missing'"):
        parse_text(tmp_path, text)


def test_signedness_of_listed_ports_is_not_lost(tmp_path: Path) -> None:
    design = parse_text(tmp_path, "module top(input signed [7:0] a, b, output y);\nassign y = a < b;\nendmodule")
    assert [port.signed for port in design.ports] == [True, True, False]
    assert design.operators[0].signed


def test_a_design_behind_a_macro_is_found_by_its_definition(tmp_path: Path) -> None:
    path = tmp_path / "design.v"
    path.write_text("module top(input [7:0] a, output [`W:0] y);\nassign y = a + 1;\nendmodule")
    assert parse_files((path,), "top", {}, defines={"W": "11"}).ports[1].width == 12


@given(st.integers(1, 70), st.integers(0, (1 << 64) - 1), st.sampled_from("bodhBODH"))
def test_literals_read_back(width: int, number: int, base: str) -> None:
    number &= (1 << width) - 1
    digits = {"b": f"{number:b}", "o": f"{number:o}", "d": f"{number:d}", "h": f"{number:x}"}[base.lower()]
    value = parse_literal(f"{width}'s{base}{digits}")
    assert (value.width, value.constant, value.signed) == (width, number, True)


@given(st.text(alphabet='`abdefin (),"\n/*\\x1;', max_size=60))
def test_the_preprocessor_ends_or_refuses_on_any_text(text: str) -> None:
    try:
        source = preprocess(text, "any.v")
    except HardwareError as error:
        place = str(error)
    else:
        place = "any.v:" if source.text.count("\n") + 1 == len(source.origins) or not source.origins else ""
    assert place.startswith("any.v:")
