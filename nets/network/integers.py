"""Real values to integers: weights, biases and rescalers at the scales of an operator's tensors."""

from dataclasses import replace
from functools import singledispatch
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from nets.errors import NetworkError
from nets.network.network import (
    ElementwiseProduct,
    ElementwiseSum,
    Mean,
    Method,
    Operator,
    Requantize,
    TensorSpec,
    Weighted,
)
from nets.network.rescaler import FloatArray, IntArray, effective_scale, rescaler_from_scale

INT32_MAX = 2**31 - 1


def weight_limit(bits: int) -> int:
    """Largest magnitude of a symmetric weight of this many bits."""
    return int(2 ** (bits - 1) - 1)


def quantize_weights(weights: FloatArray, scale: FloatArray, bits: int) -> npt.NDArray[np.int8]:
    """Round real weights ``[out, ...]`` to symmetric integers at ``scale``, ``[out]`` or ``[1]``."""
    limit = weight_limit(bits)
    steps: FloatArray = np.rint(weights / along_channels(scale, weights.ndim))
    return np.clip(steps, -limit, limit).astype(np.int8)


def quantize_bias(bias: FloatArray, scale: FloatArray) -> IntArray:
    """Round a real bias ``[out]`` to int32 integers at ``scale = s_x * s_w``; saturates like a register."""
    return np.clip(np.rint(bias / scale), -INT32_MAX - 1, INT32_MAX).astype(np.int64)


def scale_of(operator: Weighted, tensors: tuple[TensorSpec, ...], weight_scale: FloatArray) -> FloatArray:
    """Effective scales of an operator at some weight scales, ``[out]`` or ``[1]``."""
    source, target = tensors[operator.inputs[0]], tensors[operator.output]
    return effective_scale(source.scale, weight_scale, target.scale, operator.rescaler.contract)


_Any = TypeVar("_Any", bound=np.generic)


def along_channels(values: npt.NDArray[_Any], ndim: int) -> npt.NDArray[_Any]:
    """Per-channel values ``[out]`` or ``[1]``, shaped to broadcast along the first of ``ndim`` axes."""
    return values.reshape(-1, *(1,) * (ndim - 1))


@singledispatch
def at_width(operator: Operator, tensors: tuple[TensorSpec, ...], bits: int) -> Operator:
    """The operator with rescalers rounded anew from its tensors' scales, ``bits`` wide.

    Raises:
        NetworkError: the operator has no rescaler.
    """
    raise NetworkError(f"operator {operator.name!r} has no rescaler whose width can be chosen")


@at_width.register
def _(operator: Weighted, tensors: tuple[TensorSpec, ...], bits: int) -> Operator:
    scale = scale_of(operator, tensors, operator.weight_scale)
    return replace(
        operator,
        rescaler=rescaler_from_scale(scale, bits, operator.rescaler.contract),
        method=Method.ROUND,
    )


@at_width.register
def _(operator: ElementwiseSum, tensors: tuple[TensorSpec, ...], bits: int) -> Operator:
    if operator.left_shift == 0:
        raise NetworkError(f"operator {operator.name!r} has XNNPACK's form, an oracle's; narrow under another contract")
    scales = [tensors[index].scale for index in operator.inputs]
    common = 2 * max(scales)
    contracts = [rescaler.contract for rescaler in operator.input_rescalers]
    left, right = (
        rescaler_from_scale(np.array([scale / common]), bits, contract)
        for scale, contract in zip(scales, contracts, strict=True)
    )
    output = np.array([common / (2**operator.left_shift * tensors[operator.output].scale)])
    return replace(
        operator,
        input_rescalers=(left, right),
        rescaler=rescaler_from_scale(output, bits, operator.rescaler.contract),
    )


@at_width.register
def _(operator: ElementwiseProduct, tensors: tuple[TensorSpec, ...], bits: int) -> Operator:
    first, second, result = (np.float32(tensors[index].scale) for index in (*operator.inputs, operator.output))
    scale = np.array([float(first * second / result)])  # in float32, as TFLite computes it
    return replace(operator, rescaler=rescaler_from_scale(scale, bits, operator.rescaler.contract))


@at_width.register
def _(operator: Requantize, tensors: tuple[TensorSpec, ...], bits: int) -> Operator:
    scale = np.array([tensors[operator.inputs[0]].scale / tensors[operator.output].scale])
    return replace(operator, rescaler=rescaler_from_scale(scale, bits, operator.rescaler.contract))


@at_width.register
def _(operator: Mean, tensors: tuple[TensorSpec, ...], bits: int) -> Operator:
    if operator.float_offset is not None:
        raise NetworkError(f"operator {operator.name!r} has XNNPACK's form, an oracle's; narrow under another contract")
    scale = np.array([tensors[operator.inputs[0]].scale / (tensors[operator.output].scale * operator.count)])
    return replace(operator, rescaler=rescaler_from_scale(scale, bits, operator.rescaler.contract))
