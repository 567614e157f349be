"""``verify`` and ``contracts`` as commands: what they print, and their exit status."""

import io
import json
from dataclasses import replace
from pathlib import Path

import known_models
import numpy as np
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

import nets.oracle
from dse.cli.network_tables import print_contracts, verify_table
from dse.cli.networks import contracts, verify
from nets.errors import NetworkError
from nets.importers.tflite import load_tflite
from nets.oracle.matrix import ContractMatrix, ContractRow
from nets.oracle.verify import TensorCheck, VerifyReport, random_samples

app = typer.Typer()
app.command()(verify)
app.command()(contracts)
runner = CliRunner()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.tflite"
    path.write_bytes(known_models.streaming_wakeword(np.random.default_rng(6)))
    return path


def test_verify_reports_every_tensor_of_both_profiles(model: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    result = runner.invoke(app, ["verify", str(model), "--samples", "3", "--json"])
    assert result.exit_code == 0, result.output
    reports = json.loads(result.stdout)
    assert [report["profile"] for report in reports] == ["litert_ref", "litert_xnnpack"]
    assert all(report["exact"] and report["tensors"] for report in reports)
    table = runner.invoke(
        app, ["verify", str(model), "--samples", "3", "--profile", "litert_ref"], env={"COLUMNS": "160"}
    )
    assert "every integer equal" in table.stdout


def test_verify_ends_with_status_1_on_a_mismatch(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    honest = nets.oracle.verify.verify_model

    def dishonest(*arguments: object) -> object:
        report = honest(*arguments)
        return replace(report, tensors=(replace(report.tensors[0], mismatches=1, first_index=(0, 1)),))

    monkeypatch.setattr(nets.oracle, "verify_model", dishonest)
    assert runner.invoke(app, ["verify", str(model), "--samples", "1"]).exit_code == 1


def test_contracts_reads_samples_and_labels(model: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, x=random_samples(load_tflite(model), 6, 0)[0], y=np.arange(6) % 3)
    result = runner.invoke(app, ["contracts", str(model), "--data", str(data), "--json"])
    assert result.exit_code == 0, result.output
    matrix = json.loads(result.stdout)
    assert matrix["samples"] == 6
    assert matrix["rows"][0]["contract"] == "half_up"
    table = runner.invoke(app, ["contracts", str(model), "--data", str(data)], env={"COLUMNS": "80"}).stdout
    assert max(map(len, table.partition("share of")[0].splitlines())) <= 80
    assert "…" not in table
    for row in matrix["rows"]:
        line = next(line for line in table.splitlines() if line.split()[:1] == [row["contract"]])
        assert line.split()[1:6] == [
            f"{row['local_differing']:.4%}",
            f"{row['differing']:.4%}",
            f"{row['off_by_one']:.4%}",
            f"{row['agreement']:.2%}",
            f"{row['accuracy']:.2%}",
        ]
        if row["first_divergent"]:
            assert f"{row['contract']}: differs first at {row['first_divergent']}\n" in table


@pytest.mark.parametrize("command", ["verify", "contracts"])
def test_samples_of_another_shape_are_bad_input(model: Path, tmp_path: Path, command: str) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, x=np.zeros((4, 3, 3, 1), np.int8), y=np.zeros(4, np.int64))
    result = runner.invoke(app, [command, str(model), "--data", str(data)])
    assert isinstance(result.exception, NetworkError)
    assert "samples have shape [3, 3, 1]; the model takes [30, 40]" in str(result.exception)


def test_the_widest_figures_fit_into_80_columns() -> None:
    row = ContractRow("float64_half_away", "depthwise_100", 1.0, 1.0, 1.0, (1,) * 5, 1.0, 1.0, -100.0)
    file = io.StringIO()
    print_contracts(ContractMatrix("m.tflite", "half_up", 10, (row,)), Console(file=file, width=80))
    table = file.getvalue()
    assert max(map(len, table.splitlines())) <= 80
    assert "…" not in table
    assert table.count("100.0000%") == 3
    check = TensorCheck("depthwise_conv_1000", "x;" * 200, 10**9, 10**9, (127, 1000, 1000, 1024), -128, 127)
    report = VerifyReport("a" * 60 + ".tflite", "litert_xnnpack", "BUILTIN", 10**6, (check,))
    file = io.StringIO()
    Console(file=file, width=80).print(verify_table(report))
    assert max(map(len, file.getvalue().splitlines())) <= 80
    folded = "".join(file.getvalue().split())
    for part in ("1,000,000,000", "-128", "127"):
        assert part in folded
