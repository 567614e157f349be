"""Operators of a design as yosys sees them: the independent oracle for the parsing package."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwmodels.parsing import Design, parse_files

ONE_BIT = {
    "lt", "le", "gt", "ge", "eq", "ne", "eqx", "nex", "logic_and", "logic_or", "logic_not",
    "reduce_and", "reduce_or", "reduce_xor", "reduce_xnor", "reduce_bool",
}  # fmt: skip
PORTS = {"mux": "ABS", "pmux": "ABS"}
UNSIGNED = {"mux", "pmux", *ONE_BIT} - {"lt", "le", "gt", "ge"}
# Kind, widths of the operands, bits of the result, signed.
Key = tuple[str, tuple[int, ...], int, bool]


def yosys_netlist(files: Sequence[Path], top: str, parameters: Mapping[str, int], folder: Path) -> dict[str, Any]:
    """Read, elaborate and lower processes, nothing else; return the flat module of yosys' JSON."""
    from pyosys import libyosys

    output, wrapper = folder / "yosys.json", folder / "oracle_wrapper.v"
    wrapper.write_text(_wrapper(files, top, parameters))
    design = libyosys.Design()
    for command in (
        *(f"read_verilog -I{file.parent} {file}" for file in (*files, wrapper)),
        "hierarchy -check -top oracle_wrapper",
        "proc -noopt",
        "flatten -noscopeinfo",
        f"write_json {output}",
    ):
        libyosys.run_pass(command, design)
    return dict(json.loads(output.read_text())["modules"]["oracle_wrapper"])


def _wrapper(files: Sequence[Path], top: str, parameters: Mapping[str, int]) -> str:
    """A module around the top: yosys' own -chparam cannot take a negative number."""
    ports = parse_files(tuple(files), top, parameters).ports
    declared = ", ".join(f"{port.direction} wire [{port.width - 1}:0] {port.name}" for port in ports)
    overrides = ", ".join(f".{name}({value})" for name, value in parameters.items())
    connected = ", ".join(f".{port.name}({port.name})" for port in ports)
    return f"module oracle_wrapper ({declared}); {top} #({overrides}) dut ({connected}); endmodule\n"


def yosys_operators(module: Mapping[str, Any]) -> tuple[Counter[Key], int]:
    """Return the operators and the flip-flop bits of a netlist.

    Left out is what lowering a process makes and nothing reads (temporaries, also outside of their branch), what it
    adds to an asynchronous reset, the multiplexers of a memory's write port, which its write enable stands for,
    and what only $display reads.
    """
    cells = _without_temporaries(module)
    operators: Counter[Key] = Counter()
    flip_flops = 0
    seen = set()
    for name, cell in cells.items():
        kind = cell["type"].lstrip("$").removesuffix("_v2")
        # Extension of one side of a ?:, parts of a reset, contents of a memory, $display, empty modules.
        if kind in ("pos", "meminit", "print") or "$proc_dff" in name or not cell["type"].startswith("$"):
            continue
        if "dff" in kind:
            flip_flops += int(cell["parameters"]["WIDTH"], 2)
            continue
        if "$procmux" in name and kind in ("eq", "reduce_or"):
            # proc makes one comparison per piece of a variable; they are one operator
            ports = [cell["connections"].get(port) for port in "AB"] if kind == "eq" else []
            identity = json.dumps([kind, ports, cell["attributes"].get("src")])
            if identity in seen:
                continue
            seen.add(identity)
        operators[_key(kind, cell)] += 1
    return operators, flip_flops


def _without_temporaries(module: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what process lowering made and nothing reads, and the multiplexers in front of memory writes."""
    cells = dict(module["cells"])
    named = {bit for net in module["netnames"].values() if not net["hide_name"] for bit in net["bits"]}
    outputs = {bit for port in module["ports"].values() if port["direction"] == "output" for bit in port["bits"]}
    shown = {
        bit
        for cell in cells.values()
        if cell["type"] == "$print"
        for bits in cell["connections"].values()
        for bit in bits
    }
    while True:
        read = set(outputs)
        for cell in cells.values():
            if cell["type"] in ("$memwr_v2", "$print"):
                continue  # a write port's multiplexers go with it; $display is no hardware
            directions = cell["port_directions"]
            ignored = "S" if _is_wire(cell) else ""
            read |= {
                b
                for port, bits in cell["connections"].items()
                if directions[port] == "input" and port != ignored
                for b in bits
            }
        dead = [
            name
            for name, cell in cells.items()
            if ("$proc" in name or shown & _driven(cell))
            and cell["type"] not in ("$memwr_v2", "$print")
            and not read & _driven(cell)
            and (cell["type"] != "$dff" or not named & _driven(cell))
        ]
        if not dead:
            return {name: cell for name, cell in cells.items() if not _is_wire(cell)}
        for name in dead:
            del cells[name]


def _is_wire(cell: Mapping[str, Any]) -> bool:
    """Return whether a multiplexer chooses between a value and 'unknown', as for a temporary outside its branch."""
    return cell["type"] == "$mux" and any(set(cell["connections"][port]) == {"x"} for port in "AB")


def _driven(cell: Mapping[str, Any]) -> set[Any]:
    return {b for port, bits in cell["connections"].items() if cell["port_directions"][port] == "output" for b in bits}


def _key(kind: str, cell: Mapping[str, Any]) -> Key:
    connections, parameters = cell["connections"], cell["parameters"]
    if kind == "memrd":
        return (kind, (len(connections["ADDR"]),), len(connections["DATA"]), False)
    if kind == "memwr":
        return (kind, (len(connections["ADDR"]), len(connections["DATA"])), len(connections["DATA"]), False)
    ports = PORTS.get(kind, [port for port in "AB" if port in connections])
    widths = tuple(len(connections[port]) for port in ports)
    signed = int(parameters.get("A_SIGNED", "0"), 2) == 1
    if kind == "mux":
        widths = (len(connections["Y"]),) * 2 + widths[2:]
    # yosys pads a truth value to the width of its context.
    width = 1 if kind in ONE_BIT else len(connections["Y"])
    return (kind, widths, width, signed and kind not in UNSIGNED)


def parsed_operators(design: Design) -> tuple[Counter[Key], int]:
    """Return the same of a parsed design."""
    operators: Counter[Key] = Counter()
    for operator in design.operators:
        widths = tuple(operand.width for operand in operator.operands)
        if operator.kind == "mux":
            widths = (operator.width,) * 2 + widths[2:]
        signed = operator.signed and operator.kind not in UNSIGNED
        operators[(operator.kind, widths, operator.width, signed)] += 1
    return operators, design.register_bits
