"""Constants of a network's rescalers as hardware holds them, folded if that is exact.

At ``k = 1`` a rescaler is ``clamp(z + round(acc >> r))``. Under ``half_up`` and ``floor`` its rounding constant and its
zero point are integers that the accumulator can start from, so that a shift and a clamp are left:

    z + ((acc + 2**(r-1)) >> r)  ==  (acc + 2**(r-1) + (z << r)) >> r

No output integer changes. In an elementwise sum whose inputs are wired shifts, the zero points of the inputs join them.
docs/numerics.md has the derivation.
"""

from dataclasses import dataclass, replace

import numpy as np

from nets.narrow.certificates import Interval, NetworkCertificate, certify
from nets.network import (
    Contract,
    ElementwiseSum,
    IntArray,
    NarrowableOperator,
    QuantizedNetwork,
    Rescaler,
    TensorSpec,
    Weighted,
)

ACCUMULATOR_BITS = 32  # of the widest accumulator that constants are folded into, unless biases are wider


@dataclass(frozen=True, eq=False, slots=True)
class StageConstants:
    """Integers of one multiply-and-shift in every channel, and the width of what enters it.

    Attributes:
        operand_bits: width in bits of a signed operand that holds all that can enter. Of an operator with weights: the
            bias and every partial sum, in whatever order the products are added to it.
        multiplier_bits: width ``k`` of the stored multiplier, in bits.
        multiplier: int64 ``[channels]``, ``2**(k-1) <= m < 2**k``.
        right_shift: int64 ``[channels]``, in bits; negative is a left shift.
    """

    operand_bits: int
    multiplier_bits: int
    multiplier: IntArray
    right_shift: IntArray

    @property
    def right_shift_min(self) -> int:
        """The smallest right shift, in bits."""
        return int(self.right_shift.min())

    @property
    def right_shift_max(self) -> int:
        """The largest right shift, in bits."""
        return int(self.right_shift.max())

    @property
    def constant_multiplier(self) -> int | None:
        """The multiplier, if it is the same in every channel."""
        return int(self.multiplier[0]) if (self.multiplier == self.multiplier[0]).all() else None


@dataclass(frozen=True, slots=True)
class SumInput:
    """An input of an elementwise sum: ``x0 - x1`` is computed as ``x0 + ~x1``, as ``~x == -1 - x``.

    Attributes:
        position: which of the operator's inputs it is, 0 or 1.
        zero_point: zero point of the stored integer, complemented if that is.
        complemented: whether the bits of the stored integer are inverted.
    """

    position: int
    zero_point: int
    complemented: bool


@dataclass(frozen=True, eq=False, slots=True)
class RescalerConstants:
    """All constants of one operator's rescaler in hardware; it computes the operator's integers.

    Unfolded, it computes ``clamp(z + round((acc + offset) * m >> r))``, folded ``clamp((acc + offset) >> r)``.

    Attributes:
        stages: multiply-and-shifts in data order; the last one's operand is the accumulator. An elementwise sum has
            two: the first one takes its first input to the common scale; the second input is halved by wiring.
        offset: int64 ``[channels]``, added to the accumulator; 0 unfolded. An operator with weights has it in its bias.
            A folded sum adds it to its shifted, stored inputs.
        accumulator: proven range of the accumulator, offset included.
        inputs: inputs of an elementwise sum, in the order of the unit; empty otherwise.
        saturates: whether the clamp's bounds are the ends of the output's type.
        unfolded_because: why it is not folded, in one line; empty if it is.
        unfolded_bits: width in bits of the last stage's operand if it were not folded.
        live: of an operator with weights, the output channels that all arrays are for, int64 ``[channels]``: those
            whose output is not proven constant (the first channel, if every one is). Hardware computes no others. None
            if one set of constants serves all channels.
    """

    stages: tuple[StageConstants, ...]
    offset: IntArray
    accumulator: Interval
    inputs: tuple[SumInput, ...]
    saturates: bool
    unfolded_because: str
    unfolded_bits: int
    live: IntArray | None = None

    @property
    def folded(self) -> bool:
        """Whether rounding constant and zero point are part of the offset."""
        return not self.unfolded_because


def rescaler_constants(network: QuantizedNetwork, obstacle: str = "") -> dict[str, RescalerConstants]:
    """Returns the constants of every rescaler whose width is a design variable, by operator name.

    Args:
        network: the design.
        obstacle: why the hardware folds no rescaler, in one line; empty if it folds all that can be.
    """
    certificate = certify(network)
    return {
        operator.name: _constants(operator, network, certificate, obstacle)
        for operator in network.narrowable_operators()
    }


