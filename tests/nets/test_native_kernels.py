"""The native kernels equal the torch kernels, bit for bit, for every contract, width and shape."""

from dataclasses import replace

import known_models
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_layers import NONE, RELU6, SAME, VALID, Layers

from nets.errors import NetworkError
from nets.execute import accumulation
from nets.execute import executor as executor_module
from nets.execute.executor import Backend, IntegerExecutor
from nets.execute.native import LimitedLibrary, native_kernel, native_library, native_status
from nets.execute.self_test import require_exact
from nets.execute.torch_kernels import kernel
from nets.importers.tflite import network_from_bytes
from nets.network.contracts import CONTRACTS, contract_named
from nets.network.operators import Operator, RescaledOperator, Weighted
from nets.network.profiles import PROFILES
from nets.network.quantized_network import QuantizedNetwork
from nets.network.rescaler import rescaler_from_scale
from nets.oracle.verify import random_samples

needs_native = pytest.mark.skipif(native_library() is None, reason=f"native kernels: {native_status()}")


def narrowed(network: QuantizedNetwork, contract: str, seed: int) -> QuantizedNetwork:
    """Every rescaler under one contract, at a random width."""
    rng = np.random.default_rng(seed)
    row = contract_named(contract)

    def narrow(operator: Operator) -> Operator:
        if not isinstance(operator, RescaledOperator):
            return operator
        return operator.with_rescalers(
            [rescaler_from_scale(own.scale, int(rng.integers(1, 32)), row) for own in operator.rescalers]
        )

    return network.with_operators({op.name: narrow(op) for op in network.operators})


def assert_kernels_equal(network: QuantizedNetwork, seed: int, samples: int = 3) -> int:
    """Compare operator by operator on the same inputs, on every path; returns how many have native kernels."""
    library = native_library()
    assert library is not None
    live = {i: torch.from_numpy(x) for i, x in zip(network.inputs, random_samples(network, samples, seed), strict=True)}
    native = 0
    for operator in network.operators:
        inputs = [live[index] for index in operator.inputs]
        expected = kernel(operator, network)(inputs)
        for path in range(-1, library.best_path() + 1):
            fast = native_kernel(operator, network, LimitedLibrary(library, path))
            if fast is not None:
                assert torch.equal(fast(inputs), expected), (operator.name, path)
        native += fast is not None
        live[operator.output] = expected
    return native


@needs_native
@pytest.mark.parametrize("contract", sorted(CONTRACTS))
@settings(max_examples=8)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(4, 12), st.integers(4, 12), st.integers(1, 20)),
    channels=st.sampled_from([1, 3, 10, 16, 24, 32, 48, 64, 100]),
    window=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.sampled_from([SAME, VALID]),
)
def test_convolutions(
    contract: str,
    seed: int,
    size: tuple[int, int, int],
    channels: int,
    window: tuple[int, int],
    stride: tuple[int, int],
    padding: int,
) -> None:
    layers = Layers(np.random.default_rng(seed))
    activation = RELU6 if seed % 2 else NONE
    x = layers.conv(layers.input(*size), channels, window, stride, (1, 1), padding, activation)
    dilation = (2, 2) if min(layers.shape(x)[1:3]) > 4 else (1, 1)
    y = layers.depthwise(x, kernel=(2, 2), dilation=dilation, activation=activation)
    z = layers.conv(y, 5, kernel=(2, 2), dilation=dilation)
    network = network_from_bytes(layers.content(z, layers.dense(y, 11)), "m", contract=contract)
    assert assert_kernels_equal(narrowed(network, contract, seed), seed) == 4


@needs_native
@pytest.mark.parametrize("contract", sorted(CONTRACTS))
@settings(max_examples=8)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(1, 9)),
    repeated=st.integers(0, 3),
)
def test_elementwise(contract: str, seed: int, size: tuple[int, int, int], repeated: int) -> None:
    layers = Layers(np.random.default_rng(seed))
    sizes = [size, (*(1,) * repeated, *size[repeated:])]
    a, b = (layers.input(*shape) for shape in (sizes if seed % 2 else sizes[::-1]))
    results = [layers.elementwise(kind, a, b) for kind in ("ADD", "SUB", "MUL")]
    results.append(layers.requantize("QUANTIZE", a))
    network = network_from_bytes(layers.content(*results), "m", contract=contract)
    assert assert_kernels_equal(narrowed(network, contract, seed), seed) == 4


