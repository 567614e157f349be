"""What the ports of each architecture see while a trace runs through it."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from hwmodels.architectures.registry import FRACTURED_WIDTHS, Shape, fractured_width
from hwmodels.synthesis.traces import AccumulatorTrace, Stimulus, stimulus

Columns = dict[str, npt.NDArray[np.int64]]
STREAMS: Final = 64
CYCLES: Final = 17  # 16 transitions of 64 streams: 1024 rescales
SERIAL_RESULTS: Final = 4
SHIFT_BITS: Final = 3  # the channels of the bundled trace differ by five in their shift
OUT_BITS: Final = 8


def shape_for(trace: AccumulatorTrace, architecture: str, multiplier_bits: int, acc_bits: int) -> Shape:
    """Return the shape that serves a trace: its shift range, and a constant of its middle channel."""
    cut = _cut(trace, multiplier_bits, acc_bits)
    shift_min, constant = cut.shift_min, 1
    if architecture == "constant":
        constant, shift_min = _middle_constant(trace, multiplier_bits)
    return Shape(
        multiplier_bits=multiplier_bits,
        acc_bits=acc_bits,
        shift_bits=SHIFT_BITS,
        shift_min=shift_min,
        out_bits=OUT_BITS,
        constant=constant,
    )


def ports(trace: AccumulatorTrace, architecture: str, shape: Shape) -> Columns:
    """Return the values of every input port but the clock, shape (cycles, streams)."""
    return _PORTS[architecture](trace, shape)


def _cut(trace: AccumulatorTrace, multiplier_bits: int, acc_bits: int, cycles: int = CYCLES) -> Stimulus:
    return stimulus(trace, multiplier_bits, acc_bits, cycles=cycles, streams=STREAMS, shift_bits=SHIFT_BITS)


def _common(like: npt.NDArray[np.int64], zero_point: npt.NDArray[np.int64]) -> Columns:
    half = 1 << (OUT_BITS - 1)
    return {
        "zero_point": zero_point,
        "q_min": np.full_like(like, -half),
        "q_max": np.full_like(like, half - 1),
    }


def _array(trace: AccumulatorTrace, shape: Shape) -> Columns:
    cut = _cut(trace, shape.multiplier_bits, shape.acc_bits)
    return {"acc": cut.acc, "mult": cut.multiplier, "shift": cut.shift, **_common(cut.acc, cut.zero_point)}


def _double(trace: AccumulatorTrace, shape: Shape) -> Columns:
    columns = _array(trace, shape)
    columns["exponent"] = columns.pop("shift")
    return columns


def _serial(trace: AccumulatorTrace, shape: Shape) -> Columns:
    """Each operand is held for the k + 1 cycles that it takes."""
    interval = shape.multiplier_bits + 1
    cut = _cut(trace, shape.multiplier_bits, shape.acc_bits, cycles=SERIAL_RESULTS)
    held = {"acc": cut.acc, "mult": cut.multiplier, "shift": cut.shift, **_common(cut.acc, cut.zero_point)}
    columns = {name: np.repeat(values, interval, axis=0) for name, values in held.items()}
    return {**columns, "reset": np.zeros_like(columns["acc"]), "start": np.ones_like(columns["acc"])}


def _fractured(trace: AccumulatorTrace, shape: Shape) -> Columns:
    """Lanes take neighbouring streams; a narrow multiplier is left-aligned in its 8, 16 or 32 bits."""
    width = fractured_width(shape.multiplier_bits)
    cut = _cut(trace, shape.multiplier_bits, shape.acc_bits)
    aligned = cut.multiplier << np.int64(width - shape.multiplier_bits)
    offset = width - FRACTURED_WIDTHS[0]  # of this mode's shifts from the 8-bit mode's
    columns = _common(cut.acc, cut.zero_point)
    columns["mode"] = np.full_like(cut.acc, FRACTURED_WIDTHS.index(width))
    columns["mult"] = np.zeros_like(cut.acc)
    step = width // FRACTURED_WIDTHS[0]
    for lane in range(4):
        taken = lane % step == 0
        rolled = (np.roll(values, lane, axis=1) for values in (cut.acc, cut.shift, aligned))
        acc, shift, multiplier = (values if taken else np.zeros_like(values) for values in rolled)
        columns[f"acc{lane}"] = acc
        columns[f"shift{lane}"] = shift + (offset if taken else 0)
        columns["mult"] |= multiplier << np.int64(8 * lane)
    return columns


def _constant(trace: AccumulatorTrace, shape: Shape) -> Columns:
    """A streaming channel: the accumulators of the trace, all with the one constant multiplier."""
    cut = _cut(trace, shape.multiplier_bits, shape.acc_bits)
    return {"acc": cut.acc, **_common(cut.acc, cut.zero_point)}


def _middle_constant(trace: AccumulatorTrace, multiplier_bits: int) -> tuple[int, int]:
    fraction, exponent = np.frexp(np.sort(trace.scale)[trace.scale.size // 2])
    multiplier = round(float(np.ldexp(fraction, multiplier_bits)))
    shift = multiplier_bits - int(exponent)
    return (multiplier >> 1, shift - 1) if multiplier >> multiplier_bits else (multiplier, shift)


def _add(trace: AccumulatorTrace, shape: Shape) -> Columns:
    """Operands are the trace's outputs as int8, of two different places; multipliers are constants of a stream."""
    cut = _cut(trace, 31, 32)
    real = cut.acc * np.ldexp(cut.multiplier.astype(np.float64), -(cut.shift_min + cut.shift)) + cut.zero_point
    activation = np.clip(np.rint(real), -128, 127).astype(np.int64)
    k, columns = shape.multiplier_bits, _common(cut.acc, cut.zero_point)
    steady = np.broadcast_to(_cut(trace, k, 32).multiplier[:1], cut.acc.shape)
    return {
        **columns,
        "scaled_input": activation,
        "halved_input": np.roll(activation, 7, axis=1),
        "scaled_zero": cut.zero_point,
        "halved_zero": np.roll(cut.zero_point, 7, axis=1),
        "mult_in": steady,
        "mult_out": np.roll(steady, 3, axis=1),
        "shift_in": np.zeros_like(cut.acc),
        "shift_out": np.zeros_like(cut.acc),
    }


_PORTS: Final[Mapping[str, Callable[[AccumulatorTrace, Shape], Columns]]] = {
    "array": _array, "floor": _array, "half_away": _array, "tflite_double": _double, "serial": _serial,
    "fractured": _fractured, "constant": _constant, "add": _add,
}  # fmt: skip
