"""Accumulator traces: operands that a network's rescalers receive, as stimulus for gate-level energy."""

import functools
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from hwmodels.errors import HardwareError
from hwmodels.orders import OutputOrder

DEFAULT_RECORDING: Final = Path(__file__).parent / "data" / "kws_trace.npz"
_KEYS: Final = {"acc": (np.int32, 1), "scale": (np.float64, 1), "tiles": (np.int32, 2)}
_ACC_BITS: Final = 32
_MOST_BYTES: Final = 1 << 28  # unpacked; the bundled recording has 160 kB
_FEWEST: Final = 128  # accumulators
_TILE_COLUMNS: Final = 4
STREAMS: Final = 64
CYCLES: Final = 17  # 16 transitions of 64 streams: 1024 rescales
SHIFT_BITS: Final = 3  # the right shifts of the bundled recording's channels differ by up to five


@dataclass(frozen=True, eq=False, slots=True)
class Tile:
    """Accumulators of neighbouring positions and channels of one layer, for one input of the network.

    Attributes:
        layer: index of the layer.
        acc: accumulators, bias included, int64, shape (positions, channels).
        scale: effective scale of each channel, dimensionless, shape (channels,).
        zero_point: output zero point of the layer.
    """

    layer: int
    acc: npt.NDArray[np.int64]
    scale: npt.NDArray[np.float64]
    zero_point: int


@dataclass(frozen=True, eq=False, slots=True)
class Recording:
    """Accumulators of a network, which can be read in either order of outputs.

    Both orders have the same accumulators, and so the same range of shifts: the same rescalers serve them.

    Attributes:
        name: name of the recording, as technology tables cite it.
        tiles: those of a layer are consecutive.
    """

    name: str
    tiles: tuple[Tile, ...]

    @property
    def acc_bits(self) -> int:
        """Width in bits of a signed integer that holds every accumulator."""
        return max(int(max(int(t.acc.max()), ~int(t.acc.min()))).bit_length() for t in self.tiles) + 1

    def in_order(self, order: OutputOrder) -> "AccumulatorTrace":
        """Returns the accumulators in the order in which a lane rescales them."""
        columns = [_columns(tile, order) for tile in self.tiles]
        acc, scale, layer, zero_point = (np.concatenate(column) for column in zip(*columns, strict=True))
        return AccumulatorTrace(self.name, acc, scale, layer, zero_point)


def _columns(tile: Tile, order: OutputOrder) -> tuple[npt.NDArray[np.generic], ...]:
    grids = (tile.acc, np.broadcast_to(tile.scale, tile.acc.shape))
    acc, scale = (grid.reshape(-1, order="C" if order == "channel_innermost" else "F") for grid in grids)
    return acc, scale, np.full(acc.size, tile.layer), np.full(acc.size, tile.zero_point)


@dataclass(frozen=True, eq=False, slots=True)
class AccumulatorTrace:
    """Accumulators in the order in which a lane rescales them.

    Attributes:
        name: name of the recording.
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


def load_recording(path: Path | None = None) -> Recording:
    """Returns a recording from an .npz file, or the bundled one (MLPerf Tiny keyword spotting, 4 spoken words).

    Raises:
        HardwareError: if the file is not a recording.
    """
    return _load((path or DEFAULT_RECORDING).resolve())


@functools.lru_cache(maxsize=4)
def _load(path: Path) -> Recording:
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
    return Recording(path.stem, tuple(_tiles(arrays, path)))


def _tiles(arrays: Mapping[str, npt.NDArray[np.generic]], path: Path) -> Iterator[Tile]:
    """Yields the tiles; a row of ``tiles`` has layer, positions, channels and zero point."""
    for key, (kind, dimensions) in _KEYS.items():
        if arrays[key].ndim != dimensions or arrays[key].dtype != kind:
            given = f"{arrays[key].dtype} in {arrays[key].ndim} dimensions"
            raise HardwareError(f"{path}: {key} has {given}; a trace has {np.dtype(kind)} in {dimensions}")
    acc, scale = arrays["acc"].astype(np.int64), arrays["scale"].astype(np.float64)
    tiles = arrays["tiles"].astype(np.int64)
    if tiles.shape[1] != _TILE_COLUMNS or tiles.size == 0 or (tiles[:, 1:3] < 1).any():
        raise HardwareError(f"{path}: tiles must have rows of layer, positions, channels and zero point")
    rows = tiles.tolist()
    wanted = sum(row[1] * row[2] for row in rows), sum(row[2] for row in rows)
    if (acc.size, scale.size) != wanted or acc.size < _FEWEST:
        raise HardwareError(
            f"{path}: acc and scale have {acc.size} and {scale.size} values, the tiles {wanted[0]} and {wanted[1]}; "
            f"they must agree, and at least {_FEWEST} accumulators are needed"
        )
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise HardwareError(f"{path}: scale has values that are not positive numbers")
    if (np.diff(tiles[:, 0]) < 0).any():
        raise HardwareError(f"{path}: tiles must be in the order of their layers")
    first, first_scale = 0, 0
    for layer, positions, channels, zero_point in rows:
        values = acc[first : first + positions * channels].reshape(positions, channels)
        yield Tile(layer, values, scale[first_scale : first_scale + channels], zero_point)
        first, first_scale = first + positions * channels, first_scale + channels


def save_recording(recording: Recording, path: Path) -> None:
    """Writes a recording that ``load_recording`` reads.

    Raises:
        HardwareError: if an accumulator has more than 32 bits, those of a file.
    """
    if recording.acc_bits > _ACC_BITS:
        raise HardwareError(
            f"trace {recording.name!r} has accumulators of {recording.acc_bits} bits; a file holds {_ACC_BITS}"
        )
    tiles = recording.tiles
    arrays = {
        "acc": np.concatenate([tile.acc.reshape(-1) for tile in tiles]),
        "scale": np.concatenate([tile.scale for tile in tiles]),
        "tiles": np.array([(tile.layer, *tile.acc.shape, tile.zero_point) for tile in tiles]),
    }
    with path.open("wb") as file:
        stored = {key: values.astype(_KEYS[key][0]) for key, values in arrays.items()}
        np.savez_compressed(file, acc=stored["acc"], scale=stored["scale"], tiles=stored["tiles"])


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
