"""The recurrent part of an LSTM layer: what a step computes from the step before, in 16-bit fixed point.

The products of inputs and weights do not depend on the state: they are fully connected layers of the network, with
outputs of int16 in steps of ``2**-12``. The rest is one operator.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from nets.network.operators import Operator
from nets.network.rescaler import Rescaler
from nets.network.tensors import Int8Array, IntArray

GATE_INTEGER_BITS = 3  # of the int16 that enters a gate
GATE_SCALE = 2.0 ** (GATE_INTEGER_BITS - 15)
GATES = ("input", "forget", "cell", "output")


@dataclass(frozen=True, eq=False, slots=True)
class StateProduct:
    """A matrix that multiplies a state, rescaled: ``rescale(weights @ (state - zero_point) + bias)``.

    Attributes:
        weights: int8 ``[out, in]``.
        bias: int64 ``[out]``, in units of the product.
        weight_scale: of the weights, real value of one step.
        rescaler: of one multiplier and shift.
    """

    weights: Int8Array
    bias: IntArray
    weight_scale: float
    rescaler: Rescaler


@dataclass(frozen=True, eq=False, kw_only=True)
class LstmRecurrence(Operator):
    """All steps of an LSTM layer from a fresh state: UNIDIRECTIONAL_SEQUENCE_LSTM without the products of its inputs.

    Its inputs are those products, int16 ``[steps, cells]`` for each of its gates, in the order of ``GATES``. A step
    computes, with every sum saturated to int16,

        gate = sigmoid(product + recurrent @ (h - h_zero)), of the cell gate tanh
        c = round(forget * c * 2**-15) + round(input * cell * 2**-(30 + cell_exponent)), clipped
        hidden = clamp(hidden_zero + rescale(output * tanh(c)))
        h = hidden, or clamp(h_zero + rescale(projection @ (hidden - hidden_zero) + bias)), clipped

    (TFLite ``lstm_eval.cc``, 8x8_16.) Without an input gate it is ``32767 - forget``.

    Attributes:
        gates: which gates it has: all of ``GATES``, or the last three.
        recurrent: a product for each gate, in the same order.
        cell_exponent: log2 of the cell state's scale.
        cell_clip: largest magnitude of the cell state; 0 for none.
        hidden_rescaler: takes ``output * tanh(c)``, in steps of ``2**-30``, to the hidden state.
        hidden_zero: zero point of the hidden state.
        projection: the matrix behind the hidden state, or None.
        projection_clip: largest magnitude of the projection's integers; 0 for none.
        q_min: the smallest output integer.
        q_max: the largest output integer.
    """

    gates: tuple[str, ...]
    recurrent: tuple[StateProduct, ...]
    cell_exponent: int
    cell_clip: int
    hidden_rescaler: Rescaler
    hidden_zero: int
    projection: StateProduct | None
    projection_clip: int
    q_min: int
    q_max: int

    @property
    def rescalers(self) -> tuple[Rescaler, ...]:
        """The rescalers of the recurrent products, of the hidden state and, if there is one, of the projection."""
        last = () if self.projection is None else (self.projection.rescaler,)
        return (*(each.rescaler for each in self.recurrent), self.hidden_rescaler, *last)

    def with_rescalers(self, rescalers: Sequence[Rescaler]) -> Self:
        """Returns the operator with other rescalers, as many and in the same order as :attr:`rescalers`."""
        count = len(self.recurrent)
        recurrent = (replace(each, rescaler=own) for each, own in zip(self.recurrent, rescalers, strict=False))
        projection = None if self.projection is None else replace(self.projection, rescaler=rescalers[-1])
        return replace(
            self,
            recurrent=tuple(recurrent),
            hidden_rescaler=rescalers[count],
            projection=projection,
        )
