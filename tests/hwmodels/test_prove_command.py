"""``dse prove`` on files: what it prints, and its exit status."""

import json
from pathlib import Path

import pytest
import typer
from hw_workloads import needs_yosys
from proof_units import UNIT, mutant
from typer.testing import CliRunner

from dse.cli import budget
from dse.cli.prove import prove
from hwmodels import HardwareError

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(prove)

pytestmark = needs_yosys


def run(folder: Path, text: str, *arguments: str) -> tuple[int, str]:
    (folder / "unit.v").write_text(text)
    given = [str(folder / "unit.v"), "--top", "unit", "--shift-offset", "3", "--latency", "2", *arguments]
    result = CliRunner().invoke(app, given, catch_exceptions=False)
    return result.exit_code, result.output


def test_what_is_proven_is_said_with_what_it_holds_for(tmp_path: Path) -> None:
    status, text = run(tmp_path, UNIT)
    assert status == 0
    assert "unit, contract half_up: proven in" in text
    assert "multiplier: port mult, 4 bits, unsigned" in text
    assert "zero_point: port zero_point, 8 bits, signed" in text
    assert "latency: 2 clock edges" in text


def test_a_counterexample_is_printed_and_written_as_a_bench(tmp_path: Path) -> None:
    bench = tmp_path / "bench.v"
    status, text = run(tmp_path, mutant("the half is one too small"), "--bench", str(bench))
    assert status == 1
    assert "Counterexample: acc = " in text
    assert "None of the named contracts" in text
    assert "module testbench;" in bench.read_text()


def test_programs_get_one_json_object(tmp_path: Path) -> None:
    status, text = run(tmp_path, UNIT, "--contract", "floor", "--json", "--range", "acc=-3:3")
    document = json.loads(text)
    assert (status, document["outcome"], document["others"]["half_up"]) == (1, "refuted", "proven")
    assert -3 <= document["counterexample"]["integers"]["acc"] <= 3


def test_what_exceeds_a_limit_is_not_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exceeded(*_: object, **__: object) -> None:
        raise budget.BudgetError("it needs more")

    monkeypatch.setattr(budget, "within_budget", exceeded)
    assert run(tmp_path, UNIT) == (3, "not proven: it needs more\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--port", "acc"], "port 'acc': expected NAME=VALUE"),
        (["--range", "acc=4"], "range acc is '4'; expected LOW:HIGH"),
        (["--tie", "clk=high"], "tie clk is 'high'; a whole number"),
        (["--contract", "up"], "contract is 'up'; use one of half_up"),
    ],
)
def test_bad_options_are_refused(arguments: list[str], reason: str, tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match=reason):
        run(tmp_path, UNIT, *arguments)
