"""Networks that were born channels first: the same integers, and as few moves as their channels-last twins."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_layers import NONE, RELU, SAME, VALID, Layers
from test_native_kernels import needs_native

from nets.execute.executor import Backend, IntegerExecutor, samples_at_once
from nets.execute.layout import stored_layout
from nets.execute.program import arena_slots
from nets.importers.tflite import network_from_bytes
from nets.network.operators import Pad, Transpose, Weighted
from nets.network.quantized_network import QuantizedNetwork
from nets.oracle.verify import random_samples


def convolved(layers: Layers, x: int, channels: int, side: int, stride: int, padding: int, *, depthwise: bool) -> int:
    window = {"kernel": (side, side), "stride": (stride, stride), "padding": padding}
    if depthwise:
        return layers.depthwise(x, activation=RELU, **window)
    return layers.conv(x, channels, activation=RELU, **window)


def channels_first(layers: Layers, x: int, channels: int, side: int, stride: int, *, depthwise: bool = False) -> int:
    """A convolution as converters of channels-first networks write it."""
    pad = side // 2
    padded = layers.pad(x, (0, 0), (pad, pad), (pad, pad)) if pad else x
    y = convolved(layers, layers.transpose(padded, 0, 2, 3, 1), channels, side, stride, VALID, depthwise=depthwise)
    return layers.transpose(y, 0, 3, 1, 2)


def born_channels_first(seed: int) -> QuantizedNetwork:
    """A residual network in channels-first order, with a concatenation, functions and a mean along its axes."""
    layers = Layers(np.random.default_rng(seed))
    x = channels_first(layers, layers.input(3, 12, 10), 8, 3, 2)
    left = channels_first(layers, x, 8, 3, 1, depthwise=True)
    right = channels_first(layers, left, 8, 1, 1)
    total = layers.requantize("RELU", layers.elementwise("ADD", right, x))
    joined = layers.concatenate([total, layers.pad(total, (0, 4), (0, 0), (0, 0))], 1)
    mean = layers.mean(channels_first(layers, joined, 16, 3, 2), axes=(2, 3))
    flat = layers.reshape(layers.function("LOGISTIC", joined), int(np.prod(layers.shape(joined)[1:])))
    return network_from_bytes(layers.content(layers.dense(mean, 5), layers.dense(flat, 4)), "m")


@needs_native
@settings(max_examples=3)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_tensor_is_exact(seed: int) -> None:
    network = born_channels_first(seed)
    samples = random_samples(network, 3, seed)
    expected = IntegerExecutor(network, backend=Backend.TORCH).tensors(*samples)
    executor = IntegerExecutor(network, backend=Backend.NATIVE)
    got = executor.tensors(*samples)
    for index, values in expected.items():
        assert values.shape == got[index].shape
        assert np.array_equal(values, got[index]), network.tensors[index].name
    for index, values in zip(network.outputs, executor.outputs(*samples), strict=True):
        assert np.array_equal(values, expected[index])


def test_convolutions_pad_for_themselves_and_read_what_the_last_one_wrote() -> None:
    layers = Layers(np.random.default_rng(0))
    x = channels_first(layers, layers.input(3, 12, 10), 8, 3, 2)
    x = channels_first(layers, x, 8, 3, 1, depthwise=True)
    x = channels_first(layers, x, 6, 1, 1)
    network = network_from_bytes(layers.content(x), "m")
    layout = stored_layout(network.operators, network)
    read = {index for operator in layout.operators for index in operator.inputs}
    run = [op for op in layout.operators if op.output in read or op.output == layout.view(network.outputs[0]).stored]
    assert [type(operator) for operator in run if not isinstance(operator, Weighted)] == [Pad, Transpose]  # the input's
    paddings = [operator.padding for operator in run if isinstance(operator, Weighted)]
    assert paddings == [((0, 0), (0, 0)), ((1, 1), (1, 1)), ((0, 0), (0, 0))]


def test_padding_with_another_integer_stays() -> None:
    layers = Layers(np.random.default_rng(0))
    padded = layers.pad(layers.input(6, 6, 4), (1, 1), (1, 1), (0, 0))
    network = network_from_bytes(layers.content(layers.conv(padded, 4, padding=VALID)), "m")
    pad, conv = network.operators
    assert stored_layout(network.operators, network).operators[1].inputs == pad.inputs
    spec = network.tensors[conv.inputs[0]]
    other = network.with_tensors({conv.inputs[0]: replace(spec, zero_point=spec.zero_point // 2 + 3)})
    assert stored_layout(other.operators, other).operators[1].inputs == conv.inputs


def deep(size: int) -> QuantizedNetwork:
    layers = Layers(np.random.default_rng(2))
    x = layers.conv(layers.input(size, size, 3), 8, activation=NONE)
    y = layers.depthwise(layers.pool("MAX", x, (3, 3), (1, 1), SAME))
    z = layers.elementwise("ADD", layers.concatenate([x, x], 3), layers.concatenate([x, x], 3))
    return network_from_bytes(layers.content(layers.conv(z, 4), layers.conv(y, 4)), "m")


@pytest.mark.parametrize("size", [4, 9])
def test_no_two_tensors_share_memory_while_both_are_needed(size: int) -> None:
    network = deep(size)
    slots = arena_slots(network.operators, network, set(network.outputs))
    last = {index: at for at, operator in enumerate(network.operators) for index in operator.inputs}
    first = {operator.output: at for at, operator in enumerate(network.operators)}
    for a, one in slots.items():
        for b, other in slots.items():
            together = a != b and first[a] <= last.get(b, first[b]) and first[b] <= last.get(a, first[a])
            if together:
                assert one.offset + one.size <= other.offset or other.offset + other.size <= one.offset


def test_large_samples_are_taken_few_at_once() -> None:
    assert samples_at_once(deep(8)) > samples_at_once(deep(64)) >= 1
    assert samples_at_once(deep(512)) == 1
