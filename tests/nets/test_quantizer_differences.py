"""Random float networks of every supported operation in any order: quantized exactly, or refused with one line."""

import numpy as np
import pytest
import torch
from fake_quantized import FakeQuantized
from hypothesis import given, settings
from hypothesis import strategies as st
from random_modules import ODD, SUPPORTED, grown_module
from torch import Tensor, nn

from nets.errors import NetworkError
from nets.execute import IntegerExecutor
from nets.importers.pytorch import QuantizedModule, quantize_input, quantize_module

seeds = st.integers(0, 2**32 - 1)
supported = st.lists(st.sampled_from(sorted(SUPPORTED)), min_size=1, max_size=9)
widths = st.sampled_from([8, 8, 4, 3])


pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # a copy inside of torch


def differences(quantized: QuantizedModule, module: nn.Module, images: Tensor, bits: int) -> np.ndarray:
    """Differences between the integer network and torch on rounded numbers, in steps of the output."""
    network = quantized.network
    spec, source = network.tensors[network.outputs[0]], network.tensors[network.inputs[0]]
    integers = IntegerExecutor(network).outputs(quantize_input(images.permute(0, 2, 3, 1).double().numpy(), source))[0]
    ours = torch.from_numpy(integers.astype(np.float64))
    ours = ours.permute(0, 3, 1, 2) if ours.ndim == 4 else ours
    with torch.no_grad():
        theirs = FakeQuantized(module, network, bits).run(images.double())
    assert isinstance(theirs, Tensor)
    assert ours.shape == theirs.shape
    return np.rint((ours - spec.zero_point - theirs / spec.scale).numpy()).astype(int)


@settings(max_examples=60)
@given(seeds, supported, widths)
def test_supported_operations_in_any_order(seed: int, kinds: list[str], bits: int) -> None:
    module, images, _ = grown_module(seed, kinds)
    quantized = quantize_module(module, images, name="random", weight_bits=bits)
    assert not differences(quantized, module, images, bits).any()


@settings(max_examples=40)
@given(seeds, supported, st.sampled_from(sorted(ODD)), supported)
def test_other_operations_are_refused_or_exact(seed: int, before: list[str], odd: str, after: list[str]) -> None:
    module, images, _ = grown_module(seed, [*before, odd, *after])
    try:
        quantized = quantize_module(module, images, name="random")
    except NetworkError:
        return
    assert not differences(quantized, module, images, 8).any()
