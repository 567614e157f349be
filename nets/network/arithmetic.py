"""Operators of two tensors, or of one and constants, that attention and normalisation need beside sums and products."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from nets.network.operators import NarrowableOperator, Operator, RescaledOperator
from nets.network.rescaler import Rescaler
from nets.network.tensors import IntArray


@dataclass(frozen=True, eq=False, kw_only=True)
class SquaredDifference(RescaledOperator):
    """``y = (x0 - x1) ** 2``: both inputs are shifted left, rescaled to a common scale and subtracted.

    The common scale is twice the larger input scale (TFLite's ``squared_difference.cc``, ``left_shift`` 7).

    Attributes:
        left_shift: bits by which each input, its zero point subtracted, is shifted left before its rescaler.
        input_rescalers: take the two inputs to the common scale.
    """

    left_shift: int
    input_rescalers: tuple[Rescaler, Rescaler]

    @property
    def rescalers(self) -> tuple[Rescaler, ...]:
        """The rescalers of both inputs, then the one of the square."""
        return (*self.input_rescalers, self.rescaler)

    def with_rescalers(self, rescalers: Sequence[Rescaler]) -> Self:
        """Returns the operator with three other rescalers, in the order of :attr:`rescalers`."""
        left, right, final = rescalers
        return replace(self, input_rescalers=(left, right), rescaler=final)


@dataclass(frozen=True, eq=False, kw_only=True)
class MatrixProduct(NarrowableOperator):
    """Products of matrices, the last two axes of two tensors, zero points subtracted: BATCH_MATMUL.

    Other axes are repeated where one of both has a single element. One rescaler of ``s_0 * s_1 / s_y``.

    Attributes:
        transposed: whether the last two axes of the first and of the second tensor are exchanged first.
    """

    transposed: tuple[bool, bool]

    def depth(self, left: tuple[int, ...]) -> int:
        """Returns the number of products in a sum, given the shape of the first tensor."""
        return left[-2] if self.transposed[0] else left[-1]


@dataclass(frozen=True, eq=False, kw_only=True)
class ParametricRelu(Operator):
    """PRELU: each value, or if it is negative its product with a learned slope.

    Attributes:
        slopes: int64, their zero point subtracted; the shape repeats to the input's.
        slope_scale: the real value of one step of the slopes.
        positive: rescales values by ``s_x / s_y``.
        negative: rescales products by ``s_x * slope_scale / s_y``.
    """

    slopes: IntArray
    slope_scale: float
    positive: Rescaler
    negative: Rescaler
