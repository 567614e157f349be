"""Small float networks with random weights, quantized: every kind of operator of built-in networks, no training."""

import numpy as np
import torch
from torch import Tensor, nn

from nets.importers.pytorch import QuantizedModule, quantize_module
from nets.importers.topologies.digits import DigitsCnn


def digits_like(seed: int = 0, *, weight_bits: int = 8, contract: str = "half_up", width: int = 4) -> QuantizedModule:
    """The digits topology with random weights and batch norm statistics."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = DigitsCnn(width)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.normal_(part.bias, std=0.3)
                part.running_mean.normal_(std=0.3)
                part.running_var.uniform_(0.3, 2.0)
        images = torch.rand(32, 1, 8, 8)
    return quantize_module(module, images, name="digits_like", weight_bits=weight_bits, contract=contract)


class Mixed(nn.Module):
    """What DigitsCnn lacks: strides, dilation, ReLU6, max pool, average pool, flatten of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 6, 3, stride=2, padding=1)
        self.six = nn.ReLU6()
        self.pool = nn.MaxPool2d(2)
        self.second = nn.Conv2d(6, 4, 3, padding=2, dilation=2)
        self.average = nn.AvgPool2d(2)
        self.fc = nn.Linear(4 * 2 * 2, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.six(self.first(x)))
        x = torch.relu(self.second(x) + self.second(x))
        return self.fc(torch.flatten(self.average(x), 1))


def mixed(seed: int = 0) -> tuple[Mixed, Tensor, QuantizedModule]:
    """The network, calibration images, and its quantized form."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module, images = Mixed().eval(), torch.randn(64, 2, 16, 16)
    return module, images, quantize_module(module, images, name="mixed")


def random_inputs(shape: tuple[int, ...], samples: int, seed: int = 0) -> np.ndarray:
    """int8 inputs over their whole range."""
    return np.random.default_rng(seed).integers(-128, 128, (samples, *shape), dtype=np.int8)
