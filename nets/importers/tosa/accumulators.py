"""Converters of the operators that make int32: convolutions, sums, products and what leads to them."""

from dataclasses import replace

import numpy as np

from nets.errors import NetworkError
from nets.importers.tflite.builder import frozen
from nets.importers.tosa.builder import Builder
from nets.importers.tosa.graph import RawOperator
from nets.importers.tosa.schema import DType, Op
from nets.importers.tosa.wide import Centred, Chosen, Product, Products, Reduced, Scaled, Side, Total
from nets.importers.tosa.windows import windows
from nets.network import ActivationArray, ElementwiseKind, IntArray, WeightArray

COUNT_MAX = 2**16  # elements of one window or mean: their int8 sum stays exact in float32


def convolution(builder: Builder, raw: RawOperator) -> None:
    """Converts CONV2D; weights ``[out, height, width, in]``."""
    weights = _weights(builder, raw)
    channels = _image(builder, raw)[2]
    if weights.shape[3] != channels:
        raise NetworkError(f"{raw}: weights of shape {list(weights.shape)} do not fit {channels} input channels")
    _products(builder, raw, weights, groups=1)


def depthwise(builder: Builder, raw: RawOperator) -> None:
    """Converts DEPTHWISE_CONV2D; weights ``[height, width, in, multiplier]``."""
    stored = _weights(builder, raw)
    channels = _image(builder, raw)[2]
    if stored.shape[2] != channels:
        raise NetworkError(f"{raw}: weights of shape {list(stored.shape)} do not fit {channels} input channels")
    height, width = stored.shape[:2]
    weights = stored.reshape(height, width, -1, 1).transpose(2, 0, 1, 3)
    _products(builder, raw, weights, groups=channels)


def matmul(builder: Builder, raw: RawOperator) -> None:
    """Converts MATMUL of rows ``[1, rows, in]`` and constant weights ``[1, in, out]``: a fully connected layer."""
    stored = builder.raw_input(raw, 1).values(DType.INT8)
    source = builder.activation(raw)
    shape = builder.shapes[source]
    if builder.batch != 1 or len(shape) != 2 or stored.ndim != 3 or stored.shape[:2] != (1, shape[-1]):
        raise NetworkError(
            f"{raw}: {[builder.batch, *shape]} by {list(stored.shape)}; a batch of 1 and constant weights are supported"
        )
    weights, zero = stored[0].T.astype(np.int8), builder.scalar(raw, 3, DType.INT8)
    made = Products(
        raw=raw,
        source=source,
        zero=builder.scalar(raw, 2, DType.INT8),
        weights=_less(weights, zero),
        weight_zero=zero,
        bias=frozen(np.zeros(len(weights), np.int64)),
        stride=(1, 1),
        dilation=(1, 1),
        padding=((0, 0), (0, 0)),
        groups=1,
    )
    builder.check_work(raw, (shape[0], len(weights)), shape[1])
    builder.accumulates(raw, (shape[0], len(weights)), made)


def _image(builder: Builder, raw: RawOperator) -> tuple[int, ...]:
    shape = builder.shapes[builder.activation(raw)]
    if len(shape) != 3:
        raise NetworkError(f"{raw} takes [batch, height, width, channels], not [batch, {list(shape)}]")
    return shape


def _weights(builder: Builder, raw: RawOperator) -> ActivationArray:
    values = builder.raw_input(raw, 1).values(DType.INT8)
    if values.ndim != 4 or values.size == 0:
        raise NetworkError(f"{raw}: weights have shape {list(values.shape)}; 4 positive sizes are needed")
    return values.astype(np.int8)


def _less(weights: ActivationArray, zero: int) -> WeightArray:
    """Returns weights less their zero point, in int8 if that is 0."""
    return frozen(weights.astype(np.int16) - zero if zero else weights)


def _products(builder: Builder, raw: RawOperator, weights: ActivationArray, groups: int) -> None:
    image, out = _image(builder, raw), weights.shape[0]
    stride, dilation = raw.numbers("stride", 2), raw.numbers("dilation", 2)
    kernel = weights.shape[1:3]
    sizes, padding = windows(raw, image[:2], kernel, stride, dilation)
    bias = builder.raw_input(raw, 2).values(DType.INT32).reshape(-1)
    if bias.size not in (1, out):
        raise NetworkError(f"{raw}: {bias.size} biases; 1 or {out} are needed")
    zero = builder.scalar(raw, 4, DType.INT8)
    _check_accumulator(raw)
    builder.check_work(raw, (*sizes, out), weights[0].size)
    made = Products(
        raw=raw,
        source=builder.activation(raw),
        zero=builder.scalar(raw, 3, DType.INT8),
        weights=_less(weights, zero),
        weight_zero=zero,
        bias=frozen(np.broadcast_to(bias, out)),
        stride=(stride[0], stride[1]),
        dilation=(dilation[0], dilation[1]),
        padding=padding,
        groups=groups,
    )
    builder.accumulates(raw, (*sizes, out), made)


