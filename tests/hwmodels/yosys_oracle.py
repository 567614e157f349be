"""Operators of a design as yosys sees them: the independent oracle for the parsing package."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwmodels.parsing import Design

ONE_BIT = {
    "lt", "le", "gt", "ge", "eq", "ne", "eqx", "nex", "logic_and", "logic_or", "logic_not",
    "reduce_and", "reduce_or", "reduce_xor", "reduce_xnor", "reduce_bool",
}  # fmt: skip
PORTS = {"mux": "ABS", "pmux": "ABS"}
# Kind, widths of the operands, bits of the result, signed.
Key = tuple[str, tuple[int, ...], int, bool]


def yosys_netlist(files: Sequence[Path], top: str, parameters: Mapping[str, int], folder: Path) -> dict[str, Any]:
    """Read, elaborate and lower processes, nothing else; return the flat module of yosys' JSON."""
    from pyosys import libyosys

    design = libyosys.Design()
    output = folder / "yosys.json"
    # A module around the top: yosys' own -chparam cannot take a negative number.
    wrapper = folder / "oracle_wrapper.v"
    overrides = ", ".join(f".{name}({value})" for name, value in parameters.items())
    wrapper.write_text(f"module oracle_wrapper; {top} {f'#({overrides})' if overrides else ''} dut(); endmodule\n")
    for command in (
        *(f"read_verilog {file}" for file in (*files, wrapper)),
        "hierarchy -check -top oracle_wrapper",
        "proc -noopt",
        "flatten -noscopeinfo",
        f"write_json {output}",
    ):
        libyosys.run_pass(command, design)
    modules = json.loads(output.read_text())["modules"]
    [module] = [body for body in modules.values() if int(body["attributes"].get("top", "0"), 2)]
    return dict(module)


def yosys_operators(module: Mapping[str, Any]) -> tuple[Counter[Key], int]:
    """Return the operators and the flip-flop bits of a netlist."""
    operators: Counter[Key] = Counter()
    flip_flops = 0
    seen = set()
    for cell in module["cells"].values():
        kind = cell["type"].lstrip("$")
        if kind == "pos":  # yosys' way to extend one side of a ?: whose sides differ in width
            continue
        if "dff" in kind:
            flip_flops += int(cell["parameters"]["WIDTH"], 2)
            continue
        if kind == "eq":  # proc makes one comparison per piece of a variable; they are one operator
            identity = json.dumps([cell["connections"]["A"], cell["connections"]["B"], cell["attributes"].get("src")])
            if identity in seen:
                continue
            seen.add(identity)
        operators[_key(kind, cell)] += 1
    return operators, flip_flops


def _key(kind: str, cell: Mapping[str, Any]) -> Key:
    connections, parameters = cell["connections"], cell["parameters"]
    ports = PORTS.get(kind, "AB" if "B" in connections else "A")
    widths = tuple(len(connections[port]) for port in ports)
    signed = int(parameters.get("A_SIGNED", "0"), 2) == 1
    # yosys pads a truth value to the width of its context.
    width = 1 if kind in ONE_BIT else len(connections["Y"])
    if kind == "mux":
        widths = (width, width, widths[2])
    return (kind, widths, width, signed and kind not in ONE_BIT | {"mux", "pmux"})


def parsed_operators(design: Design) -> tuple[Counter[Key], int]:
    """Return the same of a parsed design."""
    operators: Counter[Key] = Counter()
    for operator in design.operators:
        signed = operator.signed and operator.kind not in ONE_BIT | {"mux", "pmux"}
        widths = tuple(operand.width for operand in operator.operands)
        if operator.kind == "mux":
            widths = (operator.width, operator.width, widths[2])
        operators[(operator.kind, widths, operator.width, signed)] += 1
    return operators, design.register_bits
