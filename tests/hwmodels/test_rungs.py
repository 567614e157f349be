"""The rungs from int32 to a constant shift: measured on a small library, and as published."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from hw_workloads import needs_yosys
from small_liberty import write_small_liberty

from hwmodels import load_technology
from hwmodels.architectures import ARRAY
from hwmodels.models import CalibratedRescalerModel
from hwmodels.orders import DEFAULT_ORDER
from hwmodels.synthesis import load_liberty
from hwmodels.traces import load_recording
from studies.hardware.rungs import ACC_BITS, MAPPERS, measure_rungs, rungs, rungs_of

PUBLISHED = Path(__file__).parents[2] / "docs" / "results" / "hardware"


def published(name: str) -> list[dict[str, str]]:
    with (PUBLISHED / f"rungs_{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@needs_yosys
def test_every_step_down_is_smaller(tmp_path: Path) -> None:
    narrow = [replace(each, swept_bits=2) if each.name == "int32" else each for each in rungs()]
    designs = [each for each in narrow if each.name in ("int32", "k = 1", "window of 4", "constant shift")]
    costs = measure_rungs(designs, load_liberty(write_small_liberty(tmp_path)), load_recording())
    assert [cost.rung for cost in costs] == [each.name for each in designs]
    saturating = [cost.area_um2 for cost in costs if cost.output == "saturating"]
    assert saturating == sorted(saturating, reverse=True)
    for name in ("window of 4", "constant shift"):
        areas = [cost.area_um2 for cost in costs if cost.rung == name]
        assert areas == sorted(areas, reverse=True), "ports, clamps, saturation"
    assert costs[1].area_ratio == 1
    assert all(cost.area_ratio == pytest.approx(costs[1].area_um2 / cost.area_um2, abs=0.01) for cost in costs)


def test_the_published_rungs_are_those_that_are_measured() -> None:
    rows = [row for row in published("osu018") if row["mapper"] == MAPPERS[0]]
    others = [row["rung"] for row in published("osu018") if row["mapper"] != MAPPERS[0]]
    assert others == [each.name for mapper in MAPPERS[1:] for each in rungs_of(mapper)]
    constants = {"programmable": None}
    assert [(row["rung"], constants.get(row["output"], row["output"])) for row in rows] == [
        (each.name, each.output and ("saturating" if each.output.q_max == 127 else "clamping")) for each in rungs()
    ]
    assert float(rows[-1]["area_ratio"]) > 70
    assert {row["acc_bits"] for row in rows} == {str(ACC_BITS)}


def test_calibrated_costs_are_near_the_published_rungs() -> None:
    """Of the rungs that saturate or read ports; what clamps to constants has no points of its own in the sweep."""
    model, trace = CalibratedRescalerModel(load_technology("osu018")), load_recording().in_order(DEFAULT_ORDER)
    rows = [row for row in published("osu018") if row["mapper"] == MAPPERS[0]]
    for each, row in zip(rungs(), rows, strict=True):
        workload = each.architecture.sweep_workload(each.architecture.sweep_point(trace, each.swept_bits, ACC_BITS))
        unit = model.unit_cost(replace(workload, output=each.output))
        tolerance = 0.15 if row["output"] == "clamping" else 0.06 if each.architecture is ARRAY else 0.10
        assert unit.area_um2 == pytest.approx(float(row["area_um2"]), rel=tolerance), row