def _check_accumulator(raw: RawOperator) -> None:
    if raw.number("acc_type") != DType.INT32:
        raise NetworkError(f"{raw} accumulates in type {raw.number('acc_type')}; INT32 ({DType.INT32}) is supported")


def add_or_subtract(builder: Builder, raw: RawOperator) -> None:
    """Converts ADD and SUB of int32: of two tensors, or of an accumulator and a constant, which joins its bias."""
    shape = broadcast(builder, raw)
    constant = builder.raw_input(raw, 1)
    if constant.data is not None and constant.name not in builder.wide:
        products = builder.accumulator(raw, 0)
        if not isinstance(products, Products) or raw.op is not Op.ADD:
            raise NetworkError(f"{raw}: the constant {constant} is added to no convolution")
        builder.accumulates(raw, shape, replace(products, bias=frozen(products.bias + _bias(builder, raw, products))))
        return
    kind = ElementwiseKind.ADD if raw.op is Op.ADD else ElementwiseKind.SUB
    builder.accumulates(raw, shape, Total(kind, _side(builder, raw, 0), _side(builder, raw, 1)))


def _bias(builder: Builder, raw: RawOperator, products: Products) -> IntArray:
    values, out = builder.raw_input(raw, 1).values(DType.INT32), len(products.bias)
    if values.size not in (1, out) or (values.size > 1 and values.shape[-1] != out):
        raise NetworkError(f"{raw}: a constant of shape {list(values.shape)}; one number for each of {out} is needed")
    return values.reshape(-1)


def _side(builder: Builder, raw: RawOperator, position: int) -> Side:
    wide = builder.accumulator(raw, position)
    if not isinstance(wide, Centred | Scaled):
        raise NetworkError(f"{raw}: input {position} is no rescaled int8 tensor")
    return wide


def _centred(builder: Builder, raw: RawOperator, position: int) -> Centred:
    wide = builder.accumulator(raw, position)
    if not isinstance(wide, Centred) or wide.left_shift:
        raise NetworkError(f"{raw}: input {position} is no int8 tensor less its zero point")
    return wide


def multiply(builder: Builder, raw: RawOperator) -> None:
    """Converts MUL of two int32 tensors."""
    if builder.scalar(raw, 2, DType.INT8):
        raise NetworkError(f"{raw} shifts its products; only a shift of 0 is supported")
    builder.accumulates(raw, broadcast(builder, raw), Product(_centred(builder, raw, 0), _centred(builder, raw, 1)))


def extremum(builder: Builder, raw: RawOperator) -> None:
    """Converts MAXIMUM and MINIMUM of two int32 tensors."""
    left, right = (_centred(builder, raw, position) for position in (0, 1))
    builder.accumulates(raw, broadcast(builder, raw), Chosen(left, right, raw.op is Op.MAXIMUM))


def reduce_sum(builder: Builder, raw: RawOperator) -> None:
    """Converts REDUCE_SUM, one axis of several."""
    source, axis = builder.raw_input(raw, 0), raw.number("axis")
    wide = builder.accumulator(raw, 0)
    if isinstance(wide, Centred) and wide.left_shift == 0:
        wide = Reduced(wide, ())
    if not isinstance(wide, Reduced) or not 1 <= axis < len(source.shape) or axis - 1 in wide.axes:
        raise NetworkError(f"{raw} sums over axis {axis} of {source}; distinct axes besides the batch are supported")
    shape = tuple(1 if at == axis else size for at, size in enumerate(source.shape))[1:]
    builder.accumulates(raw, shape, Reduced(wide.centred, (*wide.axes, axis - 1)))


def broadcast(builder: Builder, raw: RawOperator) -> tuple[int, ...]:
    """Returns the shape of an elementwise result, without the batch."""
    left, right = (builder.raw_input(raw, position).shape for position in (0, 1))
    try:
        shape = np.broadcast_shapes(left, right)
    except ValueError:
        raise NetworkError(f"{raw}: shapes {list(left)} and {list(right)} do not fit each other") from None
    if len(left) != len(right):
        raise NetworkError(f"{raw}: shapes {list(left)} and {list(right)} have different ranks")
    return tuple(shape[1:])
