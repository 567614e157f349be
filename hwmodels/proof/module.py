"""A module of anyone's Verilog against a named contract."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hwmodels.errors import HardwareError
from hwmodels.proof._netlist import NetPort, Source, WordNetlist, read_netlist
from hwmodels.proof.bench import bench_of
from hwmodels.proof.claims import Rescale
from hwmodels.proof.interface import CLOCK, LAYER_ROLES, OUTPUT, RESET, Interface, PortBits
from hwmodels.proof.prover import Outcome, Proof, Prover

# Names under which ports are found if they are not given, in order.
_USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    "acc": ("acc", "accumulator"),
    "multiplier": ("mult", "multiplier"),
    "shift": ("shift", "right_shift"),
    "zero_point": ("zero_point",),
    "q_min": ("q_min",),
    "q_max": ("q_max",),
    OUTPUT: ("q", "out", "y"),
    CLOCK: ("clk", "clock"),
    RESET: ("reset", "rst"),
}
ROLES: Final = tuple(_USUAL)
_MOST_BITS: Final = 128  # of a port: beyond it nothing of a rescaler is that wide


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of a module; what is left out is found by the usual names, or takes its default.

    Attributes:
        source: the module.
        contract: rounding contract that is claimed.
        ports: port of a role.
        values: integers that are built into the module, by role.
        ties: values of other input ports.
        ranges: the smallest and the largest value of a role.
        latency: clock edges from the operands to the output; None is 1 with registers, 0 without.
        held: whether the inputs stay until the output is there.
        shift_offset: what is added to the shift's integer to make the right shift.
        multiplier_bits: ``k`` of contracts that round twice; None is the width of the multiplier's port.
        time_limit: seconds for every contract.
    """

    source: Source
    contract: str
    ports: Mapping[str, PortBits] = field(default_factory=dict)
    values: Mapping[str, int] = field(default_factory=dict)
    ties: Mapping[str, int] = field(default_factory=dict)
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    latency: int | None = None
    held: bool = False
    shift_offset: int = 0
    multiplier_bits: int | None = None
    time_limit: float = 60.0


@dataclass(frozen=True)
class Answer:
    """What is known of a module.

    Attributes:
        proof: of the contract that was claimed.
        others: outcome of the other contracts if it was refuted, without those that are not defined for its inputs.
        operands: what each role is, in words.
        latency: clock edges from the operands to the output.
        bench: a test bench that fails on the module, in Verilog; empty if it is not refuted.
    """

    proof: Proof
    others: Mapping[str, Outcome]
    operands: Mapping[str, str]
    latency: int
    bench: str


def prove_module(question: Question) -> Answer:
    """Tries to prove that a module computes a named contract for all inputs.

    Raises:
        HardwareError: it cannot be read, or the question does not fit it.
    """
    for what, names, roles in (
        ("port", question.ports, ROLES),
        ("value", question.values, Rescale.roles),
        ("range", question.ranges, Rescale.roles),
    ):
        if (unknown := next((name for name in names if name not in roles), None)) is not None:
            raise HardwareError(f"{what} {unknown!r}: no such role; use one of {', '.join(roles)}")
    netlist = read_netlist(question.source)
    interface = _interface(question, netlist)
    claim = Rescale(
        contract=question.contract,
        multiplier_bits=_multiplier_bits(question, interface, netlist),
        shift_offset=question.shift_offset,
    )
    prover = Prover(netlist)
    proof = prover.prove(interface, claim, question.time_limit)
    found = proof.counterexample
    return Answer(
        proof=proof,
        others=prover.others(interface, claim, question.time_limit) if found else {},
        operands={role: _described(role, interface, netlist) for role in (*claim.roles, OUTPUT)},
        latency=interface.latency,
        bench=bench_of(question.source, netlist, interface, found) if found else "",
    )


def _interface(question: Question, netlist: WordNetlist) -> Interface:
    ports = {**_usual(question, netlist), **question.ports}
    values = {role: 0 for role in ("zero_point",) if role not in ports} | dict(question.values)
    width = _width(ports[OUTPUT], netlist) if OUTPUT in ports and ports[OUTPUT].name in netlist.ports else 1
    for role, end in (("q_min", -(1 << (width - 1))), ("q_max", (1 << (width - 1)) - 1)):
        if role not in ports:
            values.setdefault(role, end)
    latency = question.latency if question.latency is not None else int(bool(netlist.registers))
    interface = Interface(
        ports=ports,
        values=values,
        ties=question.ties,
        ranges=question.ranges,
        latency=latency,
        held=question.held,
        held_roles=LAYER_ROLES,
    )
    for bits in ports.values():
        if bits.name in netlist.ports and _width(bits, netlist) > _MOST_BITS:
            raise HardwareError(f"port {bits.name} has more than {_MOST_BITS} bits; name those that are meant")
    return interface


def _usual(question: Question, netlist: WordNetlist) -> dict[str, PortBits]:
    """Returns the ports that have a usual name and no other use."""
    used = {bits.name for bits in question.ports.values()} | set(question.ties)
    found = {}
    for role, names in _USUAL.items():
        wanted = "output" if role == OUTPUT else "input"
        if role in question.ports or role in question.values:
            continue
        for name in names:
            port = netlist.ports.get(name)
            if port is not None and port.direction == wanted and name not in used:
                found[role] = PortBits(name)
                break
    return found


def _multiplier_bits(question: Question, interface: Interface, netlist: WordNetlist) -> int:
    if question.multiplier_bits is not None:
        return question.multiplier_bits
    if "multiplier" in interface.values:
        return max(interface.values["multiplier"].bit_length(), 1)
    bits = interface.ports.get("multiplier")
    if bits is None or bits.name not in netlist.ports:
        return 1  # what is missing is reported with the other ports
    return _width(bits, netlist) - _signed(bits, netlist)


def _signed(bits: PortBits, netlist: WordNetlist) -> bool:
    return bits.high is None and netlist.ports[bits.name].signed


def _width(bits: PortBits, netlist: WordNetlist) -> int:
    port: NetPort = netlist.ports[bits.name]
    return len(port.nets) if bits.high is None else bits.high - bits.low + 1


def _described(role: str, interface: Interface, netlist: WordNetlist) -> str:
    if role in interface.values:
        return f"the constant {interface.values[role]}"
    bits = interface.ports[role]
    part = "" if bits.high is None else f"[{bits.high}:{bits.low}]"
    unsigned = role in ("multiplier", "shift") and not _signed(bits, netlist)
    kind = "unsigned" if unsigned else "signed"
    low, high = interface.ranges.get(role, (None, None))
    given = "" if low is None else f", {low} to {high}"
    return f"port {bits.name}{part}, {_width(bits, netlist)} bits, {kind}{given}"
