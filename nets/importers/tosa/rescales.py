"""Converters of RESCALE, which ends every operator with a rescaler or prepares its inputs, and of CLAMP."""

from dataclasses import replace
from typing import Any

from nets.errors import NetworkError
from nets.importers.tosa.builder import Builder, named
from nets.importers.tosa.graph import RawOperator
from nets.importers.tosa.rescalers import Stated, factor_of_one, rescaler, stated
from nets.importers.tosa.schema import DType
from nets.importers.tosa.wide import Centred, Chosen, Product, Products, Reduced, Scaled, Side, Total, Wide
from nets.network import (
    SUM_LEFT_SHIFT,
    Convolution,
    ElementwiseProduct,
    ElementwiseSum,
    Extremum,
    FullyConnected,
    Mean,
    Operator,
    Pool,
    Requantize,
    RescaledOperator,
    Rescaler,
    Weighted,
)

LOW, HIGH = -128, 127


def rescale(builder: Builder, raw: RawOperator) -> None:
    """Converts RESCALE: int8 to int32, int32 to int32, or to the int8 of a whole operator."""
    source, target = builder.raw_input(raw, 0), builder.raw_output(raw)
    if raw.flag("input_unsigned") or raw.flag("output_unsigned"):
        raise NetworkError(f"{raw} takes or makes unsigned integers; only int8 networks are supported")
    channels = source.shape[-1] if source.shape else 1
    constants = stated(raw, builder.raw_input(raw, 1), builder.raw_input(raw, 2), channels)
    zero = builder.scalar(raw, 3, DType.INT8 if source.type == DType.INT8 else DType.INT32)
    made = builder.scalar(raw, 4, DType.INT8 if target.type == DType.INT8 else DType.INT32)
    if source.type == DType.INT8:
        index = builder.operand(raw, 0)
        if target.type == DType.INT8:
            _finished(builder, raw, Centred(index, zero, 0), constants, made)
            return
        wide: Wide = Centred(index, zero, 0)
    else:
        wide = builder.accumulator(raw, 0)
        _check_no_zero(raw, zero)
    if target.type == DType.INT8:
        _finished(builder, raw, wide, constants, made)
        return
    _check_no_zero(raw, made)
    builder.accumulates(raw, source.shape[1:], _prepared(raw, wide, constants))


def _check_no_zero(raw: RawOperator, zero: int) -> None:
    if zero:
        raise NetworkError(f"{raw} has zero point {zero} of an int32 tensor; it has to be 0")


def _prepared(raw: RawOperator, wide: Wide, constants: Stated) -> Wide:
    """Returns an input of a sum or product, shifted left or rescaled."""
    if not isinstance(wide, Centred) or constants.multiplier.size > 1:
        raise NetworkError(f"{raw} rescales an accumulator to int32, which only inputs of sums are, per tensor")
    if constants.left_shift is None:
        return Scaled(wide, constants)
    return replace(wide, left_shift=wide.left_shift + constants.left_shift)


def _finished(builder: Builder, raw: RawOperator, wide: Wide, constants: Stated, zero: int) -> None:
    """Adds the operator whose accumulator a RESCALE takes to int8."""
    shape = builder.raw_input(raw, 0).shape[1:]
    if isinstance(wide, Chosen):
        _chosen(builder, raw, wide, constants, zero, shape)
        return
    output = builder.result(raw, shape)
    operator = _operator(raw, wide, constants, output)
    zeros = [(each.source, each.zero) for each in _sources(wide)]
    for index, stated_zero in [*zeros, (output, zero)]:
        builder.claim(raw, index, stated_zero)
    builder.operators.append(operator)


def _sources(wide: Wide) -> list[Centred | Products]:
    match wide:
        case Centred() | Products():
            return [wide]
        case Scaled() | Reduced():
            return [wide.centred]
        case Total():
            return [*_sources(wide.left), *_sources(wide.right)]
    return [wide.left, wide.right]


def _operator(raw: RawOperator, wide: Wide, constants: Stated, output: int) -> Operator:
    common: dict[str, Any] = {"rescaler": rescaler(constants), "q_min": LOW, "q_max": HIGH}
    if not isinstance(wide, Products) and constants.multiplier.size > 1:
        raise NetworkError(f"{raw} has a multiplier for each channel, which only convolutions have")
    match wide:
        case Products():
            return _weighted(raw, wide, output, rescaler(constants))
        case Total():
            return _sum(raw, wide, output, rescaler(constants))
        case Product():
            inputs = (wide.left.source, wide.right.source)
            return ElementwiseProduct(**named(raw, "mul", inputs, output), **common)
        case Reduced():
            return _mean(raw, wide, output, rescaler(constants))
        case Centred(left_shift=0):
            return Requantize(**named(raw, "quantize", (wide.source,), output), **common)
    raise NetworkError(f"{raw} rescales a tensor that was shifted or rescaled before; one RESCALE is supported")


