"""Widths inside a rescaler: the localparams of ``rtl/rescaler.v`` and ``rtl/rescaler_add.v``, as numbers."""

from dataclasses import dataclass

from hwmodels.errors import HardwareError
from hwmodels.workload import RescalerWorkload, RescaleStage

# TFLite's int8 ADD shifts both operands left by 20 before it rescales them (reference kernel add.cc, left_shift).
ADD_LEFT_SHIFT = 20
_FRACTURED_ALIGNMENT = 15  # bits by which 17, the narrowest multiplier of the 32-bit mode, is shifted left
MAX_WIDTH = 512  # bits; beyond it a workload is a mistake


@dataclass(frozen=True, slots=True)
class StageWidths:
    """Widths in bits of one multiply-and-shift stage.

    Attributes:
        product: operand times multiplier (the operand itself for a pure shift).
        kept: what enters the barrel shifter, the bits below the smallest shift dropped.
        shift: bits of the variable part of the shift, 0 if all channels agree.
    """

    product: int
    kept: int
    shift: int


def stage_widths(stage: RescaleStage) -> StageWidths:
    """Return the widths of one stage."""
    product = stage.operand_bits + (stage.multiplier_bits if stage.multiplier_bits > 1 else 0)
    return StageWidths(product, kept_bits(product, stage.right_shift_min), shift_bits(stage))


def kept_bits(product_bits: int, right_shift_min: int) -> int:
    """Return the bits of a product that enter the shifter, zeros below it where the smallest shift is to the left."""
    left = max(0, 1 - right_shift_min)
    drop = right_shift_min + left - 1
    return max(product_bits + left - drop, 2)


def shift_bits(stage: RescaleStage) -> int:
    """Return the bits that tell the channels' shifts apart; the smallest shift is wiring."""
    return (stage.right_shift_max - stage.right_shift_min).bit_length()


def fractured_shift_bits(stage: RescaleStage) -> int:
    """Return the shift's bits in a fractured unit, whose modes align a multiplier left in 8, 16 or 32 bits."""
    return (stage.right_shift_max - stage.right_shift_min + _FRACTURED_ALIGNMENT).bit_length()


def sum_bits(kept_bits: int, output_bits: int) -> int:
    """Return the width of the adder that rounds and adds the zero point."""
    return max(kept_bits, output_bits + 1) + 1


def halved_bits(stage: RescaleStage) -> int:
    """Return the width of an ADD's other input: exactly halved, so shifted left by one less than the common shift."""
    return stage.operand_bits + ADD_LEFT_SHIFT - 1


def parameter_bits_per_channel(workload: RescalerWorkload) -> int:
    """Return the bits of parameters that each channel keeps.

    The multiplier's leading one is implied, so k - 1 bits; the variable part of the shift; and, where there is an
    accumulation, a bias as wide as the accumulator.
    """
    rescale = sum(stage.multiplier_bits - 1 + shift_bits(stage) for stage in workload.stages)
    return rescale + (workload.stages[0].operand_bits if workload.macs_per_inference else 0)


def check_workload(workload: RescalerWorkload) -> None:
    """Raise HardwareError if no shipped architecture serves a workload."""
    if len(workload.stages) > 2:
        raise HardwareError(f"rescaler {workload.name!r} has {len(workload.stages)} stages; 1 or 2 can be built")
    if workload.output_bits < 2:
        raise HardwareError(f"rescaler {workload.name!r}: output_bits is {workload.output_bits}; at least 2 are needed")
    for stage in workload.stages:
        if max(stage.operand_bits, stage.multiplier_bits, stage.right_shift_max - stage.right_shift_min) > MAX_WIDTH:
            raise HardwareError(f"rescaler {workload.name!r}: a width beyond {MAX_WIDTH} bits in {stage}")
    if len(workload.stages) == 2 and workload.stages[0].operand_bits < 2:
        raise HardwareError(f"rescaler {workload.name!r}: an ADD needs an operand of at least 2 bits")
