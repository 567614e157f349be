"""Pins of a Liberty cell: single ones, and those of bundles and buses."""

import re
from collections.abc import Iterator
from typing import Final

from hwmodels.errors import HardwareError
from hwmodels.synthesis.liberty_syntax import Group
from hwmodels.synthesis.liberty_tables import LibertyUnits

_RANGE: Final = re.compile(r"(.*)\[(\d+):(\d+)\]")


def pin_groups(cell: Group, library: Group, units: LibertyUnits) -> Iterator[tuple[str, Group]]:
    """Yields the name and group of each pin of a cell; members of bundles and buses inherit the attributes of these.

    Raises:
        HardwareError: if a bundle has no members, or a bus no type that is known.
    """
    for pin in cell.inner("pin"):
        yield from ((name, pin) for name in _names(pin))
    for bundle in cell.inner("bundle"):
        members = bundle.lists.get("members", ())
        if not members:
            raise HardwareError(f"{units.place(bundle)} has no members")
        yield from _members(bundle, members)
    types = {group.arguments: group for owner in (library, cell) for group in owner.inner("type")}
    for bus in cell.inner("bus"):
        described = types.get((bus.values.get("bus_type", ""),))
        if described is None:
            raise HardwareError(f"{units.place(bus)}: bus_type is {bus.values.get('bus_type')!r}; no such type")
        ends = [int(units.number(described, key, least=0)) for key in ("bit_from", "bit_to")]
        yield from _members(bus, [f"{bus.arguments[0]}[{bit}]" for bit in range(min(ends), max(ends) + 1)])


def _names(pin: Group) -> Iterator[str]:
    """Yields the names that a group stands for: ``pin (A, B)`` is two pins, ``pin (A[1:0])`` too."""
    for name in (name for argument in pin.arguments for name in argument.split()):
        match = _RANGE.fullmatch(name)
        if match is None:
            yield name
        else:
            ends = sorted((int(match[2]), int(match[3])))
            yield from (f"{match[1]}[{bit}]" for bit in range(ends[0], ends[1] + 1))


def _members(owner: Group, names: "list[str] | tuple[str, ...]") -> Iterator[tuple[str, Group]]:
    own = {name: pin for pin in owner.inner("pin") for name in _names(pin)}
    for name in names:
        yield name, _inherited(owner, own[name]) if name in own else owner


def _inherited(owner: Group, pin: Group) -> Group:
    groups = {kind: [*owner.inner(kind), *pin.inner(kind)] for kind in ("timing", "internal_power")}
    return Group(pin.kind, pin.arguments, pin.line, {**owner.values, **pin.values}, pin.lists, groups)
