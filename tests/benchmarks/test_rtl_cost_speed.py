"""Speed of the cost models beside synthesis of the same rescaler by yosys, in one process.

Only ratios are meaningful; absolute figures belong to one machine. Run with ``make benchmark``.
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

libyosys = pytest.importorskip("pyosys.libyosys", reason="yosys, the reference of the comparison, is not installed")

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
    """Returns the processor time of this process and its children, which the load of others does not change."""
    return sum(os.times()[:4])


def synthesis_seconds(layer: RescalerWorkload, monkeypatch: pytest.MonkeyPatch) -> float:
    """Returns the processor seconds of the passes of yosys, run here instead of in a worker process."""
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
    """Yields layers of similar size, each with parameters that no model has been asked for yet."""
    for shift_min in range(-40, 40):
        for acc_bits in range(ACC_BITS - 2, ACC_BITS + 3):
            if (shift_min, acc_bits) != (1, ACC_BITS):
                yield workload(multiplier_bits, shift_min, acc_bits)


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("multiplier_bits", WIDTHS)
@pytest.mark.parametrize("kind", ["formula", "same parameters", "new parameters"])
def test_cost_of_a_rescaler(
    benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch, kind: str, multiplier_bits: int
) -> None:
    layer = workload(multiplier_bits)
    model: CostModel = AnalyticRescalerModel(TECHNOLOGY) if kind == "formula" else RtlRescalerModel(TECHNOLOGY)
    model.unit_cost(layer)
    layers = fresh_workloads(multiplier_bits)

    def arguments() -> tuple[tuple[RescalerWorkload], dict[str, object]]:
        return (next(layers) if kind == "new parameters" else layer,), {}

    benchmark.pedantic(model.unit_cost, setup=arguments, rounds=ROUNDS)
    seconds = synthesis_seconds(layer, monkeypatch)
    ratio = seconds / benchmark.stats.stats.median
    benchmark.extra_info |= {"synthesis_seconds": round(seconds, 3), "times_synthesis": round(ratio)}
    print(
        f"k = {multiplier_bits}, {kind}: {benchmark.stats.stats.median * 1e6:.0f} us, synthesis {seconds:.2f} s, "
        f"{ratio:,.0f} times as long"
    )
    assert ratio > 100  # a bound that no busy machine breaks