def _constants(
    operator: NarrowableOperator, network: QuantizedNetwork, certificate: NetworkCertificate, obstacle: str
) -> RescalerConstants:
    match operator:
        case Weighted():
            return _of_channels(operator, network, certificate, obstacle)
        case ElementwiseSum():
            return _of_sum(operator, network, certificate.accumulators[operator.name], obstacle)
    interval = certificate.accumulators[operator.name]
    stage = _stage(operator.rescaler, interval.signed_bits, channels=1)
    reason = "a product has no bias that could hold the constants"
    return _assembled(operator, network, (stage,), np.zeros(1, np.int64), interval, unfolded_because=reason)


def _of_channels(
    operator: Weighted, network: QuantizedNetwork, certificate: NetworkCertificate, obstacle: str
) -> RescalerConstants:
    """Returns the constants of an operator with weights, of its live channels."""
    live = _live(certificate.tensors[operator.output])
    interval = certificate.accumulators[operator.name].of(live)
    sums = certificate.partial_sums[operator.name].of(live)
    every = _stage(operator.rescaler, sums.signed_bits, operator.out_channels)
    stage = replace(every, multiplier=every.multiplier[live], right_shift=every.right_shift[live])
    contract, zero_point = operator.rescaler.contract, network.tensors[operator.output].zero_point
    offset = _folded_offset(stage.right_shift, contract, zero_point)
    bits = sums.plus(offset).signed_bits
    reason = (
        obstacle or _obstacle(stage, contract, stage.right_shift, zero_point) or _too_wide(bits, operator.bias_bits)
    )
    if reason:
        offset, bits = np.zeros_like(offset), sums.signed_bits
    stages = (replace(stage, operand_bits=bits),)
    made = _assembled(operator, network, stages, offset, interval.plus(offset), unfolded_because=reason)
    return replace(made, live=live, unfolded_bits=sums.signed_bits)


def _live(output: Interval) -> IntArray:
    """Returns the channels whose output is not proven constant; the first one if all are."""
    live: IntArray = np.flatnonzero(~output.is_point)
    return live if live.size else np.zeros(1, np.int64)


def _of_sum(
    operator: ElementwiseSum, network: QuantizedNetwork, interval: Interval, obstacle: str
) -> RescalerConstants:
    """Returns the constants of an elementwise sum or difference."""
    inputs = _sum_inputs(operator, network)
    first = _input_stage(operator, network, inputs[0].position)
    last = _stage(operator.rescaler, interval.signed_bits, channels=1)
    zero_point = network.tensors[operator.output].zero_point
    constant = _folded_offset(last.right_shift, operator.rescaler.contract, zero_point)
    folded = interval.plus(constant)
    shifts = (-first.right_shift_min, operator.left_shift - 1)
    reason = (
        obstacle
        or _input_obstacle(operator)
        or _sum_obstacle(last.right_shift_min, min(shifts))
        or _obstacle(last, operator.rescaler.contract, last.right_shift, zero_point)
        or _too_wide(folded.signed_bits, ACCUMULATOR_BITS)
    )
    if reason:
        offset = np.zeros(1, np.int64)
        return _assembled(operator, network, (first, last), offset, interval, inputs, unfolded_because=reason)
    last = StageConstants(folded.signed_bits, last.multiplier_bits, last.multiplier, last.right_shift)
    zeros = sum(each.zero_point << shift for each, shift in zip(inputs, shifts, strict=True))
    made = _assembled(operator, network, (first, last), constant - zeros, folded, inputs, unfolded_because="")
    return replace(made, unfolded_bits=interval.signed_bits)


def _sum_inputs(operator: ElementwiseSum, network: QuantizedNetwork) -> tuple[SumInput, ...]:
    """Returns the inputs of a sum, the one that is not exactly halved first."""
    scaled = [position for position, each in enumerate(operator.input_rescalers) if not _is_halving(each)]
    first = scaled[0] if scaled else 0
    return tuple(_sum_input(operator, network, position) for position in (first, 1 - first))


def _sum_input(operator: ElementwiseSum, network: QuantizedNetwork, position: int) -> SumInput:
    zero_point = network.tensors[operator.inputs[position]].zero_point
    complemented = position == 1 and operator.sign < 0
    return SumInput(position, ~zero_point if complemented else zero_point, complemented)


