"""Converters of the operators with weights: CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED."""

from typing import Any

import numpy as np
import tflite

from nets.errors import NetworkError
from nets.importers.tflite import unsigned, xnnpack
from nets.importers.tflite.activation import activation_range
from nets.importers.tflite.builder import (
    Builder,
    check_shape,
    check_work,
    constant,
    frozen,
    is_wide,
    kind_of,
    placed,
    quantization,
)
from nets.importers.tflite.graph import Options, RawOperator
from nets.importers.tflite.windows import window
from nets.network import (
    FULL_MULTIPLIER_BITS,
    WIDE_BIAS_BITS,
    Convolution,
    FloatArray,
    FullyConnected,
    Int8Array,
    IntArray,
    Operator,
    Pads,
    TensorSpec,
    TransposedConvolution,
    as_weights,
    rescaler_from_scale,
    weighted_scale,
)

INT32_BITS = 32


def convolution(builder: Builder, raw: RawOperator) -> Operator:
    """Converts CONV_2D; weights ``[out, height, width, in / groups]``."""
    options = raw.options(tflite.Conv2DOptions)
    channels = builder.image(raw).shape[2]
    weights = _weights(builder, raw, rank=4)
    groups, rest = divmod(channels, max(weights.shape[3], 1))
    if rest or groups == 0 or weights.shape[0] % groups:
        raise NetworkError(f"{raw}: {channels} input channels do not fit weights of shape {list(weights.shape)}")
    return _convolution(builder, raw, weights, groups, options, channel_axis=0)


def depthwise(builder: Builder, raw: RawOperator) -> Operator:
    """Converts DEPTHWISE_CONV_2D; weights ``[1, height, width, in * multiplier]``."""
    options = raw.options(tflite.DepthwiseConv2DOptions)
    channels = builder.image(raw).shape[2]
    stored = _weights(builder, raw, rank=4)
    if stored.shape[0] != 1 or stored.shape[3] != channels * options.DepthMultiplier():
        raise NetworkError(
            f"{raw}: weights of shape {list(stored.shape)} do not fit {channels} input channels "
            f"and depth multiplier {options.DepthMultiplier()}"
        )
    weights = np.ascontiguousarray(stored.transpose(3, 1, 2, 0))
    return _convolution(builder, raw, weights, channels, options, channel_axis=3)


def transposed_convolution(builder: Builder, raw: RawOperator) -> Operator:
    """Converts TRANSPOSE_CONV, whose inputs are the output's shape, the weights, an image and perhaps a bias."""
    options = raw.options(tflite.TransposeConvOptions)
    source, result = builder.activation(raw, 2), builder.result(raw)
    weights = _weights(builder, raw, rank=4)
    if len(source.shape) != 3 or weights.shape[3] != source.shape[2]:
        raise NetworkError(f"{raw}: weights of shape {list(weights.shape)} do not fit input {list(source.shape)}")
    stated = constant(builder.input(raw, 0), "INT32").reshape(-1).tolist()
    sizes, spacing, kernel = stated[1:3], (options.StrideH(), options.StrideW()), weights.shape[1:3]
    check_shape(raw, (*stated[1:3], weights.shape[0]), result)
    before, _ = window(raw, tuple(sizes), kernel, spacing, (1, 1), options.Padding())
    if len(stated) != 4 or before != source.shape[:2]:
        raise NetworkError(
            f"{raw} makes {stated} of {list(source.shape[:2])}; a convolution of that makes {list(before)}"
        )
    check_work(raw, result, weights[0].size)
    same = options.Padding() == tflite.Padding.SAME
    if builder.profile.xnnpack_forms and not xnnpack.takes_transposed(kernel, spacing, same=same):
        raise NetworkError(
            f"{raw} has a kernel {list(kernel)} smaller than its stride {list(spacing)}; XNNPACK leaves it to a kernel "
            "whose rounding depends on the processor"
        )
    shared = _shared(builder, raw, weights[:, ::-1, ::-1], options, channel_axis=0, source_at=2)
    return TransposedConvolution(
        **shared,
        stride=(1, 1),
        dilation=(1, 1),
        padding=_around(raw, source.shape, sizes, kernel, spacing, options.Padding()),
        groups=1,
        spacing=spacing,
    )


