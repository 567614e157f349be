"""Runs a Verilog module under Verilator on arrays of port values."""

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwmodels.parsing import Port, parse_files

VERILATOR = Path(sys.executable).parent / "verilator-cli"

_HARNESS = """
#include "Vdut.h"
#include "verilated.h"
#include <cstdint>
#include <cstdio>
#include <vector>
int main(int argc, char** argv) {{
    VerilatedContext context;
    Vdut dut(&context);
    std::FILE* in = std::fopen(argv[1], "rb");
    std::FILE* out = std::fopen(argv[2], "wb");
    std::vector<int64_t> row({inputs});
    while (std::fread(row.data(), sizeof(int64_t), row.size(), in) == row.size()) {{
{drive}
        for (int edge = 0; edge < {clocks}; ++edge) {{
            dut.clk = 0; dut.eval();
            dut.clk = 1; dut.eval();
        }}
        int64_t value = dut.{output};
        std::fwrite(&value, sizeof value, 1, out);
    }}
    std::fclose(in);
    std::fclose(out);
    return 0;
}}
"""


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")
    return done.stdout


@functools.cache
def _runtime() -> tuple[list[str], list[Path]]:
    """Compile Verilator's runtime once per test run; it takes longer than a model."""
    include = Path(_run([str(VERILATOR), "--getenv", "VERILATOR_ROOT"]).strip()) / "include"
    flags = [f"-I{include}", f"-I{include / 'vltstd'}"]
    folder = Path(tempfile.mkdtemp(prefix="verilated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    objects = []
    for name in ("verilated", "verilated_threads"):
        objects.append(folder / f"{name}.o")
        _run(["g++", "-O1", "-w", *flags, "-c", str(include / f"{name}.cpp"), "-o", str(objects[-1])])
    return flags, objects


class Verilated:
    """A compiled module.

    Args:
        files: Verilog sources.
        top: module to run; it has a clock ``clk``.
        parameters: its parameters.
        folder: where to build.
        clocks: rising edges from inputs to output.
        output: port to read.
    """

    def __init__(
        self,
        files: Sequence[Path],
        top: str,
        parameters: Mapping[str, int],
        folder: Path,
        *,
        clocks: int = 1,
        output: str = "q",
    ) -> None:
        ports = parse_files(tuple(files), top, parameters).ports
        self.inputs = [port for port in ports if port.direction == "input" and port.name != "clk"]
        self._output = next(port for port in ports if port.name == output)
        self._folder = folder
        self._build(files, top, parameters, clocks)

    def _build(self, files: Sequence[Path], top: str, parameters: Mapping[str, int], clocks: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        harness = self._folder / "harness.cpp"
        drive = "\n".join(
            f"        dut.{port.name} = static_cast<uint64_t>(row[{index}]) & {(1 << port.width) - 1}ULL;"
            for index, port in enumerate(self.inputs)
        )
        harness.write_text(
            _HARNESS.format(inputs=len(self.inputs), drive=drive, clocks=clocks, output=self._output.name)
        )
        overrides = [f"-G{name}={value}" for name, value in parameters.items()]
        model = self._folder / "obj"
        command = [str(VERILATOR), "--cc", "-Wall", "--prefix", "Vdut", "--top-module", top, "--Mdir", str(model)]
        _run([*command, *overrides, *map(str, files)])
        sources = [harness, *sorted(model.glob("*.cpp"))]
        include, runtime = _runtime()
        flags = ["-O1", "-w", *include, f"-I{model}"]
        _run(["g++", *flags, *map(str, sources), *map(str, runtime), "-o", str(self._program), "-pthread", "-latomic"])

    @property
    def _program(self) -> Path:
        return self._folder / "simulation"

    def run(self, columns: Mapping[str, npt.NDArray[np.int64] | int]) -> npt.NDArray[np.int64]:
        """Return the output for each row of input values (an int is the same for every row)."""
        rows = max(np.size(value) for value in columns.values())
        missing = [port.name for port in self.inputs if port.name not in columns]
        if missing:
            raise ValueError(f"no values for {missing}")
        table = np.empty((rows, len(self.inputs)), dtype=np.int64)
        for index, port in enumerate(self.inputs):
            table[:, index] = columns[port.name]
        source, target = self._folder / "in.bin", self._folder / "out.bin"
        table.tofile(source)
        subprocess.run([self._program, source, target], check=True)
        return _signed(np.fromfile(target, dtype=np.int64), self._output)


def _signed(values: npt.NDArray[np.int64], port: Port) -> npt.NDArray[np.int64]:
    if not port.signed:
        return values
    half = np.int64(1 << (port.width - 1))
    return (values ^ half) - half
