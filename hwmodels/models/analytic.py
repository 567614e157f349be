"""Rescaler cost from closed formulas: the components of the shipped single-cycle architecture, by width."""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from hwmodels.architectures.datapaths import Datapath, architecture_of, check_datapath, in_use
from hwmodels.architectures.geometry import (
    ADD_LEFT_SHIFT,
    fractured_shift_bits,
    halved_bits,
    kept_bits,
    shift_bits,
    stage_widths,
    sum_bits,
)
from hwmodels.architectures.registry import ARCHITECTURES, FRACTURED_WIDTHS
from hwmodels.costs import UnitCost, unit_cost
from hwmodels.levels import (
    LOGIC_LEVELS,
    MUX_LEVELS,
    adder_levels,
    comparator_levels,
    multiplier_levels,
    shifter_levels,
    tree_levels,
)
from hwmodels.models.operators import Part, crossed, plain, shifted, sized
from hwmodels.technologies.technology import Technology
from hwmodels.workload import RescalerWorkload, RescaleStage


@dataclass(frozen=True)
class AnalyticRescalerModel:
    """Costs the components that a rescaler needs, without looking at any RTL.

    A lane is, in data order: multiplier (none for k = 1), barrel shifter over the channels' shift range, one adder
    that rounds and adds the zero point, saturation, clamp to the activation's range, output register. An ADD puts two
    zero-point subtractions, a rescale of one operand and the sum before it. The serial datapath has an adder, its
    registers and a counter in the multiplier's place, the fractured one four 8-bit multipliers and the sums of their
    products, and an output stage for each of its four lanes. Contract ``floor`` does without the rounding bit,
    ``half_away`` subtracts the sign before the shift, ``tflite_double`` rounds the high part of the product first.

    Attributes:
        technology: table of component figures.
        datapath: how one-stage rescalers are built.
    """

    technology: Technology
    datapath: Datapath = "array"

    def __post_init__(self) -> None:
        check_datapath(self.datapath)

    @property
    def name(self) -> str:
        """Name of the model in a study."""
        return "analytic"

    def unit_cost(self, workload: RescalerWorkload) -> UnitCost:
        """Return the cost of one lane that serves ``workload``.

        Raises:
            HardwareError: if no shipped architecture serves it.
        """
        architecture = architecture_of(workload, self.datapath)
        build = _OTHER_PARTS.get(architecture.name)
        parts = tuple(_parts(workload) if build is None else build(workload))
        components = [part.cost(self.technology) for part in parts]
        # The path from operand to output is known where it is a chain of all parts.
        chain = architecture.name not in ("serial", "fractured")
        unit = unit_cost(components, serial=[part.name for part in parts] if chain else [])
        return in_use(unit, architecture, workload.multiplier_bits, self.technology.activity_of(architecture.name))


def _parts(workload: RescalerWorkload) -> Iterator[Part]:
    """Yield the components of a lane in data order, each with the gate levels in front of it."""
    last = workload.stages[-1]
    depth, operand_bits = 0.0, last.operand_bits
    if len(workload.stages) == 2:
        depth, constant_bits = yield from _add_front(workload)
        operand_bits -= constant_bits
    depth = yield from _scale(last, operand_bits, depth, "")
    zeros = 0 if shift_bits(last) else max(0, 1 - last.right_shift_min)
    yield from _round_and_clamp(stage_widths(last).kept, workload.output_bits, depth, zeros)


def _floor_parts(workload: RescalerWorkload) -> Iterator[Part]:
    """Yield a lane that cuts off: nothing is added but the zero point, and no bit below the result is kept."""
    stage, output_bits = workload.stages[-1], workload.output_bits
    depth = yield from _multiply(stage, stage.operand_bits, 0.0, "")
    kept = max(stage_widths(stage).product - stage.right_shift_min, 2)
    depth = yield from _shift(kept, shift_bits(stage), depth, "")
    total = max(kept, output_bits) + 1
    zeros = 0 if shift_bits(stage) else max(0, -stage.right_shift_min)  # of a constant left shift: they take no adder
    bits, overlap = max(total - zeros, 1), max(output_bits - zeros, 0)
    yield Part("adder", "zero-point adder", sized(bits, depth, overlap=overlap))
    yield from _clamp(total, output_bits, depth + adder_levels(total))


def _half_away_parts(workload: RescalerWorkload) -> Iterator[Part]:
    """Yield a lane that subtracts the sign before it shifts, so that halves of both signs round away from zero."""
    stage = workload.stages[-1]
    depth = yield from _multiply(stage, stage.operand_bits, 0.0, "")
    left = max(0, 1 - stage.right_shift_min)
    adjusted = stage_widths(stage).product + left + 1
    yield Part("adder", "sign correction", sized(adjusted, depth, overlap=1, subtracted=adjusted))
    kept = kept_bits(adjusted, stage.right_shift_min + left)
    depth = yield from _shift(kept, shift_bits(stage), depth + adder_levels(adjusted), "")
    yield from _round_and_clamp(kept, workload.output_bits, depth)


def _double_parts(workload: RescalerWorkload) -> Iterator[Part]:
    """Yield a lane that rounds the high part of the product, corrects for the sign, and shifts and rounds again."""
    stage = workload.stages[-1]
    k = max(stage.multiplier_bits, ARCHITECTURES["tflite_double"].multipliers[0])
    depth = yield from _multiply(replace(stage, multiplier_bits=k), stage.operand_bits, 0.0, "")
    adjusted = stage.operand_bits + 2
    for name, overlap, subtracted in (("first rounding", 0, 0), ("sign correction", adjusted, adjusted)):
        yield Part("adder", name, sized(adjusted, depth, overlap=overlap, subtracted=subtracted))
        depth += adder_levels(adjusted)
    again = stage.right_shift_min - stage.multiplier_bits + 1  # by how much it shifts the high part
    kept = kept_bits(adjusted, again)
    depth = yield from _shift(kept, shift_bits(stage), depth, "")
    zeros = 0 if shift_bits(stage) else max(0, 1 - again)
    yield from _round_and_clamp(kept, workload.output_bits, depth, zeros)


