"""A target clock: the pipeline of each rescaler that it asks for, clock gates, and the energy of idle clocks."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from hwmodels.architectures import Architecture, Place, slices
from hwmodels.costs import ComponentCost, LayerCost, Style, UnitCost, total
from hwmodels.errors import HardwareError
from hwmodels.models import CostModel
from hwmodels.technologies import Clocking, Technology
from hwmodels.timing import period_ns
from hwmodels.workload import Pipeline, RescalerWorkload

PJ_PER_NJ: Final = 1000.0
NS_PER_US: Final = 1000.0  # a period in nanoseconds is that over a frequency in megahertz


@dataclass(frozen=True, slots=True)
class Clock:
    """A target clock.

    Attributes:
        mhz: its frequency.
        gating: whether a clock gate stops the clock of a lane while it has nothing to do; else its flip-flops' clock
            pins switch in every cycle.
    """

    mhz: float
    gating: bool = True

    @property
    def period_ns(self) -> float:
        """Its period in nanoseconds."""
        return NS_PER_US / self.mhz


@dataclass(frozen=True)
class ClockedModel:
    """Prices the units of another cost model as a clock needs them: with the shallowest pipeline that meets it.

    If none does, the unit has the shallowest of its fastest pipelines, and its ``period_ns`` exceeds the clock's. The
    energy of clock gates and of idle clocks depends on how long a lane waits, and is not part of a unit's.

    Raises:
        HardwareError: if the technology table has no delays, or no clock gate for a clock with gating.
    """

    model: CostModel
    clock: Clock
    _known: dict[RescalerWorkload, Pipeline] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        figures = clocking_of(self.technology)
        if self.clock.gating and figures.gate_pj is None:
            raise HardwareError(f"technology {self.technology.name!r} has no clock gate; use gating = false")

    @property
    def name(self) -> str:
        """The other model's name."""
        return self.model.name

    @property
    def technology(self) -> Technology:
        """Its table."""
        return self.model.technology

    def unit_cost(self, workload: RescalerWorkload) -> UnitCost:
        """Returns the cost of one lane that serves ``workload``, with the clock gate if there is one."""
        unit = self.model.unit_cost(self.pipelined(workload))
        if not self.clock.gating:
            return unit
        gate = ComponentCost("clock gate", clocking_of(self.technology).gate_area_um2, 0.0, leakage_uw=0.0)
        return replace(unit, area_um2=total([unit.area_um2, gate.area_um2]), components=(*unit.components, gate))

    def delay_ns(self, workload: RescalerWorkload) -> float | None:
        """Returns the longest path between the registers of that lane, in ns."""
        return self.model.delay_ns(self.pipelined(workload))

    def architecture_of(self, workload: RescalerWorkload) -> Architecture | None:
        """Returns the shipped architecture that serves a workload, None for a module of the user's own."""
        return self.model.architecture_of(workload)

    def pipelined(self, workload: RescalerWorkload) -> RescalerWorkload:
        """Returns a workload with the pipeline of the unit that serves it.

        Raises:
            HardwareError: if the delays of one of its components are not known.
        """
        # Two layers whose units are the same have the same pipeline.
        unit = replace(workload, name="", channels=1, rescales_per_inference=0, macs_per_inference=0, inferences=1)
        if unit not in self._known:
            self._known[unit] = self._shallowest(unit)
        return replace(workload, pipeline=self._known[unit])

    def _shallowest(self, workload: RescalerWorkload) -> Pipeline:
        fastest: tuple[float, Pipeline] | None = None
        for pipeline in pipelines(self.architecture_of(workload), workload):
            period = self._period_ns(replace(workload, pipeline=pipeline))
            if period <= self.clock.period_ns:
                return pipeline
            if fastest is None or period < fastest[0]:
                fastest = period, pipeline
        return Pipeline() if fastest is None else fastest[1]

    def _period_ns(self, workload: RescalerWorkload) -> float:
        period = period_ns(self.model.delay_ns(workload), self.technology)
        if period is None:
            raise HardwareError(
                f"technology {self.technology.name!r} gives no delay of a rescaler, which a clock needs"
            )
        return period


def pipelines(architecture: Architecture | None, workload: RescalerWorkload) -> Iterator[Pipeline]:
    """Yields the pipelines that can be built for a workload, the shallowest first; a user's module is as it is."""
    most = architecture.most_registers(workload) if architecture else {}
    places = list(most)
    choices = itertools.product(*(_counts(workload, place, most[place]) for place in places))
    for counts in sorted(choices, key=lambda each: (sum(each), each)):
        yield Pipeline(**dict(zip(places, counts, strict=True)))


def _counts(workload: RescalerWorkload, place: Place, most: int) -> list[int]:
    """Returns the numbers of registers at a place that leave no slice of a multiplier empty."""
    if place not in ("product", "input_product") or most <= 1:
        return list(range(most + 1))
    k = workload.stages[0 if place == "input_product" else -1].multiplier_bits
    return [0, *(count for count in range(1, most + 1) if 0 not in slices(k, count))]


def clocking_of(technology: Technology) -> Clocking:
    """Returns what a clock needs of a table.

    Raises:
        HardwareError: if the table lacks it.
    """
    if technology.clocking is None:
        raise HardwareError(
            f"technology {technology.name!r} gives no delays, which a clock needs; use a table that dse calibrate made"
        )
    return technology.clocking


def clock_energy_nj(
    layers: Sequence[LayerCost], busy_cycles: Sequence[int], model: CostModel, *, style: Style, lanes: int, cycles: int
) -> float:
    """Returns the energy of the rescalers' clocks in an inference, beside that of their rescales, in nJ.

    A clock gate switches in every cycle; without one, the flip-flops' clock pins switch in those in which a lane waits.
    A bank waits if none of its layers rescales. 0 without a clock.

    Args:
        layers: costs of the layers.
        busy_cycles: cycles of an inference in which each layer rescales.
        model: the cost model, of a clock or without one.
        style: whether layers share the lanes.
        lanes: rescaler lanes per layer or per bank.
        cycles: all cycles of an inference.
    """
    if not isinstance(model, ClockedModel):
        return 0.0
    figures, busy = clocking_of(model.technology), dict[object, int]()
    served = {layer.name if style == "streaming" else layer.lane: layer.lane for layer in layers}
    for layer, own in zip(layers, busy_cycles, strict=True):
        key = layer.name if style == "streaming" else layer.lane
        busy[key] = busy.get(key, 0) + own
    if model.clock.gating:
        energy = (figures.gate_pj or 0.0) * cycles * len(served)
    else:
        idle = (max(cycles - busy[key], 0) * lane.register_bits for key, lane in served.items())
        energy = figures.clock_pj * sum(idle)
    return energy * lanes / PJ_PER_NJ


def slowest_ns(layers: Sequence[LayerCost]) -> float | None:
    """Returns the shortest clock period at which all lanes work, in ns; None if that of one is not known."""
    periods = [layer.lane.period_ns for layer in layers]
    known = [period for period in periods if period is not None]
    return max(known) if len(known) == len(periods) else None
