"""Structures of published networks, with random integers, written by the tests' own writer."""

import numpy as np
from block_layers import in_blocks
from random_layers import NONE, RELU, RELU6, RELU_N1_TO_1, SAME, VALID, Layers
from recurrent_layers import lstm, svdf


def visual_wake_words(rng: np.random.Generator, size: int = 96) -> bytes:
    """MobileNetV1 0.25 as in MLPerf Tiny's person detection."""
    layers = Layers(rng)
    x = layers.conv(layers.input(size, size, 3), 8, stride=(2, 2), activation=RELU6)
    plan = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]
    for channels, stride in plan:
        x = layers.depthwise(x, stride=(stride, stride), activation=RELU6)
        x = layers.conv(x, channels, kernel=(1, 1), activation=RELU6)
    side = layers.shape(x)[1]
    x = layers.pool("AVERAGE", x, kernel=(side, side), stride=(side, side))
    x = layers.dense(layers.reshape(x, 256), 2)
    return layers.content(layers.softmax(x))


def streaming_wakeword(rng: np.random.Generator) -> bytes:
    """A stack of separable convolutions along time, dilated, as in MLPerf Tiny's streaming wakeword."""
    layers = Layers(rng)
    x = layers.reshape(layers.input(30, 40), 30, 1, 40)
    for channels, length, dilation in ((128, 3, 1), (128, 5, 1), (128, 9, 1), (32, 5, 2)):
        x = layers.depthwise(x, kernel=(length, 1), dilation=(dilation, 1), padding=VALID if length < 9 else SAME)
        x = layers.conv(x, channels, kernel=(1, 1), activation=RELU)
    x = layers.mean(x, axes=(1, 2))
    return layers.content(layers.softmax(layers.dense(x, 3)))


def residual(rng: np.random.Generator) -> bytes:
    """Branches, every elementwise operator, two outputs, operators that only move integers."""
    layers = Layers(rng)
    x = layers.input(12, 10, 6)
    left = layers.conv(x, 8, activation=RELU)
    right = layers.depthwise(layers.pad(x, (1, 1), (1, 1), (0, 0)), multiplier=2, padding=VALID, activation=NONE)
    right = layers.conv(right, 8, kernel=(1, 1))
    total = layers.elementwise("ADD", left, right, RELU)
    gate = layers.mean(total, keep=True)
    scaled = layers.elementwise("MUL", total, gate)
    difference = layers.elementwise("SUB", scaled, left)
    pooled = layers.pool("MAX", difference, kernel=(3, 2), stride=(2, 2), padding=SAME)
    halves = layers.concatenate([pooled, layers.pool("AVERAGE", pooled, (3, 3), (1, 1), SAME)], 3)
    moved = layers.transpose(layers.requantize("QUANTIZE", halves), 0, 3, 1, 2)
    flat = layers.reshape(moved, int(np.prod(layers.shape(moved)[1:])))
    return layers.content(layers.dense(layers.requantize("RELU", flat), 10), layers.dense(flat, 4, activation=RELU6))


def float_borders(rng: np.random.Generator) -> bytes:
    """Float input and output, translated by QUANTIZE and DEQUANTIZE."""
    layers = Layers(rng)
    real = layers.writer.activation((1, 8, 8, 3), 0.0, 0, "FLOAT32")
    layers.writer.inputs.append(real)
    x = layers.writer.activation((1, 8, 8, 3), 0.05, 3)
    layers.writer.operator("QUANTIZE", [real], [x])
    y = layers.conv(x, 5)
    out = layers.writer.activation(layers.shape(y), 0.0, 0, "FLOAT32")
    layers.writer.operator("DEQUANTIZE", [y], [out])
    return layers.content(out)


def byte_borders(rng: np.random.Generator) -> bytes:
    """uint8 input and output, translated by QUANTIZE at both ends."""
    layers = Layers(rng)
    pixels = layers.writer.activation((1, 8, 8, 3), 0.05, 131, "UINT8")
    layers.writer.inputs.append(pixels)
    x = layers.writer.activation((1, 8, 8, 3), 0.05, 3)
    layers.writer.operator("QUANTIZE", [pixels], [x])
    y = layers.dense(layers.conv(x, 5, activation=RELU_N1_TO_1), 4)
    out = layers.writer.activation(layers.shape(y), layers.scale(y), layers.zero(y) + 128, "UINT8")
    layers.writer.operator("QUANTIZE", [y], [out])
    return layers.content(out)


