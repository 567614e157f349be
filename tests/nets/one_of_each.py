"""A small model around each kind of operator that the importer knows."""

from collections.abc import Callable

import known_models
import numpy as np
from random_layers import Layers
from recurrent_layers import lstm, svdf

Make = Callable[[Layers, int], int]


def model(kind: str) -> bytes:
    """A file whose operator of this kind reads its input, ``[1, 4, 6, 8]``."""
    if kind == "DEQUANTIZE+QUANTIZE":
        return known_models.through_float(np.random.default_rng(3))
    layers = Layers(np.random.default_rng(3))
    x = layers.input(4, 6, 8, scale=0.05)
    if kind in ("RSQRT", "SQRT"):
        layers.writer.tensors[x].zero_points = [-128]  # no runtime takes negative numbers
    if kind in ("SPLIT", "SPLIT_V", "UNPACK"):
        return layers.content(*layers.parts(kind, x, 1, [1] * 4))
    if kind in ("SOFTMAX", "LOGISTIC"):  # at the end they would be left out
        return layers.content(layers.transpose(MAKERS[kind](layers, x), 0, 2, 1, 3))
    return layers.content(MAKERS[kind](layers, x))


def _function(kind: str, alpha: float | None = None) -> Make:
    return lambda layers, x: layers.function(kind, x, alpha)


def _rearranged(kind: str, shape: tuple[int, ...], *arguments: list, **options: int) -> Make:
    return lambda layers, x: layers.rearranged(kind, x, shape, *arguments, **options)


def _with_constant(kind: str) -> Make:
    return lambda layers, x: layers.elementwise(kind, x, layers.constant(8))


def _extremum(kind: str) -> Make:
    return lambda layers, x: layers.extremum(kind, x, layers.constant(8, like=x))


def _reduced(kind: str) -> Make:
    return lambda layers, x: layers.reduced(kind, x, (1, 2), keep=False)


def _requantized(kind: str) -> Make:
    return lambda layers, x: layers.requantize(kind, x)


def _negated(layers: Layers, x: int) -> int:
    y = layers.writer.activation(layers.shape(x), layers.scale(x), layers.zero(x))
    layers.writer.operator("NEG", [x], [y], "NegOptions")
    return y


def _selected(layers: Layers, x: int, kind: str, condition: tuple[int, ...], operand: tuple[int, ...]) -> int:
    return layers.select(kind, layers.rng.integers(2, size=condition) > 0, x, layers.constant(*operand, like=x))


FUNCTIONS = ("ABS", "ELU", "EXP", "GELU", "HARD_SWISH", "LOG", "LOGISTIC", "RSQRT", "SQRT", "TANH")
CLAMPS = ("QUANTIZE", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1")
MAKERS: dict[str, Make] = {
    **{kind: _function(kind) for kind in FUNCTIONS},
    **{kind: _requantized(kind) for kind in CLAMPS},
    **{kind: _with_constant(kind) for kind in ("ADD", "SUB", "MUL")},
    **{kind: _extremum(kind) for kind in ("MAXIMUM", "MINIMUM")},
    **{kind: _reduced(kind) for kind in ("REDUCE_MAX", "REDUCE_MIN", "SUM")},
    "AVERAGE_POOL_2D": lambda layers, x: layers.pool("AVERAGE", x),
    "BATCH_MATMUL": lambda layers, x: layers.matrices(x, layers.constant(8, 3)),
    "BROADCAST_TO": _rearranged("BROADCAST_TO", (4, 6, 8), [1, 4, 6, 8]),
    "CONCATENATION": lambda layers, x: layers.concatenate([x, x], 3),
    "CONV_2D": lambda layers, x: layers.conv(x, 5),
    "DEPTHWISE_CONV_2D": lambda layers, x: layers.depthwise(x),
    "DEPTH_TO_SPACE": _rearranged("DEPTH_TO_SPACE", (8, 12, 2), BlockSize=2),
    "EXPAND_DIMS": lambda layers, x: layers.expand(x, 1),
    "FULLY_CONNECTED": lambda layers, x: layers.dense(x, 5),
    "GATHER": _rearranged("GATHER", (2, 6, 8), [3, 0], Axis=1),
    "LEAKY_RELU": _function("LEAKY_RELU", 0.1),
    "MAX_POOL_2D": lambda layers, x: layers.pool("MAX", x),
    "MEAN": lambda layers, x: layers.mean(x),
    "MIRROR_PAD": _rearranged("MIRROR_PAD", (5, 8, 8), [(0, 0), (1, 0), (1, 1), (0, 0)]),
    "NEG": lambda layers, x: _negated(layers, layers.function("TANH", x)),
    "PACK": lambda layers, x: layers.pack([x, x], 1),
    "PAD": lambda layers, x: layers.pad(x, (1, 0), (0, 2), (0, 0)),
    "PADV2": lambda layers, x: layers.padded(x, (1, 0), (0, 2), (0, 0)),
    "PRELU": lambda layers, x: layers.parametric_relu(x, 1, 1, 8),
    "RESHAPE": lambda layers, x: layers.reshape(x, 24, 8),
    "RESIZE_BILINEAR": _rearranged("RESIZE_BILINEAR", (7, 9, 8), [7, 9]),
    "RESIZE_NEAREST_NEIGHBOR": _rearranged("RESIZE_NEAREST_NEIGHBOR", (8, 6, 8), [8, 6]),
    "REVERSE_V2": _rearranged("REVERSE_V2", (4, 6, 8), [2]),
    "SELECT": lambda layers, x: _selected(layers, x, "SELECT", (1, 4, 6, 8), (1, 4, 6, 8)),
    "SELECT_V2": lambda layers, x: _selected(layers, x, "SELECT_V2", (6, 1), (1,)),
    "SLICE": _rearranged("SLICE", (2, 6, 8), [0, 1, 0, 0], [1, 2, 6, 8]),
    "SOFTMAX": lambda layers, x: layers.softmax(x),
    "SPACE_TO_DEPTH": _rearranged("SPACE_TO_DEPTH", (2, 3, 32), BlockSize=2),
    "SQUARED_DIFFERENCE": lambda layers, x: layers.squared_difference(x, layers.constant(8)),
    "SQUEEZE": lambda layers, x: layers.squeeze(layers.mean(x, keep=True), 1),
    "STRIDED_SLICE": _rearranged("STRIDED_SLICE", (2, 6, 8), [0, 0], [1, 4], [1, 2]),
    "SVDF": lambda layers, x: svdf(layers, layers.dense(x, 7), 5),
    "TILE": _rearranged("TILE", (4, 12, 8), [1, 1, 2, 1]),
    "TRANSPOSE": lambda layers, x: layers.transpose(x, 0, 3, 1, 2),
    "TRANSPOSE_CONV": lambda layers, x: layers.transposed(x, 5),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lambda layers, x: lstm(layers, layers.reshape(x, 24, 8), 6),
}
