"""Operators of one kind each equal LiteRT's, tensor by tensor, under both resolvers."""

import numpy as np
import pytest
from block_layers import in_blocks
from exactness import assert_equal
from hypothesis import given, settings
from hypothesis import strategies as st
from random_layers import SAME, VALID, Layers

from nets.errors import NetworkError
from nets.importers.tflite import network_from_bytes
from nets.network import PROFILES, Convolution

pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")

EXAMPLES = settings(max_examples=8)

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(2, 9), st.integers(2, 9), st.integers(2, 9))


@EXAMPLES
@given(seeds, sizes, st.sampled_from(["SPLIT", "SPLIT_V", "UNPACK"]), st.integers(1, 3))
def test_parts_of_a_tensor(seed: int, size: tuple[int, int, int], kind: str, axis: int) -> None:
    layers = Layers(np.random.default_rng(seed), batch=1 + seed % 2)
    length = size[axis - 1]
    cut = {"SPLIT": [1] * length, "SPLIT_V": [1, length - 1], "UNPACK": [1] * length}[kind]
    parts = layers.parts(kind, layers.input(*size), axis, cut)
    assert_equal(layers.content(*parts), seed)


@EXAMPLES
@given(seeds, sizes, st.integers(1, 4))
def test_packed_tensors(seed: int, size: tuple[int, int, int], axis: int) -> None:
    layers = Layers(np.random.default_rng(seed), batch=1 + seed % 2)
    x = layers.input(*size)
    other = layers.pool("MAX", x, (1, 1), (1, 1))
    assert_equal(layers.content(layers.pack([x, other, x], axis)), seed)


@EXAMPLES
@given(seeds, sizes, st.sampled_from(["REDUCE_MAX", "REDUCE_MIN", "SUM"]), st.sampled_from([(1, 2), (2,), (1, 3)]))
def test_reductions(seed: int, size: tuple[int, int, int], kind: str, axes: tuple[int, ...]) -> None:
    layers = Layers(np.random.default_rng(seed), batch=1 + seed % 2)
    content = layers.content(layers.reduced(kind, layers.input(*size), axes, seed % 3 > 0))
    assert_equal(content, seed, profiles=["litert_xnnpack"] if kind == "SUM" else PROFILES)


def test_the_sum_that_the_reference_kernel_overflows_is_refused_under_its_profile() -> None:
    layers = Layers(np.random.default_rng(0))
    content = layers.content(layers.reduced("SUM", layers.input(2, 2, 2), (1, 2), keep=True))
    with pytest.raises(NetworkError, match="operator 0 SUM: LiteRT's reference kernel adds the stored int8 values"):
        network_from_bytes(content, "m", contract="litert_ref")


@EXAMPLES
@given(seeds, sizes, st.sampled_from(["REFLECT", "SYMMETRIC", "PADV2", "BROADCAST_TO"]))
def test_borders(seed: int, size: tuple[int, int, int], kind: str) -> None:
    layers = Layers(np.random.default_rng(seed))
    if kind == "BROADCAST_TO":
        shape = (size[0], 4, size[2])
        out = layers.rearranged(kind, layers.input(size[0], 1, size[2]), shape, [1, *shape])
    elif kind == "PADV2":
        out = layers.padded(layers.input(*size), (1, 2), (0, 3), (seed % 2, 0))
    else:
        pairs = [(0, 0), (1, 0), (1, size[1] - 1), (0, 1)]
        shape = tuple(n + sum(pair) for n, pair in zip(size, pairs[1:], strict=True))
        out = layers.rearranged("MIRROR_PAD", layers.input(*size), shape, pairs, Mode=int(kind == "SYMMETRIC"))
    assert_equal(layers.content(out), seed)


@settings(max_examples=16)
@given(seeds, sizes, st.sampled_from(["SELECT", "SELECT_V2"]), st.booleans(), st.booleans(), st.booleans())
def test_selections_by_a_constant(
    seed: int, size: tuple[int, int, int], kind: str, wide: bool, constant: bool, swapped: bool
) -> None:
    layers = Layers(np.random.default_rng(seed), batch=1 + seed % 2, wide=wide)
    x = layers.input(*size)
    condition, operand = (layers.batch, *size), (layers.batch, *size)
    if kind == "SELECT_V2":
        condition = [condition, size[1:], (1, size[0], 1, size[2]), (1,)][seed % 4]
        operand = [(1, 1, 1, size[2]), (1, *size), (1, size[0], 1, 1)][seed % 3]
    if constant and kind == "SELECT_V2":
        y = layers.constant(*operand, like=x)
    else:
        y = layers.input(*(operand if kind == "SELECT_V2" else size)[-3:])
        layers.writer.tensors[y].scales, layers.writer.tensors[y].zero_points = [layers.scale(x)], [layers.zero(x)]
    chosen = np.broadcast_to(layers.rng.integers(2, size=condition)[:1] > 0, condition)
    assert_equal(layers.content(layers.select(kind, chosen, *((y, x) if swapped else (x, y)))), seed)


@EXAMPLES
@given(seeds, sizes, st.integers(1, 3), st.booleans())
def test_constants_are_joined_and_reshaped(seed: int, size: tuple[int, int, int], axis: int, first: bool) -> None:
    layers = Layers(np.random.default_rng(seed))
    x = layers.input(*size)
    token = layers.reshape(layers.constant(1, size[0] * size[1], size[2], like=x), *size)
    pair = [token, layers.constant(1, *size, like=x), x]
    assert_equal(layers.content(layers.concatenate(pair if first else pair[::-1], axis)), seed)


