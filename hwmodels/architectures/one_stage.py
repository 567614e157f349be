"""Base of the one-stage architectures whose modules have the parameters and ports of ``rtl/rescaler.v``."""

from collections.abc import Mapping
from typing import ClassVar

from hwmodels.architectures.base import (
    Architecture,
    Columns,
    Place,
    clamped,
    most_slices,
    output_parameters,
    output_ports,
)
from hwmodels.architectures.rounding import ROUNDED_SHIFTS
from hwmodels.traces import AccumulatorTrace, cut_streams
from hwmodels.workload import RescalerWorkload


class OneStage(Architecture):
    """A rescaler of one accumulator, multiplier and shift; its contract is a rounded right shift of the product."""

    registers: ClassVar[Mapping[Place, str]] = {
        "product": "PRODUCT_STAGES", "shift": "SHIFT_STAGE", "sum": "SUM_STAGE"
    }  # fmt: skip

    def parameters(self, workload: RescalerWorkload) -> dict[str, int]:
        stage = workload.stages[-1]
        return {
            "ACC_WIDTH": stage.operand_bits,
            "MULT_WIDTH": stage.multiplier_bits,
            "SHIFT_WIDTH": stage.shift_bits,
            "SHIFT_MIN": stage.right_shift_min,
            "OUT_WIDTH": workload.output_bits,
            **self.pipeline_parameters(workload),
            **output_parameters(workload),
        }

    def most_registers(self, workload: RescalerWorkload, /) -> dict[Place, int]:
        stage = workload.stages[-1]
        most = {"product": most_slices(stage.multiplier_bits), "shift": min(stage.shift_bits, 1), "sum": 1}
        return {place: most[place] for place in self.registers}

    def outputs(self, parameters: Mapping[str, int], inputs: Mapping[str, int]) -> dict[str, int]:
        shift = parameters["SHIFT_MIN"] + (inputs["shift"] if parameters["SHIFT_WIDTH"] else 0)
        rescaled = ROUNDED_SHIFTS[self.contract](inputs["acc"] * inputs["mult"], shift)
        return {"q": clamped(rescaled, parameters, inputs)}

    def operands(self, trace: AccumulatorTrace, workload: RescalerWorkload) -> Columns:
        stage = workload.stages[-1]
        cut = cut_streams(trace, stage.multiplier_bits, stage.operand_bits)
        return {"acc": cut.acc, "mult": cut.multiplier, "shift": cut.shift, **output_ports(cut)}
