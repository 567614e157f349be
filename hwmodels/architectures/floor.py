"""The array of contract floor, which cuts off: nothing is added but the zero point."""

from collections.abc import Iterator
from typing import Final

from hwmodels.architectures import blocks
from hwmodels.architectures.base import CLAMP, DELAY, OUTPUT_STAGE, REGISTER, STAGED_PRODUCT
from hwmodels.architectures.one_stage import OneStage
from hwmodels.components import Part, adder_levels, signed_bits, sized
from hwmodels.workload import RescalerWorkload


class Floor(OneStage):
    """One rescale per cycle, contract floor."""

    name = "floor"
    top = "rescaler_floor"
    sources = ("rescaler_floor.v", STAGED_PRODUCT, OUTPUT_STAGE, CLAMP, DELAY, REGISTER)
    contract = "floor"
    choice = "array"
    exported = True

    def parts(self, workload: RescalerWorkload) -> Iterator[Part]:
        stage, output_bits = workload.stages[-1], workload.output_bits
        depth = yield from blocks.multiply(stage, 0.0, workload.pipeline.product)
        kept = max(blocks.product_bits(stage) - stage.right_shift_min, 2)
        depth = yield from blocks.shift(kept, stage.shift_bits, depth)
        depth = yield from blocks.registered("shift", kept, depth, workload.pipeline.shift)
        total, output = max(kept, output_bits) + 1, workload.output
        zeros = blocks.constant_zeros(stage, stage.right_shift_min + 1)
        if output is None:
            yield Part(
                "adder", "zero-point adder", sized(max(total - zeros, 1), depth, overlap=max(output_bits - zeros, 0))
            )
        elif output.zero_point:
            passed = max(zeros, (output.zero_point & -output.zero_point).bit_length() - 1)
            bits = max(max(kept, signed_bits(output.zero_point)) + 1 - passed, 1)
            yield Part("adder", "zero-point adder", sized(bits, depth, halves=bits))
        depth += adder_levels(total) if output is None or output.zero_point else 0.0
        depth = yield from blocks.registered("sum", total, depth, workload.pipeline.sum)
        yield from blocks.clamp(workload, total, depth)


FLOOR: Final = Floor()
