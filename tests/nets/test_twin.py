"""The differentiable twin computes the integers of the executor."""

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import digits_like, mixed, random_inputs

from nets.execute.executor import IntegerExecutor
from nets.importers.pytorch import QuantizedModule
from nets.importers.tflite import load_tflite
from nets.narrow.calibration import Calibration
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.narrow.weights import RealWeights
from nets.network.contracts import CONTRACTS
from nets.network.fingerprints import fingerprint
from nets.network.operators import Method, Weighted
from nets.network.quantization import along_channels
from nets.network.quantized_network import QuantizedNetwork
from nets.train.twin import RescaleAwareTwin

MODELS = Path("../shared/data/models")


def assert_equal_on_every_tensor(
    network: QuantizedNetwork, inputs: np.ndarray, originals: dict[str, RealWeights] | None = None
) -> RescaleAwareTwin:
    twin = RescaleAwareTwin(network, originals)
    ours = twin.integers(torch.tensor(inputs))
    exact = IntegerExecutor(twin.trained_network()).tensors(inputs)
    assert ours.keys() == exact.keys()
    for index, values in exact.items():
        assert (ours[index].detach().numpy() == values).all(), network.tensors[index].name
    return twin


@settings(max_examples=40)
@given(
    st.integers(0, 20),
    st.sampled_from(list(CONTRACTS)),
    st.sampled_from([8, 6, 4, 3]),
    st.lists(st.tuples(st.sampled_from([1, 2, 3, 7, 16, 31]), st.booleans()), min_size=6, max_size=6),
)
def test_forward_is_the_executor_bit_for_bit(
    seed: int, contract: str, weight_bits: int, widths: list[tuple[int, bool]]
) -> None:
    module = digits_like(seed, weight_bits=weight_bits, contract=contract)
    choices = {
        op.name: RescalerChoice(bits, Method.ABSORB if absorb else Method.ROUND)
        for op, (bits, absorb) in zip(module.network.narrowable_operators(), widths, strict=True)
    }
    network = narrow(module.network, choices, module.originals)
    twin = assert_equal_on_every_tensor(network, random_inputs((8, 8, 1), 16, seed), module.originals)
    for name, operator in ((op.name, op) for op in network.operators if isinstance(op, Weighted)):
        trained = twin.trained_network().operator(name)
        assert isinstance(trained, Weighted)
        assert (trained.weights == operator.weights).all(), "an untrained twin is the network it was made from"
        assert (trained.bias == operator.bias).all()


@functools.cache
def cached_module(seed: int, weight_bits: int, contract: str) -> QuantizedModule:
    return digits_like(seed, weight_bits=weight_bits, contract=contract)


def in_window(
    seed: int, contract: str, weight_bits: int, shift_bits: int | None, *, calibrated: bool
) -> tuple[QuantizedNetwork, dict[str, RealWeights]]:
    """A network of pure shifts in windows, and the real weights of its float model."""
    module = cached_module(seed, weight_bits, contract)
    choices = {op.name: RescalerChoice(1, Method.ABSORB, shift_bits) for op in module.network.narrowable_operators()}
    if not calibrated:
        return narrow(module.network, choices, module.originals), module.originals
    calibration = Calibration(module.network, random_inputs((8, 8, 1), 16, seed), originals=module.originals)
    return calibration.narrow(module.network, choices), module.originals


@settings(max_examples=20)
@given(
    st.integers(0, 2),
    st.sampled_from(list(CONTRACTS)),
    st.sampled_from([8, 4]),
    st.sampled_from([None, 3, 2, 1, 0]),
    st.booleans(),
)
def test_forward_in_a_window_is_the_executor_bit_for_bit(
    seed: int, contract: str, weight_bits: int, shift_bits: int | None, calibrated: bool
) -> None:
    network, originals = in_window(seed, contract, weight_bits, shift_bits, calibrated=calibrated)
    twin = assert_equal_on_every_tensor(network, random_inputs((8, 8, 1), 16, seed), originals)
    assert fingerprint(twin.trained_network()) == fingerprint(network), "an untrained twin is its network"


@pytest.mark.parametrize("weight_bits", [8, 4])
@pytest.mark.parametrize("contract", CONTRACTS)
def test_channels_keep_their_shifts_and_integers_agree_after_every_step(contract: str, weight_bits: int) -> None:
    inputs = random_inputs((8, 8, 1), 16)
    for shift_bits in (3, 2, 1, 0):
        network, originals = in_window(1, contract, weight_bits, shift_bits, calibrated=shift_bits % 2 == 0)
        twin = RescaleAwareTwin(network, originals)
        optimizer = torch.optim.Adam(twin.parameters(), lr=0.05)
        for _ in range(2):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(twin(torch.tensor(inputs)), torch.arange(16) % 10).backward()
            optimizer.step()
            trained = twin.trained_network()
            exact = IntegerExecutor(trained).tensors(inputs)
            ours = twin.integers(torch.tensor(inputs))
            assert all((ours[index].detach().numpy() == values).all() for index, values in exact.items())
            for before, after in zip(network.operators, trained.operators, strict=True):
                if isinstance(before, Weighted) and isinstance(after, Weighted):
                    assert (after.weights != before.weights).any(), "every layer learns"
                    assert np.abs(after.weights).max() < 2 ** (weight_bits - 1)
                    assert (after.rescaler.right_shift == before.rescaler.right_shift).all()
                    assert np.ptp(after.rescaler.right_shift) < 2**shift_bits


