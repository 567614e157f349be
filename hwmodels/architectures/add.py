"""The elementwise ADD: zero-point subtractions, a rescale of one input, the sum, and the rescaler of the sum."""

from collections.abc import Generator, Iterator, Mapping
from typing import Final

import numpy as np

from hwmodels.architectures import blocks
from hwmodels.architectures.base import Architecture, Columns, SweepPoint, clamped, output_ports
from hwmodels.architectures.rounding import half_up
from hwmodels.components import Part, adder_levels, sized
from hwmodels.errors import HardwareError
from hwmodels.traces import AccumulatorTrace, cut_streams
from hwmodels.workload import RescalerWorkload, RescaleStage

# TFLite's int8 ADD shifts both operands left by 20 before it rescales them (reference kernel add.cc, left_shift).
_LEFT_SHIFT: Final = 20
_INPUT_BITS: Final = 8  # of the sweep's design


class Add(Architecture):
    """One ADD per cycle, contract half_up; its cost also serves for the other contracts, which have no unit."""

    name = "add"
    top = "rescaler_add"
    sources = ("rescaler_add.v", "rescaler.v")
    stages = 2
    choice = None
    own_activity = True
    calibrated = True
    exported = True
    operand_parameter = "IN_WIDTH"
    sweep_widths = (30,)

    def serves(self, workload: RescalerWorkload) -> bool:
        return len(workload.stages) == self.stages

    def check(self, workload: RescalerWorkload) -> None:
        super().check(workload)
        if workload.stages[0].operand_bits < 2:
            raise HardwareError(f"rescaler {workload.name!r}: an ADD needs an operand of at least 2 bits")

    def parameters(self, workload: RescalerWorkload) -> dict[str, int]:
        first, last = workload.stages
        return {
            "IN_WIDTH": first.operand_bits - 1,  # the operand is a difference of two inputs
            "LEFT_SHIFT": _LEFT_SHIFT,
            "MULT_IN_WIDTH": first.multiplier_bits,
            "SHIFT_IN_WIDTH": first.shift_bits,
            "SHIFT_IN_MIN": first.right_shift_min,
            "SUM_WIDTH": last.operand_bits,
            "MULT_OUT_WIDTH": last.multiplier_bits,
            "SHIFT_OUT_WIDTH": last.shift_bits,
            "SHIFT_OUT_MIN": last.right_shift_min,
            "OUT_WIDTH": workload.output_bits,
        }

    def pipelined(self, parameters: Mapping[str, int], /) -> dict[str, int]:
        return dict(parameters)  # an ADD keeps its single cycle beside pipelined rescalers

    def exported_parameters(self, workload: RescalerWorkload, stored_bits: int, /) -> dict[str, int]:
        parameters = self.parameters(workload)
        return {**parameters, "IN_WIDTH": max(parameters["IN_WIDTH"], stored_bits)}

    def parts(self, workload: RescalerWorkload) -> Iterator[Part]:
        depth, constant_bits = yield from _front(*workload.stages)
        last = workload.stages[-1]
        yield from blocks.half_up_lane(last, workload.output_bits, depth, last.operand_bits - constant_bits)

    def outputs(self, parameters: Mapping[str, int], inputs: Mapping[str, int]) -> dict[str, int]:
        shift_in, shift_out = (_shift(parameters, inputs, side) for side in ("in", "out"))
        scaled = (inputs["scaled_input"] - inputs["scaled_zero"]) * inputs["mult_in"]
        halved = (inputs["halved_input"] - inputs["halved_zero"]) << (parameters["LEFT_SHIFT"] - 1)
        total = half_up(scaled, shift_in) + halved
        return {"q": clamped(half_up(total * inputs["mult_out"], shift_out), inputs)}

    def stimulus(self, trace: AccumulatorTrace, workload: RescalerWorkload) -> Columns:
        # Inputs are outputs of the trace as int8, of two different streams; a stream has one multiplier.
        cut = cut_streams(trace, 31, 32)
        real = cut.acc * np.ldexp(cut.multiplier.astype(np.float64), -(cut.shift_min + cut.shift)) + cut.zero_point
        activation = np.clip(np.rint(real), -128, 127).astype(np.int64)
        multiplier = cut_streams(trace, workload.stages[-1].multiplier_bits, 32).multiplier
        steady = np.broadcast_to(multiplier[:1], cut.acc.shape)
        return {
            **output_ports(cut),
            "scaled_input": activation,
            "halved_input": np.roll(activation, 7, axis=1),
            "scaled_zero": cut.zero_point,
            "halved_zero": np.roll(cut.zero_point, 7, axis=1),
            "mult_in": steady,
            "mult_out": np.roll(steady, 3, axis=1),
            "shift_in": np.zeros_like(cut.acc),
            "shift_out": np.zeros_like(cut.acc),
        }

    def sweep_stages(self, point: SweepPoint) -> tuple[RescaleStage, ...]:
        k = point.multiplier_bits
        first, last = k - _LEFT_SHIFT + 1, k + _LEFT_SHIFT - 1
        return (
            RescaleStage(operand_bits=_INPUT_BITS + 1, multiplier_bits=k, right_shift_min=first, right_shift_max=first),
            RescaleStage(operand_bits=point.acc_bits, multiplier_bits=k, right_shift_min=last, right_shift_max=last),
        )


def _shift(parameters: Mapping[str, int], inputs: Mapping[str, int], side: str) -> int:
    """Returns a side's right shift; a constant one does not read its port."""
    low, bits = parameters[f"SHIFT_{side.upper()}_MIN"], parameters[f"SHIFT_{side.upper()}_WIDTH"]
    return low + (inputs[f"shift_{side}"] if bits else 0)


def _front(first: RescaleStage, second: RescaleStage) -> Generator[Part, None, tuple[float, int]]:
    """Yields the parts before the ADD's rescaler; returns the depth, and how many low bits of the sum are constant."""
    bits = first.operand_bits
    for operand in ("scaled", "halved"):
        yield Part("adder", f"{operand} input zero-point subtractor", sized(bits, subtracted=bits))
    depth = yield from blocks.scale(first, adder_levels(bits), prefix="input ")
    zeros = blocks.constant_zeros(first, first.right_shift_min)
    kept = blocks.kept_bits(blocks.product_bits(first), first.right_shift_min)
    halved = bits + _LEFT_SHIFT - 1  # exactly halved: shifted left by one less than the common shift
    total = max(min(max(kept, halved + 1) + 1, second.operand_bits + 1) - zeros, 1)
    yield Part("adder", "sum", sized(total, depth))
    constant = max(min(zeros, _LEFT_SHIFT) - 1, 0)
    return depth + adder_levels(total), min(constant, second.operand_bits - 1)


ADD: Final = Add()
