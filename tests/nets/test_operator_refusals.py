"""Operators whose arguments or quantization do not fit are refused with one line that names them."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from block_layers import in_blocks
from random_layers import SAME, VALID, Layers

from nets.errors import NetworkError
from nets.importers.tflite.importer import network_from_bytes

Broken = Callable[[Layers], list[int]]


def split(kind: str, axis: int, *sizes: int) -> Broken:
    return lambda layers: layers.parts(kind, layers.input(5, 4, 3), axis, list(sizes))


def another_scale(layers: Layers) -> list[int]:
    parts = layers.parts("SPLIT", layers.input(5, 4, 2), 3, [1, 1])
    layers.writer.tensors[parts[1]].scales = [0.5]
    return parts


def another_count(layers: Layers) -> list[int]:
    packed = layers.pack([layers.input(4, 3)] * 2, 1)
    layers.writer.operators[0].values["ValuesCount"] = 3
    return [packed]


def batch_as_axis(layers: Layers) -> list[int]:
    packed = layers.pack([layers.input(4, 3)] * 2, 1)
    layers.writer.operators[0].values["Axis"] = 0
    return [packed]


def another_value(layers: Layers) -> list[int]:
    out = layers.padded(layers.input(4, 4, 3), (1, 0), (0, 0), (0, 0))
    layers.writer.tensors[layers.writer.operators[0].inputs[2]].scales = [9.0]
    return [out]


def reflected_too_far(layers: Layers) -> list[int]:
    return [layers.rearranged("MIRROR_PAD", layers.input(4, 4, 3), (8, 4, 3), [(0, 0), (4, 0), (0, 0), (0, 0)])]


def broadcast_of_the_batch(layers: Layers) -> list[int]:
    return [layers.rearranged("BROADCAST_TO", layers.input(4, 4, 3), (4, 4, 3), [7, 4, 4, 3])]


def maximum_of_the_batch(layers: Layers) -> list[int]:
    return [layers.reduced("REDUCE_MAX", layers.input(4, 4, 3), (0, 1), keep=True)]


def all_dimensions(layers: Layers) -> list[int]:
    return [layers.reduced("REDUCE_MAX", layers.input(4, 4, 3), (1, 2, 3), keep=False)]


def shares_of_another_scale(layers: Layers) -> list[int]:
    soft = layers.softmax(layers.input(4, 3))
    layers.writer.tensors[soft].scales = [0.5]
    return [layers.transpose(soft, 0, 2, 1)]


def endless_beta(layers: Layers) -> list[int]:
    return [layers.transpose(layers.softmax(layers.input(4, 3), float("inf")), 0, 2, 1)]


def weights_of_other_channels(layers: Layers) -> list[int]:
    out = layers.transposed(layers.input(4, 4, 3), 2)
    layers.writer.operators[0].inputs[1] = layers.writer.constant(np.zeros((2, 3, 3, 5)), "INT8", [0.1])
    return [out]


def another_stride(layers: Layers) -> list[int]:
    out = layers.transposed(layers.input(4, 4, 3), 2, (3, 3), (2, 2), SAME)
    layers.writer.operators[0].values["StrideH"] = 1
    return [out]


def other_depths(layers: Layers) -> list[int]:
    x = layers.input(4, 3)
    product = layers.matrices(x, layers.constant(3, 5))
    layers.writer.operators[0].inputs[1] = layers.constant(4, 5)
    return [product]


def other_matrices(layers: Layers) -> list[int]:
    product = layers.matrices(layers.input(2, 4, 3), layers.constant(2, 3, 5))
    layers.writer.operators[0].inputs[1] = layers.constant(7, 3, 5)
    return [product]


def other_slopes(layers: Layers) -> list[int]:
    out = layers.parametric_relu(layers.input(4, 3), 3)
    layers.writer.operators[0].inputs[1] = layers.constant(2, 4, 3)
    return [out]


def other_blocks(layers: Layers) -> list[int]:
    out = in_blocks(layers, layers.input(4, 6, 3), (2, 2), lambda x: layers.conv(x, 2, padding=VALID), (3, 3))
    layers.writer.operators[-1].inputs[1] = layers.writer.constant(np.array((2, 1)), "INT32")
    return [out]


def blocks_with_a_stride(layers: Layers) -> list[int]:
    out = in_blocks(layers, layers.input(4, 6, 3), (2, 2), lambda x: layers.conv(x, 2, padding=VALID), (3, 3))
    layers.writer.operators[1].values["StrideW"] = 2
    return [out]


def selected(case: str) -> Broken:
    def build(layers: Layers) -> list[int]:
        layers.batch = 2
        x = layers.input(4, 3)
        y = layers.input(4, 3) if case == "scales" else layers.constant(1, 4, 3, like=x)
        conditions = {"samples": (2, 4, 3), "shape": (3, 4, 3)}
        shape = conditions.get(case, (4, 3))
        condition = np.arange(np.prod(shape)).reshape(shape) % 5 > 1
        out = layers.writer.activation(layers.shape(x), layers.scale(x), layers.zero(x))
        chosen = layers.writer.constant(condition, "BOOL")
        if case == "condition":
            layers.writer.tensors[chosen].data = None
        left = layers.constant(1, 4, 3, like=x) if case == "constants" else x
        kind = "SELECT" if case == "repeated" else "SELECT_V2"
        layers.writer.operator(kind, [chosen, left, y], [out], f"{'SelectV2' if kind[6:] else 'Select'}Options")
        return [out]

    return build


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (split("SPLIT", 4, 1, 1, 1), "SPLIT cuts along axis 4; use 1 to 3"),
        (split("SPLIT", 1, 2, 2, 1), "SPLIT cuts 5 elements into 3 parts of equal size"),
        (split("SPLIT_V", 1, 2, 9, 1), r"SPLIT_V cuts 5 elements into parts of sizes \[2, 9, -1\]"),
        (split("UNPACK", 3, 1, 1), "UNPACK makes 2 parts of 3 elements"),
        (another_scale, "SPLIT only moves integers, but its scales"),
        (another_count, "PACK has 2 inputs; its options say 3"),
        (batch_as_axis, "PACK: axis 0 is out of range"),
        (another_value, "PADV2: tensor .* the value, is not one integer of the input's scale"),
        (reflected_too_far, "MIRROR_PAD: padding .* does not mirror"),
        (broadcast_of_the_batch, r"BROADCAST_TO makes \[7, 4, 4, 3\] of 4 dimensions; the first, the batch"),
        (maximum_of_the_batch, r"REDUCE_MAX is over axes \[0, 1\]; use axes 1 to 3"),
        (all_dimensions, r"has shape \[1\]; a dimension besides the batch is needed"),
        (shares_of_another_scale, "SOFTMAX has an output of scale 0.5"),
        (endless_beta, "SOFTMAX has beta = inf"),
        (weights_of_other_channels, r"TRANSPOSE_CONV: weights of shape \[2, 3, 3, 5\] do not fit"),
        (another_stride, r"TRANSPOSE_CONV makes .*; a convolution of that makes"),
        (other_depths, "BATCH_MATMUL sums 3 products of 4"),
        (other_matrices, "BATCH_MATMUL: shapes .* do not fit together"),
        (other_blocks, r"BATCH_TO_SPACE_ND has blocks of \[2, 1\]; operator 0 SPACE_TO_BATCH_ND"),
        (blocks_with_a_stride, r"CONV_2D of blocks has stride \[1, 2\]"),
        (selected("samples"), r"SELECT_V2: shapes or conditions differ between samples"),
        (selected("shape"), r"SELECT_V2 makes \[2, 4, 3\] of shapes \[\[3, 4, 3\]"),
        (selected("scales"), "SELECT_V2 only moves integers, but its scales"),
        (selected("condition"), "is not a constant; it has to be here"),
        (selected("constants"), "SELECT_V2 reads constants alone"),
        (selected("repeated"), r"SELECT chooses between shapes \[\[4, 3\]"),
        (other_slopes, r"PRELU: slopes of shape \[2, 4, 3\] do not fit"),
    ],
)
def test_misfits_are_refused(broken: Broken, said: str) -> None:
    layers = Layers(np.random.default_rng(0))
    with pytest.raises(NetworkError) as caught:
        network_from_bytes(layers.content(*broken(layers)), "m.tflite")
    assert re.search(said, str(caught.value)), caught.value
    assert "\n" not in str(caught.value)
