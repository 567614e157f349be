"""Building blocks that several architectures share: widths inside a rescaler, and its components in data order.

Widths are the localparams of ``rtl/rescaler.v`` and ``rtl/rescaler_output.v``. A generator of components returns the
gate levels behind them.
"""

from collections.abc import Generator, Iterator

from hwmodels.architectures.base import slices
from hwmodels.components import (
    LOGIC_LEVELS,
    MUX_LEVELS,
    Part,
    adder_levels,
    comparator_levels,
    compared_with,
    crossed,
    multiplier_levels,
    muxed,
    plain,
    shifted,
    shifter_levels,
    shifter_stages,
    signed_bits,
    sized,
    tree_levels,
)
from hwmodels.workload import OutputConstants, RescalerWorkload, RescaleStage


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


def half_up_lane(workload: RescalerWorkload, depth: float = 0.0, operand_bits: int | None = None) -> Iterator[Part]:
    """Yields the components of ``rtl/rescaler.v``, behind ``depth`` gate levels."""
    stage = workload.stages[-1]
    depth = yield from scale(stage, depth, workload.pipeline.product, operand_bits=operand_bits)
    kept = kept_bits(product_bits(stage), stage.right_shift_min)
    yield from round_and_clamp(workload, kept, depth, constant_zeros(stage, stage.right_shift_min))


def scale(
    stage: RescaleStage,
    depth: float,
    stages: int = 0,
    *,
    operand_bits: int | None = None,
    held_bits: int | None = None,
    prefix: str = "",
) -> Generator[Part, None, float]:
    """Yields multiplier, in as many pipeline stages, and shifter; see ``multiply``."""
    depth = yield from multiply(stage, depth, stages, operand_bits=operand_bits, held_bits=held_bits, prefix=prefix)
    kept = kept_bits(product_bits(stage), stage.right_shift_min)
    return (yield from shift(kept, stage.shift_bits, depth, prefix))


def multiply(
    stage: RescaleStage,
    depth: float,
    stages: int = 0,
    *,
    operand_bits: int | None = None,
    held_bits: int | None = None,
    prefix: str = "",
) -> Generator[Part, None, float]:
    """Yields the multiplier of a stage, in as many pipeline stages; a pure shift has none.

    Args:
        stage: what is multiplied.
        depth: gate levels in front of it.
        stages: pipeline stages.
        operand_bits: bits of the operand that vary (default: all).
        held_bits: bits beside the product that are delayed by as many cycles (default: those of the shift).
        prefix: first words of the components' names.
    """
    if stage.multiplier_bits == 1:
        return depth
    operand_bits, k = operand_bits or stage.operand_bits, stage.multiplier_bits
    if stages:
        held_bits = stage.shift_bits if held_bits is None else held_bits
        return (yield from _staged_product((operand_bits, k, held_bits), stages, depth, prefix))
    yield Part("multiplier", f"{prefix}multiplier", crossed(operand_bits, k, depth))
    return depth + multiplier_levels(min(operand_bits, k), product_bits(stage))


def _staged_product(
    widths: tuple[int, int, int], stages: int, depth: float, prefix: str
) -> Generator[Part, None, float]:
    """Yields the components of ``rtl/rescaler_product.v``, and the registers of what is held beside it.

    Synthesis adds what a slice takes from the stage before as one more row of its partial products.
    """
    operand_bits, multiplier_bits, held_bits = widths
    rest = multiplier_bits
    for index, bits in enumerate(slices(multiplier_bits, stages)):
        name, rest = f"{prefix}slice {index}", rest - bits
        yield Part("multiplier", f"{name} multiplier", crossed(operand_bits, bits, depth))
        depth += multiplier_levels(min(operand_bits, bits), operand_bits + bits)
        if index:
            sum_bits = operand_bits + bits
            yield Part("adder", f"{name} sum", sized(sum_bits, depth, overlap=operand_bits), off_path=True)
        yield from registered(f"{name} product", operand_bits + multiplier_bits - rest, depth)
        depth = 0.0
        beside = held_bits + (operand_bits + rest if rest else 0)
        if beside:
            yield Part("register", f"{name} remainder", {"bits": beside}, off_path=True)
    return depth


