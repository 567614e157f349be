"""What ``dse inspect`` prints."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dse import formats
from nets.importers import Inspection

_NAME = 15  # characters shown of a tensor's name; its index is shown whole, and identifies it


def print_inspection(inspection: Inspection, console: Console) -> None:
    """Prints sizes, borders, operators by kind, and what blocks the import."""
    verdict = "can be imported" if inspection.importable else "cannot be imported"
    console.print(Text(f"{inspection.model}: {verdict}\n"))
    for line in _sizes(inspection):
        console.print(Text(line))
    console.print(_borders(inspection))
    console.print(_operators(inspection))
    for line in _blockers(inspection):
        console.print(Text(line))


def _sizes(inspection: Inspection) -> list[str]:
    rescalers = formats.count(inspection.rescalers, "operator")
    return [
        f"file        {inspection.size_bytes:,} bytes",
        f"weights     {formats.count(inspection.parameters, 'parameter')} in {inspection.weight_bytes:,} bytes",
        f"work        {formats.count(inspection.macs, 'MAC')} per sample",
        f"rescalers   {rescalers}, {formats.count(inspection.rescaler_channels, 'channel')}",
    ]


def _borders(inspection: Inspection) -> Table:
    table = _table("", "tensor", "shape", "type", numbers=("scale", "zero point"))
    groups = {
        "file's input": inspection.inputs,
        "file's output": inspection.outputs,
        "network's input": inspection.network_inputs,
        "network's output": inspection.network_outputs,
    }
    for group, tensors in groups.items():
        for tensor in tensors:
            scale = formats.MISSING if tensor.scale is None else f"{tensor.scale:.6g}"
            zero = formats.MISSING if tensor.zero_point is None else str(tensor.zero_point)
            name = tensor.name if tensor.index is None else f"{tensor.index} {formats.shorten(tensor.name, _NAME)}"
            shape = formats.TIMES.join(map(str, tensor.shape))
            table.add_row(*map(Text, (group, name, shape, tensor.type_name, scale, zero)))
    return table


def _operators(inspection: Inspection) -> Table:
    table = _table("operators", numbers=("in the file", "imported", "blocking", "left out"))
    for kind in inspection.kinds:
        counts = (kind.count, kind.imported, kind.blocking, kind.left_out)
        table.add_row(*map(Text, (kind.kind, *(str(count) if count else "" for count in counts))))
    return table


def _table(*headings: str, numbers: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _blockers(inspection: Inspection) -> list[str]:
    lines = [f"blocked: {inspection.refusal}"] if inspection.refusal else []
    lines += [
        f"blocked: {blocker.count} {blocker.kind}, the first: {blocker.reason}" for blocker in inspection.blockers
    ]
    return [*lines, *([inspection.advice] if inspection.advice else [])]
