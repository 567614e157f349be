"""Operators prepared for the native kernels: int8 tensors in, an int8 tensor out, equal to the torch kernels."""

import ctypes
import math

import numpy as np
import torch

from nets.execute.accumulation import absolute_bound, absolute_bounds, reach
from nets.execute.native.library import Library
from nets.execute.native.plans import (
    COPIED_AXES,
    CopyStruct,
    JoinStruct,
    LookupStruct,
    OperandStruct,
    PackedWeights,
    PoolStruct,
    ProductStruct,
    RunsStruct,
    SumStruct,
    WeightedStruct,
    WindowStruct,
    aligned,
    pack_convolution,
    pack_depthwise,
    pack_matrix,
    window_struct,
)
from nets.execute.native.rules import LANES, RequantStruct, floor_form, requant_struct
from nets.execute.native.steps import MOST_INPUTS, NativeKernel, StepKind
from nets.network import (
    INT32_MAX,
    AveragePool,
    Concatenation,
    Convolution,
    ElementwiseProduct,
    ElementwiseSum,
    FloatAveragePool,
    FullyConnected,
    IntArray,
    MaxPool,
    Operator,
    Pad,
    Pool,
    QuantizedNetwork,
    Rearrangement,
    Requantize,
    RescaledOperator,
    Rescaler,
    Reshape,
    Sum,
    Tabulated,
    TensorSpec,
    Transpose,
    Weighted,
    rescaling,
)

_MAXIMUM, _AVERAGE, _SUM, _FLOAT_SUM = range(4)  # PoolKind of elementwise.h


def native_kernel(operator: Operator, network: QuantizedNetwork, library: Library) -> NativeKernel | None:
    """Prepares an operator for the native library; returns None if the torch kernel has to run it."""
    sources, target = [network.tensors[index] for index in operator.inputs], network.tensors[operator.output]
    if any(spec.bits != 8 for spec in (*sources, target)) or isinstance(operator, FloatAveragePool):
        return None
    match operator:
        case Weighted():
            return _weighted(operator, sources[0], target, library)
        case ElementwiseSum() if all(_repeats(source.shape, target.shape) for source in sources):
            return _sum(operator, sources, target, library)
        case ElementwiseProduct() if all(_repeats(source.shape, target.shape) for source in sources):
            return _product(operator, sources, target, library)
        case Requantize():
            values = _table(sources[0], operator.rescaler, 0) + target.zero_point
            return _lookup(np.clip(values, operator.q_min, operator.q_max), target, library)
        case Tabulated():
            return _lookup(np.roll(operator.table, 128), target, library)
        case MaxPool() | AveragePool(centre=0):
            return _pool(operator, sources[0], target, library)
        case Sum():
            return _summed(operator, sources[0], target, library)
    return _mover(operator, sources, target, library)


def _mover(operator: Operator, sources: list[TensorSpec], target: TensorSpec, library: Library) -> NativeKernel | None:
    """Prepares an operator that only moves integers."""
    match operator:
        case Concatenation() if len(sources) <= MOST_INPUTS:
            return _join(operator, sources, target, library)
        case Transpose() if len(target.shape) <= COPIED_AXES:
            return _copy(operator, sources[0], target, library)
        case Reshape():
            pieces = aligned(np.array([np.prod(target.shape)], np.int64))
            return NativeKernel(library, StepKind.JOIN, JoinStruct(pieces.ctypes.data, 1, 1), (pieces,), target.shape)
        case Rearrangement():
            return _runs(operator.positions, sources[0], target, library)
        case Pad() if min(map(min, operator.padding)) >= 0:
            positions = np.arange(np.prod(sources[0].shape)).reshape(sources[0].shape)
            return _runs(np.pad(positions, operator.padding, constant_values=-1), sources[0], target, library)
    return None


def _requant(
    operator: RescaledOperator, channels: int, target: TensorSpec, bounds: IntArray, library: Library
) -> RequantStruct:
    limits = (target.zero_point, operator.q_min, operator.q_max)
    return requant_struct(operator.rescaler, channels, *limits, bounds, path=library.best_path())


