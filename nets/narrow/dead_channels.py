"""Dead channels: those whose output is proven constant take a shift that the live ones need anyway.

Real models have many of them: filters with scales near 1e-10, or pre-activations that never exceed zero. At their own
shifts they would widen the shifter of the whole layer. As the network proves that their accumulators never change the
output, any shift is exact that, with a constant added to the bias, gives the same output over the whole interval.
"""

from dataclasses import dataclass

import numpy as np
import torch

from nets.narrow.certificates import BoolArray, Interval
from nets.network import Contract, IntArray, Rescaler, rescaling


@dataclass(frozen=True, eq=False, slots=True)
class Channels:
    """One-stage rescaling of every channel, and what is proven about it; arrays are ``[channels]``.

    Attributes:
        contract: the rounding rule.
        multiplier_bits: width ``k`` of the stored multiplier, in bits.
        multiplier: int64, ``2**(k-1) <= m < 2**k``.
        right_shift: int64, in bits.
        accumulator: reachable accumulators.
        partial_sums: what the accumulator can hold on the way there; contains the reachable accumulators.
        output: reachable output integers.
        zero_point: zero point of the output.
        q_min: smallest output integer.
        q_max: largest output integer.
    """

    contract: Contract
    multiplier_bits: int
    multiplier: IntArray
    right_shift: IntArray
    accumulator: Interval
    partial_sums: Interval
    output: Interval
    zero_point: int
    q_min: int
    q_max: int

    @property
    def live(self) -> BoolArray:
        """Channels whose output is not proven constant, bool ``[channels]``."""
        return ~self.output.is_point

    @property
    def nearest_live_shift(self) -> IntArray:
        """The shifts, each clipped to the range of the live channels; 0 if no channel is live."""
        live = self.right_shift[self.live]
        return np.clip(self.right_shift, live.min(), live.max()) if live.size else np.zeros_like(self.right_shift)


def settled(channels: Channels) -> tuple[IntArray, IntArray]:
    """Moves dead channels to shifts of the live ones, before zero point and rounding.

    A channel moves only if both ends of its interval, and so all accumulators between them, give the constant output
    under the contract, and if its partial sums then widen the accumulator by at most one bit, which costs less than the
    stages of the shifter that the channel would need at its own shift. Of several constants that can be added to its
    bias it takes the one that leaves the smallest partial sums.

    Returns:
        Right shifts ``[channels]``, and what is added to the accumulators ``[channels]``, 0 for live channels.
    """
    shift, offset = channels.right_shift, np.zeros_like(channels.right_shift)
    dead = ~channels.live
    if not dead.any() or dead.all():
        return shift, offset
    near = channels.nearest_live_shift
    smallest = np.full_like(offset, 1 << channels.partial_sums.signed_bits)  # one bit more than now
    for added in (np.zeros_like(offset), _beyond_clamp(channels, near), _centred(channels, near)):
        reach = _reach(channels.partial_sums.plus(added))
        better = dead & (reach < smallest) & _gives_output(channels, near, added)
        shift, offset = np.where(better, near, shift), np.where(better, added, offset)
        smallest = np.where(better, reach, smallest)
    return shift, offset


def _reach(interval: Interval) -> IntArray:
    """Returns the largest magnitude of each channel, of a negative number less one: ``2**(bits - 1)`` holds no more."""
    reach: IntArray = np.maximum(np.maximum(-interval.low - 1, interval.high), 0)
    return reach


def _gives_output(channels: Channels, shift: IntArray, offset: IntArray) -> BoolArray:
    """Returns which channels give their constant output at these shifts; of those that need no more bits than allowed.

    Both ends are clipped to the allowed accumulator, so that their products are exact.
    """
    bound = 1 << channels.partial_sums.signed_bits
    interval = channels.accumulator.plus(offset)
    rescale = rescaling(Rescaler(channels.contract, channels.multiplier_bits, channels.multiplier, shift))
    gives = np.ones(len(shift), np.bool_)
    for end in (interval.low, interval.high):
        scaled = rescale(torch.from_numpy(np.clip(end, -bound, bound - 1))).numpy()
        clamped = np.clip(scaled + channels.zero_point, channels.q_min, channels.q_max)
        gives &= clamped == channels.output.low
    return gives


def _beyond_clamp(channels: Channels, shift: IntArray) -> IntArray:
    """Returns what takes a channel that is constant at an end of the clamp to that end or beyond, 0 for the others."""
    steps, m = np.maximum(shift, 0), channels.multiplier
    below = ((channels.q_min - channels.zero_point) << steps) // m - channels.accumulator.high
    above = -((-(channels.q_max - channels.zero_point) << steps) // m) - channels.accumulator.low
    constant = channels.output.low
    return np.select([constant == channels.q_min, constant == channels.q_max], [below, above], 0)


def _centred(channels: Channels, shift: IntArray) -> IntArray:
    """Returns what takes the middle of a channel's interval to the middle of its output's step."""
    target = ((channels.output.low - channels.zero_point) << np.maximum(shift, 0)) // channels.multiplier
    return target - (channels.accumulator.low + channels.accumulator.high) // 2


def settled_folded(channels: Channels) -> tuple[IntArray, IntArray]:
    """Chooses shifts of dead channels in folded form, ``clamp((acc + offset) >> shift)``.

    A channel that is constant at an end of the clamp takes a shift of the live ones. Another one takes the nearest
    shift at which its whole interval is one step of the output, which may be larger than those of the live ones.

    Returns:
        Right shifts ``[channels]``, and offsets ``[channels]`` that are valid for dead channels.
    """
    low, high, constant = channels.accumulator.low, channels.accumulator.high, channels.output.low
    near = np.maximum(channels.nearest_live_shift, 0)
    inside = (constant > channels.q_min) & (constant < channels.q_max)
    shift = np.where(inside, np.maximum(near, _bit_length(high - low)), near)
    at_bottom = ((constant + 1) << shift) - 1 - high
    return shift, np.where(constant == channels.q_min, at_bottom, (constant << shift) - low)


def _bit_length(values: IntArray) -> IntArray:
    exponent: IntArray = np.frexp(values.astype(np.float64))[1].astype(np.int64)  # exact below 2**53
    return exponent
