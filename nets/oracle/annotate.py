"""Names of tensors in a model file that say what rescaler a layer has, for viewers such as Netron."""

import re
import struct
from collections.abc import Mapping

import tflite

from nets.importers import RawGraph, operator_index, weighted_inputs
from nets.network import NarrowableOperator, QuantizedNetwork, Rescaler, Weighted

_NAME_FIELD = 10  # place of a tensor's name in its table, by the schema of .tflite
_NOTE = re.compile(r"^\[k=[^\]]*\] ")


def annotated(content: bytes, network: QuantizedNetwork, graph: RawGraph) -> bytes:
    """Returns the file with the width and the shift window of every narrowable layer in the name of one of its tensors.

    A layer with weights has them there, beside its scales; another one in its output, unless that is an output of the
    network, whose name users rely on. The new names are appended to the file; nothing else of it moves.

    Args:
        content: the file.
        network: the design that it holds.
        graph: its tensors and operators.
    """
    written = bytearray(content)
    for index, note in _notes(network, graph).items():
        _rename(written, index, f"[{note}] {_NOTE.sub('', graph.tensors[index].name)}")
    return bytes(written)


def rescaler_note(rescaler: Rescaler) -> str:
    """Returns width and shifts of a rescaler in short: ``k=1, shifts 7 to 10 (2-bit window)``."""
    shifts = rescaler.right_shift[rescaler.multiplier != 0]
    if not shifts.size:
        return f"k={rescaler.multiplier_bits}"
    low, high = int(shifts.min()), int(shifts.max())
    if low == high:
        return f"k={rescaler.multiplier_bits}, constant shift {low}"
    return f"k={rescaler.multiplier_bits}, shifts {low} to {high} ({(high - low).bit_length()}-bit window)"


def _notes(network: QuantizedNetwork, graph: RawGraph) -> Mapping[int, str]:
    """Returns a note per tensor of the file; operators that share weights share their tensor's note."""
    notes: dict[int, list[str]] = {}
    for operator in network.narrowable_operators():
        if (index := _carrier(operator, network, graph)) is not None:
            notes.setdefault(index, []).append(rescaler_note(operator.rescaler))
    return {index: "; ".join(dict.fromkeys(each)) for index, each in notes.items()}


def _carrier(operator: NarrowableOperator, network: QuantizedNetwork, graph: RawGraph) -> int | None:
    if isinstance(operator, Weighted):
        raw = graph.operators[operator_index(operator)]
        return int(raw.inputs[weighted_inputs(operator.name, raw.kind)[0]])
    return None if operator.output in network.outputs else network.tensors[operator.output].file_index


def _rename(content: bytearray, index: int, name: str) -> None:
    """Appends a name and points the tensor's table to it; a tensor without a name keeps none."""
    table = tflite.Model.GetRootAs(content, 0).Subgraphs(0).Tensors(index)._tab  # noqa: SLF001 -- places of fields
    if not (field := table.Offset(_NAME_FIELD)):
        return
    place = table.Pos + field
    content.extend(bytes(-len(content) % 4))
    text = name.encode()
    struct.pack_into("<I", content, place, len(content) - place)
    content.extend(struct.pack("<I", len(text)) + text + b"\0")