@needs_native
@pytest.mark.parametrize("name", [*sorted(CONTRACTS), *PROFILES])
@pytest.mark.parametrize("structure", ["visual_wake_words", "streaming_wakeword", "residual"])
def test_networks(structure: str, name: str) -> None:
    shape = {"size": 32} if structure == "visual_wake_words" else {}
    content = getattr(known_models, structure)(np.random.default_rng(3), **shape)
    network = network_from_bytes(content, structure, contract=name)
    samples = random_samples(network, 5, 5)
    slow = IntegerExecutor(network, backend=Backend.TORCH)
    fast = IntegerExecutor(network, backend=Backend.NATIVE)
    expected, got = slow.tensors(*samples), fast.tensors(*samples)
    assert all(np.array_equal(expected[index], got[index]) for index in expected)
    for at, index in enumerate(network.outputs):
        for batch_size in (2, 256):
            assert np.array_equal(fast.outputs(*samples, batch_size=batch_size)[at], expected[index])
            assert np.array_equal(slow.outputs(*samples, batch_size=batch_size)[at], expected[index])


@needs_native
def test_threads_give_the_same_integers() -> None:
    network = network_from_bytes(known_models.residual(np.random.default_rng(8)), "m")
    samples = random_samples(network, 150, 5)
    executor = IntegerExecutor(network)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = executor.outputs(*samples)
        torch.set_num_threads(3)
        three = executor.outputs(*samples)
    finally:
        torch.set_num_threads(before)
    assert all(np.array_equal(a, b) for a, b in zip(one, three, strict=True))


@needs_native
def test_accumulators_beyond_int32_are_left_to_the_wider_path() -> None:
    layers = Layers(np.random.default_rng(0))
    content = layers.content(layers.dense(layers.input(8), 4))
    network = network_from_bytes(content, "m")
    operator = network.operators[0]
    assert isinstance(operator, Weighted)
    huge = replace(operator, bias=np.full(4, 2**31 - 1))
    assert native_kernel(operator, network, native_library()) is not None
    assert native_kernel(huge, network, native_library()) is None


def test_native_kernels_that_were_not_built_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_from_bytes(known_models.residual(np.random.default_rng(8)), "m")
    monkeypatch.setattr(executor_module, "native_library", lambda: None)
    with pytest.raises(NetworkError, match="native kernels are requested"):
        IntegerExecutor(network, backend=Backend.NATIVE)
    samples = random_samples(network, 2, 0)
    fallback = IntegerExecutor(network).outputs(*samples)
    expected = IntegerExecutor(network, backend=Backend.TORCH).outputs(*samples)
    assert all(np.array_equal(a, b) for a, b in zip(fallback, expected, strict=True))


def test_the_self_test_finds_inexact_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    require_exact("torch")
    exact = accumulation.sum_of_products

    def inexact(*arguments: torch.Tensor) -> torch.Tensor:
        return exact(*arguments).to(torch.bfloat16).to(torch.float32)

    monkeypatch.setattr(accumulation, "sum_of_products", inexact)
    with pytest.raises(NetworkError, match="self-test failed"):
        require_exact.__wrapped__("torch")


@needs_native
@settings(max_examples=10)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(3, 9), st.integers(3, 9), st.sampled_from([1, 3, 16, 33, 70])),
    window=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.sampled_from([SAME, VALID]),
)
def test_pools_moves_and_functions(
    seed: int, size: tuple[int, int, int], window: tuple[int, int], padding: int
) -> None:
    layers = Layers(np.random.default_rng(seed))
    x = layers.input(*size)
    pools = [layers.pool(kind, x, window, (1 + seed % 2, 1), padding, RELU6) for kind in ("MAX", "AVERAGE")]
    results = [*pools, layers.concatenate(pools, 1 + seed % 3), layers.mean(x), layers.transpose(x, 0, 3, 1, 2)]
    results += [layers.mean(x, axes=(1,), keep=True), layers.mean(x, axes=(3,)), layers.mean(x, axes=(2, 3))]
    results.append(layers.pad(x, (1, 0), (0, 2), (1, 1)))
    results.append(layers.rearranged("TILE", x, (2 * size[0], size[1], 3 * size[2]), [1, 2, 1, 3]))
    results.append(layers.function("TANH", x))
    results.append(layers.reshape(x, size[0] * size[1], size[2]))
    contract = ("half_up", "litert_xnnpack")[seed % 2]
    network = network_from_bytes(layers.content(*results), "m", contract=contract)
    assert assert_kernels_equal(network, seed) == len(network.operators) == 12


@needs_native
@pytest.mark.parametrize("backend", [Backend.SSE2, Backend.AVX2])
def test_executors_on_fewer_instructions_give_the_same_integers(backend: Backend) -> None:
    library = native_library()
    assert library is not None
    network = network_from_bytes(known_models.residual(np.random.default_rng(8)), "m")
    samples = random_samples(network, 3, 1)
    if library.best_path() < 1:
        with pytest.raises(NetworkError, match="avx2 is requested"):
            IntegerExecutor(network, backend=Backend.AVX2)
        return
    expected = IntegerExecutor(network, backend=Backend.TORCH).outputs(*samples)
    got = IntegerExecutor(network, backend=backend).outputs(*samples)
    assert all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True))
