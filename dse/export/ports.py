"""The ports of an exported unit: declarations for Verilog, and what each means for its README."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from dse.export.interface import Interface
from dse.export.units import Unit

OF_EVERY_LANE: Final = ("channel", "acc", "scaled_input", "halved_input", "q", "bias_channel", "bias")
_BEFORE = "before the edge"
_AFTER = "after the edge"
_COMBINATIONAL = "combinational"


@dataclass(frozen=True, slots=True)
class UnitPort:
    """One port.

    Attributes:
        name: its name.
        direction: seen from the unit.
        bits: width in bits.
        signed: whether it is a two's complement integer.
        meaning: what it carries.
        timing: when it is read, or changes, relative to the rising clock edge.
    """

    name: str
    direction: Literal["input", "output"]
    bits: int
    signed: bool
    meaning: str
    timing: str

    @property
    def declared(self) -> str:
        """Its declaration in Verilog."""
        sign = "signed " if self.signed else ""
        vector = f"[{self.bits - 1}:0] " if self.bits > 1 or self.signed or self.name.endswith("channel") else ""
        return f"{self.direction:<6} wire {sign}{vector}{self.name}"


def ports_of(unit: Unit, interface: Interface) -> list[UnitPort]:
    """Returns the ports of a unit, in the order of its module; those of lanes side by side are one, lane 0 lowest."""
    ports = [*_controls(interface), *_operands(unit, interface), *_results(unit, interface), *_memory(unit, interface)]
    return [_of_lanes(each, unit.lanes) if each.name in OF_EVERY_LANE else each for each in ports]


def _of_lanes(port: UnitPort, lanes: int) -> UnitPort:
    if lanes == 1:
        return port
    return replace(port, bits=port.bits * lanes, signed=False, meaning=f"{port.meaning}; {lanes} lanes, lane 0 lowest")


def _controls(interface: Interface) -> Iterator[UnitPort]:
    yield UnitPort("clk", "input", 1, False, "clock, rising edge", "")
    if interface.reset_port:
        level, kind = ("low" if interface.reset_low else "high"), interface.reset.removesuffix("_low")
        what = "valid flags and state" if interface.flags else "data registers"
        timing = _BEFORE if kind == "sync" else "asynchronous; release it before the edge"
        yield UnitPort(interface.reset_port, "input", 1, False, f"clears the {what}, active {level}", timing)
    if interface.handshake == "enable":
        yield UnitPort("enable", "input", 1, False, "registers load while it is high, and hold otherwise", _BEFORE)


def _operands(unit: Unit, interface: Interface) -> Iterator[UnitPort]:
    if interface.flags:
        yield UnitPort("in_valid", "input", 1, False, "there is an operand", _BEFORE)
    if interface.handshake == "valid_ready":
        timing = f"{_COMBINATIONAL} from out_ready"
        yield UnitPort("in_ready", "output", 1, False, "the operand is taken at this edge if it is valid", timing)
    if unit.layers:
        meaning = "layer that is served, in the order of design.json; it stays while operands are on their way"
        yield UnitPort("layer", "input", unit.layer_bits, False, meaning, _BEFORE)
    if unit.parameter_fields:
        meaning = "channel of the operand, counted among those whose output varies"
        yield UnitPort("channel", "input", unit.channel_bits, False, meaning, f"{_BEFORE}, with the operand")
    if unit.is_add:
        for each in ("scaled", "halved"):
            yield UnitPort(f"{each}_input", "input", unit.operand_bits, True, "stored input of the ADD", _BEFORE)
    else:
        meaning = "accumulator, which started from the channel's bias"
        yield UnitPort("acc", "input", unit.operand_bits, True, meaning, _BEFORE)


def _results(unit: Unit, interface: Interface) -> Iterator[UnitPort]:
    edges = f"{unit.latency} edges" if unit.latency > 1 else "one edge"
    if interface.flags:
        yield UnitPort("out_valid", "output", 1, False, "q is a result", _AFTER)
    if interface.handshake == "valid_ready":
        yield UnitPort("out_ready", "input", 1, False, "the result is taken at this edge if it is valid", _BEFORE)
    yield UnitPort("q", "output", unit.output_bits, True, "output integer", f"{edges} after the operand was taken")


def _memory(unit: Unit, interface: Interface) -> Iterator[UnitPort]:
    if not unit.fields:
        return
    yield UnitPort("bias_channel", "input", unit.channel_bits, False, "channel whose bias is read", _COMBINATIONAL)
    meaning = "where the accumulator of that channel starts"
    yield UnitPort("bias", "output", unit.accumulator_bits, True, meaning, f"{_COMBINATIONAL} from bias_channel")
    if interface.parameters == "load":
        yield UnitPort("load_enable", "input", 1, False, "writes a word of the parameter memory", _BEFORE)
        meaning = "its number: channels of one layer after the other" if unit.layers else "its channel"
        yield UnitPort("load_channel", "input", unit.address_bits, False, meaning, _BEFORE)
        meaning = "the word: " + ", ".join(f"{name} {bits}" for name, bits in unit.fields) + " (bits, highest first)"
        yield UnitPort("load_word", "input", unit.word_bits, False, meaning, _BEFORE)
