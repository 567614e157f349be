"""The bit-serial rescaler: one adder takes one multiplier bit per cycle."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

import numpy as np

from hwmodels.architectures import blocks
from hwmodels.architectures.base import CLAMP, OUTPUT_STAGE, REGISTER, Columns, Place, output_ports
from hwmodels.architectures.one_stage import OneStage
from hwmodels.components import MUX_LEVELS, Part, muxed, plain, sized
from hwmodels.traces import AccumulatorTrace, cut_streams
from hwmodels.workload import RescalerWorkload

_RESULTS: Final = 4  # operands per stream of a stimulus


class Serial(OneStage):
    """One rescale in k + 1 cycles, contract half_up; a pure shift has nothing to serialise and takes the array."""

    name = "serial"
    top = "rescaler_serial"
    sources = ("rescaler_serial.v", OUTPUT_STAGE, CLAMP, REGISTER)
    multiplier_bits = (2, 64)
    choice = "serial"
    registers: ClassVar[Mapping[Place, str]] = {}  # its loop sets the clock
    exported = True
    narrows = False
    own_activity = True

    def parts(self, workload: RescalerWorkload) -> Iterator[Part]:
        stage = workload.stages[-1]
        acc, k = stage.operand_bits, stage.multiplier_bits
        count, held = k.bit_length(), max(stage.shift_bits, 1)
        yield Part("mux", "addend", muxed(acc))
        yield Part("adder", "partial product adder", sized(acc + 1, MUX_LEVELS))
        yield Part("mux", "load and hold", muxed(2 * (2 * acc + k + held) - acc))
        yield Part("adder", "cycle counter", sized(count), off_path=True)
        yield Part("mux", "counter load, hold and reset", muxed(3 * count + 1), off_path=True)
        yield Part("logic", "counter comparators", plain(2 * (2 * count - 1) + 1), off_path=True)
        bits = 2 * acc + k + held + count + 1
        yield Part("register", "operand, product and counter registers", {"bits": bits}, ends_path=True)
        yield from blocks.enabled_output(workload, acc + k, stage.shift_bits, 0.0)

    def input_range(self, port: str, bits: int, signed: bool) -> tuple[int, int]:
        return (1, 1) if port == "start" else super().input_range(port, bits, signed)

    def operands(self, trace: AccumulatorTrace, workload: RescalerWorkload) -> Columns:
        stage = workload.stages[-1]
        cut = cut_streams(trace, stage.multiplier_bits, stage.operand_bits, cycles=_RESULTS)
        held = {"acc": cut.acc, "mult": cut.multiplier, "shift": cut.shift, **output_ports(cut)}
        interval = self.interval(stage.multiplier_bits)
        columns = {name: np.repeat(values, interval, axis=0) for name, values in held.items()}
        return {**columns, "start": np.ones_like(columns["acc"])}

    def latency(self, multiplier_bits: int, /) -> int:
        return multiplier_bits + 2  # the load, k additions and the output register

    def interval(self, multiplier_bits: int, /) -> int:
        return multiplier_bits + 1  # the next operand is loaded while the last result is rounded


SERIAL: Final = Serial()
