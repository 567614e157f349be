"""The folded rescaler of a pure shift: a window of right shifts, or wiring, and a clamp."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

import numpy as np

from hwmodels.architectures import blocks
from hwmodels.architectures.base import (
    CLAMP,
    DELAY,
    REGISTER,
    Architecture,
    Columns,
    Place,
    SweepPoint,
    clamped,
    output_parameters,
    output_ports,
)
from hwmodels.architectures.rounding import floor
from hwmodels.components import Part
from hwmodels.errors import HardwareError
from hwmodels.traces import SHIFT_BITS, AccumulatorTrace, cut_streams
from hwmodels.workload import RescalerWorkload

FOLDED_CONTRACTS: Final = ("half_up", "floor")  # whose rounding is a constant of each channel


class Shift(Architecture):
    """One rescale per cycle; whether it rounds half up or cuts off is in the accumulator's bias."""

    name = "shift"
    top = "rescaler_shift"
    sources = ("rescaler_shift.v", CLAMP, DELAY, REGISTER)
    registers: ClassVar[Mapping[Place, str]] = {"shift": "SHIFT_STAGE"}
    contract = "floor"
    multiplier_bits = (1, 1)
    folded = True
    choice = None
    calibrated = True
    exported = True
    sweep_widths = (16, 20, 24, 28)
    swept = "shift_bits"
    sweep_values = (0, 1, 2, 3, 4)

    def obeys(self, contract: str) -> bool:
        return contract in FOLDED_CONTRACTS

    def check(self, workload: RescalerWorkload) -> None:
        super().check(workload)
        if not self.obeys(workload.contract):
            raise HardwareError(
                f"rescaler {workload.name!r}: the rounding of contract {workload.contract} cannot be folded; "
                f"use {' or '.join(FOLDED_CONTRACTS)}"
            )

    def parameters(self, workload: RescalerWorkload) -> dict[str, int]:
        stage = workload.stages[-1]
        output = output_parameters(workload)
        del output["ZERO_POINT"]
        return {
            "ACC_WIDTH": stage.operand_bits,
            "SHIFT_WIDTH": stage.shift_bits,
            "SHIFT_MIN": stage.right_shift_min,
            "OUT_WIDTH": workload.output_bits,
            **self.pipeline_parameters(workload),
            **output,
        }

    def most_registers(self, workload: RescalerWorkload, /) -> dict[Place, int]:
        return {"shift": min(workload.stages[-1].shift_bits, 1)}

    def parts(self, workload: RescalerWorkload) -> Iterator[Part]:
        stage = workload.stages[-1]
        kept = max(stage.operand_bits - stage.right_shift_min, 2)
        depth = yield from blocks.shift(kept, stage.shift_bits, 0.0)
        depth = yield from blocks.registered("shift", kept, depth, workload.pipeline.shift)
        yield from blocks.clamp(workload, kept, depth)

    def outputs(self, parameters: Mapping[str, int], inputs: Mapping[str, int]) -> dict[str, int]:
        shift = parameters["SHIFT_MIN"] + (inputs["shift"] if parameters["SHIFT_WIDTH"] else 0)
        return {"q": clamped(floor(inputs["acc"], shift), parameters, {**inputs, "zero_point": 0})}

    def operands(self, trace: AccumulatorTrace, workload: RescalerWorkload) -> Columns:
        # Absorption leaves the outputs as they are: where the window moves a channel's shift, its accumulators are
        # scaled by as much.
        stage = workload.stages[-1]
        cut = cut_streams(trace, 1, 32)
        natural = cut.shift_min + cut.shift
        shift = np.clip(natural, stage.right_shift_min, stage.right_shift_min + (1 << stage.shift_bits) - 1)
        scaled = np.rint(np.ldexp(cut.acc.astype(np.float64), shift - natural)).astype(np.int64)
        folded = scaled + (cut.zero_point << shift) + ((1 << shift) >> 1)
        limit = 1 << (stage.operand_bits - 1)
        bounds = output_ports(cut)
        del bounds["zero_point"]
        return {"acc": np.clip(folded, -limit, limit - 1), "shift": shift - stage.right_shift_min, **bounds}

    def swept_bits(self, workload: RescalerWorkload) -> int:
        return workload.stages[-1].shift_bits

    def sweep_point(self, trace: AccumulatorTrace, swept_bits: int, acc_bits: int) -> SweepPoint:
        # The narrower the window, the nearer it lies to the shift that most channels of the trace have.
        low = cut_streams(trace, 1, acc_bits).shift_min
        return SweepPoint(
            multiplier_bits=1, acc_bits=acc_bits, shift_bits=swept_bits, shift_min=low + max(SHIFT_BITS - swept_bits, 0)
        )


SHIFT: Final = Shift()
