"""Networks defined as in torchvision: exact beside torch on rounded numbers, and as .tflite files in LiteRT."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from test_quantizer_differences import differences
from torch import Tensor, nn
from torch.nn import functional

from nets.execute import IntegerExecutor
from nets.importers import load_network
from nets.importers.pytorch import QuantizedModule, quantize_module
from nets.network import PROFILES, Convolution, Lookup, Rearrangement
from nets.oracle.verify import random_samples, verify_bytes
from nets.writers import tflite_bytes


def conv_norm(inputs: int, outputs: int, kernel: int, **options: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False, **options)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class ResNet(nn.Module):
    """A stem with a maximum pool, and two basic blocks that add in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.relu, self.maxpool = conv_norm(3, 6, 7, stride=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        self.first = nn.ModuleList([conv_norm(6, 6, 3), conv_norm(6, 6, 3)])
        self.second = nn.ModuleList([conv_norm(6, 8, 3, stride=2), conv_norm(8, 8, 3)])
        self.downsample = nn.Sequential(nn.Conv2d(6, 8, 1, stride=2, bias=False), nn.BatchNorm2d(8))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(8, 10)

    def block(self, layers: nn.ModuleList, x: Tensor, identity: Tensor) -> Tensor:
        out = layers[1](self.relu(layers[0](x)))
        out += identity
        return self.relu(out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.stem(x)))
        x = self.block(self.first, x, x)
        x = self.block(self.second, x, self.downsample(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class MobileNetV2(nn.Module):
    """An inverted residual; a functional pool."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(conv_norm(3, 8, 3, stride=2), nn.ReLU6(inplace=True))
        self.block = nn.Sequential(
            conv_norm(8, 24, 1), nn.ReLU6(), conv_norm(24, 24, 3, groups=24), nn.ReLU6(), conv_norm(24, 8, 1)
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(8, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = functional.adaptive_avg_pool2d(x + self.block(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


class SqueezeExcitation(nn.Module):
    def __init__(self, channels: int, activation: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)
        self.activation, self.scale_activation = activation, gate

    def forward(self, x: Tensor) -> Tensor:
        scale = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        return self.scale_activation(scale) * x


class MobileNetV3(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv_norm(3, 8, 3, stride=2),
            nn.Hardswish(inplace=True),
            conv_norm(8, 8, 5, groups=8),
            nn.Hardswish(),
            SqueezeExcitation(8, nn.ReLU(), nn.Hardsigmoid()),
            conv_norm(8, 8, 1),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Linear(8, 16), nn.Hardswish(), nn.Dropout(), nn.Linear(16, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class EfficientNet(nn.Module):
    """SiLU, also written out, sigmoid, "same" padding and a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding="same"), nn.BatchNorm2d(8), nn.SiLU(inplace=True))
        self.excite = SqueezeExcitation(8, nn.SiLU(), nn.Sigmoid())
        self.project, self.classifier = conv_norm(8, 8, 1), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.project(self.excite(x))
        return self.classifier((y * torch.sigmoid(y) + x).mean([2, 3]))


class ShuffleAndDense(nn.Module):
    """Halves, a channel shuffle, and a dense layer with its batch norm first."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch = conv_norm(3, 8, 3, stride=2), nn.Sequential(conv_norm(4, 4, 3, groups=4), nn.ReLU())
        self.norm, self.conv = nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1)
        self.fc = nn.Linear(12 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.stem(x).chunk(2, dim=1)
        x = torch.cat((first, self.branch(second)), dim=1)
        batch, channels, height, width = x.size()
        x = x.view(batch, 2, channels // 2, height, width)
        x = torch.transpose(x, 1, 2).contiguous().view(batch, channels, height, width)
        x = torch.cat([x, self.conv(functional.relu(self.norm(x)))], 1)
        x = functional.avg_pool2d(x, kernel_size=4)
        return self.fc(x.view(x.size(0), -1))


DEFINITIONS = (ResNet, MobileNetV2, MobileNetV3, EfficientNet, ShuffleAndDense)


@pytest.fixture(scope="module", params=DEFINITIONS, ids=lambda made: made.__name__)
def quantized(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor, QuantizedModule]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module, images = request.param().eval(), torch.randn(16, 3, 16, 16)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.normal_(part.bias, std=0.3)
                part.running_var.uniform_(0.3, 2.0)
    return module, images, quantize_module(module, images, name="network")


def test_integers_are_torchs_on_rounded_numbers(quantized: tuple[nn.Module, Tensor, QuantizedModule]) -> None:
    module, images, made = quantized
    assert not differences(made, module, images, 8).any()


@pytest.mark.parametrize("profile", PROFILES)
def test_litert_runs_the_written_file(quantized: tuple[nn.Module, Tensor, QuantizedModule], profile: str) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT, the oracle, is not installed")
    network = quantized[2].network
    assert verify_bytes(tflite_bytes(network), "network", profile, *random_samples(network, 3, 0)).exact


def test_the_file_holds_the_networks_integers(
    quantized: tuple[nn.Module, Tensor, QuantizedModule], tmp_path: Path
) -> None:
    network = quantized[2].network
    (tmp_path / "network.tflite").write_bytes(tflite_bytes(network))
    read = load_network(tmp_path / "network.tflite")
    (x,) = random_samples(network, 20, 0)
    assert (IntegerExecutor(read).outputs(x)[0] == IntegerExecutor(network).outputs(x)[0]).all()


def test_activations_cost_no_more_operators_than_they_must() -> None:
    torch.manual_seed(0)
    images = torch.randn(8, 3, 16, 16)
    v3 = quantize_module(MobileNetV3().eval(), images, name="v3").network
    assert Counter(type(op) for op in v3.operators)[Convolution] == 5, "a hard sigmoid is part of its convolution"
    assert sum(isinstance(op, Lookup) for op in v3.operators) == 3
    shuffle = quantize_module(ShuffleAndDense().eval(), images, name="shuffle").network
    moved = [op for op in shuffle.operators if isinstance(op, Rearrangement)]
    assert len(moved) == 3, "two halves, and one operator for the shuffle"
    assert np.array_equal(np.unique(moved[2].positions % 8), np.arange(8))
