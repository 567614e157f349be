"""The rescaler of one constant: shift-and-add over the non-adjacent form of the multiplier."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar, Final

import numpy as np

from hwmodels.architectures import blocks
from hwmodels.architectures.base import (
    CLAMP,
    DELAY,
    OUTPUT_STAGE,
    REGISTER,
    Architecture,
    Columns,
    Place,
    SweepPoint,
    clamped,
    output_parameters,
    output_ports,
)
from hwmodels.architectures.rounding import half_up
from hwmodels.components import Part, sized
from hwmodels.errors import HardwareError
from hwmodels.traces import AccumulatorTrace, cut_streams
from hwmodels.workload import RescalerWorkload, RescaleStage

PRODUCT: Final = "constant_product.v"


class Constant(Architecture):
    """One rescale per cycle, contract half_up, of a layer whose channels share one multiplier and one shift."""

    name = "constant"
    top = "rescaler_constant"
    sources = ("rescaler_constant.v", PRODUCT, OUTPUT_STAGE, CLAMP, DELAY, REGISTER)
    registers: ClassVar[Mapping[Place, str]] = {"product": "PRODUCT_STAGE", "sum": "SUM_STAGE"}
    multiplier_bits = (1, 31)
    choice = "array"
    exported = True

    def serves(self, workload: RescalerWorkload) -> bool:
        stage = workload.stages[-1]
        constant = stage.multiplier is not None and not stage.shift_bits and workload.output is not None
        return constant and super().serves(workload)

    def check(self, workload: RescalerWorkload) -> None:
        super().check(workload)
        stage = workload.stages[-1]
        if stage.multiplier is None or stage.shift_bits:
            raise HardwareError(f"rescaler {workload.name!r}: a constant multiplier and shift are needed, got {stage}")

    def parameters(self, workload: RescalerWorkload) -> dict[str, int]:
        stage = workload.stages[-1]
        return {
            "ACC_WIDTH": stage.operand_bits,
            "MULTIPLIER": _multiplier(stage),
            "SHIFT": stage.right_shift_min,
            "OUT_WIDTH": workload.output_bits,
            **self.pipeline_parameters(workload),
            **output_parameters(workload),
        }

    def most_registers(self, _workload: RescalerWorkload, /) -> dict[Place, int]:
        return dict.fromkeys(self.registers, 1)

    def parts(self, workload: RescalerWorkload) -> Iterator[Part]:
        stage = workload.stages[-1]
        acc, multiplier = stage.operand_bits, _multiplier(stage)
        yield from constant_product(acc, multiplier)
        product = acc + multiplier.bit_length() + 1
        zeros = max(0, 1 - stage.right_shift_min)
        kept = blocks.kept_bits(product, stage.right_shift_min)
        yield from blocks.registered("product", product, 0.0, workload.pipeline.product)
        yield from blocks.round_and_clamp(workload, kept, 0.0, zeros)

    def outputs(self, parameters: Mapping[str, int], inputs: Mapping[str, int]) -> dict[str, int]:
        rescaled = half_up(inputs["acc"] * parameters["MULTIPLIER"], parameters["SHIFT"])
        return {"q": clamped(rescaled, parameters, inputs)}

    def operands(self, trace: AccumulatorTrace, workload: RescalerWorkload) -> Columns:
        stage = workload.stages[-1]
        cut = cut_streams(trace, stage.multiplier_bits, stage.operand_bits)
        return {"acc": cut.acc, **output_ports(cut)}

    def sweep_point(self, trace: AccumulatorTrace, swept_bits: int, acc_bits: int) -> SweepPoint:
        # Multiplier and shift are those of the channel of median scale.
        fraction, exponent = np.frexp(np.sort(trace.scale)[trace.scale.size // 2])
        multiplier = round(float(np.ldexp(fraction, swept_bits)))
        overflow = multiplier >> swept_bits  # rounding up to 2^k: halve it, and shift by one less
        return replace(
            super().sweep_point(trace, swept_bits, acc_bits),
            constant=multiplier >> overflow,
            shift_min=swept_bits - int(exponent) - overflow,
        )

    def sweep_stages(self, point: SweepPoint) -> tuple[RescaleStage, ...]:
        (stage,) = super().sweep_stages(point)
        return (replace(stage, right_shift_max=point.shift_min, multiplier=point.constant),)


def constant_product(bits: int, multiplier: int, prefix: str = "") -> Iterator[Part]:
    """Yields the components of ``rtl/constant_product.v`` for a value of the given width in bits."""
    for place, (position, digit) in enumerate(_digits(multiplier)):
        if place or digit < 0:  # the lowest digit is wiring, or a negation
            overlap, subtracted = (bits if place else 0), (bits + 1 if digit < 0 else 0)
            size = sized(bits + 1, overlap=overlap, subtracted=subtracted)
            # Synthesis adds the digits in a tree, whose levels are as many as the powers of two below their number.
            yield Part("adder", f"{prefix}digit {position}", size, off_path=place & (place - 1) != 0)


def _multiplier(stage: RescaleStage) -> int:
    if stage.multiplier is None:
        raise HardwareError(f"a constant multiplier is needed, got {stage}")
    return stage.multiplier


def _digits(multiplier: int) -> list[tuple[int, int]]:
    """Returns (position, +1 or -1) of the nonzero digits of the non-adjacent form, lowest first (Reitwiesner 1960)."""
    digits, position = [], 0
    while multiplier:
        if multiplier & 1:
            digit = 2 - (multiplier & 3)
            digits.append((position, digit))
            multiplier -= digit
        multiplier >>= 1
        position += 1
    return digits


CONSTANT: Final = Constant()
