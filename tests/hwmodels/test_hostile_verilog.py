"""Verilog that describes far more than it says: refused in one line, after bounded work."""

import re
import resource
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from dse.cli.budget import within_budget
from dse.cli.hardware import cost
from hwmodels import HardwareError
from hwmodels.parsing import _grammar, _preprocess, _work, parse_files

CPU_S = 60.0  # no design below takes a twentieth of it; unbounded, all take hours or all memory
# The limits of the tests, a twentieth of the package's or less, so that they take as little time.
STEPS, CHARACTERS, TOKENS = 50_000, 500_000, 10_000
UNFOLD = f"unfold to over {STEPS} steps; cost a smaller part of the design"
EXPAND = f"macros expand beyond {CHARACTERS} characters"


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _work.MAX_STEPS > STEPS
    monkeypatch.setattr(_work, "MAX_STEPS", STEPS)
    monkeypatch.setattr(_preprocess, "_MAX_TEXT", CHARACTERS)
    monkeypatch.setattr(_grammar, "_MAX_TOKENS", TOKENS)


def nested_loops(inner: str, before: str = "", begin: str = "begin", passes: int = 4000) -> str:
    loops = "".join(f"for ({i} = 0; {i} < {passes}; {i} = {i} + 1) {begin} " for i in "ijk")
    return f"{before} {loops} {inner} end end end"


def functions(argument: str) -> str:
    """Describe functions, each of which calls the one before it twice."""
    text = "function [7:0] f0; input [7:0] a; begin f0 = a + a; end endfunction\n"
    for n in range(1, 40):
        text += f"function [7:0] f{n}; input [7:0] a; begin f{n} = f{n - 1}(a) + f{n - 1}(a); end endfunction\n"
    return f"module t(input [7:0] a, output [7:0] y);\n{text}assign y = f39({argument});\nendmodule\n"


def modules() -> str:
    """Describe modules, each of which holds the one before it twice."""
    text = "module m0(input a); wire w = a & a; endmodule\n"
    for n in range(1, 40):
        text += f"module m{n}(input a); m{n - 1} x(.a(a)); m{n - 1} y(.a(a)); endmodule\n"
    return f"{text}module t(input a); m39 x(.a(a)); endmodule\n"


def constant_function() -> str:
    loops = nested_loops("f = f + 1;", "f = 0;")
    body = f"function integer f; input integer n; integer i, j, k; begin {loops} end endfunction"
    return f"module t(output y); {body} localparam P = f(1); wire [P:0] w; endmodule"


DOUBLED_MACROS = "`define A0 x\n" + "".join(f"`define A{n} `A{n - 1} `A{n - 1}\n" for n in range(1, 31))
HOSTILE = {
    "macros that double": (f"{DOUBLED_MACROS}module t; wire `A30; endmodule", EXPAND),
    "a macro in its own argument": (f"`define D(a) a a\nmodule t; wire {'`D(' * 30}x{')' * 30}; endmodule", EXPAND),
    "a long argument, often": (f"`define B(a) {'a ' * 10_000}\nmodule t; wire `B({'x' * 100_000}); endmodule", EXPAND),
    "generate loops": (
        f"module t(input a); genvar i, j, k; generate {nested_loops('', begin='begin: B')} endgenerate endmodule",
        UNFOLD,
    ),
    "always loops": (
        "module t(input [7:0] a, output reg [7:0] y); integer i, j, k; "
        f"always @* begin {nested_loops('y = y + a;')} end endmodule",
        UNFOLD,
    ),
    "loops of a constant function": (constant_function(), UNFOLD),
    "functions that double": (functions("a"), UNFOLD),
    "constant functions that double": (functions("8'd1"), UNFOLD),
    "modules that double": (modules(), UNFOLD),
    "arrays of instances": (
        "module m(input a); m2 x [65535:0] (.a(a)); endmodule\nmodule m2(input a); endmodule\n"
        "module t(input a); m x [65535:0] (.a(a)); endmodule",
        UNFOLD,
    ),
    "attributes without an end": (f"module t; {'(* ' * 100_000} endmodule", r":1: \(\* is not closed by \*\)"),
    "comments without an end": (f"module t;\n{'/* ' * 100_000} endmodule", r":2: /\* is not closed by \*/"),
    "a wide literal": ("module t(output y); assign y = 999999999999'h1; endmodule", "has 999999999999 bits; 1 to"),
    "a long number": (f"module t(output y); assign y = {'9' * 100_000}; endmodule", "a number of 100000 digits"),
    "a long decimal": (f"module t(output y); assign y = 'sd{'9' * 5000}; endmodule", "a number of 5003 digits"),
    "long unknown bits": (f"module t(output y); assign y = 'h{'x' * 300_000}; endmodule", "a number of 300002"),
    "a wide concatenation": (
        f"module t(input [65535:0] a, output y); assign y = ^{{{', '.join('a' * 9)}}}; endmodule",
        "an expression has 589824 bits; at most 65536",
    ),
    "a memory of many words": ("module t; reg [7:0] m [0:999999999999]; endmodule", "has more than 4294967296 words"),
    "an array of many dimensions": (f"module t; reg m{'[0:9]' * 1000}; endmodule", "has more than 4294967296 words"),
    "many conditions": ("`ifdef A\n" * 50_000, ":50000: `ifdef is not closed"),
    "a long definition": ("`define A \\\n" * 40_000, "no module in this file"),
    "many tokens": (f"module t({', '.join(f'p{n}' for n in range(6000))}); endmodule", "more than 10000 tokens"),
    "deep parentheses": (f"module t(input a, output y); assign y = {'(~' * 2000}a{')' * 2000}; endmodule", "deeply"),
    "deep blocks": (f"module t(input a, output reg y); always @* {'begin ' * 3000}{' end' * 3000} endmodule", "too"),
    "a file of many bytes": (f"// {'x' * CHARACTERS}\nmodule t; endmodule", f"more than {CHARACTERS} bytes"),
    "no text": ("\0" * 10_000, "syntax error"),
}  # fmt: skip


