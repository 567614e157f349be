"""Operators of the integer network; those with a rescaler share one base class.

Activations are int8 or int16, in NHWC layout (batch, height, width, channels) or ``[batch, features]``; axes and shapes
leave the batch out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from nets.errors import NetworkError
from nets.network.quantization import weight_range
from nets.network.rescaler import Rescaler
from nets.network.tensors import FloatArray, IntArray, WeightArray

Pads = tuple[tuple[int, int], tuple[int, int]]  # (top, bottom), (left, right), in elements

_STORED_BITS = (8, 16)  # of a weight in memory: every int8 or int16 fits
SUM_LEFT_SHIFT = 20  # bits; of int8 operands, as in TFLite's add.cc
WIDE_SUM_LEFT_SHIFT = 15  # bits; of int16 operands
WIDE_BIAS_BITS = 48  # of the accumulators that TFLite's int64 kernels take


class Method(StrEnum):
    """How a narrow multiplier is reached."""

    ROUND = "round"  # keep the weights, round the multiplier
    ABSORB = "absorb"  # choose a representable multiplier, move the ratio into the weights or activation scales


@dataclass(frozen=True, eq=False, kw_only=True)
class Operator:
    """One step of the network: a unique name of kind and position, such as ``conv_0``, and indices of tensors."""

    name: str
    inputs: tuple[int, ...]
    output: int

    @property
    def parts(self) -> tuple["NarrowableOperator", ...]:
        """The operators that run inside of this one, with names and tensors of their own; none but in a recurrence."""
        return ()

    def with_parts(self, parts: Sequence["NarrowableOperator"]) -> Self:
        """Returns the operator with other parts, as many and in the same order as :attr:`parts`."""
        if parts:
            raise NetworkError(f"operator {self.name!r} has no parts")
        return self


@dataclass(frozen=True, eq=False, kw_only=True)
class RescaledOperator(Operator):
    """An operator that ends in a rescaler: accumulate, rescale, add the output's zero point, clamp.

    Attributes:
        rescaler: takes the accumulator to the output's scale.
        q_min: the smallest output integer (the lower bound of a fused activation).
        q_max: the largest output integer.
    """

    rescaler: Rescaler
    q_min: int
    q_max: int

    @property
    def rescalers(self) -> tuple[Rescaler, ...]:
        """All rescalers in data order; the accumulator's is the last one."""
        return (self.rescaler,)

    def with_rescalers(self, rescalers: Sequence[Rescaler]) -> Self:
        """Returns the operator with other rescalers, as many and in the same order as :attr:`rescalers`."""
        return replace(self, rescaler=rescalers[-1])


@dataclass(frozen=True, eq=False, kw_only=True)
class NarrowableOperator(RescaledOperator):
    """A rescaled operator whose multiplier width is a design variable; ``method`` is how its width was reached."""

    method: Method = Method.ROUND


@dataclass(frozen=True, eq=False, kw_only=True)
class Weighted(NarrowableOperator):
    """An operator with weights, a bias and rescaler constants for each output channel.

    Attributes:
        weights: int8, or int16 beyond 8 bits or if a zero point was subtracted; ``[out, height, width, in / groups]``
            of a convolution, ``[out, in]`` of a fully connected layer.
        bias: int64 within ``bias_bits``, ``[out]``, in units of ``s_x * s_w``.
        weight_scale: float64 ``[out]`` (per channel) or ``[1]`` (per tensor); symmetric, zero point 0.
        bias_bits: width of the bias in bits: 32, or 48 if the model's biases are int64.
        weight_bits: width of the stored weights in bits; symmetric range ``+-(2**(bits-1) - 1)`` (int8 may hold -128).
        weight_zero_point: what was subtracted from stored int8 weights (asymmetric ones of old uint8 models); they then
            take a bit more in the multiplier of a MAC.

    Raises:
        NetworkError: a weight does not fit ``weight_bits``.
    """

    weights: WeightArray
    bias: IntArray
    weight_scale: FloatArray
    weight_bits: int = 8
    bias_bits: int = 32
    weight_zero_point: int = 0

    def __post_init__(self) -> None:
        if (self.weight_bits in _STORED_BITS and not self.weight_zero_point) or not self.weights.size:
            return
        low, high = int(self.weights.min()), int(self.weights.max())
        least, most = self.weight_range
        if low < least or high > most:
            raise NetworkError(
                f"operator {self.name!r} has weights from {low} to {high}; weight_bits = {self.weight_bits} holds "
                f"{least} to {most}"
            )

    @property
    def weight_range(self) -> tuple[int, int]:
        """The smallest and the largest weight that requantization gives."""
        return weight_range(self.weight_bits, self.weight_zero_point)

    @property
    def out_channels(self) -> int:
        """The number of output channels."""
        return int(self.weights.shape[0])


