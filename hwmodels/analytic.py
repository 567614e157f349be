"""Rescaler cost from closed formulas: the components of the shipped single-cycle architecture, by width."""

from collections.abc import Iterator
from dataclasses import dataclass

from hwmodels.costs import ComponentCost, UnitCost, component_cost, unit_cost
from hwmodels.geometry import check_workload, halved_bits, stage_widths, sum_bits
from hwmodels.operators import crossed, sized
from hwmodels.technology import Technology
from hwmodels.workload import RescalerWorkload, RescaleStage


@dataclass(frozen=True)
class AnalyticRescalerModel:
    """Costs the components that a rescaler needs, without looking at any RTL.

    A lane is, in data order: multiplier (none for k = 1), barrel shifter over the channels' shift range, one adder
    that rounds and adds the zero point, saturation, clamp to the activation's range, output register. An ADD puts two
    zero-point subtractions, a rescale of one operand and the sum before it.

    Attributes:
        technology: table of component figures.
    """

    technology: Technology

    @property
    def name(self) -> str:
        """Name of the model in a study."""
        return "analytic"

    def unit_cost(self, workload: RescalerWorkload) -> UnitCost:
        """Return the cost of one lane that serves ``workload``.

        Raises:
            HardwareError: if no shipped architecture serves it.
        """
        check_workload(workload)
        components = [*self._add_front(workload)] if len(workload.stages) == 2 else []
        components += self._rescaler(workload.stages[-1], workload.output_bits)
        return unit_cost(components, serial=[component.name for component in components])

    def _rescaler(self, stage: RescaleStage, output_bits: int) -> Iterator[ComponentCost]:
        technology = self.technology
        yield from self._scale(stage, "")
        total = sum_bits(stage_widths(stage).kept, output_bits)
        yield component_cost(technology, "adder", "rounding and zero-point adder", **sized(total))
        # The bits above the output must all equal its sign: one AND and one OR over them, two multiplexers.
        yield component_cost(technology, "logic", "saturation detector", bits=2 * (total - 1 - output_bits))
        yield component_cost(technology, "mux", "saturation", bits=2 * output_bits)
        for bound in ("lower", "upper"):
            yield component_cost(technology, "comparator", f"{bound} clamp comparator", **sized(output_bits))
        yield component_cost(technology, "mux", "clamp", bits=2 * output_bits)
        yield component_cost(technology, "register", "output register", bits=output_bits)

    def _add_front(self, workload: RescalerWorkload) -> Iterator[ComponentCost]:
        first, second = workload.stages
        for operand in ("scaled", "halved"):
            yield component_cost(
                self.technology, "adder", f"{operand} input zero-point subtractor", **sized(first.operand_bits)
            )
        yield from self._scale(first, "input ")
        widest = max(stage_widths(first).kept, halved_bits(first) + 1) + 1
        yield component_cost(self.technology, "adder", "sum", **sized(min(widest, second.operand_bits + 1)))

    def _scale(self, stage: RescaleStage, prefix: str) -> Iterator[ComponentCost]:
        technology, widths = self.technology, stage_widths(stage)
        if stage.multiplier_bits > 1:
            yield component_cost(
                technology, "multiplier", f"{prefix}multiplier", **crossed(stage.operand_bits, stage.multiplier_bits)
            )
        if widths.shift:
            yield component_cost(
                technology,
                "shifter",
                f"{prefix}barrel shifter",
                mux_bits=widths.kept * widths.shift,
                stages=widths.shift,
            )
