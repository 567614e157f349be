"""Runs Verilog modules under Verilator on arrays of port values. All models of one build share one program."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwmodels.parsing import Port, parse_files

VERILATOR = Path(sys.executable).parent / "verilator-cli"

_RUN = """
static void run_{index}(std::FILE* in, std::FILE* out) {{
    VerilatedContext context;
    Vdut{index} dut(&context);
    std::vector<int64_t> row({inputs});
    while (std::fread(row.data(), sizeof(int64_t), row.size(), in) == row.size()) {{
{drive}
        for (int edge = 0; edge < {clocks}; ++edge) {{
            dut.clk = 0; dut.eval();
            dut.clk = 1; dut.eval();
        }}
        const int64_t values[] = {{{outputs}}};
        std::fwrite(values, sizeof(int64_t), {count}, out);
    }}
}}
"""
_MAIN = """
double sc_time_stamp() {{ return 0; }}
int main(int argc, char** argv) {{
    std::FILE* in = std::fopen(argv[2], "rb");
    std::FILE* out = std::fopen(argv[3], "wb");
    switch (std::atoi(argv[1])) {{
{cases}
    }}
    std::fclose(in);
    std::fclose(out);
    return 0;
}}
"""


@dataclass(frozen=True)
class Dut:
    """A module with parameters. ``clocks``: rising edges from inputs to outputs."""

    files: tuple[Path, ...]
    top: str
    parameters: Mapping[str, int]
    clocks: int = 1


class Verilated:
    """Compiled modules.

    Args:
        duts: what to compile; numbered in order.
        folder: folder of the build.
    """

    def __init__(self, duts: Sequence[Dut], folder: Path) -> None:
        self._folder = folder
        self._ports = [parse_files(dut.files, dut.top, dut.parameters).ports for dut in duts]
        self._program = folder / "simulation"
        folder.mkdir(parents=True, exist_ok=True)
        models = [self._translate(index, dut) for index, dut in enumerate(duts)]
        runs = [self._run_function(index, dut) for index, dut in enumerate(duts)]
        self._compile(models, runs)

    def inputs(self, index: int) -> list[Port]:
        """Input ports of a module but its clock."""
        return [port for port in self._ports[index] if port.direction == "input" and port.name != "clk"]

    def outputs(self, index: int) -> list[Port]:
        """Output ports of a module."""
        return [port for port in self._ports[index] if port.direction == "output"]

    def run(
        self, columns: Mapping[str, npt.NDArray[np.int64] | int], index: int = 0
    ) -> dict[str, npt.NDArray[np.int64]]:
        """Return the outputs for each row of input values (an int is the same for every row)."""
        inputs, outputs = self.inputs(index), self.outputs(index)
        missing = {port.name for port in inputs} - columns.keys()
        if missing:
            raise ValueError(f"no values for {missing}")
        table = np.empty((max(np.size(value) for value in columns.values()), len(inputs)), dtype=np.int64)
        for column, port in enumerate(inputs):
            table[:, column] = columns[port.name]
        source, target = self._folder / "in.bin", self._folder / "out.bin"
        table.tofile(source)
        subprocess.run([self._program, str(index), source, target], check=True)
        values = np.fromfile(target, dtype=np.int64).reshape(-1, len(outputs))
        return {port.name: _signed(values[:, column], port) for column, port in enumerate(outputs)}

    def _translate(self, index: int, dut: Dut) -> Path:
        model = self._folder / f"model{index}"
        command = [str(VERILATOR), "--cc", "-Wall", "--prefix", f"Vdut{index}", "--top-module", dut.top]
        overrides = [f"-G{name}={value}" for name, value in dut.parameters.items()]
        _run([*command, "--Mdir", str(model), *overrides, *map(str, dut.files)])
        return model

    def _run_function(self, index: int, dut: Dut) -> str:
        inputs, outputs = self.inputs(index), self.outputs(index)
        drive = "\n".join(
            f"        dut.{port.name} = static_cast<uint64_t>(row[{column}]) & {(1 << port.width) - 1}ULL;"
            for column, port in enumerate(inputs)
        )
        return _RUN.format(
            index=index,
            inputs=len(inputs),
            drive=drive,
            clocks=dut.clocks,
            outputs=", ".join(f"static_cast<int64_t>(dut.{port.name})" for port in outputs),
            count=len(outputs),
        )

    def _compile(self, models: list[Path], runs: list[str]) -> None:
        """Compile everything as one unit: the runtime's headers take longer than the models."""
        root = Path(_run([str(VERILATOR), "--getenv", "VERILATOR_ROOT"]).strip()) / "include"
        headers = ["#include <cstdint>", "#include <cstdio>", "#include <cstdlib>", "#include <vector>"]
        headers += [f'#include "{model / f"Vdut{index}.h"}"' for index, model in enumerate(models)]
        bodies = []
        for model in models:  # each model guards against a second precompiled header
            bodies += [f'#include "{path}"' for path in sorted(model.glob("*.cpp"))]
            bodies.append("#undef VL_PCH_INCLUDED")
        cases = "\n".join(f"        case {index}: run_{index}(in, out); break;" for index in range(len(models)))
        unit = self._folder / "unit.cpp"
        unit.write_text("\n".join([*headers, *bodies, *runs, _MAIN.format(cases=cases)]))
        include = [f"-I{root}", f"-I{root / 'vltstd'}", *(f"-I{model}" for model in models)]
        runtime = [str(root / f"{name}.cpp") for name in ("verilated", "verilated_threads")]
        _run(["g++", "-O0", "-w", *include, str(unit), *runtime, "-o", str(self._program), "-pthread", "-latomic"])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {(done.stdout + done.stderr)[:2000]}")
    return done.stdout


def _signed(values: npt.NDArray[np.int64], port: Port) -> npt.NDArray[np.int64]:
    if not port.signed:
        return values
    half = np.int64(1 << (port.width - 1))
    return (values ^ half) - half
