"""A rescaler in Verilog that a proof accepts, and deliberately wrong ones, one change each."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from hwmodels.proof import PortBits, Question, Source

UNIT: Final = """
module unit (
    input clk, input signed [11:0] acc, input [3:0] mult, input [1:0] shift, input signed [7:0] zero_point,
    output reg signed [7:0] q
);
    reg signed [15:0] product;
    reg [1:0] amount;
    wire signed [4:0] multiplier = {1'b0, mult};
    wire signed [18:0] value = product;
    wire signed [18:0] half = 19'sd1 <<< (amount + 3'd2);
    wire signed [18:0] rounded = (value + half) >>> (amount + 3'd3);
    wire signed [18:0] sum = rounded + zero_point;
    always @(posedge clk) begin
        product <= acc * multiplier;
        amount <= shift;
        q <= sum > 127 ? 8'sd127 : sum < -128 ? -8'sd128 : $signed(sum[7:0]);
    end
endmodule
"""
MUTANTS: Final = {
    "the shift is off by one": (">>> (amount + 3'd3)", ">>> (amount + 3'd2)"),
    "the half is one too small": ("19'sd1 <<< (amount + 3'd2)", "(19'sd1 <<< (amount + 3'd2)) - 1"),
    "the upper bound is one too small": ("sum > 127 ? 8'sd127", "sum > 126 ? 8'sd126"),
    "the lower bound wraps": ("sum < -128 ? -8'sd128 :", ""),
    "a sign is not extended": ("value = product", "value = {3'b0, product}"),
    "the product lacks its highest bit": ("reg signed [15:0] product", "reg signed [14:0] product"),
    "the multiplier has a sign": ("{1'b0, mult}", "{mult[3], mult}"),
    "a pipeline stage is missing": ("reg [1:0] amount;", "wire [1:0] amount = shift;"),
    "the zero point is added before the shift": ("(value + half)", "(value + half + zero_point)"),
}
"""Name of a fault: what is replaced in the unit, and by what."""


def mutant(name: str) -> str:
    """Returns the unit with one fault."""
    old, new = MUTANTS[name]
    if UNIT.count(old) != 1:
        raise ValueError(f"{name}: {old!r} does not stand in the unit once")
    text = UNIT.replace(old, new)
    return text.replace("        amount <= shift;\n", "") if "wire [1:0] amount" in text else text


def question(path: Path, text: str, contract: str = "half_up", **more: object) -> Question:
    """Returns the question whether a unit computes a contract."""
    path.write_text(text)
    asked = {"shift_offset": 3, "latency": 2, "ports": {"out": PortBits("q")}, "time_limit": 100.0, **more}
    return Question(source=Source(files=(path,), top="unit"), contract=contract, **asked)  # type: ignore[arg-type]


def bench_passes(bench: str, design: str, folder: Path) -> bool:
    """Returns whether a test bench passes on a design in Icarus Verilog."""
    (folder / "bench.v").write_text(bench)
    (folder / "design.v").write_text(design)
    build = ["iverilog", "-g2012", "-s", "testbench", "-o", "bench.vvp", "bench.v", "design.v"]
    subprocess.run(build, cwd=folder, check=True)
    done = subprocess.run(["vvp", "bench.vvp"], cwd=folder, capture_output=True, text=True, check=False)
    if ("PASS" in done.stdout) == ("FAIL" in done.stdout) or ("FAIL" in done.stdout) != (done.returncode != 0):
        raise RuntimeError(done.stdout + done.stderr)
    return "PASS" in done.stdout


HAS_ICARUS: Final = shutil.which("iverilog") is not None

_PARTS: Final = """wire signed [14:0] low = acc * $signed({1'b0, mult[1:0]});
    wire signed [14:0] high = acc * $signed({1'b0, mult[3:2]});
    wire signed [12:0] carried = low >>> 2;
    wire signed [15:0] upper = high + carried;
    always @(posedge clk) product <= $signed({upper[13:0], low[1:0]});
"""
BY_PARTS: Final = UNIT.replace("        product <= acc * multiplier;\n", "").replace(
    "wire signed [4:0] multiplier = {1'b0, mult};", _PARTS
)  # the product from two slices of the multiplier, whose low bits are settled first
WRONG_PARTS: Final = {
    "a part has no room for its sign": ("wire signed [14:0] high", "wire signed [12:0] high"),
    "a carry is cut": ("wire signed [12:0] carried", "wire signed [10:0] carried"),
    "a bit is counted twice": ("{upper[13:0], low[1:0]}", "{upper[12:0], low[2:0]}"),
    "the carry has no sign": ("low >>> 2", "low[14:2] >> 1"),
}
