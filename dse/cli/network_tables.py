"""What ``dse verify`` and ``dse contracts`` print."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dse import formats
from nets.network import PROFILES
from nets.oracle import ContractMatrix, VerifyReport

_NAME = 24  # characters shown of a tensor's name; the operator's name is shown whole, and identifies it


def print_verification(reports: Sequence[VerifyReport], refusals: Sequence[str], console: Console) -> None:
    """Prints a table for each comparison, and why others could not be made."""
    for report in reports:
        console.print(verify_table(report))
    if reports[0].mended:
        console.print(
            Text(
                f"LiteRT refuses the file as it is: {formats.count(reports[0].mended, 'tensor')} would be quantized "
                "along a dimension that they lack. It was compared with the first dimension in its place."
            )
        )
    for reason in refusals:
        console.print(Text(reason))


def verify_table(report: VerifyReport) -> Table:
    """Returns a table with one row per tensor; if an integer differs, with the first difference of each tensor."""
    verdict = "every integer equal" if report.exact else "DIFFERENCES"
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title=Text(f"{report.model}, {report.profile} ({report.runtime}), {report.samples} samples:\n{verdict}"),
    )
    for heading in ("operator", "tensor"):
        table.add_column(heading, overflow="fold")
    for heading in ("elements", "differ", *(() if report.exact else ("first at", "ours", _runtime(report)))):
        table.add_column(heading, justify="right", overflow="fold", no_wrap=heading != "first at")
    for check in report.tensors:
        first = "" if check.first_index is None else str(list(check.first_index))
        values = ["" if value is None else str(value) for value in (check.ours, check.theirs)]
        cells = (check.operator, formats.shorten(check.tensor, _NAME), f"{check.elements:,}", f"{check.mismatches:,}")
        table.add_row(*map(Text, (*cells, *(() if report.exact else (first, *values)))))
    return table


def _runtime(report: VerifyReport) -> str:
    """Returns the runtime's name, of which LiteRT's resolvers are two."""
    return "LiteRT" if report.profile in PROFILES else report.runtime


def print_contracts(matrix: ContractMatrix, console: Console) -> None:
    """Prints one row per contract, then where the results of each first differ."""
    console.print(contracts_table(matrix))
    for row in matrix.rows:
        if row.first_divergent:
            console.print(Text(f"{row.contract}: differs first at {row.first_divergent}"), soft_wrap=True)


def contracts_table(matrix: ContractMatrix) -> Table:
    """Returns a table with one row per contract."""
    labelled = any(row.accuracy is not None for row in matrix.rows)
    table = Table(
        box=SIMPLE_HEAD,
        padding=0,
        title=Text(f"{matrix.model}, {matrix.samples:,} samples, against {matrix.baseline}"),
        caption=Text(
            "share of the operators' outputs that differ: locally, if every operator receives the baseline's inputs; "
            "in all, on the network's own results; by 1, by exactly 1 then. agree: same largest output (of classes)"
        ),
    )
    table.add_column("contract", no_wrap=True)
    headings = ("locally", "in all", "by 1", "agree", *(("accuracy", "change pp") if labelled else ()))
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in matrix.rows:
        agreement = "" if row.agreement is None else f"{row.agreement:.2%}"
        shares = (f"{row.local_differing:.4%}", f"{row.differing:.4%}", f"{row.off_by_one:.4%}", agreement)
        accuracy = "" if row.accuracy is None else f"{row.accuracy:.2%}"
        change = "" if row.accuracy_change_pp is None else f"{row.accuracy_change_pp:+.2f}"
        table.add_row(row.contract, *shares, *((accuracy, change) if labelled else ()))
    return table
