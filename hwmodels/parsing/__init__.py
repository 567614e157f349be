"""Verilog-2001 to operators with resolved widths. The only package that imports pyverilog."""

import functools
from collections.abc import Mapping
from pathlib import Path

from hwmodels.errors import HardwareError
from hwmodels.parsing._design import Design, Memory, Operand, Operator, Port, Register
from hwmodels.parsing._elaborate import Module, elaborate
from hwmodels.parsing._grammar import parse
from hwmodels.parsing._source import plain_source

__all__ = ["Design", "Memory", "Operand", "Operator", "Port", "Register", "parse_files"]

_PARSED_FILES = 64  # files whose syntax trees are kept


def parse_files(paths: tuple[Path, ...], top: str, parameters: Mapping[str, int]) -> Design:
    """Parse Verilog files and resolve a design.

    Args:
        paths: files that together hold the design.
        top: name of the top module.
        parameters: overrides of its parameters.

    Raises:
        HardwareError: with file and line, if a file cannot be read, parsed or resolved.
    """
    modules: dict[str, Module] = {}
    for path in paths:
        for name, module in _modules(_read(path), str(path)).items():
            if name in modules:
                raise HardwareError(f"{path}: module {name!r} is defined twice")
            modules[name] = module
    return elaborate(modules, top, parameters)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="strict")
    except (OSError, UnicodeDecodeError) as error:
        raise HardwareError(f"{path}: cannot be read as text ({error})") from None


@functools.lru_cache(maxsize=_PARSED_FILES)
def _modules(text: str, name: str) -> Mapping[str, Module]:
    """Return the modules of one file, keyed by its text so that a changed file is parsed anew."""
    source = plain_source(text, name)
    return {definition.name: Module(definition, source) for definition in parse(source).description.definitions}
