"""Proofs of an exported design: every unit computes its rescaler's integers, for all accumulators of every channel.

What is proven is the Verilog that the export writes, with its parameter memory; what it is compared with are the
multipliers, shifts, zero points and bounds of the network, under its contract.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dse.errors import StudyError
from dse.export import render
from dse.export.scored_design import ScoredDesign
from dse.export.units import Unit, units_of
from hwmodels.proof import CLOCK, OUTPUT, Claim, Interface, Outcome, PortBits, Proof, Prover, Rescale, Source, Sum, read_netlist
from nets.network import ElementwiseSum, QuantizedNetwork, Rescaler


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


def prove_design(design: ScoredDesign, time_limit: float) -> Iterator[UnitProof]:
    """Yields what is known of every unit of a design.

    Args:
        design: the design.
        time_limit: seconds for every channel of a unit.

    Raises:
        StudyError: it has no RTL.
    """
    methods = {name: choice.method.value for name, choice in design.point.choices}
    for unit in units_of(design.network, methods):
        yield prove_unit(unit, design.network, design.title, time_limit)


def prove_unit(unit: Unit, network: QuantizedNetwork, title: str, time_limit: float) -> UnitProof:
    """Returns what is known of one unit."""
    with tempfile.TemporaryDirectory(prefix="proof-") as name:
        path = Path(name) / f"unit_{unit.identifier}.v"
        path.write_text(render.unit_verilog(unit, title), encoding="utf-8")
        if unit.fields:
            (Path(name) / f"{unit.identifier}.hex").write_text(render.memory_hex(unit), encoding="utf-8")
        source = Source(files=(path, *unit.files), top=f"unit_{unit.identifier}")
        prover = Prover(read_netlist(source))
    whole = f"all of {unit.operand_bits} bits"
    if unit.is_add:
        return UnitProof(source.top, unit.name, 1, whole, prover.prove(*_sum(unit, network), time_limit))
    return _of_channels(unit, network, prover, source.top, time_limit)


def _of_channels(unit: Unit, network: QuantizedNetwork, prover: Prover, module: str, time_limit: float) -> UnitProof:
    seconds, products, certified = 0.0, "", False
    for channel in range(unit.channels):
        _check_bias(unit, prover, channel)
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


def _check_bias(unit: Unit, prover: Prover, channel: int) -> None:
    """Raises StudyError if the unit's memory does not hold the bias of a channel."""
    if unit.bias is None:
        return
    mask = (1 << unit.accumulator_bits) - 1
    wanted, found = int(unit.bias[channel]) & mask, prover.constants({"channel": channel}).get("bias")
    if found != wanted:
        raise StudyError(f"unit {unit.name!r}, channel {channel}: its memory holds the bias {found}, not {wanted}")


def _interval(unit: Unit, channel: int) -> tuple[int, int]:
    """Returns the certified accumulators of a channel, folded constants included."""
    bounds = (unit.constants.accumulator.low, unit.constants.accumulator.high)
    low, high = (int(each[channel if each.size == unit.channels else 0]) for each in bounds)
    return low, high


def _rescale(unit: Unit, network: QuantizedNetwork, channel: int) -> tuple[Interface, Claim]:
    """Returns how a channel's rescaler is driven, and what the network says that it computes."""
    operator = network.operator(unit.name)
    place = channel if unit.constants.live is None else int(unit.constants.live[channel])
    multiplier, shift = _constants(operator.rescaler, place)
    offset = unit.constants.offset
    values = {"multiplier": multiplier, "shift": shift, **_bounds(unit)}
    claim = Rescale(
        contract=operator.rescaler.contract.name,
        multiplier_bits=operator.rescaler.stored_bits,
        folded=int(offset[channel if offset.size == unit.channels else 0]),
    )
    ports = {"acc": PortBits("acc"), OUTPUT: PortBits("q"), CLOCK: PortBits("clk")}
    return Interface(ports=ports, values=values, ties={"channel": channel} if unit.fields else {}), claim


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
    ports = {role: PortBits(role) for role in ("scaled_input", "halved_input")}
    return Interface(ports={**ports, OUTPUT: PortBits("q"), CLOCK: PortBits("clk")}, values=values), claim


def _constants(rescaler: Rescaler, channel: int) -> tuple[int, int]:
    """Returns multiplier and right shift of a channel, as the network has them."""
    multiplier, shift = (int(each[channel if each.size > 1 else 0]) for each in (rescaler.multiplier, rescaler.right_shift))
    return multiplier, shift


def _bounds(unit: Unit) -> dict[str, int]:
    return {"zero_point": unit.zero_point, "q_min": unit.q_min, "q_max": unit.q_max}
