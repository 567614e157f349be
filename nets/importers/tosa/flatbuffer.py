"""Checked access to the tables of a flatbuffer by field numbers; nothing in the file is trusted."""

import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from flatbuffers import number_types
from flatbuffers.table import Table

# What Python's struct, memoryview and numpy raise on offsets and lengths that point outside the buffer.
DECODING_ERRORS = (struct.error, ValueError, IndexError, TypeError, OverflowError, MemoryError)


class Tables:
    """Reads fields of tables, within a budget.

    Tables may overlap in a malicious file, so that a small file describes a large graph. A regular file stores each
    vector about once, so the total size of all copies is limited to a small multiple of the file's size.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._budget = 8 * len(content) + 4096

    def root(self) -> Table:
        """Returns the root table."""
        return Table(self._content, int.from_bytes(self._content[:4], "little"))

    def number(self, table: Table, field: int, default: int = 0) -> int:
        """Returns an int32 (or a uint32 below 2**31)."""
        at = self._at(table, field)
        return int(table.Get(number_types.Int32Flags, table.Pos + at)) if at else default

    def flag(self, table: Table, field: int, *, default: bool = False) -> bool:
        """Returns a bool."""
        at = self._at(table, field)
        return bool(table.Get(number_types.BoolFlags, table.Pos + at)) if at else default

    def byte(self, table: Table, field: int) -> int:
        """Returns a uint8, as a union's type is."""
        at = self._at(table, field)
        return int(table.Get(number_types.Uint8Flags, table.Pos + at)) if at else 0

    def long(self, table: Table, field: int) -> int:
        """Returns a uint64."""
        at = self._at(table, field)
        return int(table.Get(number_types.Uint64Flags, table.Pos + at)) if at else 0

    def text(self, table: Table, field: int) -> str:
        """Returns a string; "" if it is absent."""
        at = self._at(table, field)
        return self._string(table, at + table.Pos) if at else ""

    def texts(self, table: Table, field: int) -> tuple[str, ...]:
        """Returns a vector of strings."""
        return tuple(self._string(table, at) for at in self._elements(table, field))

    def table(self, table: Table, field: int) -> Table | None:
        """Returns a table, or None if it is absent."""
        at = self._at(table, field)
        return Table(self._content, table.Indirect(at + table.Pos)) if at else None

    def tables(self, table: Table, field: int) -> list[Table]:
        """Returns a vector of tables."""
        return [Table(self._content, table.Indirect(at)) for at in self._elements(table, field)]

    def numbers(self, table: Table, field: int) -> tuple[int, ...]:
        """Returns a vector of int32."""
        at = self._at(table, field)
        if not at:
            return ()
        self._spend(4 * int(table.VectorLen(at)))
        return tuple(int(each) for each in table.GetVectorAsNumpy(number_types.Int32Flags, at))

    def data(self, table: Table, field: int) -> npt.NDArray[np.uint8] | None:
        """Returns a read-only view of a vector of bytes, or None if it is absent or empty."""
        at = self._at(table, field)
        if not at or table.VectorLen(at) == 0:
            return None
        view: npt.NDArray[np.uint8] = table.GetVectorAsNumpy(number_types.Uint8Flags, at)
        return view

    def _at(self, table: Table, field: int) -> int:
        self._spend(4)
        return int(table.Offset(4 + 2 * field))

    def _elements(self, table: Table, field: int) -> Iterator[int]:
        """Yields where the offsets of a vector are."""
        at = self._at(table, field)
        if not at:
            return
        count, start = int(table.VectorLen(at)), int(table.Vector(at))
        self._spend(4 * count)
        yield from range(start, start + 4 * count, 4)

    def _string(self, table: Table, at: int) -> str:
        raw = table.String(at)
        self._spend(len(raw))
        return bytes(raw).decode("utf-8", errors="replace")

    def _spend(self, size: int) -> None:
        self._budget -= size
        if self._budget < 0:
            raise ValueError("tables overlap")