def _weighted(operator: Weighted, source: TensorSpec, target: TensorSpec, library: Library) -> NativeKernel | None:
    if operator.weights.dtype != np.int8 or absolute_bound(operator, source) > INT32_MAX:
        return None  # weights beyond int8, or accumulators that are not proven to stay within int32
    path, zero = library.best_path(), source.zero_point
    match operator:
        case FullyConnected():
            out, inner = operator.weights.shape
            rows = int(np.prod(source.shape)) // inner
            packed, kind = pack_matrix(operator.weights, operator.bias, zero, path), StepKind.CONVOLUTION
            sizes = (1, rows, inner, 0, 0, 0, 0, 1, rows, out, *(1,) * 6, zero, len(packed.steps))
            return _weighted_kernel(operator, WindowStruct(*sizes), packed, kind, source, target, library)
        case Convolution(groups=1):
            packed, kind = pack_convolution(operator, _row(operator, source), zero, path), StepKind.CONVOLUTION
        case Convolution() if operator.groups == source.shape[2] == operator.out_channels:
            channels = source.shape[2]
            packed = pack_depthwise(operator, _row(operator, source), channels, zero, path)
            kind = StepKind.DEPTHWISE
        case _:
            return None
    window = window_struct(operator, source.shape, target.shape, zero, len(packed.steps))
    return _weighted_kernel(operator, window, packed, kind, source, target, library)


def _row(operator: Convolution, source: TensorSpec) -> int:
    return (source.shape[1] + sum(operator.padding[1])) * source.shape[2]


def _weighted_kernel(
    operator: Weighted,
    window: WindowStruct,
    packed: PackedWeights,
    kind: StepKind,
    source: TensorSpec,
    target: TensorSpec,
    library: Library,
) -> NativeKernel:
    requant = _requant(operator, operator.out_channels, target, absolute_bounds(operator, source), library)
    addresses = (array.ctypes.data for array in (packed.steps, packed.weights, packed.bias))
    plan = WeightedStruct(window, ctypes.addressof(requant), *addresses)
    return NativeKernel(library, kind, plan, (requant, packed), target.shape)


def _table(spec: TensorSpec, rescaler: Rescaler, left_shift: int) -> IntArray:
    """Computes the rescaled value of each int8, in the order of its unsigned byte."""
    bytes_in_order = torch.arange(256, dtype=torch.uint8).view(torch.int8).to(torch.int64)
    table: IntArray = rescaling(rescaler)((bytes_in_order - spec.zero_point) << left_shift).numpy()
    return table


def _lookup(table: IntArray, target: TensorSpec, library: Library) -> NativeKernel:
    values = table.astype(np.int8)
    plan = LookupStruct(values.ctypes.data, int(np.prod(target.shape)))
    return NativeKernel(library, StepKind.LOOKUP, plan, (values,), target.shape)