def batch_of_three(rng: np.random.Generator) -> bytes:
    """A file whose batch is 3."""
    layers = Layers(rng, batch=3)
    x = layers.input(9, 8, 4)
    y = layers.elementwise(
        "ADD", layers.conv(x, 6), layers.depthwise(layers.conv(x, 6, kernel=(1, 1)), activation=RELU)
    )
    z = layers.pool("AVERAGE", layers.pool("MAX", y), (2, 2), (1, 1))
    flat = layers.reshape(z, int(np.prod(layers.shape(z)[1:])))
    return layers.content(layers.dense(flat, 7), layers.dense(layers.mean(y), 3))


def one_dimensional(rng: np.random.Generator) -> bytes:
    """Convolutions along time as converters write them: EXPAND_DIMS, CONV_2D, SQUEEZE; a LOGISTIC at the end."""
    layers = Layers(rng)
    x = layers.input(24, 6)
    for dilation in (1, 2):
        wide = layers.conv(layers.expand(x, 1), 8, kernel=(1, 3), dilation=(1, dilation), activation=RELU)
        x = layers.squeeze(wide, 1)
    return layers.content(layers.logistic(layers.dense(x, 2)))


def constants(rng: np.random.Generator) -> bytes:
    """(conv + c) * c, c - that of every position, and a fully connected layer."""
    layers = Layers(rng)
    x = layers.conv(layers.input(5, 4, 3), 6)
    x = layers.elementwise("ADD", x, layers.constant(6))
    x = layers.elementwise("MUL", layers.constant(1, 1, 1, 6), x)
    x = layers.elementwise("SUB", layers.constant(5, 4, 6), x)
    return layers.content(layers.dense(layers.reshape(x, 120), 4))


def functions(rng: np.random.Generator) -> bytes:
    """Swish by LOGISTIC and MUL, then every other function of one value."""
    layers = Layers(rng)
    x = layers.conv(layers.input(5, 4, 3), 6)
    x = layers.elementwise("MUL", x, layers.function("LOGISTIC", x))
    x = layers.elementwise("ADD", layers.function("HARD_SWISH", x), layers.function("TANH", x))
    x = layers.conv(layers.function("LEAKY_RELU", x, 0.1), 4)
    return layers.content(layers.dense(layers.reshape(x, 80), 4))


def rearrangements(rng: np.random.Generator) -> bytes:
    """A small feature pyramid: a part of an image, its neighbours at twice the size, the smaller of both, resized."""
    layers = Layers(rng)
    x = layers.conv(layers.input(5, 4, 3), 8)
    part = layers.rearranged("SLICE", x, (2, 4, 8), [0, 1, 0, 0], [-1, 2, -1, -1])
    wide = layers.rearranged("RESIZE_NEAREST_NEIGHBOR", part, (4, 8, 8), [4, 8])
    blocks = layers.rearranged("DEPTH_TO_SPACE", layers.conv(part, 32), (4, 8, 8), BlockSize=2)
    total = layers.elementwise("ADD", wide, blocks)
    least = layers.extremum("MINIMUM", total, layers.constant(8, like=total))
    smooth = layers.rearranged("RESIZE_BILINEAR", least, (3, 10, 8), [3, 10], HalfPixelCenters=1)
    return layers.content(layers.dense(layers.reshape(layers.conv(smooth, 2), 60), 4))


def unsigned(rng: np.random.Generator) -> bytes:
    """uint8, as converters of before 2019 wrote it: one scale and zero point of each layer's weights."""
    layers = Layers(rng)
    x = layers.conv(layers.input(5, 4, 3), 6, per_channel=False)
    y = layers.elementwise("ADD", layers.depthwise(x, per_channel=False), layers.conv(x, 6, per_channel=False))
    z = layers.elementwise("MUL", y, layers.function("LOGISTIC", layers.mean(y, keep=True)))
    out = layers.dense(layers.reshape(layers.pool("AVERAGE", z, (2, 2), (1, 1), SAME), 120), 4)
    layers.unsigned()
    return layers.content(layers.softmax_of_uint8(out))


