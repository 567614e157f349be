"""Reads Verilog files and resolves a design; parsed files are kept.

The modules that need pyverilog are imported when a file is parsed: most uses of the cost models parse none.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwmodels.errors import HardwareError
from hwmodels.parsing._design import Design
from hwmodels.parsing._preprocess import preprocess, read_source
from hwmodels.parsing._source import SourceText

if TYPE_CHECKING:
    from hwmodels.parsing._elaborate import Module

_PARSED_FILES = 64  # files whose syntax trees are kept


def parse_files(
    paths: tuple[Path, ...],
    top: str,
    parameters: Mapping[str, int],
    *,
    defines: Mapping[str, str] | None = None,
    include_folders: Sequence[Path] = (),
) -> Design:
    """Parses Verilog files and resolve a design.

    Args:
        paths: files that together hold the design.
        top: name of the top module.
        parameters: overrides of its parameters.
        defines: macros that are defined from the start.
        include_folders: folders that files may be included from, besides each file's own.

    Raises:
        HardwareError: with file and line, if a file cannot be read, parsed or resolved.
    """
    key = tuple(sorted((defines or {}).items()))
    for folder in include_folders:
        if not folder.is_dir():
            raise HardwareError(f"{folder}: no such folder to include from")
    modules: dict[str, Module] = {}
    for path in paths:
        folders = (path.parent, *include_folders)
        for name, module in _modules(read_source(path), str(path), key, folders).items():
            if name in modules:
                raise HardwareError(f"{path}: module {name!r} is defined twice")
            modules[name] = module
    from hwmodels.parsing._elaborate import elaborate

    try:
        return elaborate(modules, top, parameters)
    except RecursionError:
        names = ", ".join(str(path) for path in paths)
        raise HardwareError(
            f"{names}: an expression, or a chain of else, is nested too deeply to be resolved"
        ) from None


def _modules(
    text: str, name: str, defines: tuple[tuple[str, str], ...], folders: tuple[Path, ...]
) -> Mapping[str, Module]:
    if "`" in text:  # included files may change, so only the preprocessed text is a key
        source = preprocess(text, name, defines=dict(defines), include_folders=folders)
    else:
        source = _plain(text, name)
    return _parsed(source)


@functools.lru_cache(maxsize=_PARSED_FILES)
def _plain(text: str, name: str) -> SourceText:
    return preprocess(text, name)


@functools.lru_cache(maxsize=_PARSED_FILES)
def _parsed(source: SourceText) -> Mapping[str, Module]:
    """Returns the modules of one preprocessed file; its text is the key, so that a changed file is parsed anew."""
    from pyverilog.vparser import ast

    from hwmodels.parsing._elaborate import Module
    from hwmodels.parsing._grammar import parse

    definitions = parse(source).description.definitions
    return {
        definition.name: Module(definition, source)
        for definition in definitions
        if isinstance(definition, ast.ModuleDef)
    }
