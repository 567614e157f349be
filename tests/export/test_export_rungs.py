"""Exported units of every rung of the ladder, on real operands, under Verilator and Icarus."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dse.export.units import Unit
from dse.study.prepared import PreparedStudy
from nets.importers.tflite import load_tflite
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.network.operators import ElementwiseKind, ElementwiseSum, Method, Weighted
from nets.network.quantized_network import QuantizedNetwork
from tests.export.benches import bench_of, build_bench, icarus_command, passes, with_a_wrong_bit
from tests.hwmodels.hw_workloads import needs_verilator

DATA = Path("../shared/data")
needs_icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is needed")
needs_data = pytest.mark.skipif(not DATA.exists(), reason="needs the models of ../shared/data")


def pure_shifts(network: QuantizedNetwork, shift_bits: int | None) -> QuantizedNetwork:
    """The network at k = 1; channels share a window of shifts from the second smallest on, whatever it costs."""
    choices = {operator.name: RescalerChoice(1, Method.ABSORB) for operator in network.narrowable_operators()}
    network = narrow(network, choices)
    if shift_bits is None:
        return network
    windowed = {}
    for operator in network.narrowable_operators():
        if isinstance(operator, Weighted):
            shift = operator.rescaler.right_shift
            low = int(np.unique(shift)[:2][-1])
            shift = np.clip(shift, low, low + (1 << shift_bits) - 1)
            windowed[operator.name] = replace(operator, rescaler=replace(operator.rescaler, right_shift=shift))
    return network.with_operators(windowed)


def unclamped(network: QuantizedNetwork) -> QuantizedNetwork:
    """The network with bounds that are no ends of the type."""
    changed = {op.name: replace(op, q_min=-100, q_max=90) for op in network.narrowable_operators()}
    return network.with_operators(changed)


def difference(network: QuantizedNetwork) -> QuantizedNetwork:
    sums = [op for op in network.operators if isinstance(op, ElementwiseSum)]
    return network.with_operators({op.name: replace(op, kind=ElementwiseKind.SUB) for op in sums})


def rungs(int32: QuantizedNetwork) -> Mapping[str, QuantizedNetwork]:
    uniform = {k: {op.name: RescalerChoice(k) for op in int32.narrowable_operators()} for k in (8, 2)}
    return {
        "int32": int32,
        "k8": narrow(int32, uniform[8]),
        "k2": unclamped(narrow(int32, uniform[2])),
        "natural": pure_shifts(int32, None),
        "window8": pure_shifts(int32, 3),
        "window4": unclamped(pure_shifts(int32, 2)),
        "window2": difference(pure_shifts(int32, 1)),
        "constant": pure_shifts(int32, 0),
        "constant_clamped": unclamped(pure_shifts(int32, 0)),
    }


@pytest.fixture(scope="module")
def ladder(digits: PreparedStudy, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Unit]]:
    folder = tmp_path_factory.mktemp("ladder")
    samples = digits.members[0].splits.validation.inputs[:3].astype(np.int8)
    return folder, bench_of(rungs(digits.members[0].network), samples, 25, folder)


def test_every_rung_has_the_unit_that_its_name_says(ladder: tuple[Path, list[Unit]]) -> None:
    by_rung: dict[str, list[Unit]] = {}
    for unit in ladder[1]:
        by_rung.setdefault(unit.identifier.split("_", 2)[2], []).append(unit)
    for rung, bits in (("int32", 31), ("k8", 8), ("k2", 2)):
        assert {unit.stages[-1].multiplier_bits for unit in by_rung[rung]} == {bits}
        assert not any(unit.folded for unit in by_rung[rung])
    for rung, bits in (("window8", 3), ("window4", 2), ("window2", 1), ("constant", 0), ("constant_clamped", 0)):
        stages = [unit.workload.stages[-1] for unit in by_rung[rung]]
        assert max(stage.shift_bits for stage in stages) <= bits
        assert all(unit.folded for unit in by_rung[rung])
    for rung in ("constant", "constant_clamped"):
        for unit in by_rung[rung]:
            assert [name for name, _ in unit.fields] in ([], ["bias"])
            assert unit.parameter_word_bits == 0
    assert any("complemented" in str(unit.constants.inputs) for unit in by_rung["window2"])
    assert all(unit.constants.saturates for unit in by_rung["constant"])
    assert not any(unit.constants.saturates for unit in by_rung["constant_clamped"])


@needs_verilator
@pytest.mark.slow
def test_every_rung_passes_under_verilator(ladder: tuple[Path, list[Unit]]) -> None:
    folder, units = ladder
    passes(build_bench(folder), folder, units)


@needs_icarus
@pytest.mark.slow
def test_every_rung_passes_under_icarus(ladder: tuple[Path, list[Unit]]) -> None:
    folder, units = ladder
    passes(icarus_command(folder), folder, units)


@needs_icarus
@pytest.mark.slow
def test_a_wrong_folded_bias_fails(digits: PreparedStudy, tmp_path: Path) -> None:
    samples = digits.members[0].splits.validation.inputs[:1].astype(np.int8)
    bench_of({"constant": pure_shifts(digits.members[0].network, 0)}, samples, 10, tmp_path)
    parameters = tmp_path / "rtl" / "parameters_conv_0_constant.v"
    parameters.write_text(with_a_wrong_bit(parameters.read_text()))
    done = subprocess.run(icarus_command(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "FAIL" in done.stdout


@needs_verilator
@needs_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "samples", "key"),
    [("kws_ref_model", "kws01", "x"), ("pretrainedResnet_quant", "cifar10_subset", "x_test")],
)
def test_real_models_pass_under_verilator(model: str, samples: str, key: str, tmp_path: Path) -> None:
    int32 = load_tflite(DATA / "models" / f"{model}.tflite", contract="half_up")
    with np.load(DATA / "samples" / f"{samples}.npz") as arrays:
        inputs = arrays[key][:1]
    inputs = inputs.astype(np.int8) if inputs.dtype == np.int8 else (inputs.astype(np.int16) - 128).astype(np.int8)
    networks = {"int32": int32, "natural": pure_shifts(int32, None), "constant": pure_shifts(int32, 0)}
    units = bench_of(networks, inputs, 300, tmp_path)
    assert all(unit.folded == (unit.stages[-1].multiplier_bits == 1) for unit in units)
    passes(build_bench(tmp_path), tmp_path, units)
