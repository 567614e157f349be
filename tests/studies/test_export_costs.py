"""Costs of exported rescalers beside their synthesis, on a small library."""

import csv
from pathlib import Path

import pytest

from dse.study.prepared import PreparedStudy
from hwmodels import CalibratedRescalerModel, load_technology
from hwmodels.synthesis import load_liberty
from studies.experiments.export_costs import designs, measure, shown, write
from tests.hwmodels.hw_workloads import needs_yosys
from tests.hwmodels.small_liberty import write_small_liberty


def test_designs_have_the_rungs_of_their_names(digits: PreparedStudy) -> None:
    made = designs(digits.members[0].network)
    assert len(made) == 9
    for name, network in made.items():
        bounds = {(op.q_min, op.q_max) for op in network.narrowable_operators()}
        assert (bounds == {(-100, 90)}) == name.endswith("clamps")
        bits = {op.rescaler.stored_bits for op in network.narrowable_operators()}
        assert bits == {31 if name == "int32" else int(name.split("=")[1].split(",")[0])}


@needs_yosys
@pytest.mark.slow
def test_every_unit_is_costed_beside_its_synthesis(digits: PreparedStudy, tmp_path: Path) -> None:
    library = load_liberty(write_small_liberty(tmp_path))
    made = {name: each for name, each in designs(digits.members[0].network).items() if name.endswith("constant shift")}
    units = list(measure(made, CalibratedRescalerModel(load_technology("osu018")), library))
    assert [each.rescaler for each in units] == [op.name for op in digits.members[0].network.narrowable_operators()]
    assert all(each.synthesized_um2 > 0 and each.costed_um2 > 0 for each in units)
    costed, synthesized = sum(each.costed_um2 for each in units), sum(each.synthesized_um2 for each in units)
    (row,) = shown(units).splitlines()[2:]
    assert f"| {costed:,.0f} | {synthesized:,.0f} | {100 * (costed / synthesized - 1):+.1f} % |" in row
    write(units, tmp_path / "units.csv")
    with (tmp_path / "units.csv").open(newline="") as file:
        assert [row["rescaler"] for row in csv.DictReader(file)] == [each.rescaler for each in units]
