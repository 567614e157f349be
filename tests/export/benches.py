"""Builds the self-checking test bench of an export, as its README says, warnings being errors."""

import subprocess
from pathlib import Path

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
