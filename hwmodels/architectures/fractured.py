"""The fractured rescaler: four 8-bit multipliers that work as one lane of 32 bits, two of 16 or four of 8."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from hwmodels.architectures import blocks
from hwmodels.architectures.base import (
    CLAMP,
    OUTPUT_STAGE,
    REGISTER,
    Architecture,
    Columns,
    SweepPoint,
    clamped,
    output_parameters,
    output_ports,
)
from hwmodels.architectures.rounding import half_up
from hwmodels.components import MUX_LEVELS, Part, adder_levels, crossed, multiplier_levels, muxed, plain, sized
from hwmodels.traces import AccumulatorTrace, cut_streams
from hwmodels.workload import RescalerWorkload, RescaleStage

_MODES: Final = (8, 16, 32)  # multiplier bits of each mode
_LANES: Final = 4


class Fractured(Architecture):
    """One, two or four rescales per cycle by the width of the multiplier, contract half_up.

    One unit serves every k, which is not one of its parameters; a narrow multiplier is left-aligned in its mode.
    """

    name = "fractured"
    top = "rescaler_fractured"
    sources = ("rescaler_fractured.v", OUTPUT_STAGE, CLAMP, REGISTER)
    multiplier_bits = (1, 32)
    choice = "fractured"
    narrows = False
    own_activity = True
    sweep_values = (1, 8, 16, 31)  # a simulation takes ten times as long as those of the others

    def parameters(self, workload: RescalerWorkload) -> dict[str, int]:
        (stage,) = _aligned(workload).stages
        return {
            "ACC_WIDTH": stage.operand_bits,
            "SHIFT_WIDTH": _shift_bits(stage),
            "SHIFT_MIN": stage.right_shift_min,
            "OUT_WIDTH": workload.output_bits,
            **output_parameters(workload),
        }

    def parts(self, workload: RescalerWorkload) -> Iterator[Part]:
        workload = _aligned(workload)
        (stage,) = workload.stages
        acc = stage.operand_bits
        narrow, middle, wide = (acc + width for width in _MODES)
        for lane, depth in enumerate((0.0, MUX_LEVELS, MUX_LEVELS, 2 * MUX_LEVELS)):
            if lane:
                yield Part("mux", f"operand {lane}", muxed(acc, depth - MUX_LEVELS), off_path=lane == 1)
            yield Part("multiplier", f"multiplier {lane}", crossed(acc, _MODES[0], depth), off_path=lane < _LANES - 1)
        depth = 2 * MUX_LEVELS + multiplier_levels(_MODES[0], narrow)
        for pair in ("low", "high"):
            yield Part("adder", f"{pair} pair's sum", sized(narrow, depth), off_path=pair == "low")
        paired = depth + adder_levels(narrow)
        yield Part("adder", "sum of the pairs", sized(middle, paired))
        summed = paired + adder_levels(middle)
        yield Part("mux", "choice of the product", muxed(middle + wide, summed))
        yield Part("mux", "choice of the high product", muxed(middle, paired), off_path=True)
        yield Part("logic", "mode", plain(6), off_path=True)
        yield from blocks.output(workload, wide, _shift_bits(stage), summed + 2 * MUX_LEVELS)
        for bits, before in ((narrow, depth), (middle, paired), (narrow, depth)):
            for part in blocks.enabled_output(workload, bits, _shift_bits(stage), before):
                yield replace(part, off_path=True)

    def outputs(self, parameters: Mapping[str, int], inputs: Mapping[str, int]) -> dict[str, int]:
        mode, results = inputs["mode"], {}
        for lane in range(0, _LANES, 1 << mode):
            multiplier = inputs["mult"] >> (_MODES[0] * lane) & ((1 << _MODES[mode]) - 1)
            shift = parameters["SHIFT_MIN"] + inputs[f"shift{lane}"]
            results[f"q{lane}"] = clamped(half_up(inputs[f"acc{lane}"] * multiplier, shift), parameters, inputs)
        return results

    def input_range(self, port: str, bits: int, signed: bool) -> tuple[int, int]:
        if port == "mode":
            return 0, len(_MODES) - 1
        return (0, (1 << bits) - 1) if port == "mult" else super().input_range(port, bits, signed)

    def operands(self, trace: AccumulatorTrace, workload: RescalerWorkload) -> Columns:
        stage = workload.stages[-1]
        width = _mode(stage.multiplier_bits)
        cut = cut_streams(trace, stage.multiplier_bits, stage.operand_bits)
        aligned = cut.multiplier << np.int64(width - stage.multiplier_bits)
        offset = width - _MODES[0]  # of this mode's shifts from the 8-bit mode's
        columns = output_ports(cut)
        columns["mode"] = np.full_like(cut.acc, _MODES.index(width))
        columns["mult"] = np.zeros_like(cut.acc)
        for lane in range(_LANES):
            works = lane % (width // _MODES[0]) == 0
            rolled = (np.roll(values, lane, axis=1) for values in (cut.acc, cut.shift, aligned))
            acc, shift, multiplier = (values if works else np.zeros_like(values) for values in rolled)
            columns[f"acc{lane}"] = acc
            columns[f"shift{lane}"] = shift + (offset if works else 0)
            columns["mult"] |= multiplier << np.int64(_MODES[0] * lane)
        return columns

    def alignment(self, multiplier_bits: int, widest: int, /) -> int:
        return _alignment(multiplier_bits) - _alignment(widest)  # every layer gets that of the widest as well

    def lanes(self, multiplier_bits: int, /) -> int:
        return _MODES[-1] // _mode(multiplier_bits)

    def sweep_stages(self, point: SweepPoint) -> tuple[RescaleStage, ...]:
        # One unit serves every k: its shifts reach from the 8-bit mode's smallest to the 32-bit mode's largest.
        (stage,) = super().sweep_stages(point)
        low = point.shift_min - point.multiplier_bits + _MODES[0]
        span = stage.right_shift_max - stage.right_shift_min + _MODES[-1] - _MODES[0]
        low -= _alignment(point.multiplier_bits)
        return (replace(stage, right_shift_min=low, right_shift_max=low + span),)


def _mode(multiplier_bits: int) -> int:
    """Returns the multiplier bits of the mode that holds a multiplier."""
    return next(width for width in _MODES if multiplier_bits <= width)


def _alignment(multiplier_bits: int) -> int:
    """Returns the bits by which a multiplier is shifted left in its mode; its right shift grows by as much."""
    return _mode(multiplier_bits) - multiplier_bits


def _aligned(workload: RescalerWorkload) -> RescalerWorkload:
    """Returns the workload with the right shifts of multipliers that are aligned in their mode."""
    (stage,) = workload.stages
    by = _alignment(stage.multiplier_bits)
    aligned = replace(stage, right_shift_min=stage.right_shift_min + by, right_shift_max=stage.right_shift_max + by)
    return replace(workload, stages=(aligned,))


def _shift_bits(stage: RescaleStage) -> int:
    """Returns the width in bits of a lane's shift, whose port exists even if it is constant."""
    return max(stage.shift_bits, 1)


FRACTURED: Final = Fractured()