def _round_and_clamp(kept_bits: int, output_bits: int, depth: float, zeros: int = 0) -> Iterator[Part]:
    """Yield what follows the shifter; low bits that are always zero, behind a constant left shift, take no adder."""
    total = sum_bits(kept_bits, output_bits)
    bits, overlap = max(total - zeros, 1), max(output_bits + 1 - zeros, 0)
    yield Part("adder", "rounding and zero-point adder", sized(bits, depth, overlap=overlap))
    yield from _clamp(total - 1, output_bits, depth + adder_levels(total))


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
        yield Part(
            "adder", f"{operand} input zero-point subtractor", sized(first.operand_bits, subtracted=first.operand_bits)
        )
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
    depth = yield from _multiply(stage, operand_bits, depth, prefix)
    return (yield from _shift(widths.kept, widths.shift, depth, prefix))


def _multiply(stage: RescaleStage, operand_bits: int, depth: float, prefix: str) -> Generator[Part, None, float]:
    if stage.multiplier_bits == 1:
        return depth
    yield Part("multiplier", f"{prefix}multiplier", crossed(operand_bits, stage.multiplier_bits, depth))
    return depth + multiplier_levels(min(operand_bits, stage.multiplier_bits), stage_widths(stage).product)


def _shift(kept: int, shift: int, depth: float, prefix: str) -> Generator[Part, None, float]:
    if shift == 0:
        return depth
    # A bit of the amount that shifts everything out is one gate per bit of the value, not a stage of multiplexers.
    stages = min(shift, max(kept - 1, 1).bit_length())
    yield Part("shifter", f"{prefix}barrel shifter", shifted(kept, stages, depth))
    return depth + shifter_levels(shift)


def _output_stage(product_bits: int, shift: int, workload: RescalerWorkload, depth: float) -> Iterator[Part]:
    """Yield what follows a product in the serial and fractured datapaths; their output register has an enable."""
    kept = kept_bits(product_bits, workload.stages[-1].right_shift_min)
    depth = yield from _shift(kept, shift, depth, "")
    yield from _round_and_clamp(kept, workload.output_bits, depth)
    yield Part("mux", "output enable", plain(workload.output_bits))


def _serial_parts(workload: RescalerWorkload) -> Iterator[Part]:
    """Yield an adder that takes one multiplier bit per cycle, its registers and counter, and the output stage."""
    stage = workload.stages[-1]
    acc, k, shift = stage.operand_bits, stage.multiplier_bits, shift_bits(stage)
    count, held = k.bit_length(), max(shift, 1)
    yield Part("mux", "addend", plain(acc))
    yield Part("adder", "partial product adder", sized(acc + 1, MUX_LEVELS))
    yield Part("mux", "load and hold", plain(2 * (2 * acc + k + held) - acc))
    yield Part("adder", "cycle counter", sized(count))
    yield Part("mux", "counter load, hold and reset", plain(3 * count + 1))
    yield Part("logic", "counter comparators", plain(2 * (2 * count - 1) + 1))
    yield Part("register", "operand, product and counter registers", {"bits": 2 * acc + k + held + count + 1})
    yield from _output_stage(acc + k, shift, workload, 0.0)


def _fractured_parts(workload: RescalerWorkload) -> Iterator[Part]:
    """Yield four multipliers of 8 bits, the sums that make wider ones of them, and four output stages."""
    stage = workload.stages[-1]
    acc, shift = stage.operand_bits, fractured_shift_bits(stage)
    narrow, middle, wide = (acc + width for width in FRACTURED_WIDTHS)
    for lane, depth in enumerate((0.0, MUX_LEVELS, MUX_LEVELS, 2 * MUX_LEVELS)):
        if lane:
            yield Part("mux", f"operand {lane}", plain(acc, depth - MUX_LEVELS))
        yield Part("multiplier", f"multiplier {lane}", crossed(acc, FRACTURED_WIDTHS[0], depth))
    depth = 2 * MUX_LEVELS + multiplier_levels(FRACTURED_WIDTHS[0], narrow)
    for pair in ("low", "high"):
        yield Part("adder", f"{pair} pair's sum", sized(narrow, depth))
    yield Part("adder", "sum of the pairs", sized(middle, depth + adder_levels(narrow)))
    summed = depth + adder_levels(narrow) + adder_levels(middle)
    yield Part("mux", "choice of the product", plain(middle + wide, summed))
    yield Part("mux", "choice of the high product", plain(middle, depth + adder_levels(narrow)))
    yield Part("logic", "mode", plain(6))
    chosen = summed + 2 * MUX_LEVELS
    for bits, before in ((wide, chosen), (narrow, depth), (middle, depth + adder_levels(narrow)), (narrow, depth)):
        yield from _output_stage(bits, shift, workload, before)


_OTHER_PARTS: Final[Mapping[str, Callable[[RescalerWorkload], Iterator[Part]]]] = {
    "floor": _floor_parts,
    "half_away": _half_away_parts,
    "tflite_double": _double_parts,
    "serial": _serial_parts,
    "fractured": _fractured_parts,
}
