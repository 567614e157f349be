"""Converter of RESIZE_BILINEAR, in TFLite's integers or in XNNPACK's.

Sources: ``ResizeBilinearInteger`` of TFLite's ``resize_bilinear.h``; XNNPACK's ``indirection.c``, ``s8-ibilinear``.
"""

import numpy as np
import tflite

from nets.errors import NetworkError
from nets.importers.tflite.builder import Builder, check_same_quantization, check_shape, constant, frozen, placed
from nets.importers.tflite.graph import RawOperator
from nets.network import IntArray, Interpolation, Neighbours, Operator

_SIDE_MAX = 2**14  # of an image: positions in units of 2**-10 stay within int32
_TFLITE_BITS, _XNNPACK_BITS, _UINT8_BITS = 10, 11, 8


def resize_bilinear(builder: Builder, raw: RawOperator) -> Operator:
    """Converts RESIZE_BILINEAR to the sizes that the file states."""
    options = raw.options(tflite.ResizeBilinearOptions)
    source, result = builder.image(raw), builder.result(raw)
    sizes = constant(builder.input(raw, 1), "INT32").reshape(-1).tolist()
    if len(sizes) != 2 or min(sizes) < 1 or max(*sizes, *source.shape[:2]) > _SIDE_MAX:
        raise NetworkError(f"{raw} resizes {list(source.shape)} to {sizes}; use 1 to {_SIDE_MAX}")
    if options.AlignCorners() and options.HalfPixelCenters():
        raise NetworkError(f"{raw} aligns corners and centres of pixels; use one of them")
    check_shape(raw, (*sizes, source.shape[2]), result)
    check_same_quantization(raw, [source, result])
    by_xnnpack = builder.has_xnnpack_form(source) or builder.graph.unsigned
    align, centres = bool(options.AlignCorners()), bool(options.HalfPixelCenters())
    rows, columns = (
        neighbours(before, after, align=align, centres=centres, xnnpack=by_xnnpack)
        for before, after in zip(source.shape, sizes, strict=False)
    )
    bits = _XNNPACK_BITS if by_xnnpack else _TFLITE_BITS
    if builder.reference_of_uint8 and not all(_exact_in_float32(each) for each in (rows, columns)):
        raise NetworkError(f"{raw}: {builder.profile.name} resizes uint8 in float32 here, which no integers equal")
    return Interpolation(**placed(raw), rows=rows, columns=columns, fraction_bits=bits, half_up=by_xnnpack)


def neighbours(before: int, after: int, *, align: bool, centres: bool, xnnpack: bool) -> Neighbours:
    """Computes what each of ``after`` new positions takes of ``before`` old ones.

    Args:
        before: size of the source along an axis.
        after: size of the result.
        align: whether the first and the last positions of both coincide.
        centres: whether positions are centres of pixels.
        xnnpack: whether the shares are XNNPACK's, of 11 bits; otherwise they are TFLite's own, of 10.
    """
    return (_xnnpack_neighbours if xnnpack else _tflite_neighbours)(before, after, align=align, centres=centres)


def _exact_in_float32(neighbours: Neighbours) -> bool:
    """Returns whether TFLite's own kernel of uint8, which multiplies float32 shares, rounds nothing on the way.

    With shares of 8 bits, products of two shares and a uint8 have 24. XNNPACK's form then gives the same integers.
    """
    return not bool((neighbours.share % (1 << (_XNNPACK_BITS - _UINT8_BITS))).any())


def _neighbours(first: IntArray, second: IntArray, share: IntArray) -> Neighbours:
    return Neighbours(frozen(first), frozen(second), frozen(share))


def _tflite_neighbours(before: int, after: int, *, align: bool, centres: bool) -> Neighbours:
    """Computes positions in units of 2**-10."""
    one, aligned = 1 << _TFLITE_BITS, int(align and after > 1)
    scale = (one * (before - aligned) + (after - aligned) // 2) // (after - aligned)
    centre = scale // 2 - one // 2 if centres else 0
    exact = np.arange(after, dtype=np.int64) * scale + centre
    first = np.maximum(_towards_zero(exact, one), 0)
    second = np.minimum(_towards_zero(exact + one - 1, one), before - 1)
    return _neighbours(first, second, exact - one * first)


def _towards_zero(values: IntArray, divisor: int) -> IntArray:
    return np.where(values < 0, -(-values // divisor), values // divisor)


def _xnnpack_neighbours(before: int, after: int, *, align: bool, centres: bool) -> Neighbours:
    """Computes positions in float32, and shares rounded to units of 2**-11."""
    aligned = int(align and after > 1)
    scale = np.float32(before - aligned) / np.float32(after - aligned)
    offset = np.float32(0.5) * scale - np.float32(0.5) if centres else np.float32(0)
    exact = np.arange(after, dtype=np.float32) * scale + offset
    exact = np.clip(exact, np.float32(0), np.float32(before - 1))
    first = np.floor(exact).astype(np.int64)
    share = np.rint((exact - first.astype(np.float32)) * np.float32(1 << _XNNPACK_BITS)).astype(np.int64)
    return _neighbours(first, np.minimum(first + 1, before - 1), share)
