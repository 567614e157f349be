"""Building blocks that several architectures share: widths inside a rescaler, and its components in data order.

Widths are the localparams of ``rtl/rescaler.v`` and ``rtl/rescaler_output.v``. A generator of components returns the
gate levels behind them.
"""

from collections.abc import Generator, Iterator

from hwmodels.components import (
    LOGIC_LEVELS,
    MUX_LEVELS,
    Part,
    adder_levels,
    comparator_levels,
    crossed,
    multiplier_levels,
    plain,
    shifted,
    shifter_levels,
    shifter_stages,
    sized,
    tree_levels,
)
from hwmodels.workload import RescaleStage


def product_bits(stage: RescaleStage) -> int:
    """Returns the width of operand times multiplier in bits; a pure shift has the operand's."""
    return stage.operand_bits + (stage.multiplier_bits if stage.multiplier_bits > 1 else 0)


def kept_bits(product_bits: int, right_shift_min: int) -> int:
    """Returns the bits of a product that enter the shifter, zeros below it if the smallest shift is to the left."""
    left = max(0, 1 - right_shift_min)
    drop = right_shift_min + left - 1
    return max(product_bits + left - drop, 2)


def constant_zeros(stage: RescaleStage, right_shift: int) -> int:
    """Returns the low bits that are always zero behind a constant shift by ``right_shift``, if that is to the left."""
    return 0 if stage.shift_bits else max(0, 1 - right_shift)


def half_up_lane(
    stage: RescaleStage, output_bits: int, depth: float = 0.0, operand_bits: int | None = None
) -> Iterator[Part]:
    """Yields the components of ``rtl/rescaler.v``, behind ``depth`` gate levels."""
    depth = yield from scale(stage, depth, operand_bits=operand_bits)
    kept = kept_bits(product_bits(stage), stage.right_shift_min)
    yield from round_and_clamp(kept, output_bits, depth, constant_zeros(stage, stage.right_shift_min))


def scale(
    stage: RescaleStage, depth: float, *, operand_bits: int | None = None, prefix: str = ""
) -> Generator[Part, None, float]:
    """Yields multiplier and shifter of a stage, whose operand may have fewer bits that vary."""
    depth = yield from multiply(stage, depth, operand_bits=operand_bits, prefix=prefix)
    kept = kept_bits(product_bits(stage), stage.right_shift_min)
    return (yield from shift(kept, stage.shift_bits, depth, prefix))


def multiply(
    stage: RescaleStage, depth: float, *, operand_bits: int | None = None, prefix: str = ""
) -> Generator[Part, None, float]:
    """Yields the multiplier of a stage; a pure shift has none."""
    if stage.multiplier_bits == 1:
        return depth
    operand_bits = operand_bits or stage.operand_bits
    yield Part("multiplier", f"{prefix}multiplier", crossed(operand_bits, stage.multiplier_bits, depth))
    return depth + multiplier_levels(min(operand_bits, stage.multiplier_bits), product_bits(stage))


def shift(bits: int, amount_bits: int, depth: float, prefix: str = "") -> Generator[Part, None, float]:
    """Yields the barrel shifter over ``bits`` bits; a constant shift is wiring."""
    if amount_bits == 0:
        return depth
    yield Part("shifter", f"{prefix}barrel shifter", shifted(bits, shifter_stages(bits, amount_bits), depth))
    return depth + shifter_levels(amount_bits)


def round_and_clamp(kept_bits: int, output_bits: int, depth: float, zeros: int = 0) -> Iterator[Part]:
    """Yields the components behind a shifter, whose ``zeros`` low bits are always zero and take no adder."""
    total = max(kept_bits, output_bits + 1) + 1
    bits, overlap = max(total - zeros, 1), max(output_bits + 1 - zeros, 0)
    yield Part("adder", "rounding and zero-point adder", sized(bits, depth, overlap=overlap))
    yield from clamp(total - 1, output_bits, depth + adder_levels(total))


def clamp(full_bits: int, output_bits: int, depth: float) -> Iterator[Part]:
    """Yields saturation, clamp and output register.

    The bits above the output must all equal its sign: one AND and one OR over them, two multiplexers.
    """
    upper = full_bits - output_bits
    yield Part("logic", "saturation detector", plain(2 * upper, depth))
    depth += tree_levels(upper) + LOGIC_LEVELS
    yield Part("mux", "saturation", plain(2 * output_bits, depth + MUX_LEVELS / 2))
    depth += 2 * MUX_LEVELS
    for bound in ("lower", "upper"):
        yield Part("comparator", f"{bound} clamp comparator", sized(output_bits, depth))
        depth += comparator_levels(output_bits)
        yield Part("mux", f"{bound} clamp", plain(output_bits, depth))
        depth += MUX_LEVELS
    yield Part("register", "output register", {"bits": output_bits})


def enabled_output(
    product_bits: int, right_shift_min: int, amount_bits: int, output_bits: int, depth: float
) -> Iterator[Part]:
    """Yields what follows a product, with an output register that takes a result only when it is enabled."""
    kept = kept_bits(product_bits, right_shift_min)
    depth = yield from shift(kept, amount_bits, depth)
    yield from round_and_clamp(kept, output_bits, depth)
    yield Part("mux", "output enable", plain(output_bits))
