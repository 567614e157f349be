"""Proofs of an exported design: every unit computes its rescaler's integers, for all accumulators of every channel.

What is proven is the Verilog that the export writes, with its parameter memory; what it is compared with are the
multipliers, shifts, zero points and bounds of the network, under its contract.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dse.errors import StudyError
from dse.evaluate import pipelines_of
from dse.export import render
from dse.export.interface import interface_for
from dse.export.scored_design import ScoredDesign
from dse.export.units import Unit, units_of
from hwmodels.proof import (
    CLOCK,
    OUTPUT,
    RESET,
    Claim,
    Interface,
    Outcome,
    PortBits,
    Proof,
    Prover,
    Rescale,
    Source,
    Sum,
    read_netlist,
)
from nets.network import ElementwiseSum, NarrowableOperator, QuantizedNetwork, Rescaler, Weighted


@dataclass(frozen=True)
class UnitProof:
    """What is known of one unit.

    Attributes:
        module: name of the Verilog module.
        layer: name of its rescaler in the network.
        channels: sets of constants, each of which is proven.
        operands: for which operands it is proven, or what was tried.
        proof: of all channels, or the first one that is not proven.
        channel: that channel's number in the unit; None if all are proven.
        bench: a test bench that fails on the unit; empty if it is not refuted.
    """

    module: str
    layer: str
    channels: int
    operands: str
    proof: Proof
    channel: int | None = None
    bench: str = ""

    def document(self) -> dict[str, object]:
        """Returns what is known as plain values, without counterexample and test bench."""
        return {
            "module": self.module,
            "layer": self.layer,
            "channels": self.channels,
            "operands": self.operands,
            "outcome": str(self.proof.outcome),
            "products": self.proof.products,
            "seconds": round(self.proof.seconds, 3),
            "channel": self.channel,
        }


def prove_design(design: ScoredDesign, time_limit: float) -> Iterator[UnitProof]:
    """Yields what is known of every unit of a design.

    Args:
        design: the design.
        time_limit: seconds for every channel of a unit.

    Raises:
        StudyError: it has no RTL.
    """
    if design.style == "shared":
        raise StudyError("a shared bank is not proven; its test bench compares it with the network's integers")
    methods = {name: choice.method.value for name, choice in design.point.choices}
    units = units_of(design.network, methods, design.hardware.architecture, pipelines_of(design.hardware))
    for unit in units:
        yield prove_unit(unit, design.network, design.title, time_limit)


def prove_unit(unit: Unit, network: QuantizedNetwork, title: str, time_limit: float) -> UnitProof:
    """Returns what is known of one unit."""
    with tempfile.TemporaryDirectory(prefix="proof-") as name:
        interface = interface_for((unit,), None, None, "rom")
        texts = {f"unit_{unit.identifier}": render.unit_verilog(unit, title, interface)}
        if unit.fields:
            texts[f"parameters_{unit.identifier}"] = render.parameters_verilog(unit, title, interface)
        for module, text in texts.items():
            (Path(name) / f"{module}.v").write_text(text, encoding="utf-8")
        written = tuple(Path(name) / f"{module}.v" for module in texts)
        source = Source(files=(*written, *unit.files), top=f"unit_{unit.identifier}")
        prover = Prover(read_netlist(source))
    whole = f"all of {unit.operand_bits} bits"
    if unit.is_add:
        return UnitProof(source.top, unit.name, 1, whole, prover.prove(*_sum(unit, network), time_limit))
    return _of_channels(unit, network, prover, source.top, time_limit)


def _of_channels(unit: Unit, network: QuantizedNetwork, prover: Prover, module: str, time_limit: float) -> UnitProof:
    seconds, products, certified = 0.0, "", False
    for channel in range(unit.channels):
        _check_bias(unit, network, prover, channel)
        interface, claim = _rescale(unit, network, channel)
        proof = prover.prove(interface, claim, time_limit)
        if proof.outcome is Outcome.REFUTED:  # a shift may have been moved, which certified accumulators do not see
            certified = True
            limited = replace(interface, ranges={"acc": _interval(unit, channel)})
            proof = replace((again := prover.prove(limited, claim, time_limit)), seconds=proof.seconds + again.seconds)
        seconds += proof.seconds
        products = proof.products or products
        operands = "the certified ones" if certified else f"all of {unit.operand_bits} bits"
        if proof.outcome is not Outcome.PROVEN:
            return UnitProof(module, unit.name, unit.channels, operands, replace(proof, seconds=seconds), channel)
    whole = Proof(Outcome.PROVEN, unit.workload.contract, seconds, products)
    return UnitProof(module, unit.name, unit.channels, operands, whole)


def _check_bias(unit: Unit, network: QuantizedNetwork, prover: Prover, channel: int) -> None:
    """Raises StudyError if the unit's memory does not hold the bias of a channel, folded constants included."""
    operator = network.operator(unit.name)
    if not unit.fields or not isinstance(operator, Weighted):
        return
    mask = (1 << unit.accumulator_bits) - 1
    wanted = int(operator.bias[_place(unit, channel)]) + _offset(unit, channel) & mask
    found = prover.constants({"bias_channel": channel}).get("bias")
    if found != wanted:
        raise StudyError(f"unit {unit.name!r}, channel {channel}: its memory holds the bias {found}, not {wanted}")


