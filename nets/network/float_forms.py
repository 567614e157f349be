"""ONNX Runtime's forms of int8 operators: computed in float32, with the file's own zero points.

A function of one int8 is a table of 256 outputs, one of two int8 a table of 65,536; an average is summed in order.
Sources: ONNX Runtime's ``qlinear_lookup_table.cc``, ``qladd_avx2.cpp``, ``qlmul.cpp`` and ``qlinear_pool.cc``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from nets.network.lookup import Tabulated
from nets.network.operators import AveragePool, Operator
from nets.network.tensors import ActivationArray, FloatArray, IntArray, TensorSpec

_INTEGERS = np.arange(-128, 128, dtype=np.int64)

Float32Array = npt.NDArray[np.float32]

# Rational approximation of tanh as ONNX Runtime (``tanh.cpp``) and Eigen have it; in powers of x**2, highest first.
_TANH_REACH = np.float32(9)
_TANH_NUMERATOR = (
    -2.76076847742355e-16,
    2.00018790482477e-13,
    -8.60467152213735e-11,
    5.12229709037114e-08,
    1.48572235717979e-05,
    6.37261928875436e-04,
    4.89352455891786e-03,
)
_TANH_DENOMINATOR = (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)


class Curve(StrEnum):
    """A real function of one value; what its parameters are."""

    CLIP = "clip"  # low, high: also the identity and ReLU
    ELU = "elu"  # alpha
    HARD_SIGMOID = "hard_sigmoid"  # alpha, beta
    HARD_SWISH = "hard_swish"  # none
    LEAKY_RELU = "leaky_relu"  # alpha
    SIGMOID = "sigmoid"  # none
    TANH = "tanh"  # none


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatLookup(Tabulated):
    """A function of dequantized values, whose result is quantized, half to even, every step in float32.

    Attributes:
        curve: the function.
        parameters: its parameters, float32 values.
    """

    curve: Curve
    parameters: tuple[float, ...]

    def tabulated(self, source: TensorSpec, target: TensorSpec) -> ActivationArray:
        """Computes the table between tensors of these scales and zero points."""
        return curve_table(self.curve, self.parameters, source, target)


def curve_table(curve: Curve, parameters: tuple[float, ...], source: TensorSpec, target: TensorSpec) -> ActivationArray:
    """Computes the outputs, int8 ``[256]``, of -128 to 127 of the input."""
    reals = _dequantized(_INTEGERS, source)
    with np.errstate(over="ignore"):  # 1 / (1 + infinity) is the 0 that it should be
        values = _CURVES[curve](reals, *(np.float32(each) for each in parameters))
    return _quantized(values.astype(np.float32), target)


class PairKind(StrEnum):
    """How two int8 give one."""

    FUSED_SUM = "fused_sum"  # QLinearAdd
    FUSED_PRODUCT = "fused_product"  # QLinearMul
    DIFFERENCE = "difference"  # dequantized, subtracted, quantized


@dataclass(frozen=True, eq=False, kw_only=True)
class PairLookup(Operator):
    """A function of two int8, element by element.

    Attributes:
        kind: what it computes.
        offsets: what is added to the integers of both inputs and of the output to give the file's: 128 for uint8.
        swapped: whether the runtime takes the second input first, as it does if it repeats an element of the first.
        table: int8 ``[256, 256]``: the outputs for the first and the second input, each from -128 to 127.
    """

    kind: PairKind
    offsets: tuple[int, int, int]
    swapped: bool
    table: ActivationArray

    def between(self, left: TensorSpec, right: TensorSpec, target: TensorSpec) -> "PairLookup":
        """Returns the operator with the table of tensors of these scales and zero points."""
        return replace(self, table=pair_table(self.kind, self.offsets, (left, right, target), swapped=self.swapped))


def pair_table(
    kind: PairKind,
    offsets: tuple[int, int, int],
    specs: tuple[TensorSpec, TensorSpec, TensorSpec],
    *,
    swapped: bool,
) -> ActivationArray:
    """Computes the outputs, int8 ``[256, 256]``, of all pairs of integers."""
    first, second = _INTEGERS[:, None], _INTEGERS[None, :]
    left, right, target = specs
    if kind is PairKind.DIFFERENCE:
        return _frozen(_quantized(_dequantized(first, left) - _dequantized(second, right), target))
    zeros = [spec.zero_point + offset for spec, offset in zip(specs, offsets, strict=True)]
    if kind is PairKind.FUSED_PRODUCT:
        ratio = np.float32(left.scale) * np.float32(right.scale) / np.float32(target.scale)
        products = ((first - left.zero_point) * (second - right.zero_point)).astype(np.float32)
        values = products * ratio + np.float32(zeros[2])
    else:
        order = (1, 0) if swapped else (0, 1)
        integers = [(first + offsets[0], second + offsets[1])[at] for at in order]
        ratios = [np.float32(specs[at].scale) / np.float32(target.scale) for at in order]
        values = _fused_sum(integers, ratios, [zeros[at] for at in order], zeros[2])
    steps = np.rint(values).astype(np.int64) - offsets[2]
    return _frozen(np.clip(steps, target.q_min, target.q_max).astype(np.int8))


def _fused_sum(integers: list[IntArray], ratios: list[np.float32], zeros: list[int], offset: int) -> Float32Array:
    """Computes ``fma(x0, r0, fma(x1, r1, z_y - fma(r0, z0, r1 * z1)))``, the zero points those of the file."""
    product = np.float32(ratios[1] * np.float32(zeros[1]))
    shift = np.float32(offset) - _fma(np.array(zeros[0]), ratios[0], np.asarray(product))
    return _fma(integers[0], ratios[0], _fma(integers[1], ratios[1], np.asarray(shift)))


def _fma(integers: IntArray, ratio: np.float32, addend: Float32Array) -> Float32Array:
    """Computes ``x * ratio + addend`` with one rounding.

    Product and sum are exact in float64 for integers of 8 bits if the ratio is in [2**-14, 2**8).
    """
    return (integers.astype(np.float64) * np.float64(ratio) + addend.astype(np.float64)).astype(np.float32)


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatAveragePool(AveragePool):
    """The mean of each window: dequantized values summed in order, divided and quantized, every step in float32.

    Attributes:
        offset: what is added to the integers to give the file's: 128 for uint8.
    """

    offset: int


def _dequantized(integers: IntArray, spec: TensorSpec) -> Float32Array:
    return (integers - spec.zero_point).astype(np.float32) * np.float32(spec.scale)


def _quantized(values: Float32Array, target: TensorSpec) -> ActivationArray:
    steps = np.rint(np.clip(values / np.float32(target.scale), -(2.0**15), 2.0**15)).astype(np.int64)
    return _frozen(np.clip(steps + target.zero_point, target.q_min, target.q_max).astype(np.int8))


def _frozen(table: ActivationArray) -> ActivationArray:
    table.flags.writeable = False
    return table


def _sigmoid(x: Float32Array) -> FloatArray:
    values: FloatArray = 1 / (1 + np.exp(-x.astype(np.float64)))
    return values


def _tanh(x: Float32Array) -> Float32Array:
    """Computes ONNX Runtime's quotient of polynomials: near +-1 it reaches 1 earlier than a rounded tanh."""
    bounded = np.clip(x, -_TANH_REACH, _TANH_REACH)
    square = bounded * bounded
    return _polynomial(square, _TANH_NUMERATOR) * bounded / _polynomial(square, _TANH_DENOMINATOR)


