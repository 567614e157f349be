"""Synthesis with yosys as a library, in a worker process. The only module that imports pyosys.

yosys ends its process on an error, so it runs in a worker; its log goes to a temporary file, whose last error
becomes the message. Nothing is written into the working directory.
"""

import atexit
import concurrent.futures
import importlib.util
import json
import multiprocessing
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwmodels.errors import HardwareError
from hwmodels.parsing import parse_files

# Technology mapping that does not stall on multipliers, as yosys' default script does.
_ABC_SCRIPT = "+strash;dc2;strash;&get,-n;&dch,-f;&nf;&put"
_TIMEOUT_S = 600.0
_WRAPPER = "synthesis_wrapper"
_ERROR = re.compile(r"^ERROR: (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CellInstance:
    """A mapped cell: its type, and the net of each pin (a number, or '0', '1', 'x' for a constant)."""

    cell: str
    pins: Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class Netlist:
    """A flat netlist of library cells.

    Attributes:
        top: name of the top module.
        inputs: nets of each input port, the lowest bit first.
        outputs: nets of each output port.
        cells: the instances.
    """

    top: str
    inputs: Mapping[str, tuple[int | str, ...]]
    outputs: Mapping[str, tuple[int | str, ...]]
    cells: tuple[CellInstance, ...]


def available() -> bool:
    """Return whether yosys can be used here."""
    return importlib.util.find_spec("pyosys") is not None


def synthesize(files: Sequence[Path], top: str, parameters: Mapping[str, int], liberty: Path) -> Netlist:
    """Map a design to the cells of a library.

    Args:
        files: Verilog sources.
        top: top module.
        parameters: its parameters.
        liberty: cell library.

    Raises:
        HardwareError: if yosys is absent or refuses the input, with its own words.
    """
    if not available():
        raise HardwareError("synthesis needs yosys as a Python package: pip install pyosys")
    with tempfile.TemporaryDirectory(prefix="synthesis-") as folder:
        output, log = Path(folder) / "netlist.json", Path(folder) / "log"
        wrapper = Path(folder) / "wrapper.v"
        wrapper.write_text(_wrapper(files, top, parameters), encoding="utf-8")
        commands = [
            *(f"read_verilog {file}" for file in (*files, wrapper)),
            f"hierarchy -check -top {_WRAPPER}",
            f"synth -flatten -noabc -top {_WRAPPER}",
            f"dfflibmap -liberty {liberty}",
            f"abc -liberty {liberty} -script {_ABC_SCRIPT}",
            "opt_clean -purge",
            f"write_json {output}",
        ]
        _run(commands, log)
        return _netlist(json.loads(output.read_text(encoding="utf-8")), top)


def _wrapper(files: Sequence[Path], top: str, parameters: Mapping[str, int]) -> str:
    """Return a module around the top that fixes its parameters: yosys' own -chparam takes no negative numbers."""
    ports = parse_files(tuple(files), top, parameters).ports
    declared = ",\n".join(f"    {port.direction} wire [{port.width - 1}:0] {port.name}" for port in ports)
    overrides = ", ".join(f".{name}({value})" for name, value in parameters.items())
    connected = ", ".join(f".{port.name}({port.name})" for port in ports)
    assigned = f" #({overrides})" if overrides else ""
    return f"module {_WRAPPER} (\n{declared}\n);\n    {top}{assigned} wrapped ({connected});\nendmodule\n"


_pool: concurrent.futures.ProcessPoolExecutor | None = None


def _run(commands: list[str], log: Path) -> None:
    global _pool  # started when first needed, replaced when yosys ended a worker
    if _pool is None:
        # A fresh process for each design: yosys numbers its objects through, and the mapping depends on the numbers.
        context = multiprocessing.get_context("spawn")
        _pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1)
        atexit.register(_stop)
    try:
        _pool.submit(_worker, commands, str(log)).result(timeout=_TIMEOUT_S)
    except BrokenProcessPool:
        _pool = None
        raise HardwareError(f"yosys: {_last_error(log)}") from None
    except concurrent.futures.TimeoutError:
        _stop()
        raise HardwareError(f"yosys did not finish within {_TIMEOUT_S:.0f} s") from None


def _stop() -> None:
    global _pool
    if _pool is not None:
        _pool.shutdown(wait=False, cancel_futures=True)
    _pool = None


def _last_error(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    errors = _ERROR.findall(text)
    return errors[-1] if errors else "the worker ended without a message"


def _worker(commands: list[str], log: str) -> None:
    """Run yosys commands with its log (written to the file descriptors) sent to a file."""
    sys.stdout.flush()
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    from pyosys import libyosys

    design = libyosys.Design()
    for command in commands:
        libyosys.run_pass(command, design)


def _netlist(document: Mapping[str, Any], top: str) -> Netlist:
    modules = document["modules"]
    module = modules[top] if top in modules else next(iter(modules.values()))
    ports = module["ports"]
    return Netlist(
        top=top,
        inputs={name: tuple(port["bits"]) for name, port in ports.items() if port["direction"] == "input"},
        outputs={name: tuple(port["bits"]) for name, port in ports.items() if port["direction"] == "output"},
        cells=tuple(_instance(cell) for cell in module["cells"].values() if cell["type"] != "$scopeinfo"),
    )


def _instance(cell: Mapping[str, Any]) -> CellInstance:
    return CellInstance(cell["type"], {pin: bits[0] for pin, bits in cell["connections"].items()})
