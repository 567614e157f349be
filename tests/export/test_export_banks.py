"""Exported shared banks: one bank of lanes computes the integers of every layer, whatever their widths."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dse.errors import StudyError
from dse.export.banks import banks_of
from dse.export.bundle import hardware_files
from dse.export.interface import Interface, interface_for
from dse.export.units import Unit
from dse.export.vectors import vectors_of
from dse.study.prepared import PreparedStudy
from hwmodels.workload import Pipeline, RescalerWorkload
from nets.narrow.choice import RescalerChoice
from nets.narrow.narrowing import narrow
from nets.network.operators import ElementwiseKind, ElementwiseSum, Method
from nets.network.quantized_network import QuantizedNetwork
from tests.export.benches import build_bench, passes
from tests.hwmodels.hw_workloads import needs_verilator

WIDTHS = (1, 3, 8, 31, 2, 12)


def narrowed_by(digits: PreparedStudy, widths: tuple[int, ...]) -> QuantizedNetwork:
    operators = list(digits.members[0].network.narrowable_operators())
    choices = {op.name: RescalerChoice(widths[i % len(widths)], Method.ROUND) for i, op in enumerate(operators)}
    return narrow(digits.members[0].network, choices, digits.members[0].originals)


def write(
    network: QuantizedNetwork, units: tuple[Unit, ...], digits: PreparedStudy, interface: Interface, folder: Path
) -> None:
    layers = tuple(layer for unit in units for layer in unit.layers)
    samples = digits.members[0].splits.validation.inputs[:2].astype(np.int8)
    vectors = vectors_of(network, layers, samples, 41, 0)
    for path, text in hardware_files(units, vectors, "banks", 2, interface).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def pipelined(workload: RescalerWorkload) -> RescalerWorkload:
    return replace(workload, pipeline=Pipeline(product=1, shift=int(workload.stages[-1].shift_bits > 0), sum=1))


@needs_verilator
@pytest.mark.slow
@pytest.mark.parametrize(
    ("choice", "lanes", "interface", "depth"),
    [
        ("array", 3, Interface(), False),
        ("array", 2, Interface("valid_ready", "async_low", "load"), True),
        ("serial", 1, Interface("valid_ready", "sync"), False),
    ],
)
def test_a_bank_has_the_integers_of_every_layer(
    digits: PreparedStudy, choice: str, lanes: int, interface: Interface, depth: bool, tmp_path: Path
) -> None:
    network = narrowed_by(digits, WIDTHS)
    units = banks_of(network, {}, choice, pipelined if depth else lambda each: each, lanes)
    assert [unit.identifier for unit in units] == ["bank", "add_bank"]
    assert {len(unit.layers) for unit in units} != {1}
    assert {layer.stages[-1].multiplier_bits for layer in units[0].layers} >= {1, 3, 8}
    write(network, units, digits, interface, tmp_path)
    passes(build_bench(tmp_path), tmp_path, list(units))
    if interface.parameters == "load":
        memory = tmp_path / "rtl" / "parameters_bank.hex"
        first, rest = memory.read_text().split("\n", 1)
        memory.write_text(f"{int(first, 16) ^ 1:x}\n{rest}")
        with pytest.raises(AssertionError):
            passes(["obj_dir/Vtestbench"], tmp_path, list(units))


def test_what_no_bank_does_is_refused(digits: PreparedStudy) -> None:
    network = narrowed_by(digits, WIDTHS)
    units = banks_of(network, {}, pipelined=pipelined)
    with pytest.raises(StudyError, match=r"--handshake is none, but the shared bank has a pipeline.*use valid or"):
        interface_for(units, None, None, "rom")
    assert interface_for(units, "valid", None, "rom").flags
    add = next(op for op in network.operators if isinstance(op, ElementwiseSum))
    difference = replace(add, kind=ElementwiseKind.SUB)
    with pytest.raises(StudyError, match="SUB"):
        banks_of(network.with_operators({add.name: difference}), {})
