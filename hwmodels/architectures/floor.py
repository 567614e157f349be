"""The array of contract floor, which cuts off: nothing is added but the zero point."""

from collections.abc import Iterator
from typing import Final

from hwmodels.architectures import blocks
from hwmodels.architectures.base import OUTPUT_STAGE
from hwmodels.architectures.one_stage import OneStage
from hwmodels.components import Part, adder_levels, sized
from hwmodels.workload import RescalerWorkload


class Floor(OneStage):
    """One rescale per cycle, contract floor."""

    name = "floor"
    top = "rescaler_floor"
    sources = ("rescaler_floor.v", OUTPUT_STAGE)
    contract = "floor"
    choice = "array"
    exported = True

    def parts(self, workload: RescalerWorkload) -> Iterator[Part]:
        stage, output_bits = workload.stages[-1], workload.output_bits
        depth = yield from blocks.multiply(stage, 0.0)
        kept = max(blocks.product_bits(stage) - stage.right_shift_min, 2)
        depth = yield from blocks.shift(kept, stage.shift_bits, depth)
        total = max(kept, output_bits) + 1
        zeros = blocks.constant_zeros(stage, stage.right_shift_min + 1)
        bits, overlap = max(total - zeros, 1), max(output_bits - zeros, 0)
        yield Part("adder", "zero-point adder", sized(bits, depth, overlap=overlap))
        yield from blocks.clamp(total, output_bits, depth + adder_levels(total))


FLOOR: Final = Floor()
