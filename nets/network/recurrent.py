"""The recurrent part of an LSTM layer: what a step computes from the step before, in 16-bit fixed point.

The products of inputs and weights do not depend on the state: they are fully connected layers of the network, with
outputs of int16 in steps of ``2**-12``. The rest is one operator, whose products and rescalers are its parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from nets.errors import NetworkError
from nets.network.operators import ElementwiseProduct, FullyConnected, NarrowableOperator, Operator

GATE_INTEGER_BITS = 3  # of the int16 that enters a gate
GATE_SCALE = 2.0 ** (GATE_INTEGER_BITS - 15)
# Of the rescaled product of the state and a gate's weights. It is added to an int16, and the sum saturates to int16:
# beyond 17 bits it changes nothing.
STATE_PRODUCT_BITS = 17
ACTIVATED_SCALE = 2.0**-15  # of the results of sigmoid and tanh
ACTIVATED_BITS = 16
GATES = ("input", "forget", "cell", "output")


@dataclass(frozen=True, eq=False, kw_only=True)
class GatedCell(ElementwiseProduct):
    """``output * tanh(c)``, rescaled to the hidden state: both are int16 in steps of ``2**-15``."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LstmRecurrence(Operator):
    """All steps of an LSTM layer from a fresh state: UNIDIRECTIONAL_SEQUENCE_LSTM without the products of its inputs.

    Its inputs are those products, int16 ``[steps, cells]`` for each of its gates, in the order of ``GATES``. A step
    computes, with every sum saturated to int16,

        gate = sigmoid(product + recurrent(h)), of the cell gate tanh
        c = round(forget * c * 2**-15) + round(input * cell * 2**-(30 + cell_exponent)), clipped
        hidden = gated(output, tanh(c))
        h = hidden, or projection(hidden), clipped

    (TFLite ``lstm_eval.cc``, 8x8_16.) Without an input gate it is ``32767 - forget``. The tensors of its parts hold all
    steps, ``[steps, cells]`` or ``[steps, outputs]``; no operator of the network makes them.

    Attributes:
        gates: which gates it has: all of ``GATES``, or the last three.
        recurrent: a product of the state for each gate, in the same order, in steps of the gate's sum.
        cell_exponent: log2 of the cell state's scale.
        cell_clip: largest magnitude of the cell state; 0 for none.
        hidden: takes the output gate and ``tanh(c)`` to the hidden state.
        projection: the layer behind the hidden state, or None.
        projection_clip: largest magnitude of the projection's integers; 0 for none.
        q_min: the smallest output integer.
        q_max: the largest output integer.
    """

    gates: tuple[str, ...]
    recurrent: tuple[FullyConnected, ...]
    cell_exponent: int
    cell_clip: int
    hidden: GatedCell
    projection: FullyConnected | None
    projection_clip: int
    q_min: int
    q_max: int

    @property
    def parts(self) -> tuple[NarrowableOperator, ...]:
        """The products of the state, the hidden state's product and, if there is one, the projection."""
        return (*self.recurrent, self.hidden, *(() if self.projection is None else (self.projection,)))

    def with_parts(self, parts: Sequence[NarrowableOperator]) -> Self:
        """Returns the operator with other parts, as many and in the same order as :attr:`parts`."""
        recurrent = tuple(part for part in parts[: len(self.recurrent)] if isinstance(part, FullyConnected))
        hidden, *last = parts[len(self.recurrent) :]
        projection = last[0] if last else None
        if not isinstance(hidden, GatedCell) or not isinstance(projection, FullyConnected | None):
            raise NetworkError(f"parts {[part.name for part in parts]} are not those of {self.name!r}")
        return replace(self, recurrent=recurrent, hidden=hidden, projection=projection)

    @property
    def state(self) -> int:
        """The tensor of the states that the steps begin with."""
        return self.recurrent[0].inputs[0]

    @property
    def of_state(self) -> tuple[int, ...]:
        """The tensors that have the state's quantization."""
        last = self.hidden if self.projection is None else self.projection
        return (self.output, self.state, last.output)
