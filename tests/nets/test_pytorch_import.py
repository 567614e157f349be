"""Float PyTorch networks become integer networks that follow them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_networks import Mixed, digits_like, mixed
from torch import Tensor, nn

from nets.errors import NetworkError
from nets.execute.executor import IntegerExecutor
from nets.importers.pytorch import affine_spec, quantize_input, quantize_module
from nets.importers.topologies.digits import DigitsCnn
from nets.network.operators import AveragePool, Convolution, ElementwiseSum, FullyConnected, MaxPool, Weighted


def dequantized_outputs(module: nn.Module, images: Tensor, quantized_network) -> tuple[np.ndarray, np.ndarray, float]:  # noqa: ANN001
    network = quantized_network.network
    inputs = quantize_input(images.permute(0, 2, 3, 1).numpy().astype(np.float64), network.tensors[0])
    spec = network.tensors[network.outputs[0]]
    integers = IntegerExecutor(network).outputs(inputs)[0].astype(np.float64)
    with torch.inference_mode():
        return (integers - spec.zero_point) * spec.scale, module(images).numpy(), spec.scale


def test_integers_follow_the_float_network() -> None:
    module, images, quantized = mixed()
    ours, theirs, _ = dequantized_outputs(module, images, quantized)
    error = np.abs(ours - theirs).mean() / np.abs(theirs).mean()
    assert error < 0.06, "flattening, padding, strides and biases are where a mistake would show"
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.998


def test_fused_activation_becomes_the_clamp() -> None:
    _, _, quantized = mixed()
    first = quantized.network.operators[0]
    assert isinstance(first, Convolution)
    spec = quantized.network.tensors[first.output]
    assert first.q_min == spec.zero_point
    assert first.q_max == min(127, spec.zero_point + round(6 / spec.scale))


def test_graph_is_converted_operator_by_operator() -> None:
    _, _, quantized = mixed()
    kinds = [type(operator) for operator in quantized.network.operators]
    assert kinds[:2] == [Convolution, MaxPool]
    assert ElementwiseSum in kinds
    assert AveragePool in kinds
    assert kinds[-1] is FullyConnected


def test_pool_keeps_the_quantization_of_its_input() -> None:
    network = digits_like().network
    pool = network.operator("average_pool_5")
    before, after = network.tensors[pool.inputs[0]], network.tensors[pool.output]
    assert (before.scale, before.zero_point) == (after.scale, after.zero_point)


def test_weights_are_symmetric_and_use_their_whole_range() -> None:
    for bits in (8, 4, 3):
        for operator in digits_like(weight_bits=bits).network.operators:
            if isinstance(operator, Weighted):
                limit = 2 ** (bits - 1) - 1
                per_channel = np.abs(operator.weights.reshape(operator.out_channels, -1)).max(axis=1)
                assert (per_channel == limit).all()


def test_quantizing_leaves_the_float_network_alone() -> None:
    torch.manual_seed(0)
    module, images = DigitsCnn(4), torch.rand(8, 1, 8, 8)
    module.eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    quantize_module(module, images, name="x")
    assert all((value == before[name]).all() for name, value in module.state_dict().items())


def test_real_zero_is_an_integer() -> None:
    for low, high in ((-1.0, 3.0), (0.0, 6.0), (0.5, 2.0), (-3.0, -1.0), (0.0, 0.0)):
        spec = affine_spec("x", (1,), low, high)
        assert -128 <= spec.zero_point <= 127
        assert (0 - spec.zero_point) * spec.scale == pytest.approx(-spec.zero_point * spec.scale)
        assert spec.scale == float(np.float32(spec.scale))


class Unsupported(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(x, 1)


def test_unsupported_operation_is_named() -> None:
    with pytest.raises(NetworkError, match=r"'softmax'.*not supported"):
        quantize_module(Unsupported(), torch.rand(2, 1, 4, 4), name="net")


def test_batch_norm_of_its_own_is_a_depthwise_convolution() -> None:
    module = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 1))
    network = quantize_module(module, torch.rand(2, 3, 4, 4), name="net").network
    assert [operator.name for operator in network.operators] == ["depthwise_0", "conv_1"]


def test_adaptive_pool_with_windows_of_several_sizes_is_refused() -> None:
    module = nn.Sequential(nn.Conv2d(1, 1, 1), nn.AdaptiveAvgPool2d(2))
    with pytest.raises(NetworkError, match=r"2 cells do not divide \[5, 5\]"):
        quantize_module(module, torch.rand(2, 1, 5, 5), name="net")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: torch.add(x, x, alpha=2), "has alpha = 2"),
        (lambda x: x / (x + 1), "divides by a tensor"),
        (lambda x: x.flatten(), "mixes samples"),
        (lambda x: x.view(-1, 4), "mixes samples"),
        (lambda x: torch.cat((x, x)), "'cat'.*not supported"),
        (lambda x: x.mean(), "'mean'.*not supported"),
        (lambda x: x.mean(3).mean(2), "keep them, or average over"),
        (lambda x: torch.div(x, 2, rounding_mode="floor"), "has rounding_mode = floor"),
        (lambda x: (x, 1), "returns"),
        (lambda x: x * float("inf"), "computes"),
    ],
)
def test_functions_that_mean_something_else_are_refused(function: Callable[[Tensor], object], said: str) -> None:
    class Network(nn.Module):
        def forward(self, x: Tensor) -> object:
            return function(x)

    with pytest.raises(NetworkError, match=said):
        quantize_module(Network(), torch.rand(2, 3, 4, 4), name="net")


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (nn.AvgPool2d(2, divisor_override=3), "divisor_override = 3"),
        (nn.Linear(4, 2), r"reads \[batch, 3, 4, 4\]"),
        (nn.Sequential(nn.Flatten(), nn.ZeroPad2d(1)), "'_0_1' .ZeroPad2d. of 'net' is not supported"),
        (nn.Sequential(nn.Flatten(), nn.Hardsigmoid()), r"reads \[batch, 48\]; 3 dimensions"),
        (nn.ELU(2.0), "ELU"),
        (nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)), "keeps no running"),
    ],
)
def test_modules_that_mean_something_else_are_refused(module: nn.Module, said: str) -> None:
    with pytest.raises(NetworkError, match=said):
        quantize_module(nn.Sequential(module), torch.rand(2, 3, 4, 4), name="net")


def test_what_the_conversion_overlooks_is_refused() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 1))
    module[0].register_forward_hook(lambda *args: args[-1] + 1)
    with pytest.raises(NetworkError, match=r"differs by .* hooks"):
        quantize_module(module, torch.rand(2, 1, 4, 4), name="net")


def test_two_inputs_are_refused() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    with pytest.raises(NetworkError, match=r"has 2 inputs \(x, y\)"):
        quantize_module(Two(), torch.rand(2, 1, 4, 4), name="net")


@pytest.mark.parametrize("training", [True, False])
def test_the_module_keeps_its_modes(training: bool) -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Sequential(nn.Dropout()))
    module.train(training)
    module[2].eval()
    quantize_module(module, torch.rand(8, 1, 4, 4), name="net")
    assert [part.training for part in module.modules()] == [training, training, training, False, False]


@pytest.mark.parametrize("between", [nn.Dropout(), nn.Identity(), nn.Sequential(nn.Flatten(), nn.Dropout())])
def test_a_linear_layer_behind_a_flattened_image_reads_channels_last(between: nn.Module) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), between, nn.Linear(3 * 4 * 4, 5)).eval()
    images = torch.randn(32, 3, 4, 4)
    quantized = quantize_module(module, images, name="net")
    ours, theirs, _ = dequantized_outputs(module, images, quantized)
    assert np.abs(ours - theirs).max() < 0.05
    assert [type(operator).__name__ for operator in quantized.network.operators] == ["Reshape", "FullyConnected"]


def test_a_flattened_output_is_in_torchs_order() -> None:
    images = torch.randn(8, 3, 4, 5)
    ours, theirs, step = dequantized_outputs(
        nn.Flatten(), images, quantize_module(nn.Sequential(nn.Flatten()), images, name="n")
    )
    assert np.abs(ours - theirs).max() <= 0.51 * step


@pytest.mark.parametrize("bits", [1, 9])
def test_weight_bits_out_of_range_are_refused(bits: int) -> None:
    with pytest.raises(NetworkError, match=f"weight_bits = {bits} is out of range; use 2 to 8"):
        quantize_module(nn.Sequential(nn.Conv2d(1, 1, 1)), torch.rand(2, 1, 4, 4), name="net", weight_bits=bits)


def test_weights_beyond_their_width_are_refused() -> None:
    operator = digits_like(weight_bits=8).network.operators[0]
    assert isinstance(operator, Convolution)
    with pytest.raises(NetworkError, match=r"'conv_0' has weights from -127 to 127; weight_bits = 4 holds -7 to 7"):
        replace(operator, weight_bits=4)


def test_same_seed_same_network() -> None:
    one, other = mixed(3)[2].network, mixed(3)[2].network
    assert isinstance(mixed(3)[0], Mixed)
    for first, second in zip(one.operators, other.operators, strict=True):
        if isinstance(first, Weighted) and isinstance(second, Weighted):
            assert (first.weights == second.weights).all()
