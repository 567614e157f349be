"""The array: multiplier, barrel shifter, one adder for rounding and zero point, and clamp in a single cycle."""

from collections.abc import Iterator, Mapping
from typing import Final

from hwmodels.architectures import blocks
from hwmodels.architectures.one_stage import OneStage
from hwmodels.components import Part
from hwmodels.workload import RescalerWorkload


class Array(OneStage):
    """One rescale per cycle, contract half_up."""

    name = "array"
    top = "rescaler"
    sources = ("rescaler.v",)
    choice = "array"
    calibrated = True
    exported = True

    def parameters(self, workload: RescalerWorkload) -> dict[str, int]:
        """Return the parameters of ``rtl/rescaler.v``, without a pipeline."""
        return {**super().parameters(workload), "PIPELINE": 0}

    def pipelined(self, parameters: Mapping[str, int], /) -> dict[str, int]:
        """Return the parameters with a register between multiplier and shifter."""
        return {**parameters, "PIPELINE": 1}

    def parts(self, workload: RescalerWorkload) -> Iterator[Part]:
        """Yield multiplier (none for k = 1), barrel shifter, adder, saturation, clamp and output register."""
        return blocks.half_up_lane(workload.stages[-1], workload.output_bits)


ARRAY: Final = Array()
