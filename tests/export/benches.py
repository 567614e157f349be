"""Self-checking test benches of exported units: written, built as their README says, and run."""

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from dse.evaluate.costing import single_cycle
from dse.export.bundle import hardware_files
from dse.export.interface import Interface
from dse.export.render import BARE
from dse.export.units import Unit, units_of
from dse.export.vectors import Vectors, vectors_of
from hwmodels.architectures.registry import DEFAULT_CHOICE
from hwmodels.workload import RescalerWorkload
from nets.network.quantized_network import QuantizedNetwork
from tests.hwmodels.verilated import VERILATOR


def build_bench(folder: Path) -> list[str]:
    """Builds the test bench of an exported design with Verilator; returns the command that runs it, in the folder."""
    sources = [str(path.relative_to(folder)) for path in sorted((folder / "rtl").glob("*.v"))]
    options = [
        "--binary",
        "--timing",
        "--output-split",
        "0",
        "-Wall",
        "-Wno-DECLFILENAME",
        "-j",
        "2",
        "--top-module",
        "testbench",
        "-Irtl",
    ]
    command = [str(VERILATOR), *options, *sources, "test/testbench.v", "-Mdir", "obj_dir", "-CFLAGS", "-O0"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return ["obj_dir/Vtestbench"]


def icarus_command(folder: Path) -> list[str]:
    """Builds the test bench of an exported design with Icarus Verilog; returns the command that runs it."""
    sources = [str(path.relative_to(folder)) for path in sorted((folder / "rtl").glob("*.v"))]
    command = ["iverilog", "-g2012", "-s", "testbench", "-o", "testbench.vvp", *sources, "test/testbench.v"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return ["vvp", "testbench.vvp"]


def bench_of(
    networks: Mapping[str, QuantizedNetwork],
    samples: np.ndarray,
    rows: int,
    folder: Path,
    interface: Interface = BARE,
    choice: str = DEFAULT_CHOICE,
    pipelined: Callable[[RescalerWorkload], RescalerWorkload] = single_cycle,
) -> list[Unit]:
    """Writes one bench of the units of several networks."""
    units: list[Unit] = []
    vectors: dict[str, Vectors] = {}
    for name, network in networks.items():
        own = units_of(network, {}, choice, pipelined)
        for unit, found in zip(own, vectors_of(network, own, samples, rows, 0).values(), strict=True):
            renamed = f"{unit.identifier}_{name}"
            units.append(replace(unit, identifier=renamed, workload=replace(unit.workload, name=renamed)))
            vectors[renamed] = found
    for path, text in hardware_files(tuple(units), vectors, "rungs", len(samples), interface).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return units


def with_a_wrong_bit(text: str) -> str:
    """The Verilog of parameters with the lowest bit of the first word inverted."""
    literal = re.search(r"'h([0-9a-f]+)", text)
    assert literal is not None
    digits = literal[1]
    return f"{text[: literal.start(1)]}{int(digits, 16) ^ 1:0{len(digits)}x}{text[literal.end(1) :]}"


def passes(command: list[str], folder: Path, units: list[Unit]) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "PASS" in done.stdout
    for unit in units:
        count = len((folder / "test" / f"{unit.identifier}.hex").read_text().split())
        assert f"{unit.identifier}: {count} vectors, 0 errors" in done.stdout
