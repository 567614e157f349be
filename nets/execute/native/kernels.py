"""Operators prepared for the native kernels: int8 tensors in, an int8 tensor out, equal to the torch kernels."""

import ctypes
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from nets.execute.accumulation import absolute_bound
from nets.execute.native.plans import (
    PackedWeights,
    RequantStruct,
    WindowStruct,
    modulo_int32,
    pack_convolution,
    pack_matrix,
    requant_struct,
    window_struct,
)
from nets.execute.torch_kernels import Kernel
from nets.network import (
    INT32_MAX,
    Convolution,
    ElementwiseProduct,
    ElementwiseSum,
    FullyConnected,
    IntArray,
    Operator,
    QuantizedNetwork,
    Requantize,
    RescaledOperator,
    Rescaler,
    TensorSpec,
    Weighted,
    rescaling,
)

_ELEMENTS_AT_ONCE = 1024  # as in elementwise.h


def native_kernel(operator: Operator, network: QuantizedNetwork, library: ctypes.CDLL) -> Kernel | None:
    """Prepares an operator for the native library; returns None if the torch kernel has to run it."""
    sources, target = [network.tensors[index] for index in operator.inputs], network.tensors[operator.output]
    match operator:
        case Weighted(weight_zero_point=zero) if zero:
            return None  # weights beyond int8
        case Weighted() if absolute_bound(operator, sources[0]) > INT32_MAX:
            return None  # the accumulators are not proven to stay within int32
        case FullyConnected():
            return _fully_connected(operator, sources[0], target, library)
        case Convolution(groups=1):
            return _convolution(operator, sources[0], target, library)
        case Convolution() if operator.groups == sources[0].shape[2] == operator.out_channels:
            return _depthwise(operator, sources[0], target, library)
        case ElementwiseSum() if sources[0].shape == sources[1].shape:
            return _sum(operator, sources, target, library)
        case ElementwiseProduct() if sources[0].shape == sources[1].shape:
            requant, zeros = _requant(operator, target), [source.zero_point for source in sources]
            return _pairwise(lambda *data: library.multiply(ctypes.addressof(requant), *zeros, *data))
        case Requantize():
            # The output is a function of one int8.
            values = _table(sources[0], operator.rescaler, 0) + target.zero_point
            table = np.clip(values, operator.q_min, operator.q_max).astype(np.int8)
            return lambda inputs: torch.from_numpy(table[inputs[0].contiguous().numpy().view(np.uint8)])
    return None


def _row(operator: Convolution, source: TensorSpec) -> int:
    return (source.shape[1] + sum(operator.padding[1])) * source.shape[2]


def _requant(operator: RescaledOperator, target: TensorSpec) -> RequantStruct:
    channels = operator.out_channels if isinstance(operator, Weighted) else _ELEMENTS_AT_ONCE
    return requant_struct(operator.rescaler, channels, target.zero_point, operator.q_min, operator.q_max)


def _convolution(operator: Convolution, source: TensorSpec, target: TensorSpec, library: ctypes.CDLL) -> Kernel:
    packed = pack_convolution(operator, _row(operator, source), source.zero_point, library.best_path())
    window = window_struct(operator, source.shape, target.shape, source.zero_point, len(packed.steps))
    return _convolve(library, packed, _requant(operator, target), target, lambda x: (window, x.shape[0]))


def _convolve(
    library: ctypes.CDLL,
    packed: PackedWeights,
    requant: RequantStruct,
    target: TensorSpec,
    images: Callable[[Tensor], tuple[WindowStruct, int]],
) -> Kernel:
    """Prepares a call of the convolution; ``images`` returns the window and the number of images of an input."""
    path = library.best_path()
    constants = (packed.steps, packed.weights, packed.bias)

    def call(x: Tensor, y: Tensor) -> None:
        window, count = images(x)
        places = (array.ctypes.data for array in constants)
        library.convolve(
            ctypes.addressof(window), ctypes.addressof(requant), *places, x.data_ptr(), y.data_ptr(), count, path
        )

    return _filling(target, call)


