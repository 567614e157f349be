"""The full adder of a cell library, as a map for yosys."""

import re
from typing import Final

import numpy as np

from hwmodels.synthesis.functions import compile_function
from hwmodels.synthesis.liberty import Cell, Library, Pin

# Every combination of three bits, one per bit position of a word.
_COMBINATIONS: Final = (0b10101010, 0b11001100, 0b11110000)
_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)  # in Verilog, without escapes
_SUM: Final = 0b10010110
_CARRY: Final = 0b11101000


def full_adder_map(library: Library) -> str | None:
    """Returns Verilog that maps yosys' ``$fa`` to the library's smallest full adder, None if it has none."""
    adders = [(cell.area_um2, cell.name, text) for cell in library.cells.values() if (text := _map(cell)) is not None]
    return min(adders)[2] if adders else None


def _map(cell: Cell) -> str | None:
    if not cell.usable or cell.state or len(cell.inputs) != 3 or len(cell.outputs) != 2:
        return None
    if not all(_NAME.fullmatch(name) for name in (cell.name, *cell.pins)):
        return None
    inputs = [pin.name for pin in cell.inputs]
    outputs = {_truth(pin, inputs): pin.name for pin in cell.outputs}
    if set(outputs) != {_SUM, _CARRY}:
        return None
    first, second, third = inputs
    pins = f".{first}(A), .{second}(B), .{third}(C), .{outputs[_CARRY]}(X), .{outputs[_SUM]}(Y)"
    return (
        "module \\$fa #(parameter WIDTH = 1) (input A, input B, input C, output X, output Y);\n"
        f"    {cell.name} adder ({pins});\nendmodule\n"
    )


def _truth(pin: Pin, inputs: list[str]) -> int:
    """Returns an output's truth table over three inputs, -1 if it is not a function of just these."""
    function, names = compile_function(pin.function) if pin.function else (None, ())
    if function is None or set(names) != set(inputs):
        return -1
    words = {name: np.array([bits], dtype=np.uint64) for name, bits in zip(inputs, _COMBINATIONS, strict=True)}
    return int(function(words)[0]) & 0xFF