def unsigned_operators(rng: np.random.Generator) -> bytes:
    """uint8: operators side by side behind one convolution, each with an output."""
    layers = Layers(rng)
    x = layers.conv(layers.input(6, 6, 4), 8, per_channel=False, activation=RELU6)
    y = layers.depthwise(x, per_channel=False)
    same = layers.pool("MAX", x, (1, 1), (1, 1))
    outputs = [
        *(layers.elementwise(kind, x, other) for kind in ("ADD", "SUB", "MUL") for other in (y, layers.constant(8))),
        *(layers.pool(kind, x, (3, 2), (1, 2), SAME) for kind in ("MAX", "AVERAGE")),
        *(layers.mean(x, axes) for axes in ((1, 2), (1,))),
        *(layers.function(kind, x) for kind in ("TANH", "HARD_SWISH")),
        *(layers.requantize(kind, x) for kind in ("QUANTIZE", "RELU", "RELU6")),
        layers.function("LEAKY_RELU", x, 0.1),
        layers.extremum("MINIMUM", x, same),
        layers.concatenate([x, same], 3),
        layers.pad(x, (1, 0), (0, 1), (0, 0)),
        layers.transpose(x, 0, 3, 1, 2),
        layers.rearranged("RESIZE_BILINEAR", x, (12, 12, 8), [12, 12], HalfPixelCenters=1),
        layers.rearranged("RESIZE_NEAREST_NEIGHBOR", x, (12, 9, 8), [12, 9]),
        layers.rearranged("DEPTH_TO_SPACE", x, (12, 12, 2), BlockSize=2),
    ]
    layers.unsigned()
    return layers.content(y, *outputs)


def through_float(rng: np.random.Generator) -> bytes:
    """A change of quantization that a converter left in float: DEQUANTIZE, QUANTIZE."""
    layers = Layers(rng)
    x = layers.conv(layers.input(5, 4, 3), 6)
    real = layers.writer.activation(layers.shape(x), 0.0, 0, "FLOAT32")
    half = layers.writer.activation(layers.shape(x), 2 * layers.scale(x), 3)  # ties among the quotients
    layers.writer.operator("DEQUANTIZE", [x], [real])
    layers.writer.operator("QUANTIZE", [real], [half])
    return layers.content(layers.dense(layers.reshape(half, 120), 4))


def post_processed(rng: np.random.Generator) -> bytes:
    """A detector's heads: boxes to float, scores by LOGISTIC, both into a custom operator; classes by ARG_MAX."""
    layers = Layers(rng)
    writer = layers.writer
    x = layers.conv(layers.input(6, 6, 3), 8)
    boxes, scores = layers.reshape(layers.conv(x, 4), 144), layers.logistic(layers.reshape(layers.conv(x, 2), 72))
    reals = [writer.activation((1, size), 0.0, 0, "FLOAT32") for size in (144, 72)]
    for source, real in zip((boxes, scores), reals, strict=True):
        writer.operator("DEQUANTIZE", [source], [real])
    best, found = writer.integers((1,)), writer.activation((1, 10, 4), 0.0, 0, "FLOAT32")
    writer.operator("ARG_MAX", [scores, writer.constant(np.array(1), "INT32")], [best], "ArgMaxOptions", OutputType=2)
    writer.operator("CUSTOM", reals, [found])
    return layers.content(found, best)


def parts(rng: np.random.Generator) -> bytes:
    """Halves of the channels, one of them gated by a softmax, stacked, padded and reduced."""
    layers = Layers(rng)
    x = layers.conv(layers.input(5, 4, 3), 8)
    left, right = layers.parts("SPLIT", x, 3, [4, 4])
    gated = layers.elementwise("MUL", layers.function("GELU", left), layers.softmax(right))
    smooth = layers.elementwise("ADD", gated, layers.parts("UNPACK", layers.expand(right, 1), 1, [1])[0])
    pair = layers.pack([smooth, layers.rearranged("REVERSE_V2", smooth, (5, 4, 4), [1])], 2)
    largest = layers.padded(layers.reduced("REDUCE_MAX", pair, (2,), keep=False), (0, 1), (1, 0), (0, 0))
    return layers.content(layers.dense(layers.reshape(largest, 120), 4))


def upsampled(rng: np.random.Generator) -> bytes:
    """A decoder: transposed convolutions, a layer at every position, and a dilated convolution stated in blocks."""
    layers = Layers(rng)
    x = layers.conv(layers.input(5, 4, 3), 6, stride=(2, 2))
    y = layers.transposed(x, 5, (3, 2), (2, 2))
    z = layers.transposed(layers.dense(y, 4, keep=True), 3, (2, 2), (1, 2), VALID, bias=False)
    wide = in_blocks(layers, z, (2, 3), lambda x: layers.depthwise(x, kernel=(3, 2), padding=VALID), (3, 2))
    z = layers.elementwise("ADD", z, wide)
    return layers.content(layers.dense(layers.reshape(z, int(np.prod(layers.shape(z)[1:]))), 4))


