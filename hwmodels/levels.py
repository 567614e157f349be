"""Depth of components in gate levels. Only the order of magnitude matters: glitches, and so energy, grow with it."""

from typing import Final

LOGIC_LEVELS: Final = 1.0
MUX_LEVELS: Final = 2.0


def tree_levels(bits: int) -> float:
    """Return the levels of a binary tree over ``bits`` bits."""
    return float(max(bits - 1, 0).bit_length())


def adder_levels(bits: int) -> float:
    """Return the levels of a parallel-prefix adder: two per prefix stage, one before and one behind them."""
    return 2.0 * float(max(bits - 1, 1).bit_length()) + 2.0


def multiplier_levels(rows: int, product_bits: int) -> float:
    """Return the levels of an array of carry-save adders over ``rows`` rows, with an adder behind it."""
    return 3.0 * max(rows - 2, 0).bit_length() + adder_levels(product_bits)


def comparator_levels(bits: int) -> float:
    """Return the levels of a comparator."""
    return tree_levels(bits) + 2.0


def shifter_levels(stages: int) -> float:
    """Return the levels of a barrel shifter."""
    return MUX_LEVELS * stages
