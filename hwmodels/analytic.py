"""Rescaler cost from closed formulas: the components of the shipped single-cycle architecture, by width."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from hwmodels.costs import UnitCost, unit_cost
from hwmodels.geometry import ADD_LEFT_SHIFT, check_workload, halved_bits, shift_bits, stage_widths, sum_bits
from hwmodels.levels import (
    LOGIC_LEVELS,
    MUX_LEVELS,
    adder_levels,
    comparator_levels,
    multiplier_levels,
    shifter_levels,
    tree_levels,
)
from hwmodels.operators import Part, crossed, plain, shifted, sized
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
        parts = tuple(_parts(workload))
        components = [part.cost(self.technology) for part in parts]
        return unit_cost(components, serial=[part.name for part in parts])


def _parts(workload: RescalerWorkload) -> Iterator[Part]:
    """Yield the components of a lane in data order, each with the gate levels in front of it."""
    last = workload.stages[-1]
    depth, operand_bits = 0.0, last.operand_bits
    if len(workload.stages) == 2:
        depth, constant_bits = yield from _add_front(workload)
        operand_bits -= constant_bits
    depth = yield from _scale(last, operand_bits, depth, "")
    total = sum_bits(stage_widths(last).kept, workload.output_bits)
    yield Part("adder", "rounding and zero-point adder", sized(total, depth))
    yield from _clamp(total - 1, workload.output_bits, depth + adder_levels(total))


def _clamp(full_bits: int, output_bits: int, depth: float) -> Iterator[Part]:
    """Yield saturation, clamp and output register.

    The bits above the output must all equal its sign: one AND and one OR over them, two multiplexers.
    """
    upper = full_bits - output_bits
    yield Part("logic", "saturation detector", plain(2 * upper, depth))
    depth += tree_levels(upper) + LOGIC_LEVELS
    yield Part("mux", "saturation", plain(2 * output_bits, depth + MUX_LEVELS / 2))
    depth += 2 * MUX_LEVELS
    for bound in ("lower", "upper"):
        yield Part("comparator", f"{bound} clamp comparator", sized(output_bits, depth))
        depth += comparator_levels(output_bits)
        yield Part("mux", f"{bound} clamp", plain(output_bits, depth))
        depth += MUX_LEVELS
    yield Part("register", "output register", {"bits": output_bits})


def _add_front(workload: RescalerWorkload) -> Generator[Part, None, tuple[float, int]]:
    """Yield what an ADD has before its rescaler; return the depth, and the low bits of the sum that are constant."""
    first, second = workload.stages
    for operand in ("scaled", "halved"):
        yield Part("adder", f"{operand} input zero-point subtractor", sized(first.operand_bits))
    depth = yield from _scale(first, first.operand_bits, adder_levels(first.operand_bits), "input ")
    zeros = 0 if shift_bits(first) else max(0, 1 - first.right_shift_min)
    widest = max(stage_widths(first).kept, halved_bits(first) + 1) + 1
    total = max(min(widest, second.operand_bits + 1) - zeros, 1)
    yield Part("adder", "sum", sized(total, depth))
    constant = max(min(zeros, ADD_LEFT_SHIFT) - 1, 0)
    return depth + adder_levels(total), min(constant, second.operand_bits - 1)


def _scale(stage: RescaleStage, operand_bits: int, depth: float, prefix: str) -> Generator[Part, None, float]:
    """Yield multiplier and shifter; return the depth behind them."""
    widths = stage_widths(stage)
    if stage.multiplier_bits > 1:
        yield Part("multiplier", f"{prefix}multiplier", crossed(operand_bits, stage.multiplier_bits, depth))
        depth += multiplier_levels(min(operand_bits, stage.multiplier_bits), widths.product)
    if widths.shift:
        yield Part("shifter", f"{prefix}barrel shifter", shifted(widths.kept, widths.shift, depth))
        depth += shifter_levels(widths.shift)
    return depth
