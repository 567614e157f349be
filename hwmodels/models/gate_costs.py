"""Cost of any parsed design by its gates: area, energy, leakage and settling time of every operator and register."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from hwmodels.costs import ComponentCost, component_cost
from hwmodels.gates import GateDesign, arrivals, gate_kinds, is_redundant, lower, switching
from hwmodels.parsing import Design, Operator, Register
from hwmodels.technologies import DesignClass, GateErrors, GateKind, Gates, Metric, Technology

_FEW: Final = 2  # operators of a design that counts as a single one: its own, and an inversion or a condition
_ABSENT: Final = ("div", "mod", "demux", "memrd", "memwr")  # operators that the corpus lacks
_FLOPS: Final[tuple[GateKind, ...]] = ("flip_flop", "flip_flop_with_reset")


@dataclass(frozen=True, slots=True)
class PartCost:
    """Cost of one operator or register; an operator whose gates all serve another, or nothing, costs nothing.

    Attributes:
        kind: kind of operator, or ``register``.
        name: operands, or the register's name.
        where: file and line.
        path: hierarchical name of the instance that holds it, '' at the top.
        energy_pj: energy of a clock cycle with random inputs.
        settled_ns: when its last gate settles, after the clock edge, without the registers' own delay.
    """

    kind: str
    name: str
    where: str
    path: str
    area_um2: float
    energy_pj: float
    leakage_uw: float
    settled_ns: float


@dataclass(frozen=True, slots=True)
class GateCost:
    """Cost of a design by its gates.

    Attributes:
        parts: every operator, then every register.
        components: the same as components of a unit, with the memories.
        delay_ns: longest path between inputs, registers and outputs, without the registers' own delays.
        design_class: class of the corpus that the errors are taken from.
        inside: whether the design is like those of the corpus; if not, its errors are the worst of the class.
    """

    parts: tuple[PartCost, ...]
    components: tuple[ComponentCost, ...]
    delay_ns: float
    design_class: DesignClass
    inside: bool


def gate_cost(design: Design, technology: Technology, gates: Gates) -> GateCost:
    """Returns the cost of a design by the table's gate figures.

    Raises:
        HardwareError: if a net has two drivers, logic forms a loop or a latch, or an operator has no gates.
    """
    lowered = lower(design)
    parts, delay, redundant = _parts(design, lowered, gates)
    area = sum(part.area_um2 for part in parts)
    known = not any(operator.kind in _ABSENT for operator in design.operators) and not design.memories
    inside = known and area <= gates.area_range_um2[1]
    few: DesignClass = "operator" if len(design.operators) <= _FEW else "datapath"
    design_class: DesignClass = "redundant" if redundant else few
    # Of the modules that were set aside energies are up to three times as far off as the corpus: its worst is stated.
    errors = (
        stated_error(gates, "area_um2", design_class, inside=inside),
        stated_error(gates, "energy_pj", design_class, inside=False),
    )
    components = [
        ComponentCost(
            f"{part.kind} {part.name} at {part.where}",
            part.area_um2,
            part.energy_pj,
            None,
            part.leakage_uw,
            (),
            *errors,
        )
        for part in parts
    ]
    components += [
        component_cost(technology, "memory", f"memory {memory.name}", bits=memory.width * memory.words)
        for memory in design.memories
    ]
    return GateCost(parts, tuple(components), delay, design_class, inside)


def class_errors(gates: Gates, metric: Metric, design_class: DesignClass) -> GateErrors | None:
    """Returns the errors that a figure has on designs of a class, None if none was measured."""
    return gates.errors.get(metric, {}).get(design_class)


def stated_error(gates: Gates, metric: Metric, design_class: DesignClass, *, inside: bool) -> float:
    """Returns the error of a figure: the mean of its class, the worst outside of what the corpus holds."""
    errors = class_errors(gates, metric, design_class)
    return 0.0 if errors is None else errors.mean if inside else errors.worst


def _parts(design: Design, lowered: GateDesign, gates: Gates) -> tuple[tuple[PartCost, ...], float, bool]:
    """Returns the cost of every operator and register, the longest path, and whether the design is redundant."""
    nodes = lowered.alive()
    rates, kinds = switching(lowered, nodes), dict[int, GateKind]()
    area, energy, leakage = (defaultdict[int, float](float) for _ in range(3))
    for node, kind, count in gate_kinds(lowered, nodes):
        owner, rate = lowered.graph.owners[node], rates[node]
        kinds[node] = kind
        area[owner] += count * gates.area_um2.get(kind, 0.0)
        leakage[owner] += count * gates.leakage_uw.get(kind, 0.0)
        energy[owner] += rate.settled * gates.settled_pj.get(kind, 0.0) + rate.glitches * gates.glitch_pj.get(kind, 0.0)
        energy[owner] += gates.cycle_pj if kind in _FLOPS else 0.0
    timing = arrivals(lowered, nodes, kinds, gates.delay_ns)
    settled = defaultdict[int, float](float)
    for node in nodes:
        owner = lowered.graph.owners[node]
        settled[owner] = max(settled[owner], timing.times[node])
    owners: Sequence[Operator | Register] = (*design.operators, *design.registers)
    parts = tuple(
        PartCost(*_words(owner), area[number], energy[number], leakage[number], settled[number])
        for number, owner in enumerate(owners)
    )
    return parts, timing.delay_ns, is_redundant(rates, kinds)


def _words(owner: Operator | Register) -> tuple[str, str, str, str]:
    if isinstance(owner, Register):
        return "register", f"{owner.name} {owner.width}", owner.where, owner.path
    operands = " x ".join(str(operand.width) for operand in owner.operands)
    return owner.kind, f"{operands} to {owner.width}{' signed' if owner.signed else ''}", owner.where, owner.path


@dataclass(frozen=True, slots=True)
class InstanceCost:
    """Sum over the operators and registers of an instance and of all below it; '' is the top."""

    path: str
    area_um2: float
    energy_pj: float
    settled_ns: float


def instance_costs(parts: Iterable[PartCost]) -> tuple[InstanceCost, ...]:
    """Returns the cost of every instance, each before those that it holds."""
    inside: dict[str, list[PartCost]] = defaultdict(list)
    for part in parts:
        names = part.path.split(".") if part.path else []
        for depth in range(len(names) + 1):
            inside[".".join(names[:depth])].append(part)
    return tuple(
        InstanceCost(
            path,
            sum(part.area_um2 for part in held),
            sum(part.energy_pj for part in held),
            max(part.settled_ns for part in held),
        )
        for path, held in sorted(inside.items())
    )