def _input_stage(operator: ElementwiseSum, network: QuantizedNetwork, position: int) -> StageConstants:
    """Returns the stage of a sum's first input, whose operand is a difference of two stored integers."""
    operand_bits = 1 + max(network.tensors[index].bits for index in operator.inputs)
    rescaler = operator.input_rescalers[position]
    if _is_halving(rescaler):  # as the other input's, by wiring
        return StageConstants(operand_bits, 1, np.ones(1, np.int64), np.array([1 - operator.left_shift]))
    return _stage(rescaler, operand_bits, channels=1, wired_left_shift=operator.left_shift)


def _is_halving(rescaler: Rescaler) -> bool:
    return float(rescaler.scale[0]) == 0.5


def _stage(rescaler: Rescaler, operand_bits: int, channels: int, wired_left_shift: int = 0) -> StageConstants:
    """Returns the constants of a rescaler; a shift that empties every result becomes the first one that does."""
    k = rescaler.stored_bits
    emptying = operand_bits + k
    flushed = rescaler.multiplier == 0
    shift = np.where(flushed, emptying, np.minimum(rescaler.right_shift - wired_left_shift, emptying))
    multiplier = np.where(flushed, 2 ** (k - 1), rescaler.multiplier)
    return StageConstants(
        operand_bits, k, *(np.broadcast_to(each, channels).astype(np.int64) for each in (multiplier, shift))
    )


def _folded_offset(right_shift: IntArray, contract: Contract, zero_point: int) -> IntArray:
    """Returns rounding constant and zero point in units of the accumulator."""
    steps = np.maximum(right_shift, 0)
    zeros = np.where(right_shift >= 0, zero_point << steps, zero_point >> np.maximum(-right_shift, 0))
    halves = np.where(right_shift >= 1, 1 << np.maximum(right_shift - 1, 0), 0)
    offset: IntArray = zeros + halves if contract.name == "half_up" else zeros
    return offset


def _obstacle(stage: StageConstants, contract: Contract, right_shift: IntArray, zero_point: int) -> str:
    """Returns in one line why the last stage cannot be folded; empty if it can."""
    if stage.multiplier_bits > 1:
        return f"a multiplier of {stage.multiplier_bits} bits stands between the constants and the accumulator"
    if contract.name not in ("half_up", "floor"):
        return f"contract {contract.name} rounds by the accumulator's sign or twice, which no constant can do"
    smallest = int(right_shift.min()) if right_shift.size else 0
    if smallest < 0 and zero_point % (1 << -smallest):
        return f"zero point {zero_point} is no multiple of a left shift by {-smallest} bits"
    return ""


def _input_obstacle(operator: ElementwiseSum) -> str:
    """Returns in one line why an input of a sum is not a wired shift; empty if both are."""
    for rescaler in operator.input_rescalers:
        if not (_is_halving(rescaler) or rescaler.stored_bits == 1):
            return f"an input has a multiplier of {rescaler.stored_bits} bits"
        if int(rescaler.right_shift[0]) - rescaler.stored_bits + 1 > operator.left_shift:
            return f"an input's shift by {int(rescaler.right_shift[0])} bits drops bits before the sum"
    return ""


def _sum_obstacle(right_shift: int, left_shift: int) -> str:
    """Returns in one line why a sum's output shift is none after the shifts of its inputs; empty if it is one."""
    if right_shift < left_shift:
        return f"the sum's shift by {right_shift} bits takes back fewer than the {left_shift} of both inputs"
    return ""


def _too_wide(bits: int, most: int) -> str:
    return f"the folded accumulator would have {bits} bits, more than {most}" if bits > most else ""


def _assembled(
    operator: NarrowableOperator,
    network: QuantizedNetwork,
    stages: tuple[StageConstants, ...],
    offset: IntArray,
    accumulator: Interval,
    inputs: tuple[SumInput, ...] = (),
    *,
    unfolded_because: str,
) -> RescalerConstants:
    target = network.tensors[operator.output]
    return RescalerConstants(
        stages, offset, accumulator, inputs, _saturates(operator, target), unfolded_because, stages[-1].operand_bits
    )


def _saturates(operator: NarrowableOperator, target: TensorSpec) -> bool:
    return (operator.q_min, operator.q_max) == (target.q_min, target.q_max)