@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_verilog_is_refused_after_bounded_work(attack: str, tmp_path: Path) -> None:
    text, message = HOSTILE[attack]
    path = tmp_path / "design.v"
    path.write_text(text)
    before = time.process_time()
    with pytest.raises(HardwareError, match=message) as caught:
        parse_files((path,), "t", {})
    assert time.process_time() - before < CPU_S
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_files_that_include_themselves_are_refused(tmp_path: Path) -> None:
    for n in range(20):
        (tmp_path / f"f{n}.v").write_text(f'`include "f{n + 1}.v"\n' * 2)
    (tmp_path / "f20.v").write_text("")
    with pytest.raises(HardwareError, match="more than 1000 files are included"):
        parse_files((tmp_path / "f0.v",), "t", {})


@pytest.mark.parametrize("passes", [1, 10])
def test_work_below_the_bound_is_done(passes: int, tmp_path: Path) -> None:
    path = tmp_path / "design.v"
    loops = nested_loops("wire w = a & a;", begin="begin: B", passes=passes)
    path.write_text(f"module t(input a); genvar i, j, k; generate {loops} endgenerate endmodule")
    assert len(parse_files((path,), "t", {}).operators) == passes**3


def spin() -> None:
    while True:
        pass


def swell() -> bytes:
    return bytes(1 << 32)


def refuse() -> None:
    raise HardwareError("this file")


def limits() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_CPU)


def test_work_beyond_its_budget_is_ended_and_the_process_goes_on() -> None:
    before = limits()
    with pytest.raises(HardwareError, match=r"more than 1 s of computing time \(--time-limit\)"):
        within_budget(spin, seconds=1, mebibytes=100)
    with pytest.raises(HardwareError, match=r"more than 100 MiB of memory \(--memory-limit\)"):
        within_budget(swell, seconds=10, mebibytes=100)
    with pytest.raises(HardwareError, match=r"^this file$"):
        within_budget(refuse, seconds=10, mebibytes=100)
    assert within_budget(limits, seconds=10, mebibytes=100) == (10, 15)
    assert limits() == before


def test_dse_cost_ends_at_its_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(cost)
    monkeypatch.setattr(_work, "MAX_STEPS", 1 << 60)
    path = tmp_path / "design.v"
    path.write_text(functions("a"))
    result = CliRunner().invoke(app, [str(path), "--top", "t", "--time-limit", "1"])
    assert isinstance(result.exception, HardwareError)
    assert re.search(r"more than 1 s of computing time \(--time-limit\)", str(result.exception))