@dataclass(frozen=True, eq=False, kw_only=True)
class Sliding(Weighted):
    """An operator whose weights slide over an image: the part that convolutions share.

    Attributes:
        stride: (vertical, horizontal).
        dilation: (vertical, horizontal).
        padding: explicit padding, filled with the input's zero point.
        groups: the number of groups of input channels.
    """

    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Pads
    groups: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Convolution(Sliding):
    """A 2-D convolution; depthwise if ``groups`` equals the number of input channels."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TransposedConvolution(Sliding):
    """A 2-D convolution over the input with zeros, real ones, between its elements: TRANSPOSE_CONV.

    Its stride and dilation are 1, it has one group, and its weights are those of the file with height and width
    reversed.

    Attributes:
        spacing: (vertical, horizontal) distance of the input's elements in the image that the weights slide over.
    """

    spacing: tuple[int, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class FullyConnected(Weighted):
    """A fully connected layer, ``[batch, in] -> [batch, out]``."""


class ElementwiseKind(StrEnum):
    """What an elementwise sum computes."""

    ADD = "add"
    SUB = "sub"


@dataclass(frozen=True, eq=False, kw_only=True)
class ElementwiseSum(NarrowableOperator):
    """``y = x0 + x1`` or ``x0 - x1``: both inputs are shifted left, rescaled to a common scale, summed and rescaled.

    The common scale is twice the larger input scale, so that input's multiplier is exactly 1/2
    (TFLite reference kernels, ``left_shift`` 20, or 15 of int16 operands).

    Attributes:
        left_shift: bits by which each input, its zero point subtracted, is shifted left before its rescaler.
        input_rescalers: take the two inputs to the common scale.
    """

    kind: ElementwiseKind
    left_shift: int
    input_rescalers: tuple[Rescaler, Rescaler]

    @property
    def sign(self) -> int:
        """The sign of the second input: 1 for a sum, -1 for a difference."""
        return 1 if self.kind is ElementwiseKind.ADD else -1

    @property
    def rescalers(self) -> tuple[Rescaler, ...]:
        """The rescalers of both inputs, then the one of the sum."""
        return (*self.input_rescalers, self.rescaler)

    def with_rescalers(self, rescalers: Sequence[Rescaler]) -> Self:
        """Returns the operator with three other rescalers, in the order of :attr:`rescalers`."""
        left, right, final = rescalers
        return replace(self, input_rescalers=(left, right), rescaler=final)


@dataclass(frozen=True, eq=False, kw_only=True)
class ElementwiseProduct(NarrowableOperator):
    """``y = x0 * x1``: zero points are subtracted, one rescaler of ``s_0 * s_1 / s_y``."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Requantize(RescaledOperator):
    """A stand-alone change of quantization, or activation: QUANTIZE between integers, RELU, RELU6."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Sum(RescaledOperator):
    """The sum over axes: that of the inputs, zero point subtracted, rescaled by ``s_x / s_y``.

    Attributes:
        axes: axes of the tensor's shape, from 0.
        count: the number of elements summed.
        float_offset: none, or XNNPACK's form: the inputs are summed with their zero point, and the output is
            ``rint(float32(sum) * scale + float_offset)``, every step in float32, output zero point included.
    """

    axes: tuple[int, ...]
    count: int
    float_offset: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Mean(Sum):
    """The mean over axes: the sum rescaled by ``s_x / (s_y * count)``."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Operator):
    """Reduces each window's valid elements to one; scales are equal, so there is no rescaler.

    Attributes:
        kernel: (vertical, horizontal).
        stride: (vertical, horizontal).
        padding: elements that no window counts.
        q_min: the smallest output integer (the lower bound of a fused activation).
        q_max: the largest output integer.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Pads
    q_min: int
    q_max: int


@dataclass(frozen=True, eq=False, kw_only=True)
class AveragePool(Pool):
    """The mean of each window, rounded half away from ``centre``.

    Attributes:
        centre: 0 in TFLite's int8 kernels, the zero point in TOSA's; -128 rounds half up, as kernels of uint8 do.
    """

    centre: int = 0


class MaxPool(Pool):
    """The maximum of each window."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Operator):
    """Constant padding with the zero point, (before, after) for every axis."""

    padding: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class FilledPad(Operator):
    """Constant padding with any integer, (before, after) for every axis: PADV2."""

    padding: tuple[tuple[int, int], ...]
    value: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Concatenation(Operator):
    """Joins tensors along an axis (from 0); all scales and zero points are equal, so integers are only moved."""

    axis: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Stack(Operator):
    """Joins tensors of one shape along a new axis (from 0) of the output; scales and zero points are equal: PACK."""

    axis: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Operator):
    """Gives the same elements, in order, another shape: RESHAPE, SQUEEZE, EXPAND_DIMS."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Transpose(Operator):
    """Permutes the axes; ``permutation`` is the input's axis for each output axis, from 0."""

    permutation: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Rearrangement(Operator):
    """Takes elements of one tensor in a fixed order, some of them several times or not at all.

    SLICE, STRIDED_SLICE, GATHER, TILE, REVERSE_V2, DEPTH_TO_SPACE, SPACE_TO_DEPTH, RESIZE_NEAREST_NEIGHBOR,
    MIRROR_PAD, BROADCAST_TO; each output of SPLIT, SPLIT_V and UNPACK; and of the joined operands of SELECT.

    Attributes:
        positions: int64, the output's shape: for each element, the input's position if a sample is flattened.
    """

    positions: IntArray


