"""The array of contract half_away, which subtracts the sign first, so that ties round away from zero."""

from collections.abc import Iterator
from typing import Final

from hwmodels.architectures import blocks
from hwmodels.architectures.base import CLAMP, DELAY, OUTPUT_STAGE, REGISTER, STAGED_PRODUCT
from hwmodels.architectures.one_stage import OneStage
from hwmodels.components import Part, adder_levels, sized
from hwmodels.workload import RescalerWorkload


class HalfAway(OneStage):
    """One rescale per cycle, contract half_away."""

    name = "half_away"
    top = "rescaler_half_away"
    sources = ("rescaler_half_away.v", STAGED_PRODUCT, OUTPUT_STAGE, CLAMP, DELAY, REGISTER)
    contract = "half_away"
    choice = "array"
    exported = True

    def parts(self, workload: RescalerWorkload) -> Iterator[Part]:
        stage = workload.stages[-1]
        depth = yield from blocks.multiply(stage, 0.0, workload.pipeline.product)
        left = max(0, 1 - stage.right_shift_min)
        adjusted = blocks.product_bits(stage) + left + 1
        yield Part(
            "adder", "sign correction", sized(adjusted, depth, overlap=1, subtracted=adjusted, halves=adjusted - 1)
        )
        kept = blocks.kept_bits(adjusted, stage.right_shift_min + left)
        depth = yield from blocks.shift(kept, stage.shift_bits, depth + adder_levels(adjusted))
        yield from blocks.round_and_clamp(workload, kept, depth)


HALF_AWAY: Final = HalfAway()
