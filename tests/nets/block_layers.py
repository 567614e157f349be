"""Dilated convolutions as old converters write them."""

from collections.abc import Callable

import numpy as np
from random_layers import Layers, Pair


def in_blocks(layers: Layers, x: int, block: Pair, convolution: Callable[[int], int], reach: Pair) -> int:
    """A convolution of blocks, VALID and of this reach, whose result is cropped to the size of its input."""
    _, height, width, _ = layers.shape(x)
    pads, crops = [], []
    for size, step, span in zip((height, width), block, reach, strict=True):
        whole = (span - 1) * step
        rest = -(size + whole) % step
        pads.append((whole // 2, whole - whole // 2 + rest))
        crops.append((0, rest))
    sizes = [(n + sum(pad)) // step for n, pad, step in zip((height, width), pads, block, strict=True)]
    inside = layers.writer.activation(
        (layers.batch * block[0] * block[1], *sizes, layers.shape(x)[3]), layers.scale(x), layers.zero(x)
    )
    constants = [layers.writer.constant(np.array(values), "INT32") for values in (block, pads, crops)]
    layers.writer.operator("SPACE_TO_BATCH_ND", [x, *constants[:2]], [inside], "SpaceToBatchNDOptions")
    batch, layers.batch = layers.batch, layers.batch * block[0] * block[1]
    made = convolution(inside)
    layers.batch = batch
    shape = (batch, height, width, layers.shape(made)[3])
    out = layers.writer.activation(shape, layers.scale(made), layers.zero(made))
    layers.writer.operator("BATCH_TO_SPACE_ND", [made, constants[0], constants[2]], [out], "BatchToSpaceNDOptions")
    return out
