"""Verilog as a netlist of words: yosys reads and flattens it, and maps nothing to gates."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Final

from hwmodels.errors import HardwareError
from hwmodels.synthesis import run_yosys, yosys_available

_WRAPPER: Final = "proof_wrapper"
_FILE: Final = "wrapper.v"
_NETLIST: Final = "netlist.json"
_MEMORY_SUFFIXES: Final = (".bin", ".dat", ".hex", ".mem")  # of files for $readmemh, found beside the sources
_IGNORED: Final = {"$scopeinfo", "$print", "$check", "$assert", "$assume", "$cover", "$live", "$fair"}
_UNPROVABLE: Final = {
    "$dlatch": "a latch",
    "$sr": "a set-reset latch",
    "$dlatchsr": "a latch",
    "$tribuf": "a tristate driver",
    "$_TBUF_": "a tristate driver",
    "$ff": "a latch",
}
# Conditions become multiplexers, registers lose their enables and resets to the logic before them.
_LOWERED: Final = (
    "proc", "flatten", "opt_clean", "memory_nordff", "memory_collect", "opt_clean", "async2sync", "dffunmap",
    "pmuxtree", "bmuxmap", "demuxmap", "opt_clean",
)  # fmt: skip

NetBit = int | str  # a net's number, or '0', '1', 'x', 'z'


@dataclass(frozen=True, kw_only=True)
class Source:
    """Verilog files, the module that is meant, and its parameters.

    Attributes:
        files: files that hold the module and all that it instantiates; ``.sv`` is read as SystemVerilog.
        top: name of the module.
        parameters: overrides of its parameters.
        defines: macros that are defined from the start.
        include_folders: folders of included files, besides each file's own.
    """

    files: tuple[Path, ...]
    top: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    defines: Mapping[str, str] = field(default_factory=dict)
    include_folders: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One operator of a netlist: its type, parameters, the nets of its ports, and where it stands in the source."""

    kind: str
    parameters: Mapping[str, str]
    ports: Mapping[str, tuple[NetBit, ...]]
    where: str

    def flag(self, name: str) -> bool:
        """Returns whether a parameter is not zero."""
        return "1" in self.parameters.get(name, "0")

    @property
    def output(self) -> str:
        """Name of its output port."""
        return {"$dff": "Q", "$mem_v2": "RD_DATA"}.get(self.kind, "Y")


@dataclass(frozen=True, slots=True)
class NetPort:
    """A port of a design: its nets, the lowest bit first, and whether it is declared signed."""

    name: str
    direction: str
    nets: tuple[NetBit, ...]
    signed: bool


@dataclass(frozen=True)
class WordNetlist:
    """A flat design.

    Attributes:
        ports: by name.
        cells: operators and read-only memories, each behind all that it reads.
        registers: flip-flops of one clock and edge.
        clock: net of that clock; None without registers.
    """

    ports: Mapping[str, NetPort]
    cells: tuple[Cell, ...]
    registers: tuple[Cell, ...]
    clock: NetBit | None


def read_netlist(source: Source) -> WordNetlist:
    """Reads a design.

    Raises:
        HardwareError: yosys is absent or rejects the files, or the design holds what no proof is made of.
    """
    if not yosys_available():
        raise HardwareError("a proof needs yosys as a Python package: pip install pyosys")
    _check_names(source)
    with tempfile.TemporaryDirectory(prefix="proof-") as name:
        folder = Path(name)
        linked = _linked(source, folder)
        top = source.top
        if source.parameters:
            top = _WRAPPER
            _write_wrapper(source, folder, linked)
        wrapper = [f"read_verilog -nodpi {_FILE}"] if source.parameters else []
        commands = [*_reads(source), *wrapper, f"hierarchy -check -top {top}", *_LOWERED, f"write_json {_NETLIST}"]
        run_yosys(commands, folder, linked)
        document = json.loads((folder / _NETLIST).read_text(encoding="utf-8"))
    return _netlist(document["modules"][top], linked)


def _write_wrapper(source: Source, folder: Path, linked: Mapping[str, Path]) -> None:
    """Writes a module around the top that fixes its parameters; their values decide the widths of its ports."""
    (folder / _FILE).write_text(_wrapper(source, "", ""), encoding="utf-8")
    wrapper = [f"read_verilog -nodpi {_FILE}", f"hierarchy -check -top {_WRAPPER}", "proc", f"write_json {_NETLIST}"]
    run_yosys([*_reads(source), *wrapper], folder, linked)
    ports = _wrapped_ports(json.loads((folder / _NETLIST).read_text(encoding="utf-8")))
    declared = ",\n".join(
        f"{port.direction} wire {'signed ' if port.signed else ''}[{len(port.nets) - 1}:0] \\{port.name} "
        for port in ports
    )
    connected = ", ".join(f".\\{port.name} (\\{port.name} )" for port in ports)
    (folder / _FILE).write_text(_wrapper(source, declared, connected), encoding="utf-8")


def _check_names(source: Source) -> None:
    for what, names in (("module", [source.top]), ("parameter", source.parameters), ("macro", source.defines)):
        for name in names:
            if not name.isidentifier() or not name.isascii():
                raise HardwareError(f"{what} {name!r}: expected a plain Verilog identifier")


