"""Converters of AVERAGE_POOL_2D, MAX_POOL_2D and MEAN."""

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
    constant,
    frozen,
    full_rescaler,
    placed,
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
    Profile,
    Rescaler,
    TensorSpec,
)

COUNT_MAX = 2**16  # elements of one window or mean: their int8 sum stays exact in float32


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
    make = AveragePool if raw.kind == "AVERAGE_POOL_2D" else MaxPool
    return make(**placed(raw), kernel=kernel, stride=stride, padding=pads, q_min=q_min, q_max=q_max)


def mean(builder: Builder, raw: RawOperator) -> Operator:
    """Converts MEAN over axes other than the batch."""
    keep = raw.options(tflite.ReducerOptions).KeepDims()
    source, result = builder.activation(raw), builder.result(raw)
    rank = len(source.shape) + 1
    stated = constant(builder.input(raw, 1), "INT32").reshape(-1).tolist()
    if not stated or not all(-rank <= axis < rank for axis in stated) or any(axis % rank == 0 for axis in stated):
        raise NetworkError(f"{raw} is over axes {stated}; use axes 1 to {rank - 1} (0 is the batch)")
    axes = tuple(sorted({axis % rank - 1 for axis in stated}))
    count = int(np.prod([source.shape[axis] for axis in axes]))
    if count > COUNT_MAX:
        raise NetworkError(f"{raw} is over {count} elements; at most {COUNT_MAX} are supported")
    kept = [1 if axis in axes else size for axis, size in enumerate(source.shape) if keep or axis not in axes]
    check_shape(raw, tuple(kept), result)
    scaling, offset = _mean_scaling(builder.profile, source, result, count)
    return Mean(
        **placed(raw),
        axes=axes,
        count=count,
        rescaler=scaling,
        q_min=result.q_min,
        q_max=result.q_max,
        float_offset=offset,
    )


def _mean_scaling(
    profile: Profile, source: TensorSpec, result: TensorSpec, count: int
) -> tuple[Rescaler, float | None]:
    contract = profile.contract("mean")
    if profile.xnnpack_forms:
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
