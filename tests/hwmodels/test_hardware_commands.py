import json
from pathlib import Path

import pytest
import typer
from hw_workloads import needs_yosys
from small_liberty import small_liberty, write_small_liberty
from typer.testing import CliRunner

from dse.cli.hardware import calibrate, cost
from hwmodels import HardwareError, load_technology
from hwmodels.architectures.base import RTL_FOLDER
from hwmodels.synthesis.liberty import load_liberty
from hwmodels.synthesis.liberty_to_table import calibrate as calibrate_technology
from hwmodels.synthesis.liberty_to_table import fit_technology
from hwmodels.synthesis.sweep import read_measurements
from hwmodels.traces import load_recording

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "hardware"
RESCALER = (str(RTL_FOLDER / "rescaler.v"), str(RTL_FOLDER / "rescaler_register.v"))

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(cost)
app.command()(calibrate)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_cost_prints_one_json_object() -> None:
    text = run("cost", *RESCALER, "--top", "rescaler", "-P", "MULT_WIDTH=8", "--technology", "osu018", "--json")
    document = json.loads(text)
    assert document["parameters"]["MULT_WIDTH"] == 8
    assert document["area_um2"] > 0
    assert document["energy_pj"] > 0
    assert {"kind", "operands", "width", "signed", "where"} <= document["operators"][0].keys()


def test_cost_prints_null_where_a_table_gives_nothing() -> None:
    document = json.loads(run("cost", *RESCALER, "--top", "rescaler", "--technology", "horowitz45", "--json"))
    assert document["area_um2"] is None
    assert document["missing"]


def test_energies_by_gates_are_of_no_order_of_outputs() -> None:
    gates = ("cost", *RESCALER, "--top", "rescaler", "--technology", "osu018")
    assert "order" not in run(*gates)
    assert json.loads(run(*gates, "--json"))["output_order"] is None
    with pytest.raises(HardwareError, match="--output-order is channel_outermost, but osu018 prices Verilog by gates"):
        run(*gates, "--output-order", "channel_outermost")
    with pytest.raises(HardwareError, match="sideways"):
        run(*gates, "--output-order", "sideways")


def test_cost_prints_a_table() -> None:
    text = run("cost", *RESCALER, "--top", "rescaler", "-P", "MULT_WIDTH=0x4")
    assert "sshr" in text
    assert "area_um2:" in text


def test_cost_names_every_line_at_80_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folder = tmp_path / "a_folder_with_a_long_name_in_which_the_library_of_the_chip_lies" / "rtl"
    folder.mkdir(parents=True)
    for name in ("inner", "outer"):
        body = "assign q = a + b;" if name == "inner" else "wire [7:0] s; inner i(a, b, s); assign q = s * b;"
        text = f"module {name}(input [7:0] a, input [7:0] b, output [7:0] q);\n{body}\nendmodule\n"
        (folder / f"{name}.v").write_text(text, encoding="utf-8")
    arguments = ("cost", str(folder / "outer.v"), str(folder / "inner.v"), "--top", "outer")
    table = run(*arguments).partition("registers:")[0]
    assert max(map(len, table.splitlines())) <= 80
    assert "…" not in table
    assert str(folder) in "".join(line.strip() for line in table.splitlines())
    places = {operator["where"] for operator in json.loads(run(*arguments, "--json"))["operators"]}
    assert {line.split()[-1] for line in table.splitlines() if "mul" in line or "add" in line} == {
        Path(place).name for place in places
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-P", "MULT_WIDTH"), "expected NAME=VALUE"),
        (("-P", "MULT_WIDTH=x"), "MULT_WIDTH is 'x'"),
        (("-P", "NOPE=1"), "no parameter 'NOPE'"),
        (("-P", "ACC_WIDTH=0"), "no bits"),
        (("--technology", "nope"), "unknown technology"),
        (("-D", "1=2"), "expected NAME"),
        (("-P", "ACC_WIDTH=8", "-P", "ACC_WIDTH=9"), "parameter ACC_WIDTH is given twice, the second time as 9"),
        (("-I", "nowhere"), "nowhere: no such folder to include from"),
    ],
)
def test_cost_refuses_bad_arguments(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(HardwareError, match=message):
        run("cost", *RESCALER, "--top", "rescaler", *arguments)


@pytest.mark.parametrize(("name", "widths"), [("a b", "1,2"), ("ok", "0,2"), ("ok", "a"), ("ok", "40")])
def test_calibrate_refuses_bad_arguments_and_leaves_nothing(name: str, widths: str, tmp_path: Path) -> None:
    library = write_small_liberty(tmp_path)
    with pytest.raises(HardwareError):
        run("calibrate", "--liberty", str(library), "--name", name, "--node-nm", "100", "--multiplier-bits", widths,
            "--out", str(tmp_path / "out.toml"))  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["small.lib"]


def test_ctrl_c_ends_calibrate_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hwmodels.synthesis.liberty_to_table.run_sweep", interrupted)
    library, out = write_small_liberty(tmp_path), tmp_path / "out.toml"
    arguments = ["calibrate", "--liberty", str(library), "--name", "ok", "--node-nm", "100", "--out", str(out)]
    result = CliRunner().invoke(app, [*arguments, "--dataset", str(tmp_path / "kept.csv")])
    assert result.exit_code == 130
    assert result.output.count("\n") == 1
    assert f"kept in {tmp_path / 'kept.csv'}" in result.output
    assert not out.exists()


def test_calibrate_refuses_a_truncated_library(tmp_path: Path) -> None:
    path = tmp_path / "cut.lib"
    path.write_text(small_liberty()[:900])
    with pytest.raises(HardwareError, match=r"cut\.lib.*truncated"):
        calibrate_technology(path, "cut", node_nm=100)


@needs_yosys
@pytest.mark.slow
def test_calibrate_fits_a_table_from_what_a_sweep_left(tmp_path: Path) -> None:
    """The published measurements under another library's name."""
    library = load_liberty(write_small_liberty(tmp_path))
    points = read_measurements(RESULTS / "dataset_osu018.csv")
    result = fit_technology("mine", library, 100.0, points, load_recording())
    path = tmp_path / "mine.toml"
    path.write_text(result.text)
    assert load_technology(path) == result.technology
    assert {error.architecture for error in result.errors} >= {"all", "array", "add"}
    # The fractured unit's energy jumps where its mode changes, that of constants follows their digits (ratios of the
    # table follow both), and the delay of a constant shift has no neighbour.
    few = ("fractured", "constant", "add_constants", "shift_constants")
    assert all(error.mean < 0.25 for error in result.errors if error.architecture not in few)
