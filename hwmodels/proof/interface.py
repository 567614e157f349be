"""How a unit is driven: which port holds which integer of a claim, and in which cycle the output follows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from hwmodels.errors import HardwareError
from hwmodels.proof._netlist import WordNetlist
from hwmodels.proof._words import Bits, Words, constant
from hwmodels.proof.contracts import Integer

OUTPUT: Final = "out"
CLOCK: Final = "clk"
RESET: Final = "reset"
LAYER_ROLES: Final = ("zero_point", "q_min", "q_max")  # which belong to a layer, and do not change between operands
_PORT: Final = re.compile(r"([A-Za-z_]\w*)(?:\[(\d+)(?::(\d+))?\])?", re.ASCII)
_UNSIGNED: Final = ("multiplier", "multiplier_in", "multiplier_out", "shift", "shift_in", "shift_out")


@dataclass(frozen=True, slots=True)
class PortBits:
    """A port, or some of its bits.

    Attributes:
        name: name of the port.
        high: highest bit; None for the whole port.
        low: lowest bit.
    """

    name: str
    high: int | None = None
    low: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the port of ``NAME``, ``NAME[HIGH:LOW]`` or ``NAME[BIT]``.

        Raises:
            HardwareError: the text is none of these.
        """
        match = _PORT.fullmatch(text)
        if match is None:
            raise HardwareError(f"port {text!r}: expected NAME, NAME[BIT] or NAME[HIGH:LOW]")
        name, high, low = match.groups()
        if high is None:
            return cls(name)
        return cls(name, int(high), int(high if low is None else low))


@dataclass(frozen=True, kw_only=True)
class Interface:
    """How a unit is driven.

    Attributes:
        ports: port of each role: those of the claim, ``out``, and ``clk`` and ``reset`` if there are any.
        values: integers that are built into the unit instead, by role.
        ties: values of other input ports in every cycle.
        ranges: the smallest and the largest value of a role, if it does not take all.
        latency: clock edges from the operands to the output; 0 is a combinational unit.
        held: whether the inputs stay until the output is there; otherwise they may change in every cycle.
        held_roles: roles whose ports keep their values in any case.
        unread: input ports that may have any value in every cycle.
    """

    ports: Mapping[str, PortBits]
    values: Mapping[str, int] = field(default_factory=dict)
    ties: Mapping[str, int] = field(default_factory=dict)
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    latency: int = 1
    held: bool = False
    held_roles: tuple[str, ...] = LAYER_ROLES
    unread: tuple[str, ...] = ()

    def check(self, netlist: WordNetlist, roles: tuple[str, ...]) -> None:
        """Raises HardwareError if ports do not exist, or inputs or roles are left without a value."""
        for role, bits in self.ports.items():
            self._check_port(netlist, role, bits)
        missing = [role for role in roles if role not in self.ports and role not in self.values]
        if OUTPUT not in self.ports:
            missing.append(OUTPUT)
        if missing:
            raise HardwareError(f"{', '.join(missing)}: no port and no value is given for it")
        if (twice := next((role for role in self.values if role in self.ports), None)) is not None:
            raise HardwareError(
                f"{twice}: is port {self.ports[twice].name} and the value {self.values[twice]}; give one"
            )
        self._check_ties(netlist)
        named = {bits.name for bits in self.ports.values()} | set(self.ties) | set(self.unread)
        inputs = [port.name for port in netlist.ports.values() if port.direction == "input"]
        if left := [name for name in inputs if name not in named]:
            raise HardwareError(f"input {', '.join(left)}: name its role, or tie it to a value")
        self._check_clock(netlist)

    def _check_ties(self, netlist: WordNetlist) -> None:
        roles = {bits.name: role for role, bits in self.ports.items()}
        for name, value in self.ties.items():
            port = netlist.ports.get(name)
            if port is None or port.direction != "input":
                raise HardwareError(f"port {name!r}: the module has no input of this name")
            if name in roles:
                raise HardwareError(f"port {name} is tied to {value}, and is {roles[name]}; leave one out")
            width = len(port.nets)
            if not -(1 << (width - 1)) <= value < 1 << width:
                raise HardwareError(f"port {name} is tied to {value}, which its bits, {width}, do not hold")

    def _check_port(self, netlist: WordNetlist, role: str, bits: PortBits) -> None:
        port = netlist.ports.get(bits.name)
        if port is None:
            names = ", ".join(netlist.ports)
            raise HardwareError(f"{role}: the module has no port {bits.name!r}, only {names}")
        wanted = "output" if role == OUTPUT else "input"
        if port.direction != wanted:
            raise HardwareError(f"{role}: port {bits.name} is an {port.direction}; an {wanted} is needed")
        if bits.high is not None and not bits.low <= bits.high < len(port.nets):
            raise HardwareError(
                f"{role}: port {bits.name} has bits {len(port.nets) - 1} to 0, not {bits.high} to {bits.low}"
            )

    def _check_clock(self, netlist: WordNetlist) -> None:
        if netlist.clock is None:
            return
        if CLOCK not in self.ports:
            raise HardwareError("the design has registers; name its clock as role clk")
        if netlist.ports[self.ports[CLOCK].name].nets != (netlist.clock,):
            raise HardwareError(f"port {self.ports[CLOCK].name} is not the clock of the design's registers")

    def cycles(self, netlist: WordNetlist, words: Words) -> list[dict[str, Bits]]:
        """Returns the bits of every input port in every cycle; the operands stand in the last one but ``latency``."""
        operands = self._inputs(netlist, words, "", 0)
        later = [self._later(netlist, words, operands, cycle) for cycle in range(self.latency)]
        before = [self._inputs(netlist, words, "_reset", 1)] if RESET in self.ports else []
        return [*before, operands, *later]

    def _inputs(self, netlist: WordNetlist, words: Words, suffix: str, reset: int) -> dict[str, Bits]:
        made = {}
        for port in netlist.ports.values():
            if port.direction != "input":
                continue
            width = len(port.nets)
            if RESET in self.ports and port.name == self.ports[RESET].name:
                made[port.name] = constant(reset, width)
            elif port.name in self.ties:
                made[port.name] = constant(self.ties[port.name], width)
            else:
                made[port.name] = words.unknown(f"{port.name}{suffix}", width)
        return made

    def _later(self, netlist: WordNetlist, words: Words, operands: Mapping[str, Bits], cycle: int) -> dict[str, Bits]:
        if self.held:
            return dict(operands)
        fresh = self._inputs(netlist, words, f"_{cycle + 1}", 0)
        kept = {self.ports[role].name for role in self.held_roles if role in self.ports}
        return {name: operands[name] if name in kept else bits for name, bits in fresh.items()}

    def integer(self, role: str, netlist: WordNetlist, inputs: Mapping[str, Bits]) -> Integer:
        """Returns a role's integer from the bits of the ports in one cycle, or the value that is built in."""
        if role in self.values:
            value = self.values[role]
            return Integer(constant(value, value.bit_length() + 1), signed=True)
        bits = self.ports[role]
        port = netlist.ports[bits.name]
        row = inputs[bits.name]
        cut = row if bits.high is None else row[bits.low : bits.high + 1]
        signed = port.signed and bits.high is None if role in _UNSIGNED else True
        return Integer(cut, signed)