def _polynomial(x: Float32Array, coefficients: tuple[float, ...]) -> Float32Array:
    """Evaluates a polynomial, highest power first, with one rounding to float32 for each power (fma)."""
    total = np.full(x.shape, np.float32(coefficients[0]), np.float32)
    for coefficient in coefficients[1:]:
        exact = total.astype(np.float64) * x.astype(np.float64)
        total = (exact + np.float64(np.float32(coefficient))).astype(np.float32)
    return total


def _hard_sigmoid(x: Float32Array, alpha: np.float32, beta: np.float32) -> Float32Array:
    gate: Float32Array = np.clip(x * alpha + beta, np.float32(0), np.float32(1))
    return gate


def _hard_swish(x: Float32Array) -> Float32Array:
    return x * _hard_sigmoid(x, np.float32(1) / np.float32(6), np.float32(0.5))


def _elu(x: Float32Array, alpha: np.float32) -> FloatArray:
    values: FloatArray = np.where(x < 0, alpha * np.expm1(x.astype(np.float64)), x)
    return values


_CURVES: dict[Curve, Callable[..., FloatArray | Float32Array]] = {
    Curve.CLIP: lambda x, low, high: np.clip(x, low, high),
    Curve.ELU: _elu,
    Curve.HARD_SIGMOID: _hard_sigmoid,
    Curve.HARD_SWISH: _hard_swish,
    Curve.LEAKY_RELU: lambda x, alpha: np.where(x >= 0, x, alpha * x),
    Curve.SIGMOID: _sigmoid,
    Curve.TANH: _tanh,
}
