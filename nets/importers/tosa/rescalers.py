"""RESCALE's constants as the project's rescalers: the same integers in the normal form of the multiplier."""

from dataclasses import dataclass

import numpy as np

from nets.errors import NetworkError
from nets.importers.tflite.builder import frozen
from nets.importers.tosa.graph import RawOperator, RawTensor
from nets.importers.tosa.schema import DType, Rounding
from nets.network import CONTRACTS, FULL_MULTIPLIER_BITS, Contract, IntArray, Rescaler

SHIFT_MIN, SHIFT_MAX = 2, 62
_ONCE = 31  # the largest shift at which DOUBLE_ROUND rounds once
NARROW_BITS = 15  # the widest multiplier that counts as narrowed


@dataclass(frozen=True, eq=False, slots=True)
class Stated:
    """The constants of one RESCALE.

    Attributes:
        multiplier: int64 ``[channels]`` or ``[1]``, at least 0.
        right_shift: int64, same shape.
        double: whether it rounds twice.
        scale32: whether it states multipliers of 32 bits, which narrower ones may fill.
    """

    multiplier: IntArray
    right_shift: IntArray
    double: bool
    scale32: bool

    @property
    def left_shift(self) -> int | None:
        """The exact shift to the left that this is, in bits, or None if it is another factor."""
        multiplier, right_shift = int(self.multiplier[0]), int(self.right_shift[0])
        shift = multiplier.bit_length() - 1 - right_shift
        power = multiplier > 0 and multiplier & (multiplier - 1) == 0
        return shift if self.multiplier.size == 1 and power and shift >= 0 else None

    @property
    def contract(self) -> Contract:
        """The contract of its rounding."""
        return CONTRACTS["tflite_double" if self.double else "half_up"]


def stated(raw: RawOperator, multiplier: RawTensor, shift: RawTensor, channels: int) -> Stated:
    """Reads and checks the constants of a RESCALE of so many channels."""
    wide = raw.flag("scale32")
    multipliers = multiplier.values(DType.INT32 if wide else DType.INT16).reshape(-1)
    shifts = shift.values(DType.INT8).reshape(-1)
    wanted = max(channels, 1) if raw.flag("per_channel") else 1
    if multipliers.size != wanted or shifts.size != wanted:
        raise NetworkError(f"{raw} has {multipliers.size} multipliers and {shifts.size} shifts; {wanted} are needed")
    if multipliers.min() < 0:
        raise NetworkError(f"{raw} has multiplier {int(multipliers.min())}; it is at least 0")
    if shifts.min() < SHIFT_MIN or shifts.max() > SHIFT_MAX:
        raise NetworkError(
            f"{raw} has shifts from {int(shifts.min())} to {int(shifts.max())}; TOSA has {SHIFT_MIN} to {SHIFT_MAX}"
        )
    rounding = raw.number("rounding_mode")
    if rounding not in (Rounding.SINGLE_ROUND, Rounding.INEXACT_ROUND, Rounding.DOUBLE_ROUND):
        raise NetworkError(
            f"{raw} has rounding mode {rounding}; SINGLE_ROUND, INEXACT_ROUND and DOUBLE_ROUND are known"
        )
    if rounding == Rounding.DOUBLE_ROUND and not wide:
        raise NetworkError(f"{raw} rounds twice with 16-bit multipliers, which TOSA does not allow")
    # Up to a shift of 31 there is one rounding.
    double = rounding == Rounding.DOUBLE_ROUND and bool((shifts > _ONCE).any())
    return Stated(multipliers, shifts, double, wide)


def factor_of_one() -> Stated:
    """Returns the constants that change nothing."""
    return Stated(np.array([1], np.int64), np.array([0], np.int64), double=False, scale32=True)


def rescaler(constants: Stated, left_shift: int = 0) -> Rescaler:
    """Returns the rescaler of the same integers, for operands that were shifted left by so many bits.

    The width is that of the widest multiplier; of RESCALE's 32-bit form without its trailing zeros, and 31 bits if that
    is more than 15. If multipliers that round twice are below 2**30, as in TFLite's means, they stay as they are: the
    first rounding is at a fixed bit.
    """
    multiplier, shift = constants.multiplier, constants.right_shift + left_shift
    if constants.double and ((multiplier > 0) & (multiplier < 1 << (FULL_MULTIPLIER_BITS - 1))).any():
        return Rescaler(constants.contract, FULL_MULTIPLIER_BITS, frozen(multiplier), frozen(shift))
    numbers = [int(each) for each in multiplier]
    significant = max((_odd(each) if constants.scale32 else each).bit_length() for each in numbers)
    k = max(significant, 1) if significant <= NARROW_BITS else FULL_MULTIPLIER_BITS
    raised = np.array([k - each.bit_length() for each in numbers], np.int64)
    shift = shift + raised
    contract = constants.contract
    normal = np.where(raised >= 0, multiplier << np.maximum(raised, 0), multiplier >> np.maximum(-raised, 0))
    largest = k + 31 if contract.flushes_to_zero else contract.right_shift_max
    # Beyond the largest shift nothing is left of an accumulator of 32 bits.
    empty = (multiplier == 0) | (shift > largest)
    emptied = 0 if contract.flushes_to_zero else 1 << (k - 1)
    return Rescaler(contract, k, frozen(np.where(empty, emptied, normal)), frozen(np.where(empty, largest, shift)))


def _odd(number: int) -> int:
    """Returns a number without its trailing zero bits."""
    return number // (number & -number) if number else 0