def attention(rng: np.random.Generator) -> bytes:
    """Two heads of self-attention over six positions, as converters write it, and its sum with the input."""
    layers = Layers(rng)
    x = layers.input(6, 8)
    heads = [layers.reshape(layers.dense(x, 8, keep=True), 6, 2, 4) for _ in range(3)]
    queries, keys, values = (layers.transpose(each, 0, 2, 1, 3) for each in heads)
    scores = layers.softmax(layers.matrices(queries, keys, (False, True)))
    mixed = layers.transpose(layers.matrices(scores, values), 0, 2, 1, 3)
    total = layers.elementwise("ADD", layers.dense(layers.reshape(mixed, 6, 8), 8, keep=True), x)
    spread = layers.squared_difference(total, layers.mean(total, (2,), keep=True))
    scaled = layers.elementwise("MUL", layers.parametric_relu(total, 1, 8), layers.mean(spread, (2,), keep=True))
    return layers.content(layers.dense(layers.mean(layers.function("GELU", scaled), (1,)), 4))


def shape_arithmetic(rng: np.random.Generator) -> bytes:
    """A flatten that keeps an unknown batch: SHAPE, STRIDED_SLICE, PACK, RESHAPE."""
    layers = Layers(rng)
    writer = layers.writer
    x = layers.conv(layers.input(5, 4, 3), 6)
    shape, batch, target = (writer.integers(sizes) for sizes in ((4,), (), (2,)))
    ends = [writer.constant(np.array([value]), "INT32") for value in (0, 1, 1)]
    writer.operator("SHAPE", [x], [shape], "ShapeOptions", OutType=2)
    writer.operator("STRIDED_SLICE", [shape, *ends], [batch], "StridedSliceOptions", ShrinkAxisMask=1)
    length = writer.constant(np.array(120), "INT32")
    writer.operator("PACK", [batch, length], [target], "PackOptions", ValuesCount=2, Axis=0)
    flat = writer.activation((1, 120), layers.scale(x), layers.zero(x))
    writer.operator("RESHAPE", [x, target], [flat])
    return layers.content(layers.dense(flat, 5))


def wide_activations(rng: np.random.Generator) -> bytes:
    """Each operator that converters write into a network of int16 activations."""
    layers = Layers(rng, wide=True, bias_type="INT64")
    x = layers.input(6, 7, 5)
    left = layers.conv(x, 8, stride=(2, 1), activation=RELU)
    right = layers.conv(layers.depthwise(layers.pad(x, (1, 1), (1, 1), (0, 0)), padding=VALID), 8, kernel=(1, 1))
    right = layers.pool("MAX", right, (2, 1), (2, 1), SAME)
    total = layers.elementwise("ADD", left, right, RELU6)
    gate = layers.function("LOGISTIC", layers.mean(total, keep=True))
    scaled = layers.elementwise("MUL", total, gate)
    rest = layers.elementwise("SUB", layers.function("TANH", scaled), layers.constant(8))
    pooled = layers.pool("AVERAGE", layers.function("LEAKY_RELU", rest, 0.2), (3, 3), (1, 1), SAME)
    halves = layers.concatenate([pooled, layers.transpose(layers.transpose(pooled, 0, 2, 1, 3), 0, 2, 1, 3)], 3)
    flat = layers.reshape(layers.requantize("QUANTIZE", halves), int(np.prod(layers.shape(halves)[1:])))
    return layers.content(layers.dense(layers.dense(flat, 12, RELU, per_channel=True), 4, bias=False))


def wide_matrices(rng: np.random.Generator) -> bytes:
    """Int16: a product of two activations, and a transposed convolution without a bias."""
    layers = Layers(rng, wide=True, bias_type="INT64")
    product = layers.matrices(layers.input(2, 4, 5), layers.input(2, 5, 3))
    return layers.content(product, layers.transposed(layers.input(3, 4, 2), 3, bias=False))


def with_lstm(rng: np.random.Generator) -> bytes:
    """An LSTM with a projection, and a fully connected layer."""
    layers = Layers(rng)
    x = lstm(layers, layers.input(5, 6), 6, 4)
    return layers.content(layers.dense(layers.reshape(x, 20), 5))


def with_svdf(rng: np.random.Generator, *, wide: bool = True) -> bytes:
    """Two SVDFs between fully connected layers; their memories are int16, or int8."""
    layers = Layers(rng)
    x = svdf(layers, layers.input(9), 6, rank=2, wide=wide)
    x = svdf(layers, layers.dense(x, 7, RELU), 5, wide=wide)
    return layers.content(layers.dense(x, 4))
