"""Speed of a fine-tuning step beside the plain float step and Brevitas, in one process: ResNet8, batch 128.

Only ratios are meaningful; absolute figures belong to one machine. Run with ``make benchmark``.
"""

import time
from collections.abc import Callable

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn
from torch.nn import functional

from nets.importers.pytorch import quantize_module
from nets.train.twin import RescaleAwareTwin

BATCH, THREADS, ROUNDS = 128, 2, 12

Layer = Callable[[int, int, int, int], nn.Module]


def float_layer(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


class ResNet8(nn.Module):
    """The MLPerf Tiny image classification network with batch norm folded."""

    def __init__(
        self, conv: Layer = float_layer, relu: Callable[[], nn.Module] = nn.ReLU, fc: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 16, 3, 1), relu())
        sizes = ((16, 16, 1), (16, 32, 2), (32, 64, 2))
        self.first = nn.ModuleList(nn.Sequential(conv(i, o, 3, s), relu()) for i, o, s in sizes)
        self.second = nn.ModuleList(conv(o, o, 3, 1) for _, o, _ in sizes)
        self.short = nn.ModuleList(conv(i, o, 1, s) if s > 1 else nn.Identity() for i, o, s in sizes)
        self.join = nn.ModuleList(relu() for _ in sizes)
        self.pool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.fc = fc or nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for first, second, short, join in zip(self.first, self.second, self.short, self.join, strict=True):
            x = join(second(first(x)) + short(x))
        return self.fc(self.flatten(self.pool(x)))


def brevitas_resnet8() -> nn.Module:
    brevitas = pytest.importorskip("brevitas.nn", reason="Brevitas, the reference of the comparison, is not installed")

    def conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
        return brevitas.QuantConv2d(inputs, outputs, kernel, stride, kernel // 2, weight_bit_width=8)

    def relu() -> nn.Module:
        return brevitas.QuantReLU(bit_width=8)

    return ResNet8(conv, relu, brevitas.QuantLinear(64, 10, bias=True, weight_bit_width=8))


def training_step(module: nn.Module, inputs: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-4)
    labels = torch.arange(BATCH) % 10

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(module(inputs), labels).backward()
        optimizer.step()

    return step


def test_step_beside_float_and_brevitas(benchmark: BenchmarkFixture) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    images = torch.randn(BATCH, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    plain = ResNet8().to(memory_format=torch.channels_last)
    network = quantize_module(ResNet8(), images, name="resnet8").network
    integers = torch.randint(-128, 128, (BATCH, 32, 32, 3), dtype=torch.int8)
    steps = {
        "float": training_step(plain, images),
        "brevitas": training_step(brevitas_resnet8().to(memory_format=torch.channels_last), images),
        "this project": training_step(RescaleAwareTwin(network), integers),
        "this project, scales learned": training_step(RescaleAwareTwin(network, learn_scales=True), integers),
    }
    seconds = in_turn(steps)
    benchmark.extra_info |= {f"{name} ms": round(1000 * value, 1) for name, value in seconds.items()}
    benchmark.extra_info |= {
        "times float": round(seconds["this project"] / seconds["float"], 2),
        "times faster than Brevitas": round(seconds["brevitas"] / seconds["this project"], 2),
    }
    print("\n", benchmark.extra_info)
    benchmark.pedantic(steps["this project"], rounds=3, warmup_rounds=1)


def in_turn(steps: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Returns the best time of each step in seconds; the steps take turns, so that a busy machine slows all of them."""
    best = dict.fromkeys(steps, float("inf"))
    for _ in range(ROUNDS):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            best[name] = min(best[name], time.perf_counter() - start)
    return best