@dataclass(frozen=True, eq=False, slots=True)
class Neighbours:
    """The two source positions of each new position along one axis, and the share of the second, int64 ``[new]``.

    Attributes:
        first, second: positions in the source.
        share: of the second, in units of ``2**-fraction_bits``.
    """

    first: IntArray
    second: IntArray
    share: IntArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Interpolation(Operator):
    """RESIZE_BILINEAR: each output is a weighted mean of four neighbours, in integers; scales are equal.

    Attributes:
        rows, columns: the neighbours along height and width.
        fraction_bits: of the shares along one axis.
        half_up: whether the mean is rounded half up, as XNNPACK does; otherwise half away from zero, as TFLite does.
    """

    rows: Neighbours
    columns: Neighbours
    fraction_bits: int
    half_up: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Extremum(Operator):
    """MINIMUM or MAXIMUM of two tensors; all scales and zero points are equal.

    Attributes:
        largest: whether it is the maximum.
    """

    largest: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class ReducedExtremum(Operator):
    """REDUCE_MIN or REDUCE_MAX over axes; scales and zero points are equal.

    Attributes:
        axes: axes of the tensor's shape, from 0.
        largest: whether it is the maximum.
    """

    axes: tuple[int, ...]
    largest: bool


# Operators whose outputs keep the quantization of their inputs.
SHARING_QUANTIZATION = (
    *(Pool, Pad, FilledPad, Concatenation, Stack, Reshape, Transpose, Rearrangement),
    *(Interpolation, Extremum, ReducedExtremum),
)
