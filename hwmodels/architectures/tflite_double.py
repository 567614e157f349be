"""The array of contract tflite_double, which rounds twice as gemmlowp does."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from hwmodels.architectures import blocks, rounding
from hwmodels.architectures.array import ARRAY
from hwmodels.architectures.base import (
    CLAMP,
    DELAY,
    OUTPUT_STAGE,
    REGISTER,
    STAGED_PRODUCT,
    Architecture,
    Columns,
    Place,
    clamped,
    most_slices,
    output_parameters,
)
from hwmodels.components import Part, adder_levels, sized
from hwmodels.traces import AccumulatorTrace
from hwmodels.workload import RescalerWorkload, RescaleStage


class TfliteDouble(Architecture):
    """One rescale per cycle, contract tflite_double; real scales below 1 only.

    It rounds the high part of the product, corrects the sign, then shifts by the exponent, which is the right shift
    beyond the k bits, and rounds again. There is no form for k = 1: a pure shift is taken as a multiplier of two bits.
    """

    name = "tflite_double"
    top = "rescaler_tflite_double"
    sources = ("rescaler_tflite_double.v", STAGED_PRODUCT, OUTPUT_STAGE, CLAMP, DELAY, REGISTER)
    contract = "tflite_double"
    multiplier_bits = (2, 31)
    registers = ARRAY.registers
    choice = "array"

    def check(self, workload: RescalerWorkload) -> None:
        super().check(replace(workload, stages=(_widened(workload.stages[-1]),)))

    def parameters(self, workload: RescalerWorkload) -> dict[str, int]:
        stage = workload.stages[-1]
        return {
            "ACC_WIDTH": stage.operand_bits,
            "MULT_WIDTH": _widened(stage).multiplier_bits,
            "EXPONENT_WIDTH": stage.shift_bits,
            "EXPONENT_MIN": stage.right_shift_min - stage.multiplier_bits,
            "OUT_WIDTH": workload.output_bits,
            **self.pipeline_parameters(workload),
            **output_parameters(workload),
        }

    def most_registers(self, workload: RescalerWorkload, /) -> dict[Place, int]:
        stage = _widened(workload.stages[-1])
        return {"product": most_slices(stage.multiplier_bits), "shift": min(stage.shift_bits, 1), "sum": 1}

    def parts(self, workload: RescalerWorkload) -> Iterator[Part]:
        stage = workload.stages[-1]
        depth = yield from blocks.multiply(_widened(stage), 0.0, workload.pipeline.product)
        adjusted = stage.operand_bits + 2
        for name, size in (("first rounding", {"halves": adjusted}), ("sign correction", {"subtracted": adjusted})):
            yield Part("adder", name, sized(adjusted, depth, **size))
            depth += adder_levels(adjusted)
        second_shift = stage.right_shift_min - stage.multiplier_bits + 1
        kept = blocks.kept_bits(adjusted, second_shift)
        depth = yield from blocks.shift(kept, stage.shift_bits, depth)
        zeros = blocks.constant_zeros(stage, second_shift)
        yield from blocks.round_and_clamp(workload, kept, depth, zeros)

    def outputs(self, parameters: Mapping[str, int], inputs: Mapping[str, int]) -> dict[str, int]:
        exponent = parameters["EXPONENT_MIN"] + (inputs["exponent"] if parameters["EXPONENT_WIDTH"] else 0)
        scaled = rounding.tflite_double(inputs["acc"], inputs["mult"], parameters["MULT_WIDTH"], exponent)
        return {"q": clamped(scaled, parameters, inputs)}

    def operands(self, trace: AccumulatorTrace, workload: RescalerWorkload) -> Columns:
        columns = ARRAY.operands(trace, workload)
        columns["exponent"] = columns.pop("shift")
        return columns


def _widened(stage: RescaleStage) -> RescaleStage:
    return replace(stage, multiplier_bits=max(stage.multiplier_bits, TfliteDouble.multiplier_bits[0]))


TFLITE_DOUBLE: Final = TfliteDouble()
