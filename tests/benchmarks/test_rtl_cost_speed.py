"""Speed of the cost models beside synthesis of the same rescaler by yosys, in one process.

Ratios are what counts: absolute figures belong to one machine. Run with ``make benchmark``.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from hwmodels import AnalyticRescalerModel, RescalerWorkload, RescaleStage, RtlRescalerModel, load_technology
from hwmodels.architectures.array import ARRAY
from hwmodels.models.base import CostModel
from hwmodels.synthesis import yosys
from hwmodels.synthesis.liberty import load_liberty

libyosys = pytest.importorskip("pyosys.libyosys", reason="yosys, which is compared with, is not installed")

LIBERTY = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")  # Debian's qflow-tech-osu018
TECHNOLOGY = load_technology("osu018")
WIDTHS = (1, 2, 4, 8, 16, 24, 31)
ACC_BITS, SHIFT_BITS = 32, 6  # TFLite's accumulator and the shipped module's default
ROUNDS = 60

pytestmark = pytest.mark.skipif(not LIBERTY.exists(), reason=f"{LIBERTY} is absent")


def workload(multiplier_bits: int, shift_min: int = 1, acc_bits: int = ACC_BITS) -> RescalerWorkload:
    stage = RescaleStage(
        operand_bits=acc_bits,
        multiplier_bits=multiplier_bits,
        right_shift_min=shift_min,
        right_shift_max=shift_min + (1 << SHIFT_BITS) - 1,
    )
    return RescalerWorkload(
        name="conv",
        stages=(stage,),
        output_bits=8,
        channels=16,
        rescales_per_inference=1000,
        macs_per_inference=72_000,
        weight_bits=8,
        activation_bits=8,
    )


def processor_seconds() -> float:
    """Of this process and its children: other people's load does not count as synthesis."""
    return sum(os.times()[:4])


def synthesis_seconds(layer: RescalerWorkload, monkeypatch: pytest.MonkeyPatch) -> float:
    """Processor seconds of yosys' passes here, without the worker process in which the project runs them."""
    times = []

    def in_this_process(commands: list[str], _folder: Path) -> None:
        design = libyosys.Design()
        start = processor_seconds()
        for command in commands:
            libyosys.run_pass(f"tee -q {command}", design)
        times.append(processor_seconds() - start)

    monkeypatch.setattr(yosys, "_run", in_this_process)
    for _ in range(2):
        yosys.synthesize(ARRAY.files, ARRAY.top, ARRAY.parameters(layer), load_liberty(LIBERTY))
    return min(times)


def fresh_workloads(multiplier_bits: int) -> Iterator[RescalerWorkload]:
    """Layers of about one size whose parameters nothing has seen yet."""
    for shift_min in range(-40, 40):
        for acc_bits in range(ACC_BITS - 2, ACC_BITS + 3):
            if (shift_min, acc_bits) != (1, ACC_BITS):
                yield workload(multiplier_bits, shift_min, acc_bits)


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("multiplier_bits", WIDTHS)
@pytest.mark.parametrize("kind", ["formula", "parsed before", "parsed anew"])
def test_cost_of_a_rescaler(
    benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch, kind: str, multiplier_bits: int
) -> None:
    layer = workload(multiplier_bits)
    model: CostModel = AnalyticRescalerModel(TECHNOLOGY) if kind == "formula" else RtlRescalerModel(TECHNOLOGY)
    model.unit_cost(layer)
    layers = fresh_workloads(multiplier_bits)

    def arguments() -> tuple[tuple[RescalerWorkload], dict[str, object]]:
        return (next(layers) if kind == "parsed anew" else layer,), {}

    benchmark.pedantic(model.unit_cost, setup=arguments, rounds=ROUNDS)
    seconds = synthesis_seconds(layer, monkeypatch)
    ratio = seconds / benchmark.stats.stats.median
    benchmark.extra_info |= {"synthesis_seconds": round(seconds, 3), "times_synthesis": round(ratio)}
    print(
        f"k = {multiplier_bits}, {kind}: {benchmark.stats.stats.median * 1e6:.0f} us, synthesis {seconds:.2f} s, "
        f"{ratio:,.0f} times as long"
    )
    assert ratio > 100  # of a kind, not of a degree
