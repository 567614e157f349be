"""Costs of components, units and networks: frozen, plain floats, None if a table does not give a figure.

``missing`` holds a reason for each figure that is None. Errors are relative (0.1 is 10 %).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from hwmodels.technologies import METRICS, ComponentKind, Metric, Technology

Style = Literal["streaming", "shared"]


@dataclass(frozen=True, slots=True)
class ComponentCost:
    """Cost of one component of a unit; its energy is that of one operation.

    Attributes:
        name: its function, e.g. ``multiplier`` or ``rounding adder``.
        area_error: error of the area as the table states it.
        energy_error: error of the energy as the table states it.
    """

    name: str
    area_um2: float | None
    energy_pj: float | None
    delay_ns: float | None = None
    leakage_uw: float | None = None
    missing: tuple[str, ...] = ()
    area_error: float = 0.0
    energy_error: float = 0.0


@dataclass(frozen=True, slots=True)
class UnitCost:
    """Cost of one lane of a rescaler.

    Attributes:
        area_um2: area of the lane's datapath.
        energy_pj: energy of one rescale.
        delay_ns: longest path between its registers, from the operand or to the output, without their own delays.
        components: its components; area and energy are their sums.
        cycles: clock cycles from one operand to the next.
        results: rescales in that time, for this multiplier width.
        narrows: whether, in a wide unit, a narrow multiplier costs less energy than a wide one.
        period_ns: shortest clock period: that path with the delay of the register before it and the setup time of the
            one behind it.
        latency: clock cycles from an operand to its result.
        register_bits: flip-flops, whose clock pins switch in idle cycles too.
    """

    area_um2: float | None
    energy_pj: float | None
    delay_ns: float | None
    components: tuple[ComponentCost, ...]
    leakage_uw: float | None = None
    missing: tuple[str, ...] = ()
    cycles: int = 1
    results: int = 1
    narrows: bool = True
    period_ns: float | None = None
    latency: int = 1
    register_bits: int = 0

    @property
    def area_error(self) -> float | None:
        """Relative error of the area if all components err alike: theirs, weighted by area; None without an area."""
        return _weighted_error([(part.area_um2, part.area_error) for part in self.components])

    @property
    def energy_error(self) -> float | None:
        """Relative error of the energy, weighted by energy; None without an energy."""
        return _weighted_error([(part.energy_pj, part.energy_error) for part in self.components])


@dataclass(frozen=True, slots=True)
class LayerCost:
    """Cost of one layer's rescaler.

    Attributes:
        area_um2: area of all lanes plus parameter memory, if the layer had them to itself.
        datapath_area_um2: area of all lanes.
        parameter_area_um2: area of the memory for the parameters of all channels.
        energy_nj: rescaling energy of one inference, in nanojoules.
        parameter_bits: bits of that memory.
        unit: the lane that the layer itself needs.
        cycles: clock cycles from one operand to the next in the lane that serves the layer.
        results: rescales of the layer in that time in one lane.
        bias_bits: bits of the memory for the biases of all channels, which is the accelerator's, not the rescaler's.
        bias_area_um2: area of that memory.
        serving: the lane that serves the layer, its own or its bank's.
    """

    name: str
    area_um2: float | None
    datapath_area_um2: float | None
    parameter_area_um2: float | None
    energy_nj: float | None
    parameter_bits: int
    unit: UnitCost
    cycles: int = 1
    results: int = 1
    bias_bits: int = 0
    bias_area_um2: float | None = 0.0
    serving: UnitCost | None = None

    @property
    def lane(self) -> UnitCost:
        """The lane that serves the layer."""
        return self.serving or self.unit


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """Cost of all rescalers of a network.

    Attributes:
        rescaler_area_um2: area of all lanes plus parameter memory: of all layers in streaming style, of the banks in
            shared style.
        rescaler_energy_nj: rescaling energy of one inference, ADD units included, without memory accesses.
        parameter_bits: bits of parameter memory that are built.
        bias_bits: bits of bias memory that are built, whose area is the accelerator's.
    """

    rescaler_area_um2: float | None
    rescaler_energy_nj: float | None
    parameter_bits: int
    layers: tuple[LayerCost, ...]
    missing: tuple[str, ...] = ()
    bias_bits: int = 0


_Cost = TypeVar("_Cost", ComponentCost, UnitCost)


def component_cost(technology: Technology, kind: ComponentKind, name: str, **quantities: float) -> ComponentCost:
    """Returns the cost of one component.

    ``quantities`` are the terms of its kind (see ``hwmodels.technologies.technology.TERMS``).
    """
    area, energy, delay, leakage = [technology.evaluate(kind, metric, quantities) for metric in METRICS]
    missing: tuple[str, ...] = ()
    if area is None or energy is None:
        needed: tuple[tuple[Metric, float | None], ...] = (("area_um2", area), ("energy_pj", energy))
        missing = tuple(technology.reason(kind, metric) for metric, value in needed if value is None)
    errors = technology.error(kind, "area_um2"), technology.error(kind, "energy_pj")
    return ComponentCost(name, area, energy, delay, leakage, missing, *errors)


def _weighted_error(parts: Sequence[tuple[float | None, float]]) -> float | None:
    whole = total([figure for figure, _ in parts])
    return sum((figure or 0.0) * error for figure, error in parts) / whole if whole else None


def unit_cost(components: Sequence[ComponentCost]) -> UnitCost:
    """Returns the cost of a lane without its timing: areas, energies and leakages are the sums of its components."""
    return UnitCost(
        area_um2=total([component.area_um2 for component in components]),
        energy_pj=total([component.energy_pj for component in components]),
        delay_ns=None,
        components=tuple(components),
        leakage_uw=total([component.leakage_uw for component in components]),
        missing=reasons(component.missing for component in components),
    )


def times(value: float | None, factor: float) -> float | None:
    """Returns a figure times a factor, None for an unknown figure."""
    return None if value is None else value * factor


def scaled(unit: UnitCost, area: float, energy: float) -> UnitCost:
    """Returns a unit, components included, with areas and energies multiplied by factors."""
    components = tuple(_scaled(part, area, energy) for part in unit.components)
    return replace(_scaled(unit, area, energy), components=components)


def _scaled(cost: _Cost, area: float, energy: float) -> _Cost:
    return replace(cost, area_um2=times(cost.area_um2, area), energy_pj=times(cost.energy_pj, energy))


def total(values: Sequence[float | None]) -> float | None:
    """Returns the sum, or None if a part of it is unknown."""
    known = [value for value in values if value is not None]
    return float(sum(known)) if len(known) == len(values) else None


def reasons(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Returns the distinct reasons of several groups, in order."""
    return tuple(dict.fromkeys(reason for group in groups for reason in group))
