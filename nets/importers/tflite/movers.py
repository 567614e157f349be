"""Converters of the operators that move integers: PAD, PADV2, CONCATENATION, PACK, RESHAPE and its kin, TRANSPOSE."""

import math

import tflite

from nets.errors import NetworkError
from nets.importers.tflite.builder import Builder, check_same_quantization, check_shape, constant, placed, quantization
from nets.importers.tflite.graph import RawOperator
from nets.network import Concatenation, FilledPad, Operator, Pad, Reshape, Stack, TensorSpec, Transpose


def _moved(builder: Builder, raw: RawOperator) -> tuple[TensorSpec, TensorSpec]:
    source, result = builder.activation(raw), builder.result(raw)
    check_same_quantization(raw, [source, result])
    return source, result


def _integers(builder: Builder, raw: RawOperator, position: int) -> list[int]:
    tensor = builder.input(raw, position)
    values: list[int] = constant(tensor, "INT64" if tensor.type_name == "INT64" else "INT32").reshape(-1).tolist()
    return values


def pad(builder: Builder, raw: RawOperator) -> Operator:
    """Converts PAD with the zero point, and PADV2 with any value."""
    source, result = _moved(builder, raw)
    flat = _integers(builder, raw, 1)
    pairs = tuple(zip(flat[::2], flat[1::2], strict=False))
    if len(flat) != 2 * (len(source.shape) + 1) or min(flat) < 0 or pairs[0] != (0, 0):
        raise NetworkError(f"{raw}: padding {flat} is not a non-negative pair per dimension, (0, 0) for the batch")
    sizes = (size + before + after for size, (before, after) in zip(source.shape, pairs[1:], strict=True))
    check_shape(raw, tuple(sizes), result)
    if raw.kind == "PADV2":
        return FilledPad(**placed(raw), padding=pairs[1:], value=_pad_value(builder, raw, source))
    return Pad(**placed(raw), padding=pairs[1:])


def _pad_value(builder: Builder, raw: RawOperator, source: TensorSpec) -> int:
    """Returns the integer that PADV2 states, which has the quantization of the input."""
    tensor = builder.input(raw, 2)
    values, (scales, zeros) = constant(tensor, builder.input(raw, 0).type_name), quantization(tensor)
    if values.size != 1 or (scales.tolist(), zeros.tolist()) != ([source.scale], [source.zero_point]):
        raise NetworkError(f"{raw}: {tensor}, the value, is not one integer of the input's scale and zero point")
    return int(values.reshape(-1)[0])


def concatenation(builder: Builder, raw: RawOperator) -> Operator:
    """Converts CONCATENATION of tensors of the same scale."""
    options = raw.options(tflite.ConcatenationOptions)
    if not raw.inputs:
        raise NetworkError(f"{raw} has no inputs")
    if options.FusedActivationFunction() != tflite.ActivationFunctionType.NONE:
        raise NetworkError(f"{raw}: fused activation {options.FusedActivationFunction()} is not supported here")
    result = builder.result(raw)
    sources = [builder.operand(raw, position, len(result.shape)) for position in range(len(raw.inputs))]
    if set(raw.inputs) <= builder.constants.keys():
        raise NetworkError(f"{raw} reads constants alone; an activation is expected")
    check_same_quantization(raw, [*sources, result])
    rank = len(result.shape) + 1
    axis = options.Axis() % rank - 1
    if not -rank <= options.Axis() < rank or axis < 0:
        raise NetworkError(f"{raw}: axis {options.Axis()} is out of range; use 1 to {rank - 1} (0 is the batch)")
    if any(_without(source, axis) != _without(result, axis) for source in sources):
        shapes = [list(source.shape) for source in sources]
        raise NetworkError(f"{raw}: shapes {shapes} do not join to {list(result.shape)} along axis {axis + 1}")
    total = sum(source.shape[axis] for source in sources)
    check_shape(raw, (*result.shape[:axis], total, *result.shape[axis + 1 :]), result)
    return Concatenation(**placed(raw, len(raw.inputs)), axis=axis)