def _linked(source: Source, folder: Path) -> dict[str, Path]:
    """Makes the files available under names of our own; returns the user's path behind each."""
    linked = {}
    for index, path in enumerate(source.files):
        if not path.is_file():
            raise HardwareError(f"{path}: no such file")
        name = f"source_{index}{'.sv' if path.suffix == '.sv' else '.v'}"
        (folder / name).symlink_to(path.resolve())
        linked[name] = path
        (folder / f"beside_{index}").symlink_to(path.resolve().parent)
        for memory in path.resolve().parent.iterdir():
            if memory.suffix in _MEMORY_SUFFIXES and not (folder / memory.name).is_symlink():
                (folder / memory.name).symlink_to(memory)
    for index, path in enumerate(source.include_folders):
        if not path.is_dir():
            raise HardwareError(f"{path}: no such folder to include from")
        (folder / f"include_{index}").symlink_to(path.resolve())
    macros = "".join(f"`define {name} {value}\n" for name, value in source.defines.items())
    (folder / "defines.v").write_text(macros, encoding="utf-8")
    return linked


def _reads(source: Source) -> Iterator[str]:
    shared = "".join(f" -Iinclude_{index}" for index in range(len(source.include_folders)))
    for index, path in enumerate(source.files):
        suffix = ".sv" if path.suffix == ".sv" else ".v"
        language = " -sv" if suffix == ".sv" else ""
        # A macro stays defined for the files of one command only.
        files = f"defines.v source_{index}{suffix}" if source.defines else f"source_{index}{suffix}"
        yield f"read_verilog -nodpi{language} -Ibeside_{index}{shared} {files}"


def _wrapper(source: Source, declared: str, connected: str) -> str:
    """Returns a module around the top that fixes its parameters: yosys' own -chparam takes no negative numbers."""
    overrides = ", ".join(f".{name}({value})" for name, value in source.parameters.items())
    assigned = f" #({overrides})" if overrides else ""
    return f"module {_WRAPPER} (\n{declared}\n);\n    {source.top}{assigned} wrapped ({connected});\nendmodule\n"


def _wrapped_ports(document: Mapping[str, Any]) -> tuple[NetPort, ...]:
    modules = document["modules"]
    return _ports(modules[modules[_WRAPPER]["cells"]["wrapped"]["type"]])


def _ports(module: Mapping[str, Any]) -> tuple[NetPort, ...]:
    return tuple(
        NetPort(name, port["direction"], tuple(port["bits"]), bool(port.get("signed", 0)))
        for name, port in module["ports"].items()
    )


def _netlist(module: Mapping[str, Any], linked: Mapping[str, Path]) -> WordNetlist:
    cells = [
        Cell(
            cell["type"], cell["parameters"], {name: tuple(bits) for name, bits in cell["connections"].items()},
            _place(cell["attributes"].get("src", ""), linked),
        )
        for cell in module["cells"].values()
        if cell["type"] not in _IGNORED
    ]  # fmt: skip
    for cell in cells:
        if (what := _UNPROVABLE.get(cell.kind)) is not None:
            raise HardwareError(f"the design holds {what} ({cell.where}), of which nothing can be proven")
        if cell.output not in cell.ports:
            raise HardwareError(f"the design holds the unknown operator {cell.kind} ({cell.where}), or an empty module")
    registers = tuple(cell for cell in cells if cell.kind == "$dff")
    ports = {port.name: port for port in _ports(module)}
    if (inout := next((port.name for port in ports.values() if port.direction == "inout"), None)) is not None:
        raise HardwareError(f"port {inout} is an inout, of which nothing can be proven")
    clock = _clock(registers)
    return WordNetlist(ports, _ordered([cell for cell in cells if cell.kind != "$dff"]), registers, clock)


def _place(source: str, linked: Mapping[str, Path]) -> str:
    """Returns file and line of an attribute like ``source_0.v:3.5-3.20|...``."""
    name, _, lines = source.split("|")[0].partition(":")
    return f"{linked.get(name, name)}:{lines.split('.')[0]}"


def _clock(registers: Sequence[Cell]) -> NetBit | None:
    """Returns the net of the one clock.

    Raises:
        HardwareError: registers have several clocks or edges.
    """
    clocks = {(cell.ports["CLK"][0], cell.flag("CLK_POLARITY")): cell.where for cell in registers}
    if len(clocks) > 1:
        places = ", ".join(sorted(clocks.values()))
        raise HardwareError(f"the design has registers of several clocks or edges ({places}); one is needed")
    return next(iter(clocks))[0] if clocks else None


def _ordered(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Returns the cells in an order in which each follows those that drive it.

    Raises:
        HardwareError: they form a loop.
    """
    drivers: dict[NetBit, int] = {}
    for index, cell in enumerate(cells):
        for bit in cell.ports[cell.output]:
            if bit in drivers:
                raise HardwareError(f"a net has two drivers: {cells[drivers[bit]].where} and {cell.where}")
            drivers[bit] = index
    graph = {
        index: {
            drivers[bit] for name, bits in cell.ports.items() if name != cell.output for bit in bits if bit in drivers
        }
        for index, cell in enumerate(cells)
    }
    try:
        return tuple(cells[index] for index in TopologicalSorter(graph).static_order())
    except CycleError as error:
        places = ", ".join(dict.fromkeys(cells[index].where for index in error.args[1]))
        raise HardwareError(f"the design has a combinational loop through {places}") from None
