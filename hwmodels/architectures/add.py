"""The elementwise ADD: zero-point subtractions, a rescale of one input, the sum, and the rescaler of the sum."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from typing import ClassVar, Final

import numpy as np

from hwmodels.architectures import blocks
from hwmodels.architectures.base import (
    CLAMP,
    DELAY,
    OUTPUT_STAGE,
    REGISTER,
    STAGED_PRODUCT,
    Architecture,
    Columns,
    Place,
    SweepPoint,
    clamped,
    most_slices,
    output_parameters,
    output_ports,
)
from hwmodels.architectures.constant import CONSTANT, PRODUCT, constant_product
from hwmodels.architectures.rounding import half_up
from hwmodels.components import Part, adder_levels, sized
from hwmodels.errors import HardwareError
from hwmodels.traces import AccumulatorTrace, cut_streams
from hwmodels.workload import RescalerWorkload, RescaleStage

# TFLite's int8 ADD shifts both operands left by 20 before it rescales them (reference kernel add.cc, left_shift); the
# sweep's design does, too.
LEFT_SHIFT: Final = 20
INPUT_BITS: Final = 8  # of the sweep's design


class Add(Architecture):
    """One ADD per cycle, contract half_up; its cost also serves for the other contracts, which have no unit."""

    name = "add"
    top = "rescaler_add"
    sources = (
        "rescaler_add.v", "rescaler.v", "rescaler_constant.v",
        PRODUCT, STAGED_PRODUCT, OUTPUT_STAGE, CLAMP, DELAY, REGISTER,
    )  # fmt: skip
    registers: ClassVar[Mapping[Place, str]] = {
        "input_product": "INPUT_PRODUCT_STAGES", "input_sum": "INPUT_SUM_STAGE",
        "product": "PRODUCT_STAGES", "shift": "SHIFT_STAGE", "sum": "SUM_STAGE",
    }  # fmt: skip
    held = ("scaled_zero", "halved_zero", "mult_in", "shift_in", "mult_out", "shift_out", *Architecture.held)
    stages = 2
    choice = None
    own_activity = True
    calibrated = True
    exported = True
    sweep_widths = (30,)

    def obeys(self, _contract: str) -> bool:
        return True

    def check(self, workload: RescalerWorkload) -> None:
        super().check(workload)
        if workload.stages[0].operand_bits < 2:
            raise HardwareError(f"rescaler {workload.name!r}: an ADD needs an operand of at least 2 bits")
        check_inputs(workload)

    def parameters(self, workload: RescalerWorkload) -> dict[str, int]:
        first, last = workload.stages
        return {
            "IN_WIDTH": _input_bits(workload),
            "LEFT_SHIFT": workload.left_shift,
            "MULT_IN_WIDTH": first.multiplier_bits,
            "SHIFT_IN_WIDTH": first.shift_bits,
            "SHIFT_IN_MIN": first.right_shift_min,
            "SUM_WIDTH": last.operand_bits,
            "MULT_OUT_WIDTH": last.multiplier_bits,
            "SHIFT_OUT_WIDTH": last.shift_bits,
            "SHIFT_OUT_MIN": last.right_shift_min,
            "OUT_WIDTH": workload.output_bits,
            **dict(zip(("MULT_IN", "MULT_OUT"), multipliers(workload), strict=True)),
            **dict(zip(("SCALED_ZERO", "HALVED_ZERO"), input_zeros(workload), strict=True)),
            **self.pipeline_parameters(workload),
            **output_parameters(workload),
        }

    def most_registers(self, workload: RescalerWorkload, /) -> dict[Place, int]:
        first, last = (
            1 if constant else most_slices(stage.multiplier_bits)
            for stage, constant in zip(workload.stages, multipliers(workload), strict=True)
        )
        shift = min(workload.stages[-1].shift_bits, 1)
        return {"input_product": first, "input_sum": 1, "product": last, "shift": shift, "sum": 1}

    def parts(self, workload: RescalerWorkload) -> Iterator[Part]:
        depth, constant_bits = yield from _front(workload)
        last, multiplier = workload.stages[-1], multipliers(workload)[-1]
        varying = last.operand_bits - constant_bits
        if not multiplier:
            yield from blocks.half_up_lane(workload, depth, varying)
            return
        yield from constant_product(varying, multiplier, "output ")
        product = last.operand_bits + multiplier.bit_length() + 1
        kept = blocks.kept_bits(product, last.right_shift_min)
        depth = yield from blocks.registered("product", product, depth, workload.pipeline.product)
        yield from blocks.round_and_clamp(workload, kept, depth, max(0, 1 - last.right_shift_min))

    def outputs(self, parameters: Mapping[str, int], inputs: Mapping[str, int]) -> dict[str, int]:
        shift_in, shift_out = (_shift(parameters, inputs, side) for side in ("in", "out"))
        zeros = inputs
        if parameters["CONSTANTS"]:
            zeros = {"scaled_zero": parameters["SCALED_ZERO"], "halved_zero": parameters["HALVED_ZERO"]}
        mult_in, mult_out = (parameters[f"MULT_{side}"] or inputs[f"mult_{side.lower()}"] for side in ("IN", "OUT"))
        scaled = (inputs["scaled_input"] - zeros["scaled_zero"]) * mult_in
        halved = (inputs["halved_input"] - zeros["halved_zero"]) << (parameters["LEFT_SHIFT"] - 1)
        total = half_up(scaled, shift_in) + halved
        return {"q": clamped(half_up(total * mult_out, shift_out), parameters, inputs)}

    def operands(self, trace: AccumulatorTrace, workload: RescalerWorkload) -> Columns:
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
        first, last = k - LEFT_SHIFT + 1, k + LEFT_SHIFT - 1
        return (
            RescaleStage(operand_bits=INPUT_BITS + 1, multiplier_bits=k, right_shift_min=first, right_shift_max=first),
            RescaleStage(operand_bits=point.acc_bits, multiplier_bits=k, right_shift_min=last, right_shift_max=last),
        )


def _shift(parameters: Mapping[str, int], inputs: Mapping[str, int], side: str) -> int:
    """Returns a side's right shift; a constant one does not read its port."""
    low, bits = parameters[f"SHIFT_{side.upper()}_MIN"], parameters[f"SHIFT_{side.upper()}_WIDTH"]
    return low + (inputs[f"shift_{side}"] if bits else 0)


