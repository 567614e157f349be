"""Generates docs/command-line.md from the commands: ``python -m studies.reference.write_command_line``."""

import inspect
import re
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from typer.core import TyperGroup

from dse.cli import BAD_INPUT, FAILURE, INTERRUPTED, app

_HEAD = f"""# The command line

`dse COMMAND ...`; `dse --help` and `dse COMMAND --help` print the same in the terminal. `dse --version`
prints the version, and `dse --install-completion` makes the shell complete commands and options.

This page is generated from the commands (`python -m studies.reference.write_command_line`).
[tutorial.md](tutorial.md) shows most of them in use.

## Exit status

| status | meaning |
|---|---|
| 0 | success |
| {FAILURE} | the machine failed: a file that cannot be written, evaluations that fail one after the other |
| {FAILURE} | something required is missing (`dse doctor`), or an integer differs (`dse verify`) |
| {FAILURE} | internal error; a traceback is printed, please report it |
| {BAD_INPUT} | bad input: an option, study file, model, sample file, Verilog file or run folder that cannot be used |
| {INTERRUPTED} | interrupted by Ctrl-C; `dse run` keeps all completed trials, rerun the same command to resume |

Bad input is reported in one line on stderr that begins with `dse: `. For an unknown or missing option, the command's
usage is printed instead, with what was probably meant. `--trials`, `--workers` and `--seed` of `dse run` override the
study file's values. Tables fit into 80 columns; in a pipe they hold no control characters.
"""
_KINDS = {Path: "path", str: "text", int: "whole number", float: "number"}


def reference() -> str:
    """Returns the page in Markdown."""
    group = typer.main.get_command(app)
    if not isinstance(group, TyperGroup):
        raise TypeError("the app has one command only")
    parts = [_HEAD]
    for name, command in group.commands.items():
        if command.callback is None:
            raise TypeError(f"command {name} has no function")
        parts += _section(name, command)
    return "\n".join(parts)


def _section(name: str, command: Any) -> list[str]:  # noqa: ANN401 -- click's own class, or typer's copy of it
    signature = inspect.signature(command.callback, eval_str=True).parameters
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    needed = [f"{option.opts[0]} {option.name.upper()}" for option in options if option.required]
    positions = [argument.name.upper() + (" ..." if argument.nargs == -1 else "") for argument in arguments]
    usage = " ".join(["dse", name, *positions, *needed, *(["[OPTIONS]"] if len(options) > len(needed) else [])])
    examples = [f"    {line.strip()}" for line in command.epilog.splitlines()[2:]]
    lines = [f"## `dse {name}`", "", command.help, "", f"    {usage}", "", "Examples:", "", *examples, ""]
    rows = [_row(parameter, signature[parameter.name].annotation) for parameter in (*arguments, *options)]
    return [*lines, "| argument or option | value | default | meaning |", "|---|---|---|---|", *rows, ""]


def _row(parameter: Any, annotation: object) -> str:  # noqa: ANN401 -- click's own class, or typer's copy of it
    names = [parameter.name.upper()] if parameter.param_type_name == "argument" else parameter.opts
    shown = ", ".join(f"`{name}`" for name in names)
    return f"| {shown} | {_value(annotation)} | {_shown(parameter)} | {parameter.help} |"


def _shown(parameter: Any) -> str:  # noqa: ANN401 -- click's own class, or typer's copy of it
    if parameter.required:
        return "required"
    if isinstance(words := parameter.show_default, str):
        return f"`{words}`" if re.search(r"[/.]", words) else words
    if parameter.default in (None, (), ""):
        return "none"
    if isinstance(parameter.default, bool):
        return "on" if parameter.default else "off"
    return f"`{parameter.default}`"


def _value(annotation: object) -> str:
    """Returns the kind of value in words, from ``Annotated[type, typer.Option(...)]``."""
    kind, details = get_args(annotation)[:2]
    if type(None) in get_args(kind):
        kind = next(part for part in get_args(kind) if part is not type(None))
    if kind is bool:
        return "flag"
    if get_origin(kind) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is list and details.metavar is not None:
        return f"`{details.metavar}`, any number"
    if get_origin(kind) is list:
        return f"{_KINDS[get_args(kind)[0]]}, any number"
    if get_origin(kind) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(kind))
    return _KINDS[kind] + (f", at least {details.min}" if details.min is not None else "")


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/command-line.md")
    target.write_text(reference(), encoding="utf-8")
