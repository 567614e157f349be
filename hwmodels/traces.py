"""Accumulator traces: operands that a network's rescalers receive, as stimulus for gate-level energy."""

import functools
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from hwmodels.errors import HardwareError

DEFAULT_TRACE: Final = Path(__file__).parent / "data" / "kws_trace.npz"
_KEYS: Final = {"acc": np.int32, "scale": np.float64, "layer": np.int16, "zero_point": np.int16}
_ACC_BITS: Final = 32
_MOST_BYTES: Final = 1 << 28  # unpacked; the bundled trace has 80 kB
STREAMS: Final = 64
CYCLES: Final = 17  # 16 transitions of 64 streams: 1024 rescales
SHIFT_BITS: Final = 3  # the right shifts of the bundled trace's channels differ by up to five


@dataclass(frozen=True, eq=False, slots=True)
class AccumulatorTrace:
    """Accumulators in the order in which a lane rescales them: channel by channel of one position, then the next.

    Attributes:
        name: name of the trace, as technology tables cite it.
        acc: accumulators, bias included, int64, shape (n,).
        scale: effective scale of each accumulator's channel, dimensionless, shape (n,).
        layer: index of each accumulator's layer, shape (n,); values of a layer are consecutive.
        zero_point: output zero point of each accumulator's layer, shape (n,).
    """

    name: str
    acc: npt.NDArray[np.int64]
    scale: npt.NDArray[np.float64]
    layer: npt.NDArray[np.int64]
    zero_point: npt.NDArray[np.int64]

    @property
    def acc_bits(self) -> int:
        """Width in bits of a signed integer that holds every accumulator."""
        return int(max(int(self.acc.max()), ~int(self.acc.min()))).bit_length() + 1


@dataclass(frozen=True, eq=False, slots=True)
class Streams:
    """A trace cut into streams for a rescaler of given widths.

    Attributes:
        acc: accumulators, int64, shape (cycles, streams), as the next three.
        multiplier: normalised k-bit multipliers.
        shift: right shifts minus ``shift_min``, in bits.
        zero_point: output zero points.
        shift_min: smallest right shift, in bits.
        shift_bits: width of ``shift``, in bits.
    """

    acc: npt.NDArray[np.int64]
    multiplier: npt.NDArray[np.int64]
    shift: npt.NDArray[np.int64]
    zero_point: npt.NDArray[np.int64]
    shift_min: int
    shift_bits: int


def load_trace(path: Path | None = None) -> AccumulatorTrace:
    """Returns a trace from an .npz file, or the bundled one (MLPerf Tiny keyword spotting, 4 spoken words).

    Raises:
        HardwareError: if the file is not a trace.
    """
    return _load((path or DEFAULT_TRACE).resolve())


@functools.lru_cache(maxsize=4)
def _load(path: Path) -> AccumulatorTrace:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(archive.getinfo(f"{key}.npy").file_size for key in _KEYS)
        if size > _MOST_BYTES:
            raise ValueError(f"its arrays have {size} bytes; at most {_MOST_BYTES} are read")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in _KEYS}
    # A header may claim more memory than there is; an encrypted array gives a RuntimeError.
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        MemoryError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise HardwareError(f"{path}: not a trace ({error}); expected arrays {', '.join(_KEYS)}") from None
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1 or next(iter(shapes))[0] < 128:
        raise HardwareError(f"{path}: the arrays of a trace must have one common length of at least 128, got {shapes}")
    if not (np.isfinite(arrays["scale"]).all() and (arrays["scale"] > 0).all()):
        raise HardwareError(f"{path}: scale has values that are not positive numbers")
    scale = arrays.pop("scale").astype(np.float64)
    return AccumulatorTrace(path.stem, scale=scale, **{key: array.astype(np.int64) for key, array in arrays.items()})


def save_trace(trace: AccumulatorTrace, path: Path) -> None:
    """Writes a trace that ``load_trace`` reads.

    Raises:
        HardwareError: if an accumulator has more than 32 bits, those of a file.
    """
    if trace.acc_bits > _ACC_BITS:
        raise HardwareError(f"trace {trace.name!r} has accumulators of {trace.acc_bits} bits; a file holds {_ACC_BITS}")
    arrays = {key: getattr(trace, key).astype(kind) for key, kind in _KEYS.items()}
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def cut_streams(
    trace: AccumulatorTrace,
    multiplier_bits: int,
    acc_bits: int,
    *,
    cycles: int = CYCLES,
    streams: int = STREAMS,
    shift_bits: int = SHIFT_BITS,
) -> Streams:
    """Cuts a trace into streams of consecutive accumulators, with the k-bit multipliers and shifts of their channels.

    Args:
        trace: the accumulators.
        multiplier_bits: ``k``; 1 makes every multiplier 1.
        acc_bits: width of the rescaler's operand; larger accumulators are clipped to it.
        cycles: consecutive accumulators per stream.
        streams: streams, taken from all layers evenly.
        shift_bits: width of the variable shift. Scales below its range (dead filters) take the largest shift.

    Raises:
        HardwareError: if the trace is too short.
    """
    starts = _starts(trace, cycles, streams)
    index = starts[None, :] + np.arange(cycles)[:, None]
    fraction, exponent = np.frexp(trace.scale[index])
    multiplier = np.rint(np.ldexp(fraction, multiplier_bits)).astype(np.int64)
    overflow = multiplier >> multiplier_bits  # rounding up to 2^k: halve it, and shift by one less
    multiplier >>= overflow
    right_shift = multiplier_bits - exponent.astype(np.int64) - overflow
    shift_min = int(multiplier_bits - np.frexp(trace.scale.max())[1]) - 1
    limit = 1 << (acc_bits - 1)
    return Streams(
        acc=np.clip(trace.acc[index], -limit, limit - 1),
        multiplier=multiplier,
        shift=np.clip(right_shift - shift_min, 0, (1 << shift_bits) - 1),
        zero_point=trace.zero_point[index],
        shift_min=shift_min,
        shift_bits=shift_bits,
    )


def _starts(trace: AccumulatorTrace, cycles: int, streams: int) -> npt.NDArray[np.int64]:
    """Returns the index at which each stream begins: evenly over the layers, inside one layer each."""
    layers = np.unique(trace.layer)
    first = np.searchsorted(trace.layer, layers)
    length = np.searchsorted(trace.layer, layers, side="right") - first
    usable = length >= cycles
    if not usable.any():
        raise HardwareError(f"trace {trace.name!r} has no layer with {cycles} consecutive accumulators")
    first, length = first[usable], length[usable]
    order = np.arange(streams)
    layer, turn = order % first.size, order // first.size
    turns = -(-streams // first.size)
    return first[layer] + (length[layer] - cycles) * turn // max(turns - 1, 1)