def _place(unit: Unit, channel: int) -> int:
    """Returns which channel of the network a channel of the unit is."""
    return channel if unit.constants.live is None else int(unit.constants.live[channel])


def _offset(unit: Unit, channel: int) -> int:
    """Returns the rounding constant and zero point that a channel's accumulator holds; 0 unfolded."""
    offset = unit.constants.offset
    return int(offset[channel if offset.size == unit.channels else 0])


def _interval(unit: Unit, channel: int) -> tuple[int, int]:
    """Returns the certified accumulators of a channel, folded constants included."""
    bounds = (unit.constants.accumulator.low, unit.constants.accumulator.high)
    low, high = (int(each[channel if each.size == unit.channels else 0]) for each in bounds)
    return low, high


def _rescale(unit: Unit, network: QuantizedNetwork, channel: int) -> tuple[Interface, Claim]:
    """Returns how a channel's rescaler is driven, and what the network says that it computes."""
    operator = network.operator(unit.name)
    assert isinstance(operator, NarrowableOperator)  # noqa: S101 -- of which units are made
    multiplier, shift = _constants(operator.rescaler, _place(unit, channel))
    values = {"multiplier": multiplier, "shift": shift, **_bounds(unit)}
    claim = Rescale(
        contract=operator.rescaler.contract.name,
        multiplier_bits=operator.rescaler.stored_bits,
        folded=_offset(unit, channel),
    )
    return _driven(unit, ("acc",), values, channel), claim


def _sum(unit: Unit, network: QuantizedNetwork) -> tuple[Interface, Claim]:
    """Returns how an ADD is driven, and what the network says that it computes."""
    operator = network.operator(unit.name)
    assert isinstance(operator, ElementwiseSum)  # noqa: S101 -- of which such units are made
    scaled, halved = unit.constants.inputs
    zeros = [network.tensors[operator.inputs[each.position]].zero_point for each in (scaled, halved)]
    multiplier_in, shift_in = _constants(operator.input_rescalers[scaled.position], 0)
    multiplier_out, shift_out = _constants(operator.rescaler, 0)
    values = {
        "scaled_zero": zeros[0],
        "halved_zero": zeros[1],
        "multiplier_in": multiplier_in,
        "shift_in": shift_in - operator.left_shift,
        "multiplier_out": multiplier_out,
        "shift_out": shift_out,
        **_bounds(unit),
    }
    claim = Sum(
        contract=operator.rescaler.contract.name,
        left_shift=operator.left_shift,
        signs=(-1 if scaled.complemented else 1, -1 if halved.complemented else 1),
        multiplier_bits=(operator.input_rescalers[scaled.position].stored_bits, operator.rescaler.stored_bits),
    )
    return _driven(unit, ("scaled_input", "halved_input"), values, 0), claim


def _driven(unit: Unit, operands: tuple[str, ...], values: dict[str, int], channel: int) -> Interface:
    """Returns how a unit is driven on the operands of one channel; a unit of several cycles is always ready."""
    ports = {role: PortBits(role) for role in operands} | {OUTPUT: PortBits("q"), CLOCK: PortBits("clk")}
    ties = {"channel": channel} if unit.parameter_fields else {}
    if unit.serial:
        ports[RESET] = PortBits("reset")
        ties |= {"in_valid": 1, "out_ready": 1}
    unread = ("bias_channel",) if unit.fields else ()
    return Interface(ports=ports, values=values, ties=ties, latency=unit.latency, unread=unread)


def _constants(rescaler: Rescaler, channel: int) -> tuple[int, int]:
    """Returns multiplier and right shift of a channel, as the network has them."""
    multiplier, shift = (
        int(each[channel if each.size > 1 else 0]) for each in (rescaler.multiplier, rescaler.right_shift)
    )
    return multiplier, shift


def _bounds(unit: Unit) -> dict[str, int]:
    return {"zero_point": unit.zero_point, "q_min": unit.q_min, "q_max": unit.q_max}
