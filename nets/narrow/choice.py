"""The choice of one rescaler: what its multiplier and shift are narrowed to, and how."""

from dataclasses import dataclass

from nets.network import Method


@dataclass(frozen=True, slots=True)
class RescalerChoice:
    """What one rescaler is narrowed to.

    Attributes:
        multiplier_bits: width ``k`` of the multiplier, 1 (a pure shift) to 31 (int32, Q31) bits.
        method: how that width is reached.
        shift_bits: width ``S`` of the shift, in bits: the channels share a window of ``2**S`` right shifts, and 0 is
            one constant shift; None leaves every channel its natural shift.
    """

    multiplier_bits: int
    method: Method = Method.ROUND
    shift_bits: int | None = None
