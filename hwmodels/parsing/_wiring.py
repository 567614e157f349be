"""Wires of an elaborated design: every bit of every net is a number, and connections say what drives it."""

from collections.abc import Sequence
from typing import Final

Wires = tuple[int, ...]  # bits of a word, the lowest first

ZERO: Final = 0
ONE: Final = 1
UNKNOWN: Final = 2  # x: any value serves
_FIRST: Final = 3


class Wiring:
    """Gives out wires, and keeps what is connected to what.

    Attributes:
        drivers: per wire, the wire that it is connected to.
        twice: wires that more than one connection drives.
    """

    def __init__(self) -> None:
        self.drivers: dict[int, int] = {}
        self.twice: set[int] = set()
        self._named: dict[str, Wires] = {}
        self._next = _FIRST

    def fresh(self, width: int) -> Wires:
        """Returns wires that nothing has yet."""
        first = self._next
        self._next += width
        return tuple(range(first, self._next))

    def named(self, name: str, width: int) -> Wires:
        """Returns the wires of a net or variable."""
        wires = self._named.get(name)
        if wires is None or len(wires) != width:
            wires = self._named[name] = self.fresh(width)
        return wires

    def renew(self, name: str, width: int) -> Wires:
        """Returns new wires for a variable that lives once per call of its function."""
        wires = self._named[name] = self.fresh(width)
        return wires

    def connect(self, targets: Sequence[int], sources: Sequence[int]) -> None:
        """Drives wires by others."""
        for target, source in zip(targets, sources, strict=True):
            if target == source:
                continue
            if self.drivers.setdefault(target, source) != source:
                self.twice.add(target)


def constant_wires(bits: int, width: int, care: int | None = None) -> Wires:
    """Returns the wires of a constant; bits outside of the mask ``care`` are unknown."""
    if care is None:
        return tuple([bits >> place & 1 for place in range(width)])
    return tuple([bits >> place & 1 if care >> place & 1 else UNKNOWN for place in range(width)])


def extended(wires: Wires, width: int, signed: bool) -> Wires:
    """Returns a word cut or extended to a width, by its sign or by zeros."""
    if len(wires) >= width:
        return wires[:width]
    return wires + (wires[-1] if signed else ZERO,) * (width - len(wires))
