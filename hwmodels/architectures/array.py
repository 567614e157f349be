"""The array: multiplier (none for k = 1), barrel shifter, one adder for rounding and zero point, and clamp."""

from collections.abc import Iterator
from typing import Final

from hwmodels.architectures import blocks
from hwmodels.architectures.base import DELAY, REGISTER, STAGED_PRODUCT
from hwmodels.architectures.one_stage import OneStage
from hwmodels.components import Part
from hwmodels.workload import RescalerWorkload


class Array(OneStage):
    """One rescale per cycle, contract half_up."""

    name = "array"
    top = "rescaler"
    sources = ("rescaler.v", STAGED_PRODUCT, DELAY, REGISTER)
    choice = "array"
    calibrated = True
    exported = True

    def parts(self, workload: RescalerWorkload) -> Iterator[Part]:
        return blocks.half_up_lane(workload)


ARRAY: Final = Array()