def _filling(target: TensorSpec, call: Callable[[Tensor, Tensor], None]) -> Kernel:
    """Prepares a call with the only input, contiguous, and the output, which it fills."""

    def run(inputs: list[Tensor]) -> Tensor:
        x = inputs[0].contiguous()
        y = torch.empty((x.shape[0], *target.shape), dtype=torch.int8)
        call(x, y)
        return y

    return run


def _depthwise(operator: Convolution, source: TensorSpec, target: TensorSpec, library: ctypes.CDLL) -> Kernel:
    height, width = operator.weights.shape[1:3]
    weights = np.ascontiguousarray(operator.weights[..., 0].reshape(operator.out_channels, -1).T.astype(np.int16))
    bias = modulo_int32(operator.bias - (source.zero_point + 128) * weights.astype(np.int64).sum(axis=0))
    row, channels = _row(operator, source), source.shape[2]
    (dy, dx) = operator.dilation
    taps = np.array([y * dy * row + x * dx * channels for y in range(height) for x in range(width)], np.int32)
    window = window_struct(operator, source.shape, target.shape, source.zero_point, 0)
    requant = _requant(operator, target)

    def call(x: Tensor, y: Tensor) -> None:
        places = (array.ctypes.data for array in (taps, weights, bias))
        library.convolve_depthwise(
            ctypes.addressof(window), ctypes.addressof(requant), *places, x.data_ptr(), y.data_ptr(), x.shape[0]
        )

    return _filling(target, call)


def _fully_connected(operator: FullyConnected, source: TensorSpec, target: TensorSpec, library: ctypes.CDLL) -> Kernel:
    packed = pack_matrix(operator.weights.astype(np.int8), operator.bias, source.zero_point, library.best_path())
    out, inner = operator.weights.shape

    def one_row(x: Tensor) -> tuple[WindowStruct, int]:
        """Takes all samples as the pixels of one image of a single row."""
        rows, steps = x.numel() // inner, len(packed.steps)
        return WindowStruct(1, rows, inner, 0, 0, 0, 0, 1, rows, out, *(1,) * 6, source.zero_point, steps), 1

    return _convolve(library, packed, _requant(operator, target), target, one_row)


def _table(spec: TensorSpec, rescaler: Rescaler, left_shift: int) -> IntArray:
    """Computes the rescaled value of each int8, in the order of its unsigned byte."""
    bytes_in_order = torch.arange(256, dtype=torch.uint8).view(torch.int8).to(torch.int64)
    table: IntArray = rescaling(rescaler)((bytes_in_order - spec.zero_point) << left_shift).numpy()
    return table


def _sum(
    operator: ElementwiseSum, sources: list[TensorSpec], target: TensorSpec, library: ctypes.CDLL
) -> Kernel | None:
    left, right = sources
    tables = (
        _table(left, operator.input_rescalers[0], operator.left_shift),
        operator.sign * _table(right, operator.input_rescalers[1], operator.left_shift),
    )
    if sum(int(np.abs(table).max()) for table in tables) > INT32_MAX:
        return None
    first, second = (table.astype(np.int32) for table in tables)
    requant = _requant(operator, target)
    return _pairwise(
        lambda *data: library.add_tables(ctypes.addressof(requant), first.ctypes.data, second.ctypes.data, *data)
    )


def _pairwise(call: Callable[[int, int, int, int], None]) -> Kernel:
    """Prepares a call with the addresses of two inputs of one shape and of the output, and the number of elements."""

    def run(inputs: list[Tensor]) -> Tensor:
        a, b = (x.contiguous() for x in inputs)
        y = torch.empty_like(a)
        call(a.data_ptr(), b.data_ptr(), y.data_ptr(), a.numel())
        return y

    return run
