"""Exported units with every flow control, reset and kind of parameters, in simulation."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dse.errors import StudyError
from dse.evaluate.costing import single_cycle
from dse.export.interface import Interface, interface_for
from dse.export.ports import ports_of
from dse.export.render import port_rows
from dse.export.units import Unit, units_of
from dse.study.prepared import PreparedStudy
from hwmodels.architectures import architecture_for
from hwmodels.workload import Pipeline, RescalerWorkload
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.network.quantized_network import QuantizedNetwork
from tests.export.benches import bench_of, build_bench, icarus_command, passes, with_a_wrong_bit
from tests.hwmodels.hw_workloads import needs_verilator

needs_icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is needed")
needs_yosys = pytest.mark.skipif(shutil.which("yosys") is None, reason="yosys is needed")
WIDTHS = (8, 1, 3, 2, 1, 31)  # of the digits network's rescalers


def deep(workload: RescalerWorkload) -> RescalerWorkload:
    """The workload with registers at every place of a pipeline."""
    most = architecture_for(workload).most_registers(workload)
    return replace(workload, pipeline=Pipeline(**{place: min(count, 2) for place, count in most.items()}))


INTERFACES = {
    "bare": (Interface("none", "none", "load"), "array", single_cycle),
    "enable": (Interface("enable", "async", "rom"), "array", single_cycle),
    "enable_without_reset": (Interface("enable", "none", "rom"), "array", single_cycle),
    "reset_only": (Interface("none", "sync_low", "rom"), "array", single_cycle),
    "valid": (Interface("valid", "async_low", "load"), "array", single_cycle),
    "valid_ready": (Interface("valid_ready", "sync", "rom"), "array", single_cycle),
    "serial": (Interface("valid_ready", "sync_low", "load"), "serial", single_cycle),
    "pipelined": (Interface("none", "async", "rom"), "array", deep),
    "pipelined_enable": (Interface("enable", "none", "rom"), "array", deep),
    "pipelined_valid": (Interface("valid", "sync", "rom"), "array", deep),
    "pipelined_valid_ready": (Interface("valid_ready", "async", "rom"), "array", deep),
}


@pytest.fixture(scope="module")
def network(digits: PreparedStudy) -> QuantizedNetwork:
    int32 = digits.members[0].network
    names = [operator.name for operator in int32.narrowable_operators()]
    return narrow(int32, {name: RescalerChoice(k) for name, k in zip(names, WIDTHS, strict=True)})


def written(network: QuantizedNetwork, digits: PreparedStudy, folder: Path, name: str) -> list[Unit]:
    interface, choice, pipelined = INTERFACES[name]
    samples = digits.members[0].splits.validation.inputs[:2].astype(np.int8)
    return bench_of({"x": network}, samples, 40, folder, interface, choice, pipelined)


@needs_icarus
@pytest.mark.parametrize("name", INTERFACES)
def test_every_interface_gives_the_models_integers(
    network: QuantizedNetwork, digits: PreparedStudy, name: str, tmp_path: Path
) -> None:
    """With random gaps and stalls, and a reset half-way."""
    units = written(network, digits, tmp_path, name)
    assert any(unit.serial for unit in units) == (name == "serial")
    passes(icarus_command(tmp_path), tmp_path, units)


@needs_verilator
@pytest.mark.slow
@pytest.mark.parametrize("name", ["serial", "pipelined_valid_ready"])
def test_interfaces_pass_under_verilator_without_a_warning(
    network: QuantizedNetwork, digits: PreparedStudy, name: str, tmp_path: Path
) -> None:
    units = written(network, digits, tmp_path, name)
    passes(build_bench(tmp_path), tmp_path, units)


@needs_yosys
@pytest.mark.parametrize("name", ["valid", "serial"])
def test_yosys_reads_an_export_without_a_warning(
    network: QuantizedNetwork, digits: PreparedStudy, name: str, tmp_path: Path
) -> None:
    tops = [f"unit_{unit.identifier}" for unit in written(network, digits, tmp_path, name)]
    for top in (tops[0], tops[2]):
        script = f"read_verilog rtl/*.v; hierarchy -check -top {top}; proc; check -assert"
        done = subprocess.run(["yosys", "-p", script], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
        assert "Warning" not in done.stdout


# In a file of the export, what is replaced by what; each is a mistake that the test bench must see.
MISTAKES = {
    "stalls are ignored": ("valid_ready", "unit_conv_0_x.v", "advance = ~out_valid | out_ready", "advance = 1'b1"),
    "results are held, flags are not": ("valid_ready", "unit_conv_0_x.v", ".ENABLE(1), .RESET(1)", ".RESET(1)"),
    "flags are not reset": ("valid", "unit_conv_0_x.v", ".RESET(4)) valid_register", ".RESET(0)) valid_register"),
    "flags are a cycle early": (
        "pipelined_valid_ready",
        "unit_conv_0_x.v",
        "out_valid = valid[4]",
        "out_valid = valid[3]",
    ),
    "flags come too early": (
        "valid",
        "unit_conv_0_x.v",
        ".q(out_valid)\n    );",
        ".q()\n    );\n    assign out_valid = in_valid;",
    ),
    "the enable is not connected": ("enable", "unit_conv_0_x.v", ".ENABLE(1)", ".ENABLE(0)"),
    "data are not reset": ("reset_only", "unit_conv_0_x.v", ".RESET(2)", ".RESET(0)"),
    "a serial unit overwrites a result": (
        "serial",
        "unit_conv_0_x.v",
        "= ~(finish & out_valid & ~out_ready)",
        "= 1'b1",
    ),
    "a serial unit is always ready": ("serial", "unit_conv_0_x.v", "in_ready = ~busy & advance", "in_ready = 1'b1"),
    "a word is loaded into another channel": ("serial", "parameters_conv_0_x.v", "words[load_c", "words[~load_c"),
    "a bias is loaded into another channel": ("valid", "parameters_fc_7_x.v", "biases[load_c", "biases[~load_c"),
}


@needs_icarus
@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_bench_sees_mistakes(
    network: QuantizedNetwork, digits: PreparedStudy, mistake: str, tmp_path: Path
) -> None:
    name, file, right, wrong = MISTAKES[mistake]
    written(network, digits, tmp_path, name)
    path = tmp_path / "rtl" / file
    text = path.read_text()
    assert text.count(right) >= 1, text
    path.write_text(text.replace(right, wrong))
    done = subprocess.run(icarus_command(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "FAIL" in done.stdout


@needs_icarus
def test_the_bench_sees_a_wrong_bit_of_a_rom(network: QuantizedNetwork, digits: PreparedStudy, tmp_path: Path) -> None:
    written(network, digits, tmp_path, "enable")
    path = tmp_path / "rtl" / "parameters_conv_0_x.v"
    path.write_text(with_a_wrong_bit(path.read_text()))
    done = subprocess.run(icarus_command(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "bias = " in done.stdout


def test_options_that_do_not_fit_are_refused(network: QuantizedNetwork) -> None:
    array, serial = units_of(network, {}), units_of(network, {}, "serial")
    assert interface_for(array, None, None, "rom") == Interface("none", "none", "rom")
    assert interface_for(array, "valid", None, "load") == Interface("valid", "sync", "load")
    assert interface_for(serial, None, None, "rom") == Interface("valid_ready", "sync", "rom")
    with pytest.raises(
        StudyError, match="--handshake is enable, but rescaler 'conv_0' takes 9 cycles; use valid_ready"
    ):
        interface_for(serial, "enable", None, "rom")
    with pytest.raises(StudyError, match="--reset is none, but --handshake valid has flags to reset"):
        interface_for(array, "valid", "none", "rom")


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is needed")
def test_parameters_out_of_range_end_the_elaboration(tmp_path: Path) -> None:
    rtl = Path(__file__).parents[2] / "hwmodels" / "rtl"
    top = tmp_path / "top.v"
    top.write_text("module top (input clk); rescaler_shift #(.OUT_WIDTH(1)) unit (.clk(clk)); endmodule\n")
    command = ["iverilog", "-g2001", "-s", "top", "-y", str(rtl), "-o", str(tmp_path / "x"), str(top)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "rescaler_clamp_OUT_WIDTH_must_be_at_least_2" in done.stderr


def test_the_readme_states_every_latency_and_word(network: QuantizedNetwork) -> None:
    interface = Interface("valid", "sync", "load")
    some = units_of(network, {}, "array", single_cycle)[:1] + units_of(network, {}, "array", deep)[1:3]
    rows = {port.name: port for port, _ in port_rows([ports_of(unit, interface) for unit in some])}
    for unit in some:
        edges = f"{unit.latency} edges" if unit.latency > 1 else "one edge"
        assert f"{edges} after" in rows["q"].timing
        assert ", ".join(f"{name} {bits}" for name, bits in unit.fields) in rows["load_word"].meaning
    assert len({unit.latency for unit in some}) > 1
