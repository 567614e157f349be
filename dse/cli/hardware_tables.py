"""What ``dse cost`` and ``dse calibrate`` print."""

from collections.abc import Iterable
from os.path import commonpath
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hwmodels import VerilogCost
from hwmodels.synthesis import Calibration


def print_cost(result: VerilogCost, console: Console) -> None:
    """Prints every operator and instance with its cost and place, then the figures and what is unknown."""
    folder = _folder([operator.where for operator in result.operators])
    console.print(_parts(result, folder) if result.parts else _operators(result, folder))
    if len(result.instances) > 1:
        console.print(_instances(result))
    for line in _figures(result):
        console.print(Text(line), soft_wrap=True)


def _table(title: str, caption: str, headings: Iterable[str], numbers: Iterable[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title=Text(title), caption=Text(caption) if caption else None)
    right = set(numbers)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return table


def _operators(result: VerilogCost, folder: str) -> Table:
    """Returns the operators of a design whose table prices components."""
    headings = ("operator", "operand bits", "result bits", "signed", "in line")
    table = _table(f"{result.top} in {result.technology}", f"in {folder}" if folder else "", headings, headings[1:3])
    for operator in result.operators:
        widths = " x ".join(str(operand.width) for operand in operator.operands)
        signed = "yes" if operator.signed else "no"
        table.add_row(operator.kind, widths, str(operator.width), signed, Text(operator.where.removeprefix(folder)))
    return table


def _parts(result: VerilogCost, folder: str) -> Table:
    """Returns the operators and registers with what their gates cost."""
    headings = ("operator", "bits", "um2", "pJ", "ns", "in line")
    table = _table(f"{result.top} in {result.technology}", f"in {folder}" if folder else "", headings, headings[2:5])
    for part in result.parts:
        figures = (f"{part.area_um2:,.0f}", f"{part.energy_pj:.2f}", f"{part.settled_ns:.2f}")
        table.add_row(part.kind, Text(part.name), *figures, Text(part.where.removeprefix(folder)))
    return table


def _instances(result: VerilogCost) -> Table:
    headings = ("instance", "um2", "pJ", "ns")
    table = _table("instances, each with those inside it", "", headings, headings[1:])
    for instance in result.instances:
        figures = (f"{instance.area_um2:,.0f}", f"{instance.energy_pj:.2f}", f"{instance.settled_ns:.2f}")
        table.add_row(Text(instance.path or result.top), *figures)
    return table


def _folder(places: Iterable[str]) -> str:
    """Returns the folder that all places (``path:line``) share, with its last slash; empty for the working one."""
    folders = {str(Path(place.rpartition(":")[0]).parent) for place in places}
    shared = commonpath(folders) if folders and len({Path(each).is_absolute() for each in folders}) == 1 else ""
    return f"{shared}/" if shared not in ("", ".", "/") else ""


def _figures(result: VerilogCost) -> Iterable[str]:
    yield f"registers: {sum(register.width for register in result.registers)} bits"
    figures = (("area_um2", result.area_um2, result.area_error), ("energy_pj", result.energy_pj, result.energy_error))
    for label, value, error in figures:
        stated = "" if error is None else f" (error {'' if result.errors else 'by its table '}{error:.1%})"
        yield f"{label}: {'unknown' if value is None else f'{value:,.3f}{stated}'}"
    if result.energy_pj is not None and not result.errors:
        orders = "both orders of outputs" if result.output_order is None else f"outputs in {result.output_order} order"
        yield f"energy_pj is of {orders}"
    if result.delay_ns is not None:
        yield f"delay_ns: {result.delay_ns:,.3f} (estimated from gate levels)"
    if result.period_ns:
        clock, period = 1000.0 / result.period_ns, result.period_ns
        yield f"maximum clock: {clock:,.4g} MHz ({period:,.3f} ns with a flip-flop's delay and setup time)"
    if result.errors:
        yield f"errors: those of {result.errors}"
        yield "energies: of a clock cycle with random inputs; ns: when the last gate settles"
    for reason in result.missing:
        yield f"unknown: {reason}"


def print_errors(result: Calibration, console: Console) -> None:
    """Prints the errors of a fitted technology on points held out of the fit."""
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title=Text(f"{result.technology.name}: errors on points held out of the fit"),
    )
    for heading in ("architecture", "figure", "form", "points", "mean", "worst", "rank"):
        table.add_column(heading, overflow="fold")
    for error in result.errors:
        figures = (f"{error.mean:.1%}", f"{error.worst:.1%}", f"{error.rank:.4f}")
        table.add_row(error.architecture, error.metric, error.form, str(error.points), *figures)
    console.print(table)
    console.print(Text(f"Energies: {result.technology.activity}."), soft_wrap=True)
