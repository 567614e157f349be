"""Accuracy of the calibrated cost model, and its speed beside the synthesis that it replaces.

Two tables are printed: the published errors on points left out of the fit, from the committed file, and errors on
designs synthesized here, at operand widths that were not part of the fit. Run with ``make benchmark``.
"""

import csv
import time
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.stats import spearmanr

from hwmodels import CalibratedRescalerModel, RescalerWorkload, RescaleStage, load_technology
from hwmodels.costs import UnitCost
from hwmodels.synthesis import yosys
from hwmodels.synthesis.liberty import load_liberty
from hwmodels.synthesis.sweep import Measurement, measure_rescaler
from hwmodels.traces import load_recording

LIBERTY = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")  # Debian's qflow-tech-osu018
RESULTS = Path(__file__).parents[2] / "docs" / "results" / "hardware"
HELD_OUT = [(k, acc_bits) for acc_bits in (24, 28) for k in (2, 4, 7, 13, 19, 23)]
# Stated mean errors and rank correlation; the reference is a single run of the mapper.
AREA, ENERGY, RANK = 0.05, 0.10, 0.99
CHAINS = 0.15  # energy of constant multipliers: chains of adders whose lengths follow digits


def layer(point: Measurement) -> RescalerWorkload:
    stage = RescaleStage(
        operand_bits=point.acc_bits,
        multiplier_bits=point.multiplier_bits,
        right_shift_min=point.shift_min,
        right_shift_max=point.shift_min + (1 << point.shift_bits) - 1,
    )
    return RescalerWorkload(
        name="conv", stages=(stage,), output_bits=8, channels=16, rescales_per_inference=1000,
        macs_per_inference=72_000, weight_bits=8, activation_bits=8,
    )  # fmt: skip


def test_published_errors(benchmark: BenchmarkFixture) -> None:
    def rows() -> list[dict[str, str]]:
        with (RESULTS / "errors_osu018.csv").open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    print("\nerrors_osu018.csv: each point left out of the fit that predicts it")
    for row in benchmark.pedantic(rows, rounds=1):
        if row["metric"] != "leakage_uw":
            figures = f"{float(row['mean']):7.1%} {float(row['worst']):7.1%} {float(row['rank']):8.4f}"
            print(f"{row['architecture']:14s} {row['metric']:10s} {row['form']:10s} {figures}")
            if row["form"] == "corrected":
                energy = CHAINS if row["architecture"] in ("constant", "add_constants") else ENERGY
                assert float(row["mean"]) < (AREA if row["metric"] == "area_um2" else energy)


@pytest.mark.skipif(not (LIBERTY.exists() and yosys.available()), reason="yosys or the cell library is absent")
def test_held_out_designs(benchmark: BenchmarkFixture) -> None:
    library, recording, model = (
        load_liberty(LIBERTY),
        load_recording(),
        CalibratedRescalerModel(load_technology("osu018")),
    )
    start = time.perf_counter()
    points = [measure_rescaler("array", k, acc_bits, library, recording) for k, acc_bits in HELD_OUT]
    synthesis = (time.perf_counter() - start) / len(points)
    layers = [layer(point) for point in points]

    def costs() -> list[UnitCost]:
        return [model.unit_cost(workload) for workload in layers]

    units = benchmark.pedantic(costs, rounds=20, warmup_rounds=1)
    print("\narray at 24 and 28 bits, synthesized here; the fit has seen 20 and 32 bits")
    areas, energies = [p.area_um2 for p in points], [p.energy_pj(model.technology.output_order) for p in points]
    for metric, figures, limit in (("area_um2", areas, AREA), ("energy_pj", energies, ENERGY)):
        measured = np.array(figures)
        predicted = np.array([getattr(unit, metric) for unit in units])
        errors, rank = np.abs(predicted / measured - 1), float(spearmanr(predicted, measured).statistic)
        print(f"{metric:10s} mean {errors.mean():.1%} worst {errors.max():.1%} rank {rank:.4f}")
        benchmark.extra_info[metric] = {"mean": errors.mean(), "worst": errors.max(), "rank": rank}
        assert errors.mean() < limit
        assert rank > RANK
    ratio = synthesis / (benchmark.stats.stats.median / len(points))
    benchmark.extra_info["times_faster_than_synthesis"] = round(ratio)
    print(f"synthesis and gate simulation {synthesis:.2f} s a design, the model {ratio:,.0f} times faster")
