"""Synthesis with yosys as a library, in a process of its own. The only module that runs pyosys.

yosys ends its process on an error and writes its log to the standard output, so it runs in a fresh interpreter; the
last error of its log becomes the message. Nothing is written into the working directory: it works in a private folder,
in which the Verilog files and the library have names of our own. A name that the user chose never enters its script, in
which a semicolon would begin a command.

Mapping is for area. Full adders become the library's own if it has one, as they do in a chip: the mapper works gate by
gate and cannot use a cell with two outputs. The rest is balanced, swept and rewritten, and covered by ABC's area
mapper; its delay-driven mappers gave 25 to 30 % more area, which irrelevant changes moved by up to 20 % (see the
results page).
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from hwmodels.errors import HardwareError
from hwmodels.synthesis.full_adder import full_adder_map
from hwmodels.synthesis.liberty import Library
from hwmodels.synthesis.liberty_syntax import plain_text, read_liberty_text

AREA_SCRIPT: Final = "+strash;ifraig;scorr;dc2;dc2;strash;dch,-f;amap,-m"
# amap: ABC's area mapper, full adders as cells of their own. nf: its delay-driven mapper on gates alone, the flow of
# those who do not extract full adders; it shows how much ratios depend on the script.
Mapper = Literal["amap", "nf"]
_ABC_SCRIPTS: Final[Mapping[Mapper, str]] = {
    "amap": AREA_SCRIPT,
    "nf": "+strash;dc2;strash;&get,-n;&dch,-f;&nf;&put",
}
_TIMEOUT_S: Final = 600.0
_WRAPPER: Final = "synthesis_wrapper"
_WRAPPER_FILE: Final = "wrapper.v"
_ADDERS_FILE: Final = "adders.v"
_LIBRARY_FILE: Final = "library.lib"
_NETLIST_FILE: Final = "netlist.json"
_NAME: Final = re.compile(r"\w+", re.ASCII)
_ERROR = re.compile(r"^(\S+:\d+: )?ERROR: (.*)$", re.MULTILINE)  # with the place, if it is one in a file
_RUN: Final = """\
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.stdin:
    libyosys.run_pass(line.rstrip(), design)
