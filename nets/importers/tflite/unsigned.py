"""Files of uint8: the same network in int8, every integer and zero point less 128.

Activations become int8 exactly, because nothing but differences from their zero points counts. Weights of uint8 are
asymmetric: less their zero point they have up to nine bits, and :class:`~nets.network.Weighted` holds them so.
"""

from dataclasses import replace

import numpy as np

from nets.errors import NetworkError
from nets.importers.tflite.builder import Builder
from nets.importers.tflite.extent import LEARNED
from nets.importers.tflite.graph import RawGraph, RawOperator, RawTensor
from nets.network import Contract, FloatArray

_OFFSET = 128


def signed(graph: RawGraph) -> RawGraph:
    """Returns a graph whose operators with weights take uint8 as the same graph of int8; any other one as it is."""
    if not any(_computes_in_uint8(graph, operator) for operator in graph.operators):
        return graph
    tensors = tuple(_signed(tensor) if tensor.type_name == "UINT8" else tensor for tensor in graph.tensors)
    return replace(graph, tensors=tensors, unsigned=True)


def _computes_in_uint8(graph: RawGraph, operator: RawOperator) -> bool:
    if operator.kind not in LEARNED or not operator.inputs:
        return False
    return graph.tensor(operator.inputs[0], str(operator)).type_name == "UINT8"


def _signed(tensor: RawTensor) -> RawTensor:
    zero_points = tensor.zero_points if tensor.zero_points.size else np.zeros(tensor.scales.size, np.int64)
    data = None if tensor.data is None else tensor.data ^ np.uint8(_OFFSET)
    return replace(tensor, type_name="INT8", zero_points=zero_points - _OFFSET, data=data)


def zero_point_of(operator: RawOperator, weights: RawTensor, zero_point: int) -> int:
    """Returns the zero point of weights, or raises a NetworkError if no uint8 has it."""
    if not -128 <= zero_point <= 127:
        raise NetworkError(f"{operator}: weights {weights} have zero point {zero_point + _OFFSET}; uint8 has 0 to 255")
    return zero_point


def taken_by_xnnpack(builder: Builder, operator: RawOperator) -> bool:
    """Returns whether XNNPACK runs an operator with weights: not one of uint8 quantized along another dimension than 0.

    Raises:
        NetworkError: the profile is that of XNNPACK, which leaves the operator to kernels that no contract reproduces.
    """
    axis = builder.input(operator, 1).axis
    if not builder.graph.unsigned or axis == 0:
        return True
    if builder.profile.xnnpack_forms and operator.kind != "DEPTHWISE_CONV_2D":
        raise NetworkError(
            f"{operator}: {builder.profile.name} has no contract for weights of uint8 quantized along dimension {axis}"
        )
    return False


def follows_reference(builder: Builder, contract: Contract) -> bool:
    """Returns whether an operator is one of uint8 that a runtime's reference kernel computes."""
    return builder.graph.unsigned and builder.profile.runtime is not None and contract.name == "tflite_double"


def reference_scale(input_scale: float, weight_scale: FloatArray, output_scale: float) -> FloatArray:
    """Computes ``s_x * s_w / s_y`` as TFLite does of uint8: the product in float32, the quotient in float64.

    Source: ``GetQuantizedConvolutionMultipler`` in ``kernels/kernel_util.cc``.
    """
    product = np.float32(input_scale) * weight_scale.astype(np.float32)
    return product.astype(np.float64) / output_scale
