"""Measures exact inference beside LiteRT, in one process: docs/results/inference-speed.md.

python -m studies.experiments.inference_speed ../shared/data/models
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor, nn

from nets.errors import NetworkError
from nets.execute import Backend, IntegerExecutor, native_status
from nets.importers import load_tflite, quantize_module
from nets.network import ActivationArray, Operator, QuantizedNetwork, RescaledOperator, rescaler_from_scale
from nets.oracle import LiteRtRunner, exposed_model, random_samples
from nets.writers import tflite_bytes

PAIRS = 15  # of calls, one of each side; the first two are not counted
BATCHES = {"ResNet8": 200, "MobileNetV2": 16, "DS-CNN": 400, "SqueezeNet": 16, "autoencoder": 2000}  # samples of a call
FILES = {
    "ResNet8": "pretrainedResnet_quant.tflite",
    "MobileNetV2": "mobilenet_v2_1.0_224_int8.tflite",
    "DS-CNN": "kws_ref_model.tflite",
    "autoencoder": "ad01_int8.tflite",
}
_NARROWER = (Backend.AVX2, Backend.SSE2)


class Fire(nn.Module):
    """SqueezeNet's module: 1x1 convolutions, then 1x1 and 3x3 ones side by side."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(nn.Conv2d(inputs, squeezed, 1), nn.ReLU())
        self.left = nn.Sequential(nn.Conv2d(squeezed, expanded, 1), nn.ReLU())
        self.right = nn.Sequential(nn.Conv2d(squeezed, expanded, 3, padding=1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Concatenates both."""
        squeezed = self.squeeze(x)
        return torch.cat([self.left(squeezed), self.right(squeezed)], 1)


def squeezenet() -> nn.Module:
    """Builds SqueezeNet 1.1 with random weights (arXiv 1602.07360; version 1.1 of its authors' repository)."""
    torch.manual_seed(0)
    pool = (3, 2)
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(), nn.MaxPool2d(*pool), Fire(64, 16, 64), Fire(128, 16, 64)),
        *(nn.MaxPool2d(*pool), Fire(128, 32, 128), Fire(256, 32, 128), nn.MaxPool2d(*pool)),
        *(Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)),
        *(nn.Conv2d(512, 1000, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    ).eval()


def networks(models: Path) -> Iterator[tuple[str, QuantizedNetwork, bytes]]:
    """Yields every network with its name and its .tflite file, the borders and the softmax cut off."""
    for name in BATCHES:
        if name == "SqueezeNet":
            network = quantize_module(squeezenet(), torch.rand(2, 3, 224, 224), name=name).network
            yield name, network, tflite_bytes(network)
        else:
            content = (models / FILES[name]).read_bytes()
            network = load_tflite(models / FILES[name])
            yield name, network, exposed_model(content, network, network.outputs)


def mixed(network: QuantizedNetwork) -> QuantizedNetwork:
    """Gives every rescaler a width of its own, 1 to 31 bits, drawn at random."""
    rng = np.random.default_rng(7)

    def narrowed(operator: Operator) -> Operator:
        if not isinstance(operator, RescaledOperator):
            return operator
        return operator.with_rescalers(
            [rescaler_from_scale(own.scale, int(rng.integers(1, 32)), own.contract) for own in operator.rescalers]
        )

    return network.with_operators({operator.name: narrowed(operator) for operator in network.operators})


def runner(content: bytes, runtime: str, threads: int, batch: int) -> LiteRtRunner:
    """Makes a runner with the batch, or with the file's if the model does not take another one."""
    try:
        return LiteRtRunner(content, runtime, threads=threads, batch=batch)
    except NetworkError:
        return LiteRtRunner(content, runtime, threads=threads)


@dataclass(frozen=True)
class Pair:
    """Seconds of both sides: of the fastest call, and the median ratio of calls that followed each other."""

    ours: float
    theirs: float
    ratio: float


def paired(ours: Callable[[], object], theirs: Callable[[], object], threads: int, pairs: int = PAIRS) -> Pair:
    """Times two calls in turn: processor time of one thread, wall-clock time of several."""
    clock = time.process_time if threads == 1 else time.perf_counter
    seconds: list[tuple[float, float]] = []
    for _ in range(pairs):
        start = clock()
        ours()
        middle = clock()
        theirs()
        seconds.append((middle - start, clock() - middle))
    kept = seconds[2:]
    ratio = statistics.median(b / a for a, b in kept)
    return Pair(min(a for a, _ in kept), min(b for _, b in kept), ratio)


def own_rows(name: str, network: QuantizedNetwork, content: bytes, samples: list[ActivationArray]) -> Iterator[str]:
    """Measures this machine's path beside XNNPACK, for the file's widths and for mixed ones."""
    batch = len(samples[0])
    for threads in (1, 2):
        torch.set_num_threads(threads)
        xnnpack = runner(content, "BUILTIN", threads, batch)
        for widths, design in (("31", network), ("mixed", mixed(network))):
            ours = IntegerExecutor(design)
            pair = paired(lambda: ours.outputs(*samples), lambda: xnnpack.run_all(*samples), threads)  # noqa: B023 -- runs at once
            speeds = f"{batch / pair.ours:,.0f} | {batch / pair.theirs:,.0f}"
            yield f"| {name} | {threads} | {widths} | {speeds} | {pair.ratio:.2f} |"


def path_row(name: str, network: QuantizedNetwork, content: bytes, samples: list[ActivationArray]) -> str:
    """Measures narrower paths beside XNNPACK, and beside the reference kernels on a few samples, on one thread."""
    torch.set_num_threads(1)
    few = [x[: max(1, len(x) // 16)] for x in samples]
    xnnpack, reference = (
        runner(content, runtime, 1, len(x)) for runtime, x in (("BUILTIN", samples[0]), ("BUILTIN_REF", few[0]))
    )
    cells = []
    for backend in _NARROWER:
        ours = IntegerExecutor(network, backend=backend)
        beside = paired(lambda: ours.outputs(*samples), lambda: xnnpack.run_all(*samples), 1, 7)  # noqa: B023
        slow = paired(lambda: ours.outputs(*few), lambda: reference.run_all(*few), 1, 5)  # noqa: B023
        cells += [f"{beside.ratio:.2f}", f"{slow.ratio:.0f}"]
    return f"| {name} | {' | '.join(cells)} |"


def main(
    models: Annotated[Path, typer.Argument(help="folder of the .tflite models")],
    out: Annotated[Path, typer.Option(help="page to write")] = Path("docs/results/inference-speed.md"),
) -> None:
    """Measures the speed and writes the page."""
    rows: list[str] = []
    paths: list[str] = []
    load = os.getloadavg()[0]
    for name, network, content in networks(models):
        samples = random_samples(network, BATCHES[name], 0)
        rows += own_rows(name, network, content, samples)
        paths.append(path_row(name, network, content, samples))
    narrower = [path.upper() for path in _NARROWER]
    lines = [
        "# Speed of exact inference",
        "",
        "`python -m studies.experiments.inference_speed ../shared/data/models`",
        "",
        f"Samples per second of the integer executor ({native_status().split(', ')[-1]}) and of LiteRT with XNNPACK,",
        "called in turn in one process with the same samples. Speeds are of the fastest call; ratios are medians over",
        f"{PAIRS - 2} pairs of calls, of processor time on one thread and of wall-clock time on two. Widths are",
        "`multiplier_bits` of all rescalers under half_up, or drawn from 1 to 31 for each. SqueezeNet 1.1 has random",
        f"weights. {os.cpu_count()} cores, shared with other programs: load averages {load:.1f} before and "
        f"{os.getloadavg()[0]:.1f} after.",
        "",
        "| network | threads | widths | executor | XNNPACK | ratio |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        "Machines with fewer instructions, on one thread: the same paths on this machine, beside its XNNPACK (which",
        "keeps AVX-512) and as multiples of LiteRT's reference kernels.",
        "",
        f"| network | {' | '.join(f'{path} / XNNPACK | {path} / BUILTIN_REF' for path in narrower)} |",
        "|---" * (1 + 2 * len(_NARROWER)) + "|",
        *paths,
        "",
    ]
    out.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