"""


@dataclass(frozen=True, slots=True)
class CellInstance:
    """A mapped cell: its type, and the net of each pin (a number, or '0', '1', 'x' for a constant)."""

    cell: str
    pins: Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class Netlist:
    """A flat netlist of library cells; ports have their nets, the lowest bit first."""

    inputs: Mapping[str, tuple[int | str, ...]]
    outputs: Mapping[str, tuple[int | str, ...]]
    cells: tuple[CellInstance, ...]


def available() -> bool:
    """Returns whether yosys can be used here."""
    return importlib.util.find_spec("pyosys") is not None


def synthesize(
    files: Sequence[Path],
    top: str,
    parameters: Mapping[str, int],
    library: Library,
    *,
    history: int = 0,
    mapper: Mapper = "amap",
) -> Netlist:
    """Maps a design to the cells of a library by one of ABC's mappers. The same call gives the same netlist.

    Files are read by yosys alone, those that end in ``.sv`` as SystemVerilog.

    ``history`` is the width in bits of another design that yosys reads first, 0 for none. It shifts the internal
    numbers by which the mapper breaks ties, and so shows how sensitive a netlist is to irrelevant details.

    Raises:
        HardwareError: if yosys is absent or rejects the input; the message quotes it.
    """
    if not available():
        raise HardwareError("synthesis needs yosys as a Python package: pip install pyosys")
    with tempfile.TemporaryDirectory(prefix="synthesis-") as name:
        folder = Path(name)
        linked, reads = _linked(files, library, folder), _reads(files)
        reads.append(f"read_verilog {_WRAPPER_FILE}")
        _write_wrapper(top, parameters, folder, linked, reads)
        run_yosys([*_earlier(history, folder), *_commands(reads, library, folder, mapper)], folder, linked)
        return _netlist(json.loads((folder / _NETLIST_FILE).read_text(encoding="utf-8")))


def _linked(files: Sequence[Path], library: Library, folder: Path) -> dict[str, Path]:
    """Makes files and library available in the folder; returns the user's path behind each private name.

    The mapper gets the library unpacked and without comments, and lines continued as the standard says.
    """
    for index, file in enumerate(files):
        (folder / _source(index)).symlink_to(file.resolve())
        (folder / _include_folder(index)).symlink_to(file.resolve().parent)
    (folder / _LIBRARY_FILE).write_text(plain_text(read_liberty_text(library.path)), encoding="utf-8")
    return {_source(index): file for index, file in enumerate(files)} | {_LIBRARY_FILE: library.path}


def _source(index: int) -> str:
    return f"source_{index}.v"


def _include_folder(index: int) -> str:
    return f"include_{index}"


def _earlier(bits: int, folder: Path) -> list[str]:
    if bits == 0:
        return []
    path = folder / "earlier.v"
    port = f"[{bits - 1}:0]"
    path.write_text(
        f"module earlier (input {port} a, input {port} b, output {port} y); assign y = a * b; endmodule\n", "utf-8"
    )
    return ["design -push", f"read_verilog {path.name}", "synth -noabc -top earlier", "design -pop"]


def _reads(files: Sequence[Path]) -> list[str]:
    languages = ("-sv " if file.suffix == ".sv" else "" for file in files)
    return [
        f"read_verilog {language}-nodpi -I{_include_folder(index)} {_source(index)}"
        for index, language in enumerate(languages)
    ]


def _commands(reads: Sequence[str], library: Library, folder: Path, mapper: Mapper) -> Iterator[str]:
    adders, avoided = full_adder_map(library) if mapper == "amap" else None, _avoided(library)
    if adders is not None:
        (folder / _ADDERS_FILE).write_text(adders, encoding="utf-8")
        # Without it the map's cell is unknown, and stays unread.
        yield f"read_liberty -lib -ignore_miss_func {_LIBRARY_FILE}"
    yield from reads
    yield f"hierarchy -check -top {_WRAPPER}"
    yield f"synth -flatten -noabc -top {_WRAPPER}"
    yield f"dfflibmap {avoided}-liberty {_LIBRARY_FILE}"
    if adders is not None:
        yield "extract_fa -fa"
        yield f"techmap -map {_ADDERS_FILE}"
        yield "opt_clean"
    yield f"abc {avoided}-liberty {_LIBRARY_FILE} -script {_ABC_SCRIPTS[mapper]}"
    yield "opt_clean -purge"
    yield f"write_json {_NETLIST_FILE}"


def _avoided(library: Library) -> str:
    """Returns the options that keep the mapper from cells that are not usable, if their names are plain words."""
    names = (cell.name for cell in library.cells.values() if not cell.usable)
    return "".join(f"-dont_use {name} " for name in names if _NAME.fullmatch(name))


def _write_wrapper(
    top: str, parameters: Mapping[str, int], folder: Path, linked: Mapping[str, Path], reads: Sequence[str]
) -> None:
    """Writes a module around the top that fixes its parameters: yosys' own -chparam takes no negative numbers.

    The values of the parameters decide the widths of the ports, so yosys elaborates a wrapper without ports first.
    """
    for what, names in (("module", (top,)), ("parameter", parameters)):
        for name in names:
            if not _NAME.fullmatch(name):
                raise HardwareError(f"{what} {name!r}: expected a plain Verilog identifier")
    path = folder / _WRAPPER_FILE
    path.write_text(_wrapper(top, parameters, {}), encoding="utf-8")
    run_yosys([*reads, f"hierarchy -check -top {_WRAPPER}", "proc", f"write_json {_NETLIST_FILE}"], folder, linked)
    modules = json.loads((folder / _NETLIST_FILE).read_text(encoding="utf-8"))["modules"]
    ports = modules[modules[_WRAPPER]["cells"]["wrapped"]["type"]]["ports"]
    path.write_text(_wrapper(top, parameters, ports), encoding="utf-8")


def _wrapper(top: str, parameters: Mapping[str, int], ports: Mapping[str, Mapping[str, Any]]) -> str:
    declared = ",\n".join(
        f"    {port['direction']} wire [{len(port['bits']) - 1}:0] \\{name} " for name, port in ports.items()
    )
    overrides = ", ".join(f".{name}({value})" for name, value in parameters.items())
    connected = ", ".join(f".\\{name} (\\{name} )" for name in ports)
    assigned = f" #({overrides})" if overrides else ""
    return f"module {_WRAPPER} (\n{declared}\n);\n    {top}{assigned} wrapped ({connected});\nendmodule\n"


def run_yosys(commands: Sequence[str], folder: Path, linked: Mapping[str, Path]) -> None:
    """Runs commands of yosys in a process of its own.

    Args:
        commands: one command each, in which no name that a user chose may stand.
        folder: working folder, in which the log is written, too.
        linked: the user's path behind each name in that folder, for messages.

    Raises:
        HardwareError: yosys reports an error, which is quoted, or takes too long.
    """
    text, log = "".join(f"{command}\n" for command in commands), folder / "log"
    with log.open("wb") as output:
        try:
            # A process group of its own: Ctrl-C reaches this process alone, which then ends yosys without a trace.
            done = subprocess.run(  # noqa: S603 -- this interpreter, on a constant text
                [sys.executable, "-c", _RUN], input=text.encode(), stdout=output, stderr=subprocess.STDOUT,
                timeout=_TIMEOUT_S, check=False, process_group=0, cwd=folder, env={**os.environ, "TMPDIR": "."},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise HardwareError(f"yosys did not finish within {_TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        errors = _ERROR.findall(log.read_text(encoding="utf-8", errors="replace"))
        message = "".join(errors[-1]) if errors else "it ended without a message"
        for name, path in linked.items():
            message = message.replace(f"./{name}", str(path)).replace(name, str(path))
        raise HardwareError(f"yosys: {message}")


def _netlist(document: Mapping[str, Any]) -> Netlist:
    module = document["modules"][_WRAPPER]  # beside the library's cells
    ports = module["ports"]
    return Netlist(
        inputs={name: tuple(port["bits"]) for name, port in ports.items() if port["direction"] == "input"},
        outputs={name: tuple(port["bits"]) for name, port in ports.items() if port["direction"] == "output"},
        cells=tuple(
            CellInstance(cell["type"], {pin: bits[0] for pin, bits in cell["connections"].items()})
            for cell in module["cells"].values()
            if cell["type"] != "$scopeinfo"
        ),
    )
