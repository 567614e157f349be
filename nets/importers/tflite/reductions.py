"""Converters of AVERAGE_POOL_2D, MAX_POOL_2D, MEAN, SUM, REDUCE_MAX and REDUCE_MIN."""

from typing import Any

import numpy as np
import tflite

from nets.errors import NetworkError
from nets.importers.tflite import xnnpack
from nets.importers.tflite.activation import activation_range
from nets.importers.tflite.builder import (
    Builder,
    check_same_quantization,
    check_shape,
    check_work,
    frozen,
    full_rescaler,
    is_wide,
    placed,
    reduced_axes,
)
from nets.importers.tflite.graph import RawOperator
from nets.importers.tflite.windows import window
from nets.network import (
    FULL_MULTIPLIER_BITS,
    AveragePool,
    Contract,
    MaxPool,
    Mean,
    Operator,
    ReducedExtremum,
    Rescaler,
    Sum,
    TensorSpec,
)

COUNT_MAX = 2**16  # elements of one window or mean: their sum stays exact


def pool(builder: Builder, raw: RawOperator) -> Operator:
    """Converts AVERAGE_POOL_2D and MAX_POOL_2D."""
    options = raw.options(tflite.Pool2DOptions)
    source, result = builder.image(raw), builder.result(raw)
    kernel = (options.FilterHeight(), options.FilterWidth())
    stride = (options.StrideH(), options.StrideW())
    sizes, pads = window(raw, source.shape[:2], kernel, stride, (1, 1), options.Padding())
    if kernel[0] * kernel[1] > COUNT_MAX:
        raise NetworkError(
            f"{raw}: a window of {list(kernel)} is too large; at most {COUNT_MAX} elements are supported"
        )
    check_shape(raw, (*sizes, source.shape[2]), result)
    check_work(raw, result, kernel[0] * kernel[1])
    check_same_quantization(raw, [source, result])
    q_min, q_max = activation_range(raw, options.FusedActivationFunction(), result)
    window_of: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": pads, "q_min": q_min, "q_max": q_max}
    if raw.kind == "MAX_POOL_2D":
        return MaxPool(**placed(raw), **window_of)
    return AveragePool(**placed(raw), **window_of, centre=-128 if builder.graph.unsigned else 0)


def mean(builder: Builder, raw: RawOperator) -> Operator:
    """Converts MEAN over axes other than the batch."""
    source, result, axes, count = _reduced(builder, raw)
    scaling, offset = _mean_scaling(builder, source, result, count)
    return Mean(**_rescaled(raw, result, axes, count), rescaler=scaling, float_offset=offset)


def total(builder: Builder, raw: RawOperator) -> Operator:
    """Converts SUM over axes other than the batch."""
    source, result, axes, count = _reduced(builder, raw)
    contract, offset = builder.contract("sum"), None
    if builder.profile.runtime == "BUILTIN_REF":
        raise NetworkError(f"{raw}: LiteRT's reference kernel adds the stored int8 values, which overflow")
    if builder.profile.xnnpack_forms:
        rescaler, offset = xnnpack.sum_scaling(source, result, count, contract)
    else:
        rescaler = full_rescaler(source.scale / result.scale, contract)
    return Sum(**_rescaled(raw, result, axes, count), rescaler=rescaler, float_offset=offset)


def extremum(builder: Builder, raw: RawOperator) -> Operator:
    """Converts REDUCE_MAX and REDUCE_MIN over axes other than the batch."""
    source, result, axes, _ = _reduced(builder, raw)
    check_same_quantization(raw, [source, result])
    return ReducedExtremum(**placed(raw), axes=axes, largest=raw.kind == "REDUCE_MAX")


def _reduced(builder: Builder, raw: RawOperator) -> tuple[TensorSpec, TensorSpec, tuple[int, ...], int]:
    """Returns source, result, axes and the number of elements of a reduction."""
    keep = raw.options(tflite.ReducerOptions).KeepDims()
    source, result = builder.activation(raw), builder.result(raw)
    axes = reduced_axes(builder, raw, source)
    count = int(np.prod([source.shape[axis] for axis in axes]))
    if count > COUNT_MAX:
        raise NetworkError(f"{raw} is over {count} elements; at most {COUNT_MAX} are supported")
    kept = [1 if axis in axes else size for axis, size in enumerate(source.shape) if keep or axis not in axes]
    check_shape(raw, tuple(kept), result)
    return source, result, axes, count


def _rescaled(raw: RawOperator, result: TensorSpec, axes: tuple[int, ...], count: int) -> dict[str, Any]:
    return {**placed(raw), "axes": axes, "count": count, "q_min": result.q_min, "q_max": result.q_max}


def _mean_scaling(
    builder: Builder, source: TensorSpec, result: TensorSpec, count: int
) -> tuple[Rescaler, float | None]:
    contract = builder.contract("mean", wide=is_wide(source))
    if builder.has_xnnpack_form(source, result):
        return xnnpack.mean_scaling(source, result, count, contract)
    return mean_rescaler(source.scale, result.scale, count, contract), None


def mean_rescaler(source: float, result: float, count: int, contract: Contract) -> Rescaler:
    """Rounds ``s_x / (s_y * count)`` to a rescaler of full width, in TFLite's own way under its contract."""
    if contract.name == "tflite_double":
        return _tflite_mean_rescaler(source / result, count, contract)
    return full_rescaler(source / (result * count), contract)


def _tflite_mean_rescaler(scale: float, count: int, contract: Contract) -> Rescaler:
    """Divides the Q31 multiplier of ``s_x / s_y`` by the count and truncates, as TFLite does (reduce.h).

    The multiplier then lies in ``(2**29, 2**31)`` and is not normalised again.
    """
    whole = full_rescaler(scale, contract)
    left_shift = FULL_MULTIPLIER_BITS - int(whole.right_shift[0])  # TFLite's own: positive is left
    extra = min(count.bit_length() - 1, 32, 31 + left_shift)
    multiplier = (int(whole.multiplier[0]) << extra) // count
    return Rescaler(contract, FULL_MULTIPLIER_BITS, frozen(np.array([multiplier])), frozen(whole.right_shift + extra))