def _input_bits(workload: RescalerWorkload) -> int:
    """Returns the width of the input ports; an operand is the difference of an input and its zero point.

    With constant zero points the inputs are stored integers, whatever differences a certificate leaves of them.
    """
    difference = workload.stages[0].operand_bits - 1
    return difference if workload.output is None else max(difference, workload.activation_bits)


def input_zeros(workload: RescalerWorkload) -> tuple[int, ...]:
    """Returns the constant zero points of the inputs, 0 if they are ports."""
    return (0, 0) if workload.output is None else workload.output.input_zero_points


def multipliers(workload: RescalerWorkload) -> tuple[int, ...]:
    """Returns the constant multipliers of the stages, 0 for one that is a port or a pure shift."""
    return (0, 0) if workload.output is None else tuple(map(_constant_multiplier, workload.stages))


def _constant_multiplier(stage: RescaleStage) -> int:
    """Returns a stage's multiplier if its product can be built for it, which a Verilog integer must hold; else 0."""
    low, high = CONSTANT.multiplier_bits
    constant = low < stage.multiplier_bits <= high and not stage.shift_bits
    return (stage.multiplier or 0) if constant else 0


def check_inputs(workload: RescalerWorkload) -> None:
    """Raises HardwareError if constant zero points of the inputs are not two stored integers."""
    zeros, half = input_zeros(workload), 1 << (_input_bits(workload) - 1)
    if len(zeros) != 2 or not all(-half <= zero < half for zero in zeros):
        raise HardwareError(
            f"rescaler {workload.name!r}: input_zero_points is {zeros}; an ADD needs two of {-half} to {half - 1}"
        )


def _front(workload: RescalerWorkload) -> Generator[Part, None, tuple[float, int]]:
    """Yields the parts before the ADD's rescaler; returns the depth, and how many low bits of the sum are constant."""
    first, second = workload.stages
    bits = _input_bits(workload) + 1
    for operand, zero in zip(("scaled", "halved"), input_zeros(workload), strict=True):
        name, beside = f"{operand} input zero-point subtractor", operand == "halved"
        if workload.output is None:
            yield Part("adder", name, sized(bits, subtracted=bits), off_path=beside)
        elif zero:
            needed = bits - ((zero & -zero).bit_length() - 1)
            yield Part("adder", name, sized(needed, halves=needed), off_path=beside)
    multiplier, depth, registers = multipliers(workload)[0], adder_levels(bits), workload.pipeline.input_product
    if multiplier:
        yield from constant_product(bits, multiplier, "input ")
        depth = yield from blocks.registered("input product", bits + first.multiplier_bits, depth, registers)
    else:
        own = replace(first, operand_bits=bits)
        depth = yield from blocks.scale(own, depth, registers, held_bits=0, prefix="input ")
    if registers:
        yield Part("register", "halved input", {"bits": bits * registers}, off_path=True)
    zeros = blocks.constant_zeros(first, first.right_shift_min)
    kept = blocks.kept_bits(blocks.product_bits(replace(first, operand_bits=bits)), first.right_shift_min)
    halved = bits + workload.left_shift - 1  # exactly halved: shifted left by one less than the common shift
    total = max(min(max(kept, halved + 1) + 1, second.operand_bits + 1) - zeros, 1)
    yield Part("adder", "sum", sized(total, depth))
    constant = max(min(zeros, workload.left_shift) - 1, 0)
    behind = depth + adder_levels(total)
    depth = yield from blocks.registered("input sum", second.operand_bits, behind, workload.pipeline.input_sum)
    return depth, min(constant, second.operand_bits - 1)


ADD: Final = Add()