def _repeats(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Returns whether a broadcast operand's elements repeat in order: the shape is the end of the target's."""
    begin = next((at for at, size in enumerate(shape) if size != 1), len(shape))
    kept = len(shape) - begin
    return shape[begin:] == target[len(target) - kept :]


def _periods(sources: list[TensorSpec]) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * 2)(*(int(np.prod(source.shape)) for source in sources))


def _sum(
    operator: ElementwiseSum, sources: list[TensorSpec], target: TensorSpec, library: Library
) -> NativeKernel | None:
    signs = (1, operator.sign)
    tables = [
        sign * _table(spec, rescaler, operator.left_shift)
        for sign, spec, rescaler in zip(signs, sources, operator.input_rescalers, strict=True)
    ]
    bound = sum(int(np.abs(table).max()) for table in tables)
    if bound > INT32_MAX:
        return None
    operands = [
        _operand(spec, rescaler, operator.left_shift, sign)
        for sign, spec, rescaler in zip(signs, sources, operator.input_rescalers, strict=True)
    ]
    exact = all((_of_bytes(operand) == table).all() for operand, table in zip(operands, tables, strict=True))
    held = [table.astype(np.int32) for table in tables]
    for operand, values in zip(operands, held, strict=True):
        operand.table = values.ctypes.data
    requant = _requant(operator, LANES, target, np.array([bound]), library)
    structs = (OperandStruct * 2)(*operands)
    plan = SumStruct(ctypes.addressof(requant), structs, int(np.prod(target.shape)), _periods(sources), exact)
    return NativeKernel(library, StepKind.SUM, plan, (requant, *held), target.shape)


def _operand(spec: TensorSpec, rescaler: Rescaler, left_shift: int, sign: int) -> OperandStruct:
    """Writes a rescaled operand as one floor in float64, if its rule has that form; zeros otherwise."""
    form = floor_form(rescaler, rescaler.multiplier, rescaler.right_shift)
    if form is None:
        return OperandStruct(spec.zero_point, sign, 0.0, 0.0, 0.0, None)
    scale, away, half = (float(values[0]) for values in (form.scale, form.away, form.half))
    return OperandStruct(spec.zero_point, sign, scale * 2.0**left_shift, away, half, None)


def _of_bytes(operand: OperandStruct) -> IntArray:
    """Computes what the native kernel makes of each byte, in the order of its unsigned value, in the same steps."""
    x = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.float64) - operand.zero
    floors = np.floor((x * operand.scale + operand.half) + np.copysign(operand.away, x))
    values: IntArray = operand.sign * floors.astype(np.int64)
    return values


def _product(
    operator: ElementwiseProduct, sources: list[TensorSpec], target: TensorSpec, library: Library
) -> NativeKernel:
    bound = np.array([reach(sources[0]) * reach(sources[1])])
    requant = _requant(operator, LANES, target, bound, library)
    zeros = (ctypes.c_int32 * 2)(*(source.zero_point for source in sources))
    plan = ProductStruct(ctypes.addressof(requant), zeros, int(np.prod(target.shape)), _periods(sources))
    return NativeKernel(library, StepKind.PRODUCT, plan, (requant,), target.shape)


def _pool(operator: Pool, source: TensorSpec, target: TensorSpec, library: Library) -> NativeKernel:
    kind = _MAXIMUM if isinstance(operator, MaxPool) else _AVERAGE
    (top, _), (left, _) = operator.padding
    sizes = (*source.shape, *target.shape[:2], *operator.kernel, *operator.stride, top, left)
    plan = PoolStruct(kind, *sizes, operator.q_min, operator.q_max, 0, None, 0.0, 0.0)
    return NativeKernel(library, StepKind.POOL, plan, (), target.shape)


def _summed(operator: Sum, source: TensorSpec, target: TensorSpec, library: Library) -> NativeKernel | None:
    """Prepares a sum or mean over axes that follow each other, as one window over each row of an image."""
    axes, shape = sorted(operator.axes), source.shape
    if not axes or axes != list(range(axes[0], axes[-1] + 1)):
        return None
    before, summed, channels = (
        math.prod(part) for part in (shape[: axes[0]], shape[axes[0] : axes[-1] + 1], shape[axes[-1] + 1 :])
    )
    bound = summed * max(reach(source), 128)
    if bound > INT32_MAX:
        return None
    sizes = (before, summed, channels, before, 1, 1, summed, 1, 1, 0, 0, operator.q_min, operator.q_max)
    if operator.float_offset is not None:
        scale = float(operator.rescaler.scale[0])
        plan = PoolStruct(_FLOAT_SUM, *sizes, 0, None, scale, operator.float_offset)
        return NativeKernel(library, StepKind.POOL, plan, (), target.shape)
    requant = _requant(operator, channels, target, np.array([bound]), library)
    plan = PoolStruct(_SUM, *sizes, source.zero_point, ctypes.addressof(requant), 0.0, 0.0)
    return NativeKernel(library, StepKind.POOL, plan, (requant,), target.shape)


def _join(operator: Concatenation, sources: list[TensorSpec], target: TensorSpec, library: Library) -> NativeKernel:
    pieces = aligned(np.array([np.prod(source.shape[operator.axis :]) for source in sources], np.int64))
    count = int(np.prod(target.shape[: operator.axis]))
    plan = JoinStruct(pieces.ctypes.data, len(sources), count)
    return NativeKernel(library, StepKind.JOIN, plan, (pieces,), target.shape)


def _copy(operator: Transpose, source: TensorSpec, target: TensorSpec, library: Library) -> NativeKernel:
    steps = [int(np.prod(source.shape[axis + 1 :])) for axis in operator.permutation]
    missing = COPIED_AXES - len(steps)
    sizes = (ctypes.c_int64 * COPIED_AXES)(*[1] * missing, *target.shape)
    strides = (ctypes.c_int64 * COPIED_AXES)(*[0] * missing, *steps)
    plan = CopyStruct(sizes, strides, int(np.prod(source.shape)))
    return NativeKernel(library, StepKind.COPY, plan, (), target.shape)


def _runs(positions: IntArray, source: TensorSpec, target: TensorSpec, library: Library) -> NativeKernel:
    """Prepares copies of runs of elements that follow each other in the source; position -1 is its zero point."""
    flat = positions.reshape(-1)
    follows = np.where(flat[1:] < 0, flat[:-1] < 0, (flat[1:] == flat[:-1] + 1) & (flat[:-1] >= 0))
    begins = np.flatnonzero(np.concatenate([[True], ~follows]))
    starts = np.ascontiguousarray(flat[begins], np.int64)
    lengths = np.diff(begins, append=len(flat)).astype(np.int64)
    plan = RunsStruct(
        starts.ctypes.data, lengths.ctypes.data, len(starts), int(np.prod(source.shape)), source.zero_point
    )
    return NativeKernel(library, StepKind.RUNS, plan, (starts, lengths), target.shape)