def registered(name: str, bits: int, depth: float, registers: int = 1) -> Generator[Part, None, float]:
    """Yields a pipeline register if there is one; returns the gate levels behind it."""
    if not registers:
        return depth
    yield Part("register", f"{name} register", {"bits": bits}, ends_path=True)
    return 0.0


def shift(bits: int, amount_bits: int, depth: float, prefix: str = "") -> Generator[Part, None, float]:
    """Yields the barrel shifter over ``bits`` bits; a constant shift is wiring."""
    if amount_bits == 0:
        return depth
    yield Part("shifter", f"{prefix}barrel shifter", shifted(bits, shifter_stages(bits, amount_bits), depth))
    return depth + shifter_levels(amount_bits)


def round_and_clamp(workload: RescalerWorkload, kept_bits: int, depth: float, zeros: int = 0) -> Iterator[Part]:
    """Yields the components behind a shifter, whose ``zeros`` low bits are always zero and take no adder."""
    full, output, pipeline = max(kept_bits, workload.output_bits + 1), workload.output, workload.pipeline
    depth = yield from registered("shift", kept_bits, depth, pipeline.shift)
    if output is None:
        total, overlap = full + 1, max(workload.output_bits + 1 - zeros, 0)
        size = sized(max(total - zeros, 1), depth, overlap=overlap)
    else:  # the zero point and the rounding are one odd constant
        total = max(kept_bits, signed_bits(2 * output.zero_point + 1)) + 1
        needed = max(total - zeros, 1)
        size = sized(needed, depth, halves=needed)
    yield Part("adder", "rounding and zero-point adder", size)
    depth = yield from registered("sum", full, depth + adder_levels(total), pipeline.sum)
    yield from clamp(workload, full, depth)


def clamp(workload: RescalerWorkload, full_bits: int, depth: float) -> Iterator[Part]:
    """Yields saturation, clamp and output register.

    The bits above the output must all equal its sign: one AND and one OR over them, two multiplexers. A constant bound
    that is an end of the type takes no more than that.
    """
    output_bits = workload.output_bits
    if full_bits > output_bits:
        depth = yield from _saturation(full_bits - output_bits, output_bits, depth)
    for bound, compared in _bounds(output_bits, workload.output):
        yield Part("comparator", f"{bound} clamp comparator", sized(compared, depth))
        depth += comparator_levels(output_bits)
        yield Part("mux", f"{bound} clamp", muxed(output_bits, depth, constant=workload.output is not None))
        depth += MUX_LEVELS
    yield Part("register", "output register", {"bits": output_bits})


def _saturation(upper: int, output_bits: int, depth: float) -> Generator[Part, None, float]:
    yield Part("logic", "saturation detector", plain(2 * upper, depth))
    depth += tree_levels(upper) + LOGIC_LEVELS
    yield Part("mux", "saturation", muxed(2 * output_bits, depth + MUX_LEVELS / 2, constant=True))
    return depth + 2 * MUX_LEVELS


def _bounds(output_bits: int, output: OutputConstants | None) -> Iterator[tuple[str, int]]:
    """Yields the bounds that need a comparison, each with the bits of its comparator."""
    half = 1 << (output_bits - 1)
    if output is None:
        yield from (("lower", output_bits), ("upper", output_bits))
        return
    if output.q_min != -half:
        yield "lower", compared_with(output_bits, output.q_min, ones=False)
    if output.q_max != half - 1:
        yield "upper", compared_with(output_bits, output.q_max, ones=True)


def output(workload: RescalerWorkload, product_bits: int, amount_bits: int, depth: float) -> Iterator[Part]:
    """Yields what follows a product."""
    kept = kept_bits(product_bits, workload.stages[-1].right_shift_min)
    depth = yield from shift(kept, amount_bits, depth)
    yield from round_and_clamp(workload, kept, depth)


def enabled_output(workload: RescalerWorkload, product_bits: int, amount_bits: int, depth: float) -> Iterator[Part]:
    """Yields what follows a product, with an output register that takes a result only when it is enabled."""
    yield from output(workload, product_bits, amount_bits, depth)
    yield Part("mux", "output enable", muxed(workload.output_bits))
