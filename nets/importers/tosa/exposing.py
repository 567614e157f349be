"""A file with other outputs, so that a runtime shows what it computes in between."""

import struct
from collections.abc import Sequence

from nets.importers.tosa.flatbuffer import Tables
from nets.importers.tosa.graph import read_graph

_OUTPUTS = 4  # field of a block
_ALIGNMENT = 8  # bytes


def with_outputs(content: bytes, names: Sequence[str]) -> tuple[bytes, int]:
    """Returns a file's bytes with these tensors as outputs, and its batch.

    A vector of names is put behind the file, and the block's field leads there: offsets of a flatbuffer point forwards.

    Raises:
        NetworkError: the file is damaged.
    """
    graph = read_graph(content)
    tables = Tables(content)
    (region,) = tables.tables(tables.root(), 1)
    (block,) = tables.tables(region, 1)
    at = block.Pos + block.Offset(4 + 2 * _OUTPUTS)
    start = -(-len(content) // _ALIGNMENT) * _ALIGNMENT
    made = bytearray(content.ljust(start, b"\0") + _vector(names))
    made[at : at + 4] = struct.pack("<I", start - at)
    return bytes(made), graph.tensors[graph.inputs[0]].shape[0]


def _vector(names: Sequence[str]) -> bytes:
    """Returns a vector of strings: its length, an offset for each string from where the offset is, and the strings."""
    texts, offsets, end = b"", b"", 4 + 4 * len(names)
    for position, name in enumerate(names):
        encoded = name.encode()
        offsets += struct.pack("<I", end + len(texts) - (4 + 4 * position))
        text = struct.pack("<I", len(encoded)) + encoded + b"\0"
        texts += text.ljust(-(-len(text) // 4) * 4, b"\0")
    return struct.pack("<I", len(names)) + offsets + texts
