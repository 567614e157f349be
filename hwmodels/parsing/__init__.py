"""Verilog-2001 to operators with resolved widths. The only package that imports pyverilog."""

from hwmodels.parsing._design import Design, Memory, Operand, Operator, Port, Register
from hwmodels.parsing._preprocess import included_files
from hwmodels.parsing._wiring import UNKNOWN
from hwmodels.parsing.reader import parse_files

__all__ = [
    "UNKNOWN",
    "Design",
    "Memory",
    "Operand",
    "Operator",
    "Port",
    "Register",
    "included_files",
    "parse_files",
]
