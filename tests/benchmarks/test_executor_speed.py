"""Speed of the integer executor beside LiteRT, in one process: ResNet8, batch 200, two threads.

Only ratios are meaningful; absolute figures belong to one machine. Run with ``make benchmark``.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from nets.execute.executor import IntegerExecutor
from nets.importers.tflite import load_tflite
from nets.network.contracts import CONTRACTS, Contract, contract_named
from nets.network.operators import Operator, RescaledOperator
from nets.network.quantized_network import QuantizedNetwork
from nets.network.rescaler import rescaler_from_scale
from nets.oracle.litert import LiteRtRunner, exposed_model
from nets.oracle.verify import random_samples

pytest.importorskip("ai_edge_litert", reason="LiteRT, the reference of the comparison, is not installed")

MODEL = Path(__file__).parents[3] / "shared" / "data" / "models" / "pretrainedResnet_quant.tflite"
BATCH, THREADS = 200, 2
LEAST_RATIO = 12.0  # times LiteRT's reference kernels, for every assignment of widths
WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16)  # of the sensitivity analysis

pytestmark = pytest.mark.skipif(not MODEL.exists(), reason=f"{MODEL} is absent")


def best_seconds(call: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.fixture(scope="module", autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


def litert_images_per_second(runtime: str, rounds: int) -> float:
    network = load_tflite(MODEL)
    content = exposed_model(MODEL.read_bytes(), network, network.outputs)
    runner = LiteRtRunner(content, runtime, threads=THREADS, batch=BATCH)
    samples = random_samples(network, BATCH, 0)
    runner.run(*samples)
    return BATCH / best_seconds(lambda: runner.run(*samples), rounds)


@pytest.fixture(scope="module")
def reference_speed() -> float:
    return litert_images_per_second("BUILTIN_REF", 2)


@pytest.fixture(scope="module")
def xnnpack_speed() -> float:
    return litert_images_per_second("BUILTIN", 20)


def assigned(network: QuantizedNetwork, contract: Contract, widths: Iterator[int]) -> QuantizedNetwork:
    def narrow(operator: Operator) -> Operator:
        if not isinstance(operator, RescaledOperator):
            return operator
        return operator.with_rescalers(
            [rescaler_from_scale(own.scale, next(widths), contract) for own in operator.rescalers]
        )

    return network.with_operators({op.name: narrow(op) for op in network.operators})


def same(width: int) -> Iterator[int]:
    while True:
        yield width


def mixed(seed: int) -> Iterator[int]:
    rng = np.random.default_rng(seed)
    while True:
        yield int(rng.integers(1, 32))


@pytest.mark.parametrize("widths", ["31", "1", "mixed"])
@pytest.mark.parametrize("contract", sorted(CONTRACTS))
def test_executor(
    benchmark: BenchmarkFixture, reference_speed: float, xnnpack_speed: float, contract: str, widths: str
) -> None:
    chosen = mixed(7) if widths == "mixed" else same(int(widths))
    network = assigned(load_tflite(MODEL), contract_named(contract), chosen)
    executor = IntegerExecutor(network)
    samples = random_samples(network, BATCH, 0)
    benchmark.pedantic(executor.outputs, samples, rounds=15, warmup_rounds=2)
    speed = BATCH / benchmark.stats.stats.min
    benchmark.extra_info |= {
        "images_per_second": round(speed),
        "builtin_ref_images_per_second": round(reference_speed),
        "xnnpack_images_per_second": round(xnnpack_speed),
        "times_builtin_ref": round(speed / reference_speed, 1),
        "times_xnnpack": round(speed / xnnpack_speed, 2),
    }
    assert speed >= LEAST_RATIO * reference_speed