@pytest.mark.parametrize("shift_bits", [2, 1, 0])
def test_learned_scales_keep_their_window(shift_bits: int) -> None:
    network, originals = in_window(5, "half_up", 8, shift_bits, calibrated=True)
    twin = RescaleAwareTwin(network, originals, learn_scales=True)
    inputs = torch.tensor(random_inputs((8, 8, 1), 32))
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.4)
    left_alone = []
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(twin(inputs), torch.arange(32) % 10).backward()
        optimizer.step()
        trained = twin.trained_network()
        for before, after in zip(network.operators, trained.operators, strict=True):
            if isinstance(before, Weighted) and isinstance(after, Weighted):
                assert after.rescaler.right_shift.min() >= before.rescaler.right_shift.min()
                assert after.rescaler.right_shift.max() <= before.rescaler.right_shift.max()
                source, target = trained.tensors[after.inputs[0]], trained.tensors[after.output]
                product = source.scale * after.weight_scale / target.scale
                assert np.allclose(product, after.rescaler.scale, rtol=1e-12), "absorb stays exact"
                left_alone.append(target.scale == network.tensors[after.output].scale)
    assert not all(left_alone), "activation scales are learned"


def test_originals_that_calibration_rounded_otherwise_start_from_its_integers() -> None:
    network, originals = in_window(2, "half_up", 4, 0, calibrated=True)
    masters = dict(RescaleAwareTwin(network, originals).named_parameters())
    moved = []
    for operator in network.operators:
        if isinstance(operator, Weighted):
            steps = masters[f"_weights.{operator.name}.weight"].detach().numpy() * 7
            real = originals[operator.name].weights / along_channels(operator.weight_scale, operator.weights.ndim)
            kept = np.rint(real) == operator.weights
            assert np.allclose(steps[kept], real[kept], rtol=1e-12)
            assert np.allclose(steps[~kept], operator.weights[~kept], rtol=1e-12)
            moved.append(int((~kept).sum()))
    assert sum(moved) > 0


def test_pools_strides_and_dilation_are_equal_too() -> None:
    _, _, module = mixed()
    assert_equal_on_every_tensor(module.network, random_inputs((16, 16, 2), 64), module.originals)


@pytest.mark.parametrize("learn_scales", [False, True])
@pytest.mark.parametrize("contract", CONTRACTS)
def test_still_equal_after_training_steps(contract: str, learn_scales: bool) -> None:
    module = digits_like(1, weight_bits=4, contract=contract)
    choices = {op.name: RescalerChoice(2, Method.ABSORB) for op in module.network.narrowable_operators()}
    network = narrow(module.network, choices, module.originals)
    twin = RescaleAwareTwin(network, module.originals, learn_scales=learn_scales)
    inputs = random_inputs((8, 8, 1), 64)
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.05)
    before = twin.trained_network()
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(twin(torch.tensor(inputs)), torch.arange(64) % 10).backward()
        optimizer.step()
    after = twin.trained_network()
    changed = [
        (one.weights != other.weights).any()
        for one, other in zip(before.operators, after.operators, strict=True)
        if isinstance(one, Weighted) and isinstance(other, Weighted)
    ]
    assert all(changed), "every layer learns"
    ours, exact = twin.integers(torch.tensor(inputs)), IntegerExecutor(after).tensors(inputs)
    assert all((ours[index].detach().numpy() == values).all() for index, values in exact.items())


def test_gradient_is_that_of_the_smooth_network() -> None:
    """With full-width multipliers and 8 bits, the straight-through gradient is close to the float network's."""
    float_module, images, module = mixed(4)
    twin = RescaleAwareTwin(module.network, module.originals)
    spec = module.network.tensors[0]
    images = torch.rand_like(images) * 2 - 1
    steps = (images.permute(0, 2, 3, 1) / spec.scale + spec.zero_point).round().clamp(-128, 127)
    labels = torch.arange(len(images)) % 5
    torch.nn.functional.cross_entropy(twin(steps), labels).backward()
    torch.nn.functional.cross_entropy(float_module(images), labels).backward()
    fc = module.network.operator("fc_7")
    assert isinstance(fc, Weighted)
    weight = dict(twin.named_parameters())["_weights.fc_7.weight"]
    ours = weight.grad.numpy() / (fc.weight_scale[:, None] * 127)
    theirs = float_module.fc.weight.grad.reshape(5, 4, 2, 2).permute(0, 2, 3, 1).reshape(5, 16).numpy()
    cosine = (ours * theirs).sum() / np.linalg.norm(ours) / np.linalg.norm(theirs)
    assert cosine > 0.97
    assert np.linalg.norm(ours) == pytest.approx(np.linalg.norm(theirs), rel=0.1)


@pytest.mark.parametrize("model", ["kws_ref_model", "pretrainedResnet_quant", "ad01_int8"])
@pytest.mark.parametrize("contract", ["half_up", "litert_ref", "litert_xnnpack"])
def test_imported_models_are_equal(model: str, contract: str) -> None:
    path = MODELS / f"{model}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    network = load_tflite(path, contract=contract)
    shape = network.tensors[network.inputs[0]].shape
    assert_equal_on_every_tensor(network, random_inputs(shape, 3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_forward_is_equal_on_cuda() -> None:
    module = digits_like(2, weight_bits=4)
    inputs = random_inputs((8, 8, 1), 64)
    twin = RescaleAwareTwin(module.network, module.originals).cuda()
    ours = twin.integers(torch.tensor(inputs).cuda())
    exact = IntegerExecutor(module.network).tensors(inputs)
    assert all((ours[index].detach().cpu().numpy() == values).all() for index, values in exact.items())