def _around(
    raw: RawOperator,
    shape: tuple[int, ...],
    sizes: list[int],
    kernel: tuple[int, int],
    spacing: tuple[int, int],
    padding: int,
) -> Pads:
    """Returns the padding of the image with zeros between its elements, whose convolution has these sizes."""
    _, cropped = window(raw, tuple(sizes), kernel, spacing, (1, 1), padding)
    first = [reach - 1 - before for reach, (before, _) in zip(kernel, cropped, strict=True)]
    apart = [(size - 1) * step + 1 for size, step in zip(shape, spacing, strict=False)]
    last = [size + k - 1 - a - f for size, k, a, f in zip(sizes, kernel, apart, first, strict=True)]
    if min(*first, *last) < 0:
        raise NetworkError(f"{raw} crops more than its kernel reaches")
    return (first[0], last[0]), (first[1], last[1])


def fully_connected(builder: Builder, raw: RawOperator) -> Operator:
    """Converts FULLY_CONNECTED; weights ``[out, in]``."""
    options = raw.options(tflite.FullyConnectedOptions)
    if options.WeightsFormat() != 0:
        raise NetworkError(
            f"{raw} has shuffled weights (format {options.WeightsFormat()}); only the default is supported"
        )
    source, result = builder.activation(raw), builder.result(raw)
    weights = _weights(builder, raw, rank=2)
    out_channels, width = weights.shape
    leading = source.shape[:-1] if options.KeepNumDims() else ()
    elements = source.shape[-1] if options.KeepNumDims() else int(np.prod(source.shape))
    if not source.shape or elements != width:
        raise NetworkError(f"{raw}: weights of shape {list(weights.shape)} do not fit input {list(source.shape)}")
    check_shape(raw, (*leading, out_channels), result)
    return FullyConnected(**_shared(builder, raw, weights, options, channel_axis=0))


def _weights(builder: Builder, raw: RawOperator, rank: int) -> Int8Array:
    tensor = builder.input(raw, 1)
    values = constant(tensor, "INT8")
    if values.ndim != rank or values.size == 0:
        raise NetworkError(f"{raw}: weights have shape {list(values.shape)}; {rank} positive sizes are needed")
    return values.astype(np.int8)


def _convolution(
    builder: Builder, raw: RawOperator, weights: Int8Array, groups: int, options: Options, channel_axis: int
) -> Convolution:
    source, result = builder.activation(raw), builder.result(raw)
    dilation = (options.DilationHFactor(), options.DilationWFactor())
    stride = (options.StrideH(), options.StrideW())
    kernel = (weights.shape[1], weights.shape[2])
    if raw.blocks is None:
        sizes, pads = window(raw, source.shape[:2], kernel, stride, dilation, options.Padding())
    elif {*stride, *dilation} != {1} or options.Padding() != tflite.Padding.VALID:
        raise NetworkError(f"{raw} of blocks has stride {list(stride)}, dilation {list(dilation)}; use 1, 1 and VALID")
    else:
        dilation, pads = raw.blocks.dilation, raw.blocks.padding
        image = tuple(size + sum(pair) for size, pair in zip(source.shape, pads, strict=False))
        sizes, _ = window(raw, image, kernel, stride, dilation, options.Padding())
    check_shape(raw, (*sizes, weights.shape[0]), result)
    check_work(raw, result, weights[0].size)
    shared = _shared(builder, raw, weights, options, channel_axis)
    return Convolution(**shared, stride=stride, dilation=dilation, padding=pads, groups=groups)


