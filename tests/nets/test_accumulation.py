"""Sums are exact up to their proven bound, on every path, and the bound is tight."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_layers import SAME, VALID, Layers

from nets.execute.accumulation import (
    FLOAT32_EXACT,
    FLOAT64_EXACT,
    absolute_bound,
    arranged_weights,
    exact_dtype,
    sum_of_products,
)
from nets.execute.native import native_kernel, native_library, native_status
from nets.execute.torch_kernels import kernel
from nets.importers.tflite import network_from_bytes
from nets.network.contracts import INT32_MAX, INT32_MIN, contract_named
from nets.network.operators import Convolution, Weighted
from nets.network.quantized_network import QuantizedNetwork
from nets.network.rescaler import rescaler_from_scale
from nets.network.tensors import TensorSpec


def test_the_type_follows_the_bound() -> None:
    assert exact_dtype(FLOAT32_EXACT) == torch.float32
    assert exact_dtype(FLOAT32_EXACT + 1) == torch.float64
    assert exact_dtype(FLOAT64_EXACT) == torch.float64
    with pytest.raises(OverflowError, match="beyond exact float64 sums"):
        exact_dtype(FLOAT64_EXACT + 1)


def test_float32_is_not_exact_beyond_its_bound() -> None:
    """The bound is needed: one step further, float32 cannot even store the sum."""
    assert float(torch.tensor(FLOAT32_EXACT + 1, dtype=torch.float32)) != FLOAT32_EXACT + 1
    assert float(torch.tensor(FLOAT32_EXACT, dtype=torch.float32)) == FLOAT32_EXACT


def one_by_one(weights: np.ndarray, bias: int, zero: int = -128) -> QuantizedNetwork:
    """A convolution of one pixel: ``[1, 1, inner]`` to one channel."""
    inner = weights.size
    operator = Convolution(
        name="conv_0",
        inputs=(0,),
        output=1,
        weights=weights.reshape(1, 1, 1, inner).astype(np.int8),
        bias=np.array([bias]),
        weight_scale=np.ones(1),
        rescaler=rescaler_from_scale(np.array([2.0**-24]), 31, contract_named("half_up")),
        q_min=-128,
        q_max=127,
        stride=(1, 1),
        dilation=(1, 1),
        padding=((0, 0), (0, 0)),
        groups=1,
    )
    specs = (TensorSpec("x", (1, 1, inner), 1.0, zero), TensorSpec("y", (1, 1, 1), 1.0, 0))
    return QuantizedNetwork("one", specs, (operator,), (0,), (1,))


def weighted(network: QuantizedNetwork) -> Weighted:
    operator = network.operators[0]
    assert isinstance(operator, Weighted)
    return operator


def test_the_bound_is_reached_and_the_sum_there_is_exact() -> None:
    inner = 518  # 518 * 127 * 255 = 16775430, just below 2**24 = 16777216
    bias = FLOAT32_EXACT - inner * 127 * 255
    network = one_by_one(np.full(inner, 127), bias)
    operator = weighted(network)
    assert absolute_bound(operator, network.tensors[0]) == FLOAT32_EXACT
    dtype = exact_dtype(FLOAT32_EXACT)
    centred = torch.full((1, 1, 1, inner), 255.0, dtype=dtype)
    acc = sum_of_products(operator, centred, arranged_weights(operator, dtype), torch.tensor([bias], dtype=dtype))
    assert int(acc.item()) == FLOAT32_EXACT
    # One more, and the proof asks for the wider type.
    assert exact_dtype(absolute_bound(replace(operator, bias=operator.bias + 1), network.tensors[0])) == torch.float64


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(-128, 127))
def test_no_input_exceeds_the_bound(seed: int, zero: int) -> None:
    rng = np.random.default_rng(seed)
    network = one_by_one(rng.integers(-128, 128, 30), int(rng.integers(-1000, 1000)), zero)
    operator = weighted(network)
    bound = absolute_bound(operator, network.tensors[0])
    weights = operator.weights.reshape(-1).astype(np.int64)
    # The worst input of each sign, per weight; absolute terms add up to at most the bound.
    reach = np.maximum(abs(-128 - zero), abs(127 - zero))
    terms = np.abs(weights) * reach
    assert terms.sum() + abs(int(operator.bias[0])) == bound
    for x in rng.integers(-128, 128, (20, 30)):
        assert np.abs((x - zero) * weights).sum() + abs(int(operator.bias[0])) <= bound


@pytest.mark.parametrize("target", [INT32_MAX, INT32_MIN + 1, 2**24 + 1, -(2**24) - 1, 2**30 + 1])
def test_accumulators_at_the_ends_of_int32(target: int) -> None:
    """The true sum is formed on every path; a scale of 2**-24 makes its upper bits visible."""
    rng = np.random.default_rng(abs(target) % 1000)
    weights = rng.integers(-127, 128, 64)
    x = np.where(weights * np.sign(target) > 0, 127, -128).astype(np.int8).reshape(1, 1, 1, 64)
    without = int(((x.reshape(-1).astype(np.int64) + 128) * weights).sum())
    bias = target - without
    if abs(bias) > INT32_MAX:
        pytest.skip("the bias itself would leave int32")
    network = one_by_one(weights, bias)
    operator = weighted(network)
    expected = max(-128, min(127, (target + 2**23) >> 24))
    assert int(kernel(operator, network)([torch.from_numpy(x)]).item()) == expected
    library = native_library()
    if library is None:
        pytest.skip(f"native kernels: {native_status()}")
    native = native_kernel(operator, network, library)
    if absolute_bound(operator, network.tensors[0]) > INT32_MAX:
        assert native is None
    else:
        assert native is not None
        assert int(native([torch.from_numpy(x)]).item()) == expected


@settings(max_examples=25)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 3), st.integers(1, 2)),
    st.booleans(),
)
def test_convolutions_equal_a_loop_over_integers(
    seed: int, window: tuple[int, int], stride: tuple[int, int], depthwise: bool
) -> None:
    layers = Layers(np.random.default_rng(seed))
    x = layers.input(6, 5, 3)
    out = (
        layers.depthwise(x, 2, window, (stride[0],) * 2)
        if depthwise
        else layers.conv(x, 4, window, stride, padding=SAME)
    )
    network = network_from_bytes(layers.content(out), "m")
    operator = network.operators[0]
    assert isinstance(operator, Convolution)
    spec = network.tensors[0]
    image = np.random.default_rng(seed).integers(-128, 128, (2, 6, 5, 3), dtype=np.int8)
    dtype = exact_dtype(absolute_bound(operator, spec))
    centred = torch.from_numpy(image).to(dtype) - spec.zero_point
    got = sum_of_products(
        operator, centred, arranged_weights(operator, dtype), torch.tensor(operator.bias, dtype=dtype)
    )
    assert got.to(torch.int64).tolist() == by_loops(operator, image, spec.zero_point).tolist()


@pytest.mark.parametrize("samples", [2, 8, 24])
def test_an_image_of_one_channel_and_a_result_of_one_column(samples: int) -> None:
    """torch's own float32 convolution is wrong here if it is given the strides of channels last."""
    layers = Layers(np.random.default_rng(0))
    out = layers.conv(layers.input(4, 3, 1), 1, (2, 3), (1, 2), padding=VALID)
    network = network_from_bytes(layers.content(out), "m")
    operator = network.operators[0]
    assert isinstance(operator, Convolution)
    spec = network.tensors[0]
    image = np.random.default_rng(0).integers(-128, 128, (samples, 4, 3, 1), dtype=np.int8)
    centred = torch.from_numpy(image).to(torch.float32) - spec.zero_point
    bias = torch.tensor(operator.bias, dtype=torch.float32)
    got = sum_of_products(operator, centred, arranged_weights(operator, torch.float32), bias)
    assert got.to(torch.int64).tolist() == by_loops(operator, image, spec.zero_point).tolist()


def by_loops(operator: Convolution, image: np.ndarray, zero: int) -> np.ndarray:
    (top, bottom), (left, right) = operator.padding
    padded = np.pad(image.astype(np.int64) - zero, ((0, 0), (top, bottom), (left, right), (0, 0)))
    height, width, inner = operator.weights.shape[1:]
    rows = (padded.shape[1] - height) // operator.stride[0] + 1
    columns = (padded.shape[2] - width) // operator.stride[1] + 1
    result = np.zeros((len(image), rows, columns, operator.out_channels), np.int64)
    for channel in range(operator.out_channels):
        first = channel * operator.groups // operator.out_channels * inner
        for y in range(rows):
            for x in range(columns):
                at = (slice(None), slice(y * operator.stride[0], y * operator.stride[0] + height))
                part = padded[
                    (*at, slice(x * operator.stride[1], x * operator.stride[1] + width), slice(first, first + inner))
                ]
                products = part * operator.weights[channel].astype(np.int64)
                result[:, y, x, channel] = products.sum(axis=(1, 2, 3)) + operator.bias[channel]
    return result
