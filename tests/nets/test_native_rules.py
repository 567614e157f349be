"""Native requantization equals the torch rules at ties, at extremes and with constants that float64 cannot multiply."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_native_kernels import needs_native

from nets.execute.native import LimitedLibrary, native_kernel, native_library
from nets.execute.torch_kernels import kernel
from nets.network.contracts import CONTRACTS, contract_named
from nets.network.operators import FullyConnected
from nets.network.quantized_network import QuantizedNetwork
from nets.network.rescaler import rescaler_from_scale
from nets.network.tensors import TensorSpec

_CHANNELS = 40  # not a multiple of a block


def near_ties(rng: np.random.Generator, scale: np.ndarray) -> np.ndarray:
    """Accumulators whose scaled values lie at or beside ``n + 1/2``, where int32 has them."""
    steps = rng.integers(-140, 140, len(scale)) + rng.choice([0.5, 0.0], len(scale))
    nearest = np.round(steps / scale) + rng.integers(-1, 2, len(scale))
    return np.clip(nearest, -(2**31) + 256, 2**31 - 257).astype(np.int64)


def biased_layer(contract: str, bits: int, octave: float, seed: int) -> QuantizedNetwork:
    """A layer whose accumulators are its biases at input 0: as many different rescalers as channels."""
    rng = np.random.default_rng(seed)
    scale = np.exp2(rng.uniform(octave - 1, octave, _CHANNELS))
    scale[: _CHANNELS // 2] = np.exp2(np.floor(octave))  # powers of two have exact ties
    rescaler = rescaler_from_scale(scale, bits, contract_named(contract))
    operator = FullyConnected(
        name="fc_0",
        inputs=(0,),
        output=1,
        weights=np.ones((_CHANNELS, 1), np.int8),
        bias=near_ties(rng, np.broadcast_to(rescaler.scale, (_CHANNELS,))),
        weight_scale=np.ones(1),
        rescaler=rescaler,
        q_min=int(rng.choice([-128, -100])),
        q_max=127,
    )
    specs = (TensorSpec("x", (1,), 1.0, 0), TensorSpec("y", (_CHANNELS,), 1.0, int(rng.integers(-128, 128))))
    return QuantizedNetwork("biased", specs, (operator,), (0,), (1,))


@needs_native
@pytest.mark.parametrize("contract", sorted(CONTRACTS))
@settings(max_examples=60)
@given(bits=st.sampled_from([1, 2, 4, 8, 16, 30, 31]), octave=st.floats(-24, 1), seed=st.integers(0, 2**32 - 1))
def test_outputs_beside_ties_are_exact(contract: str, bits: int, octave: float, seed: int) -> None:
    library = native_library()
    assert library is not None
    network = biased_layer(contract, bits, octave, seed)
    x = [torch.arange(-2, 3, dtype=torch.int8).reshape(-1, 1)]
    expected = kernel(network.operators[0], network)(x)
    for path in range(-1, library.best_path() + 1):
        prepared = native_kernel(network.operators[0], network, LimitedLibrary(library, path))
        assert prepared is not None
        assert torch.equal(prepared(x), expected), path