def _shared(
    builder: Builder, raw: RawOperator, weights: Int8Array, options: Options, channel_axis: int, source_at: int = 0
) -> dict[str, Any]:
    """Returns the fields that every :class:`Weighted` operator has; its bias follows weights and source."""
    source, result = builder.activation(raw, source_at), builder.result(raw)
    scales, zero_point = _weight_scales(builder, raw, weights.shape[0], channel_axis)
    bias, bias_bits = _bias(builder, raw, weights.shape[0], max(source_at, 1) + 1, wide=is_wide(source))
    kind = _contract_kind(builder, raw, source, options)
    contract = builder.contract(kind, wide=is_wide(source), xnnpack=unsigned.taken_by_xnnpack(builder, raw))
    if unsigned.follows_reference(builder, contract):
        scale = unsigned.reference_scale(source.scale, scales, result.scale)
    elif raw.kind == "FULLY_CONNECTED" and scales.size == 1 and contract.name == "ruy_double":
        # TFLite's GetQuantizedConvolutionMultipler, unlike the kernels per channel, multiplies in float32.
        scale = unsigned.reference_scale(source.scale, scales, result.scale)
    else:
        scale = weighted_scale(source.scale, scales, result.scale, contract)
    q_min, q_max = activation_range(raw, options.FusedActivationFunction(), result)
    return {
        **placed(raw),
        "inputs": (raw.inputs[source_at],),
        "weights": frozen(as_weights(weights.astype(np.float64) - zero_point, 8, zero_point)),
        "weight_zero_point": zero_point,
        "bias": frozen(bias),
        "bias_bits": bias_bits,
        "weight_scale": frozen(scales),
        "rescaler": rescaler_from_scale(scale, FULL_MULTIPLIER_BITS, contract),
        "q_min": q_min,
        "q_max": q_max,
    }


def _contract_kind(builder: Builder, raw: RawOperator, source: TensorSpec, options: Options) -> str:
    """Returns what profiles call the operator: without int64 biases, other kernels run those of int16.

    A fully connected layer without a bias may state the type that its bias would have.
    """
    kind = kind_of(raw)
    if kind == "transpose_conv":
        if is_wide(source) and builder.has_input(raw, 3) and builder.input(raw, 3).type_name != "INT64":
            raise NetworkError(f"{raw} of int16 has a bias of 32 bits, which the runtime reads as one of 64; use int64")
        return kind
    int64 = builder.has_input(raw, 2) and builder.input(raw, 2).type_name == "INT64"
    if kind == "fc" and not builder.has_input(raw, 2):
        int64 = options.QuantizedBiasType() == tflite.TensorType.INT64
    return f"{kind}_int32" if is_wide(source) and not int64 else kind


def _weight_scales(builder: Builder, raw: RawOperator, channels: int, axis: int) -> tuple[FloatArray, int]:
    """Returns the scales of an operator's weights and their zero point, 0 unless the file is of uint8."""
    tensor = builder.input(raw, 1)
    scales, zero_points = quantization(tensor)
    if scales.size not in (1, channels):
        raise NetworkError(f"{raw}: {scales.size} weight scales; 1 or one for each of {channels} channels is needed")
    if scales.size > 1 and tensor.axis != axis:
        raise NetworkError(f"{raw}: weights are quantized along dimension {tensor.axis}; {axis} is supported")
    if builder.graph.unsigned and scales.size == 1:
        return scales, unsigned.zero_point_of(raw, tensor, int(zero_points[0]))
    if zero_points.any():
        raise NetworkError(f"{raw}: weights have zero point {zero_points[zero_points != 0][0]}; it has to be 0")
    return scales, 0


def _bias(builder: Builder, raw: RawOperator, channels: int, at: int, *, wide: bool) -> tuple[IntArray, int]:
    """Returns the bias, and the width in bits that it may have."""
    if not builder.has_input(raw, at):
        return np.zeros(channels, np.int64), WIDE_BIAS_BITS if wide else INT32_BITS
    tensor = builder.input(raw, at)
    bits = WIDE_BIAS_BITS if wide and tensor.type_name == "INT64" else INT32_BITS
    bias = constant(tensor, "INT64" if bits > INT32_BITS else "INT32")
    if bias.shape != (channels,):
        raise NetworkError(f"{raw}: bias has shape {list(bias.shape)}; [{channels}] is needed")
    limit = 2 ** (bits - 2)  # and as much for the products
    if (np.abs(bias) > limit).any() and bits > INT32_BITS:
        raise NetworkError(f"{raw}: bias {bias[np.abs(bias).argmax()]} is beyond {bits - 1} bits, which kernels take")
    return bias, bits