@EXAMPLES
@given(seeds, st.sampled_from(["RELU_N1_TO_1", "RELU_0_TO_1"]))
def test_clamps(seed: int, kind: str) -> None:
    layers = Layers(np.random.default_rng(seed))
    assert_equal(layers.content(layers.requantize(kind, layers.input(16, 16))), seed)


@settings(max_examples=24)
@given(seeds, st.sampled_from(["ABS", "EXP", "GELU", "LOG", "RSQRT", "SQRT"]))
def test_functions(seed: int, kind: str) -> None:
    layers = Layers(np.random.default_rng(seed))
    x = layers.input(16, 16, scale=float(np.exp(layers.rng.uniform(np.log(1e-3), np.log(0.5)))))
    if kind in ("RSQRT", "SQRT"):  # no runtime takes negative numbers
        layers.writer.tensors[x].zero_points = [-128]
    assert_equal(layers.content(layers.function(kind, x)), seed, 8)


@EXAMPLES
@given(seeds, st.sampled_from([1, 2, 7, 100, 511]), st.sampled_from([0.5, 1.0, 2.0]))
def test_softmax_inside(seed: int, length: int, beta: float) -> None:
    layers = Layers(np.random.default_rng(seed))
    x = layers.input(5, length, scale=float(np.exp(layers.rng.uniform(np.log(1e-4), np.log(2)))))
    assert_equal(layers.content(layers.transpose(layers.softmax(x, beta), 0, 2, 1)), seed)


def test_a_softmax_that_the_reference_kernel_aborts_on_is_refused_under_its_profile() -> None:
    layers = Layers(np.random.default_rng(0))
    content = layers.content(layers.transpose(layers.softmax(layers.input(2, 512)), 0, 2, 1))
    with pytest.raises(NetworkError, match="operator 0 SOFTMAX is over 512 elements; in fixed point at most 511"):
        network_from_bytes(content, "m", contract="litert_ref")
    assert_equal(content, 0, profiles=["litert_xnnpack"])


@settings(max_examples=16)
@given(seeds, sizes, st.integers(1, 12), st.integers(1, 4), st.integers(1, 3), st.sampled_from([SAME, VALID]))
def test_transposed_convolutions(
    seed: int, size: tuple[int, int, int], channels: int, kernel: int, stride: int, padding: int
) -> None:
    layers = Layers(np.random.default_rng(seed), batch=1 + seed % 2)
    shape, strides = (kernel, 1 + seed % 3), (stride, 1 + seed % 2)
    x = layers.input(*size)
    out = layers.transposed(x, channels, shape, strides, padding, per_channel=seed % 3 > 0, bias=seed % 5 > 0)
    content, smaller = layers.content(out), any(k < s for k, s in zip(shape, strides, strict=True))
    if smaller and padding == SAME:
        with pytest.raises(NetworkError, match="smaller than its stride"):
            network_from_bytes(content, "m", contract="litert_xnnpack")
        assert_equal(content, seed, profiles=["litert_ref"])
    else:
        assert_equal(content, seed)


@EXAMPLES
@given(seeds, sizes, st.integers(1, 70), st.booleans(), st.booleans(), st.booleans())
def test_products_of_matrices(
    seed: int, size: tuple[int, int, int], depth: int, left: bool, right: bool, constant: bool
) -> None:
    layers = Layers(np.random.default_rng(seed))
    heads, rows, columns = size
    x = layers.input(heads, *((depth, rows) if left else (rows, depth)))
    shape = (columns, depth) if right else (depth, columns)
    y = layers.constant(heads if seed % 2 else 1, *shape) if constant else layers.input(heads, *shape)
    assert_equal(layers.content(layers.matrices(x, y, (left, right))), seed)


@EXAMPLES
@given(seeds, sizes, st.sampled_from(["same", "channels"]))
def test_squared_differences(seed: int, size: tuple[int, int, int], other: str) -> None:
    layers = Layers(np.random.default_rng(seed))
    x, y = layers.input(*size), layers.input(*(size if other == "same" else (1, 1, size[2])))
    assert_equal(layers.content(layers.squared_difference(x, y)), seed, 8)


@EXAMPLES
@given(seeds, sizes, st.sampled_from(["channels", "all"]))
def test_parametric_relus(seed: int, size: tuple[int, int, int], slopes: str) -> None:
    layers = Layers(np.random.default_rng(seed))
    shape = size if slopes == "all" else (1, 1, size[2])
    assert_equal(layers.content(layers.parametric_relu(layers.input(*size), *shape)), seed, 8)


@EXAMPLES
@given(seeds, sizes, st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_dilated_convolutions_in_blocks(
    seed: int, size: tuple[int, int, int], vertical: int, horizontal: int, depthwise: bool
) -> None:
    layers = Layers(np.random.default_rng(seed))
    kernel = (1 + seed % 3, 1 + seed % 2)

    def convolution(x: int) -> int:
        if depthwise:
            return layers.depthwise(x, kernel=kernel, padding=VALID)
        return layers.conv(x, 4, kernel, padding=VALID)

    out = in_blocks(layers, layers.input(*size), (vertical, horizontal), convolution, kernel)
    content = layers.content(out)
    (operator,) = network_from_bytes(content, "m").operators
    assert isinstance(operator, Convolution)
    assert operator.dilation == (vertical, horizontal)
    assert_equal(content, seed)
