"""Effective scales: the real factor of every rescaler, computed from the scales of the tensors around it."""

from typing import TypeVar

import numpy as np

from nets.errors import NetworkError
from nets.network.arithmetic import MatrixProduct, SquaredDifference
from nets.network.contracts import Contract
from nets.network.operators import (
    ElementwiseProduct,
    ElementwiseSum,
    Mean,
    Requantize,
    RescaledOperator,
    Sum,
    Weighted,
)
from nets.network.recurrent import GatedCell
from nets.network.rescaler import rescaler_from_scale
from nets.network.tensors import FloatArray, TensorSpec

Rescaled = TypeVar("Rescaled", bound=RescaledOperator)


def weighted_scale(input_scale: float, weight_scale: FloatArray, output_scale: float, contract: Contract) -> FloatArray:
    """Computes ``M = s_x * s_w / s_y`` of an operator with weights, dimensionless float64, shape of ``weight_scale``.

    Under a contract with ``float32_scale`` every step is rounded to float32, as XNNPACK does; TFLite's
    reference kernels multiply the float32 scales in double.
    """
    if contract.float32_scale:
        product = np.float32(input_scale) * weight_scale.astype(np.float32)
        return (product / np.float32(output_scale)).astype(np.float64)
    return input_scale * weight_scale / output_scale


def sum_scales(left: float, right: float, result: float, left_shift: int) -> tuple[float, float, float]:
    """Computes the scales of a sum's rescalers: both inputs to twice the larger scale, and from there to the output.

    The inputs are shifted left by ``left_shift`` bits, which the last scale takes back (TFLite ``add.cc``).
    """
    common = 2 * max(left, right)
    return left / common, right / common, common / (2**left_shift * result)


def square_scales(left: float, right: float, result: float, left_shift: int) -> tuple[float, float, float]:
    """Computes the scales of a squared difference's rescalers, as :func:`sum_scales` does those of a sum."""
    common = 2 * max(left, right)
    return left / common, right / common, common * common / (4**left_shift * result)


def product_scale(left: float, right: float, result: float) -> float:
    """Computes ``s_0 * s_1 / s_y`` in float32, as TFLite's ``mul.cc`` does."""
    return float(np.float32(left) * np.float32(right) / np.float32(result))


def matrix_scale(left: float, right: float, result: float, contract: Contract) -> float:
    """Computes ``s_0 * s_1 / s_y`` of a product of matrices: in float32 up to the quotient, or throughout.

    Source: ``GetQuantizedConvolutionMultipler`` in TFLite's ``kernel_util.cc``; XNNPACK computes in float32.
    """
    product = np.float32(left) * np.float32(right)
    return float(product / np.float32(result)) if contract.float32_scale else float(product) / result


def effective_scales(operator: RescaledOperator, tensors: tuple[TensorSpec, ...]) -> tuple[FloatArray, ...]:
    """Computes the effective scale of each of an operator's rescalers, in their order.

    Args:
        operator: the operator.
        tensors: the network's tensors, which the operator refers to by index.

    Returns:
        float64 arrays ``[channels]`` or ``[1]``.

    Raises:
        NetworkError: the operator has the form of an oracle (XNNPACK's ADD or MEAN), whose scales are not free.
    """
    *sources, target = (tensors[index].scale for index in (*operator.inputs, operator.output))
    scales: tuple[float, ...]
    match operator:
        case Weighted():
            return (weighted_scale(sources[0], operator.weight_scale, target, operator.rescaler.contract),)
        case ElementwiseSum(left_shift=0) | Sum(float_offset=float()):
            raise NetworkError(
                f"operator {operator.name!r} has XNNPACK's form, an oracle's; "
                "import the model under another contract to narrow"
            )
        case ElementwiseSum():
            scales = sum_scales(sources[0], sources[1], target, operator.left_shift)
        case SquaredDifference():
            scales = square_scales(sources[0], sources[1], target, operator.left_shift)
        case GatedCell():
            scales = (sources[0] / target * sources[1],)
        case ElementwiseProduct():
            scales = (product_scale(sources[0], sources[1], target),)
        case MatrixProduct():
            scales = (matrix_scale(sources[0], sources[1], target, operator.rescaler.contract),)
        case Mean():
            scales = (sources[0] / (target * operator.count),)
        case Requantize() | Sum():
            scales = (sources[0] / target,)
        case _:
            raise NotImplementedError(f"no effective scale for {type(operator).__name__}")
    return tuple(np.array([scale]) for scale in scales)


def with_multiplier_bits(operator: Rescaled, tensors: tuple[TensorSpec, ...], bits: int) -> Rescaled:
    """Returns the operator with every rescaler rounded anew from its tensors' scales to ``bits``-bit multipliers.

    Raises:
        NetworkError: the width is out of range, or the operator has the form of an oracle.
    """
    scales = effective_scales(operator, tensors)
    return operator.with_rescalers(
        [
            rescaler_from_scale(scale, bits, rescaler.contract)
            for scale, rescaler in zip(scales, operator.rescalers, strict=True)
        ]
    )
