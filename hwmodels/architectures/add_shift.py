"""The folded elementwise ADD: two wired left shifts, one sum, one constant, a constant right shift and a clamp."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from hwmodels.architectures import blocks
from hwmodels.architectures.add import ADD, INPUT_BITS, LEFT_SHIFT, check_inputs
from hwmodels.architectures.base import CLAMP, DELAY, REGISTER, Architecture, Columns, Place, SweepPoint, clamped
from hwmodels.architectures.rounding import ROUNDED_SHIFTS
from hwmodels.architectures.shift import FOLDED_CONTRACTS
from hwmodels.components import Part, adder_levels, signed_bits, sized
from hwmodels.errors import HardwareError
from hwmodels.traces import AccumulatorTrace
from hwmodels.workload import OutputConstants, RescalerWorkload, RescaleStage


@dataclass(frozen=True, slots=True)
class FoldedSum:
    """The sum of a folded ADD, without the low bits that both inputs leave zero.

    Attributes:
        input_bits: width of either input, in bits.
        scaled_shift: left shift of the scaled input in bits; it or the other is 0.
        halved_shift: left shift of the input that is exactly halved.
        shift: right shift of the sum.
        constant: what is added to the inputs: zero points and rounding.
    """

    input_bits: int
    scaled_shift: int
    halved_shift: int
    shift: int
    constant: int

    @classmethod
    def of(cls, workload: RescalerWorkload) -> Self:
        """Returns the sum of a workload that ``AddShift.check`` accepts."""
        first, last = workload.stages
        scaled, halved = -first.right_shift_min, workload.left_shift - 1
        common = min(scaled, halved)
        scaled, halved, shift = scaled - common, halved - common, last.right_shift_min - common
        output = _constants(workload)
        zero_scaled, zero_halved = output.input_zero_points
        rounding = (1 << shift) >> 1 if workload.contract == "half_up" else 0
        constant = (output.zero_point << shift) + rounding - (zero_scaled << scaled) - (zero_halved << halved)
        return cls(workload.activation_bits, scaled, halved, shift, constant)

    @property
    def inputs_bits(self) -> int:
        """Width in bits of the sum of the shifted inputs."""
        return self.input_bits + max(self.scaled_shift, self.halved_shift) + 1

    @property
    def bits(self) -> int:
        """Width in bits of the whole sum for all inputs; at least two bits are left behind the right shift."""
        largest = ((1 << (self.input_bits - 1)) - 1) * ((1 << self.scaled_shift) + (1 << self.halved_shift))
        smallest = -(1 << (self.input_bits - 1)) * ((1 << self.scaled_shift) + (1 << self.halved_shift))
        ends = (smallest, largest, self.constant, smallest + self.constant, largest + self.constant)
        return max(self.inputs_bits, self.shift + 2, *map(signed_bits, ends))


class AddShift(Architecture):
    """One ADD per cycle whose two rescalers are pure shifts, the input's to the left; its constants are built in."""

    name = "add_shift"
    top = "rescaler_add_shift"
    sources = ("rescaler_add_shift.v", CLAMP, DELAY, REGISTER)
    registers: ClassVar[Mapping[Place, str]] = {"input_sum": "INPUT_SUM_STAGE", "sum": "SUM_STAGE"}
    multiplier_bits = (1, 1)
    stages = 2
    folded = True
    choice = None
    own_activity = True
    calibrated = True
    exported = True
    programmable = False
    sweep_widths = (30,)
    swept = "shift_bits"
    sweep_values = (0, 1, 2, 3, 4)

    def obeys(self, contract: str) -> bool:
        return contract in FOLDED_CONTRACTS

    def check(self, workload: RescalerWorkload) -> None:
        super().check(workload)
        first, last = workload.stages
        if not self.obeys(workload.contract):
            raise HardwareError(
                f"rescaler {workload.name!r}: the rounding of contract {workload.contract} cannot be folded; "
                f"use {' or '.join(FOLDED_CONTRACTS)}"
            )
        _constants(workload)
        check_inputs(workload)
        if first.shift_bits or last.shift_bits or first.right_shift_min > 0:
            raise HardwareError(
                f"rescaler {workload.name!r}: a folded ADD needs constant shifts, to the left for its input, got "
                f"{workload.stages}"
            )
        if last.right_shift_min < min(-first.right_shift_min, workload.left_shift - 1):
            raise HardwareError(
                f"rescaler {workload.name!r}: a folded ADD cannot shift its sum by {last.right_shift_min} bits, which "
                "is less than both inputs are shifted to the left"
            )

    def parameters(self, workload: RescalerWorkload) -> dict[str, int]:
        total, output = FoldedSum.of(workload), _constants(workload)
        return {
            "IN_WIDTH": total.input_bits,
            "SCALED_SHIFT": total.scaled_shift,
            "HALVED_SHIFT": total.halved_shift,
            "SHIFT": total.shift,
            "SUM_WIDTH": total.bits,
            "OUT_WIDTH": workload.output_bits,
            **self.pipeline_parameters(workload),
            "ROUND": int(workload.contract == "half_up"),
            "SCALED_ZERO": output.input_zero_points[0],
            "HALVED_ZERO": output.input_zero_points[1],
            "ZERO_POINT": output.zero_point,
            "Q_MIN": output.q_min,
            "Q_MAX": output.q_max,
        }

    def most_registers(self, _workload: RescalerWorkload, /) -> dict[Place, int]:
        return dict.fromkeys(self.registers, 1)

    def parts(self, workload: RescalerWorkload) -> Iterator[Part]:
        total = FoldedSum.of(workload)
        apart = max(total.scaled_shift, total.halved_shift)
        bits = total.inputs_bits - apart
        yield Part("adder", "sum of the inputs", sized(bits, overlap=max(total.input_bits - apart, 0)))
        depth = adder_levels(total.inputs_bits)
        depth = yield from blocks.registered("input sum", total.inputs_bits, depth, workload.pipeline.input_sum)
        passed = (total.constant & -total.constant).bit_length() - 1 if total.constant else total.bits
        needed = min(max(total.inputs_bits, signed_bits(total.constant)) + 1, total.bits)
        halves = max(needed - passed, 1)
        yield Part("adder", "constant", sized(halves, depth, halves=halves))
        depth += adder_levels(needed)
        depth = yield from blocks.registered("sum", total.bits - total.shift, depth, workload.pipeline.sum)
        yield from blocks.clamp(workload, total.bits - total.shift, depth)

    def outputs(self, parameters: Mapping[str, int], inputs: Mapping[str, int]) -> dict[str, int]:
        scaled = (inputs["scaled_input"] - parameters["SCALED_ZERO"]) << parameters["SCALED_SHIFT"]
        halved = (inputs["halved_input"] - parameters["HALVED_ZERO"]) << parameters["HALVED_SHIFT"]
        rescale = ROUNDED_SHIFTS["half_up" if parameters["ROUND"] else "floor"]
        return {"q": clamped(rescale(scaled + halved, parameters["SHIFT"]), {**parameters, "CONSTANTS": 1}, inputs)}

    def operands(self, trace: AccumulatorTrace, workload: RescalerWorkload) -> Columns:
        columns = ADD.operands(trace, workload)
        return {name: columns[name] for name in ("scaled_input", "halved_input")}

    def swept_bits(self, workload: RescalerWorkload) -> int:
        # Its shifts are constants: what varies is by how many bits those of the inputs differ.
        total = FoldedSum.of(workload)
        return max(total.scaled_shift, total.halved_shift)

    def sweep_point(self, _trace: AccumulatorTrace, swept_bits: int, acc_bits: int) -> SweepPoint:
        return SweepPoint(multiplier_bits=1, acc_bits=acc_bits, shift_bits=swept_bits, shift_min=LEFT_SHIFT)

    def sweep_stages(self, point: SweepPoint) -> tuple[RescaleStage, ...]:
        first, last = point.shift_bits - LEFT_SHIFT + 1, point.shift_min
        return (
            RescaleStage(operand_bits=INPUT_BITS + 1, multiplier_bits=1, right_shift_min=first, right_shift_max=first),
            RescaleStage(operand_bits=point.acc_bits, multiplier_bits=1, right_shift_min=last, right_shift_max=last),
        )


def _constants(workload: RescalerWorkload) -> OutputConstants:
    if workload.output is None:
        raise HardwareError(f"rescaler {workload.name!r}: a folded ADD is built for constants, and has none")
    return workload.output


ADD_SHIFT: Final = AddShift()
