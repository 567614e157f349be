"""Components of a rescaler: their sizes, as technology tables price them, and their depth in gate levels."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hwmodels.costs import ComponentCost, component_cost
from hwmodels.technologies import ComponentKind, Technology

# Gate levels. Only the order of magnitude matters: glitches, and with them energy, grow with the depth.
LOGIC_LEVELS: Final = 1.0
MUX_LEVELS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Part:
    """A component of a design.

    Attributes:
        kind: kind of component, None if no table prices it.
        name: its function in the design.
        quantities: value of each term of the kind (see ``hwmodels.technologies.technology.TERMS``).
        reason: why there is no kind.
        off_path: whether it lies beside the longest path through the design.
        ends_path: whether it is a register that paths end at, and begin behind.
    """

    kind: ComponentKind | None
    name: str
    quantities: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    off_path: bool = False
    ends_path: bool = False

    def cost(self, technology: Technology) -> ComponentCost:
        """Returns the cost of the part in a technology."""
        if self.kind is None:
            return ComponentCost(self.name, None, None, missing=(self.reason,))
        return component_cost(technology, self.kind, self.name, **self.quantities)


def crossed(a: int, b: int, depth: float = 0.0) -> dict[str, float]:
    """Returns the terms of a multiplier of ``a`` signed and ``b`` unsigned bits, ``depth`` gate levels deep.

    The narrower of the two selects the rows of the partial product; the unsigned one has a sign bit of its own there.
    """
    wide = a > b
    return {
        "a": a,
        "b": b,
        "ab": a * b,
        "rows": a * max(b - 2, 0) if wide else b * max(a - 2, 0),
        "signed_ab": a * b if wide else 0,
        "extension": b * (b + 1) / 2 if wide else 0,
        "a_log2_b": a * math.log2(max(b, 1)),
        "log2_a": math.log2(max(a, 1)),
        "log2_b": math.log2(max(b, 1)),
        "ab_depth": a * b * depth,
    }


def sized(
    bits: int, depth: float = 0.0, *, overlap: int | None = None, subtracted: int = 0, halves: int = 0
) -> dict[str, float]:
    """Returns the terms of an adder or comparator of ``bits`` bits, ``depth`` gate levels behind a register.

    Args:
        bits: bits of the result that need logic.
        depth: gate levels in front of it.
        overlap: bits at which both operands carry information (default: all).
        subtracted: bits of the operand that is subtracted or negated, which are inverted.
        halves: bits at which one operand is constant, so that half an adder is left.
    """
    both = bits - halves if overlap is None else overlap
    return {
        "bits": bits,
        "overlap": both,
        "carries": max(bits - both - halves, 0),
        "halves": halves,
        "subtracted": subtracted,
        "log2_bits": float(max(bits - 1, 0).bit_length()),
        "aligned": bits,
        "bits_depth": bits * depth,
    }


def compared_with(bits: int, constant: int, *, ones: bool) -> int:
    """Returns the bits of a comparator that costs what a comparison of ``bits`` bits with a constant costs.

    A comparison with a constant takes one gate a bit, where two signals take two. The constant's lowest bits take none
    if they are zeros of a bound that ``<`` or ``>=`` compares with, or (``ones``) ones of one of ``>`` or ``<=``.
    """
    run = constant ^ -1 if ones else constant
    free = (run & -run).bit_length() - 1 if run else bits
    return max((bits - free + 1) // 2, 1)


def signed_bits(number: int) -> int:
    """Returns the width in bits of a signed integer that holds a number."""
    return (number if number >= 0 else ~number).bit_length() + 1


def plain(bits: int, depth: float = 0.0) -> dict[str, float]:
    """Returns the terms of logic of ``bits`` bits, ``depth`` gate levels behind a register."""
    return {"bits": bits, "bits_depth": bits * depth}


def muxed(bits: int, depth: float = 0.0, *, constant: bool = False) -> dict[str, float]:
    """Returns the terms of two-way multiplexers of ``bits`` bits, one side of which may be a constant."""
    return {"bits": bits, "signals": 0 if constant else bits, "bits_depth": bits * depth}


def shifted(bits: int, stages: int, depth: float = 0.0) -> dict[str, float]:
    """Returns the terms of a barrel shifter of ``bits`` bits and ``stages`` stages of two-way multiplexers."""
    return {"mux_bits": bits * stages, "stages": stages, "bits": bits, "bits_depth": bits * stages * depth}


def shifter_stages(bits: int, amount_bits: int) -> int:
    """Returns the stages of a barrel shifter over ``bits`` bits whose amount has ``amount_bits`` bits.

    A bit of the amount that shifts everything out takes one gate per bit of the value, and no stage.
    """
    return min(amount_bits, max(bits - 1, 1).bit_length())


def tree_levels(bits: int) -> float:
    """Returns the gate levels of a binary tree over ``bits`` bits."""
    return float(max(bits - 1, 0).bit_length())


def adder_levels(bits: int) -> float:
    """Returns the gate levels of a parallel-prefix adder: two per prefix stage, one before and one behind them."""
    return 2.0 * float(max(bits - 1, 1).bit_length()) + 2.0


def multiplier_levels(rows: int, product_bits: int) -> float:
    """Returns the gate levels of an array of carry-save adders over ``rows`` rows, with an adder behind it."""
    return 3.0 * max(rows - 2, 0).bit_length() + adder_levels(product_bits)


def comparator_levels(bits: int) -> float:
    """Returns the gate levels of a comparator."""
    return tree_levels(bits) + 2.0


def shifter_levels(stages: int) -> float:
    """Returns the gate levels of a barrel shifter."""
    return MUX_LEVELS * stages