def _weighted(raw: RawOperator, products: Products, output: int, last: Rescaler) -> Weighted:
    shared: dict[str, Any] = {
        "weights": products.weights,
        "weight_zero_point": products.weight_zero,
        "bias": products.bias,
        "weight_scale": last.scale,  # replaced when the tensors' scales are known
        "rescaler": last,
        "q_min": LOW,
        "q_max": HIGH,
    }
    if products.weights.ndim == 2:
        return FullyConnected(**named(raw, "fc", (products.source,), output), **shared)
    kind = "conv" if products.groups == 1 else "depthwise"
    return Convolution(
        **named(raw, kind, (products.source,), output),
        **shared,
        stride=products.stride,
        dilation=products.dilation,
        padding=products.padding,
        groups=products.groups,
    )


def _sum(raw: RawOperator, total: Total, output: int, last: Rescaler) -> ElementwiseSum:
    sides = (total.left, total.right)
    left_shift = _left_shift(raw, sides)
    first, second = (_side(each, left_shift) for each in sides)
    inputs = tuple(each.source for side in sides for each in _sources(side))
    return ElementwiseSum(
        **named(raw, total.kind.value, inputs, output),
        kind=total.kind,
        left_shift=left_shift,
        input_rescalers=(first, second),
        rescaler=last,
        q_min=LOW,
        q_max=HIGH,
    )


def _left_shift(raw: RawOperator, sides: tuple[Side, Side]) -> int:
    """Returns the shift to the left that both inputs of a sum have in common.

    Single rounding does not change if operand and divisor are doubled; a double rounding keeps its operand.
    """
    scaled = [side for side in sides if isinstance(side, Scaled)]
    shifts = [(side.centred if isinstance(side, Scaled) else side).left_shift for side in sides]
    fixed = {side.centred.left_shift for side in scaled if side.constants.double}
    if len(fixed) > 1 or 0 in fixed or any(shift > max(fixed) for shift in shifts if fixed):
        raise NetworkError(f"{raw}: the sum's inputs, shifted left by {shifts} bits, round twice at different shifts")
    return fixed.pop() if fixed else max(SUM_LEFT_SHIFT, *shifts)


def _side(side: Side, left_shift: int) -> Rescaler:
    if isinstance(side, Scaled):
        return rescaler(side.constants, left_shift - side.centred.left_shift)
    return rescaler(factor_of_one(), left_shift - side.left_shift)


def _mean(raw: RawOperator, reduced: Reduced, output: int, last: Rescaler) -> Mean:
    return Mean(
        **named(raw, "mean", (reduced.centred.source,), output),
        axes=reduced.axes,
        count=1,  # replaced when the shape is known
        rescaler=last,
        q_min=LOW,
        q_max=HIGH,
    )


def _chosen(
    builder: Builder, raw: RawOperator, chosen: Chosen, constants: Stated, zero: int, shape: tuple[int, ...]
) -> None:
    if constants.left_shift != 0 or not chosen.left.zero == chosen.right.zero == zero:
        raise NetworkError(f"{raw} rescales the result of a minimum or maximum; only its int8 values are supported")
    output = builder.result(raw, shape)
    inputs = (chosen.left.source, chosen.right.source)
    kind = "maximum" if chosen.largest else "minimum"
    builder.operators.append(Extremum(**named(raw, kind, inputs, output), largest=chosen.largest))


def clamp(builder: Builder, raw: RawOperator) -> None:
    """Converts CLAMP: the bounds of the operator before, or an operator of its own."""
    source, low, high = builder.activation(raw), raw.int8("min_val"), raw.int8("max_val")
    if low > high:
        raise NetworkError(f"{raw} clamps to {low} and {high}; the first is at most the second")
    output = builder.result(raw, builder.shapes[source])
    builder.ties.append((source, output))
    before = builder.operators[-1] if builder.operators else None
    if isinstance(before, RescaledOperator | Pool) and before.output == source and builder.single_use(source):
        q_min, q_max = (min(max(bound, low), high) for bound in (before.q_min, before.q_max))
        builder.operators[-1] = replace(before, output=output, q_min=q_min, q_max=q_max)
        return
    fields = named(raw, "clamp", (source,), output)
    builder.operators.append(Requantize(**fields, rescaler=rescaler(factor_of_one()), q_min=low, q_max=high))