def pack(builder: Builder, raw: RawOperator) -> Operator:
    """Converts PACK of activations of the same scale."""
    options, result = raw.options(tflite.PackOptions), builder.result(raw)
    if not raw.inputs or options.ValuesCount() != len(raw.inputs):
        raise NetworkError(f"{raw} has {len(raw.inputs)} inputs; its options say {options.ValuesCount()}")
    sources = [builder.activation(raw, position) for position in range(len(raw.inputs))]
    check_same_quantization(raw, [*sources, result])
    rank = len(result.shape) + 1
    axis = options.Axis() % rank - 1
    if not -rank <= options.Axis() < rank or axis < 0:
        raise NetworkError(f"{raw}: axis {options.Axis()} is out of range; use 1 to {rank - 1} (0 is the batch)")
    if any(source.shape != sources[0].shape for source in sources):
        raise NetworkError(f"{raw}: shapes {[list(source.shape) for source in sources]} differ")
    shape = sources[0].shape
    check_shape(raw, (*shape[:axis], len(sources), *shape[axis:]), result)
    return Stack(**placed(raw, len(raw.inputs)), axis=axis)


def _without(spec: TensorSpec, axis: int) -> tuple[int, ...] | None:
    return spec.shape[:axis] + spec.shape[axis + 1 :] if axis < len(spec.shape) else None


def reshape(builder: Builder, raw: RawOperator) -> Operator:
    """Converts RESHAPE, SQUEEZE or EXPAND_DIMS that keep the batch; the file states the result's shape."""
    rank = max(len(builder.input(raw, 0).shape) - 1, 1)
    source, result = builder.operand(raw, 0, rank), builder.result(raw)
    check_same_quantization(raw, [source, result])
    if math.prod(source.shape) != math.prod(result.shape):
        raise NetworkError(f"{raw}: {list(source.shape)} cannot become {list(result.shape)} (without batch)")
    if raw.kind == "RESHAPE" and builder.has_input(raw, 1):
        _check_target(builder, raw, result)
    if raw.kind == "SQUEEZE":
        _check_squeeze(builder, raw, source, result)
    return Reshape(**placed(raw))


def _check_target(builder: Builder, raw: RawOperator, result: TensorSpec) -> None:
    target = _integers(builder, raw, 1)
    shape = (builder.batch, *result.shape)
    fits = len(target) == len(shape) and all(want in (-1, have) for want, have in zip(target, shape, strict=True))
    if not fits or target.count(-1) > 1:
        raise NetworkError(f"{raw}: target shape {target} is not the output's, {list(shape)}")


def _check_squeeze(builder: Builder, raw: RawOperator, source: TensorSpec, result: TensorSpec) -> None:
    shape = (builder.batch, *source.shape)
    stated = raw.options(tflite.SqueezeOptions).integers("SqueezeDims")
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    dropped = {axis % len(shape) for axis in stated} if stated else set(ones)  # none stated: all of them
    if 0 in dropped or not dropped <= set(ones):
        raise NetworkError(f"{raw} drops dimensions {sorted(dropped)} of {list(shape)}; the batch, 0, has to stay")
    check_shape(raw, tuple(size for axis, size in enumerate(shape) if axis and axis not in dropped), result)


def transpose(builder: Builder, raw: RawOperator) -> Operator:
    """Converts TRANSPOSE that keeps the batch first."""
    source, result = _moved(builder, raw)
    axes = [axis % (len(source.shape) + 1) for axis in _integers(builder, raw, 1)]
    if axes[:1] != [0] or sorted(axes) != list(range(len(source.shape) + 1)):
        raise NetworkError(f"{raw}: {axes} does not permute {len(source.shape) + 1} dimensions with the batch first")
    check_shape(raw, tuple(source.shape[axis - 1] for axis in axes[1:]), result)
    return Transpose(**placed(raw), permutation=tuple(axis - 1 for axis in axes[1:]))
