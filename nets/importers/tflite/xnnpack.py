"""XNNPACK's own forms of int8 operators that differ from TFLite's reference kernels.

Each was measured against LiteRT's default resolver and holds with equality; docs/numerics.md lists them.
Operators whose scales lie outside a range are left to TFLite's own kernels.
"""

import numpy as np

from nets.importers.tflite.builder import frozen, full_rescaler
from nets.network import CONTRACTS, Contract, Rescaler, TensorSpec

_SUM_BITS = 21  # of the larger multiplier, 2**20 to 2**21
_CONVERT_SHIFT = 8
_LEAKY_MAX = 127.99609375  # of a negative slope


def _ratio(scale: float, other: float) -> float:
    return float(np.float32(scale) / np.float32(other))


def takes_sum(left: float, right: float, result: float) -> bool:
    """Returns whether XNNPACK runs an ADD or SUB of these scales."""
    return all(2.0**-10 <= _ratio(scale, result) < 2.0**8 for scale in (left, right))


def takes_product(scale: float) -> bool:
    """Returns whether XNNPACK runs a MUL of this effective scale."""
    return 2.0**-16 <= scale < 2.0**8


def takes_convert(source: float, result: float) -> bool:
    """Returns whether XNNPACK runs a QUANTIZE between these scales."""
    return 2.0**-8 <= _ratio(source, result) <= 2.0**7


def takes_transposed(kernel: tuple[int, ...], stride: tuple[int, int], *, same: bool) -> bool:
    """Returns whether XNNPACK runs a TRANSPOSE_CONV of this kernel."""
    return not same or all(reach >= step for reach, step in zip(kernel, stride, strict=True))


def takes_matrices(right: TensorSpec) -> bool:
    """Returns whether XNNPACK runs a BATCH_MATMUL by this tensor."""
    return right.zero_point == 0


def takes_leaky(source: float, result: float, alpha: float) -> bool:
    """Returns whether XNNPACK runs a LEAKY_RELU of this slope between these scales."""
    positive = _ratio(source, result)
    negative = positive * alpha
    return 2.0**-8 <= positive <= 2.0**7 and -_LEAKY_MAX <= negative <= 2.0**7 and abs(negative) >= 2.0**-8


def _integer_rescaler(multiplier: int, right_shift: int) -> Rescaler:
    """Makes a rescaler of any integer multiplier, rounded half up; not normalised."""
    bits = max(multiplier.bit_length(), 1)
    return Rescaler(CONTRACTS["half_up"], bits, frozen(np.array([multiplier])), frozen(np.array([right_shift])))


def sum_rescalers(left: float, right: float, result: float) -> tuple[Rescaler, Rescaler, Rescaler]:
    """Computes the form of ADD and SUB: ``(x0 * m0 +- x1 * m1 + 2**(r-1)) >> r``, multipliers rounded to even.

    The rescalers of both inputs are an integer multiplier without a shift, the one of the sum is a shift alone.
    """
    ratios = [np.float32(left) / np.float32(result), np.float32(right) / np.float32(result)]
    _, exponent = np.frexp(max(ratios))
    shift = _SUM_BITS - int(exponent)
    first, second = (_integer_rescaler(int(np.rint(np.ldexp(ratio, shift))), 0) for ratio in ratios)
    return first, second, _integer_rescaler(1, shift)


def convert_rescaler(source: float, result: float) -> Rescaler:
    """Computes the form of QUANTIZE from int8 to int8: ``(x * rint(256 * s_x / s_y) + 128) >> 8``."""
    multiplier = int(np.rint(np.float32(256) * (np.float32(source) / np.float32(result))))
    return _integer_rescaler(multiplier, _CONVERT_SHIFT)


def mean_scaling(source: TensorSpec, result: TensorSpec, count: int, contract: Contract) -> tuple[Rescaler, float]:
    """Computes the form of MEAN: ``rint(float32(sum of x) * scale + offset)``, zero points inside the offset.

    The rescaler holds the float32 scale; the offset is a float32 value.
    """
    scale = np.float32(source.scale) / np.float32(result.scale) * (np.float32(1) / np.float32(count))
    return _float_scaling(scale, source, result, count, contract)


def sum_scaling(source: TensorSpec, result: TensorSpec, count: int, contract: Contract) -> tuple[Rescaler, float]:
    """Computes the form of SUM, that of MEAN without the count."""
    return _float_scaling(np.float32(source.scale) / np.float32(result.scale), source, result, count, contract)


def _float_scaling(
    scale: np.float32, source: TensorSpec, result: TensorSpec, count: int, contract: Contract
) -> tuple[Rescaler, float]:
    offset = np.float32(result.zero_point) - np.float32(source.zero_point) * np.float32(count) * scale
    return full_rescaler(float(scale), contract), float(offset)
