"""What the shipped architectures claim: how each is driven, and the contract of every lane."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from hwmodels.architectures import Architecture
from hwmodels.proof._netlist import Source, WordNetlist, read_netlist
from hwmodels.proof.claims import Claim, Rescale, Sum
from hwmodels.proof.interface import CLOCK, LAYER_ROLES, OUTPUT, RESET, Interface, PortBits
from hwmodels.workload import RescalerWorkload

_FRACTURED_BITS: Final = (8, 16, 32)  # multiplier bits of the modes of the fractured unit
_ASSERTED: Final = ("enable", "start")  # inputs that are 1 while a unit works


@dataclass(frozen=True)
class Statement:
    """One claim of a module.

    Attributes:
        label: what it is about, if the module has several; empty otherwise.
        interface: how the module is driven.
        claim: what it computes.
    """

    label: str
    interface: Interface
    claim: Claim


def shipped(
    architecture: Architecture, workload: RescalerWorkload
) -> tuple[Source, WordNetlist, tuple[Statement, ...]]:
    """Returns the module that serves a workload, and all that is claimed of it.

    A folded unit is claimed to shift and to clamp: its rounding constant and zero point are in its accumulator, which
    the proof of an exported unit takes into account.
    """
    source = Source(files=architecture.files, top=architecture.top, parameters=architecture.parameters(workload))
    netlist = read_netlist(source)
    return source, netlist, tuple(_statements(architecture, workload, netlist))


def _statements(architecture: Architecture, workload: RescalerWorkload, netlist: WordNetlist) -> Iterator[Statement]:
    names = {port.name for port in netlist.ports.values() if port.direction == "input"}
    if architecture.stages == 2:
        yield _sum(architecture, workload, names)
    elif "mode" in names:
        yield from _fractured(architecture, workload, names)
    else:
        yield _rescale(architecture, workload, names)


def _rescale(architecture: Architecture, workload: RescalerWorkload, names: set[str]) -> Statement:
    stage = workload.stages[-1]
    operands = {"acc": "acc", "multiplier": "mult", "shift": "exponent" if "exponent" in names else "shift"}
    fixed = {"multiplier": stage.multiplier or 1, "shift": 0}
    if stage.multiplier_bits == 1 or "mult" not in names:
        del operands["multiplier"]
    if not stage.shift_bits:
        del operands["shift"]
    claim = Rescale(
        contract=architecture.contract, multiplier_bits=stage.multiplier_bits, shift_offset=stage.right_shift_min
    )
    interface = _interface(architecture, workload, names, operands, fixed)
    return Statement("", interface, claim)


def _interface(
    architecture: Architecture,
    workload: RescalerWorkload,
    names: set[str],
    operands: Mapping[str, str],
    fixed: Mapping[str, int],
    ties: Mapping[str, int] | None = None,
    out: str = "q",
) -> Interface:
    """Returns an interface whose zero point and bounds are ports or constants, as the workload says."""
    k = workload.stages[-1].multiplier_bits
    ports = {role: PortBits.parse(text) for role, text in operands.items()}
    values = {role: value for role, value in fixed.items() if role not in ports}
    if workload.output is None:
        ports |= {role: PortBits(role) for role in LAYER_ROLES if role in names}
        values |= {role: 0 for role in LAYER_ROLES if role not in ports}  # a folded unit has no zero point
    else:
        values |= {role: getattr(workload.output, role) for role in LAYER_ROLES}
        if architecture.folded and workload.output.input_zero_points == ():
            values["zero_point"] = 0
    ports |= {role: PortBits(role) for role in (CLOCK, RESET) if role in names}
    tied = {name: 1 for name in _ASSERTED if name in names} | dict(ties or {})
    used = {bits.name for bits in ports.values()} | set(tied)
    return Interface(
        ports={**ports, OUTPUT: PortBits(out)},
        values=values,
        ties=tied,
        latency=architecture.latency(k) + workload.pipeline.depth,
        unread=tuple(sorted(names - used)),
    )


def _fractured(architecture: Architecture, workload: RescalerWorkload, names: set[str]) -> Iterator[Statement]:
    """Yields a claim for every lane of every mode."""
    low = workload.stages[-1].right_shift_min
    for mode, bits in enumerate(_FRACTURED_BITS):
        for lane in range(0, 4, 1 << mode):
            operands = {
                "acc": f"acc{lane}", "multiplier": f"mult[{8 * lane + bits - 1}:{8 * lane}]", "shift": f"shift{lane}"
            }  # fmt: skip
            claim = Rescale(contract=architecture.contract, multiplier_bits=bits, shift_offset=low)
            interface = _interface(architecture, workload, names, operands, {}, {"mode": mode}, f"q{lane}")
            yield Statement(f"lane {lane} of mode {mode}", interface, claim)


def _sum(architecture: Architecture, workload: RescalerWorkload, names: set[str]) -> Statement:
    first, last = workload.stages
    operands = {role: role for role in ("scaled_input", "halved_input")}
    fixed = {
        "multiplier_in": first.multiplier or 1,
        "shift_in": first.right_shift_min,
        "multiplier_out": last.multiplier or 1,
        "shift_out": last.right_shift_min,
    }
    if workload.output is not None:
        zeros = zip(("scaled_zero", "halved_zero"), workload.output.input_zero_points, strict=True)
        fixed |= dict(zeros)
    else:
        operands |= {role: role for role in ("scaled_zero", "halved_zero")}
    for role, port, stage in (("multiplier_in", "mult_in", first), ("multiplier_out", "mult_out", last)):
        if port in names and stage.multiplier_bits > 1 and (stage.multiplier is None or workload.output is None):
            operands[role] = port
    claim = Sum(
        contract=workload.contract if architecture.folded else architecture.contract,
        left_shift=workload.left_shift,
        multiplier_bits=(first.multiplier_bits, last.multiplier_bits),
    )
    return Statement("", _interface(architecture, workload, names, operands, fixed), claim)
