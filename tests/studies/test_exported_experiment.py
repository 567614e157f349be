"""The comparison of exported rescalers with int32's, synthesized on a small library."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import studies.experiments.exported
from dse.export.units import Unit, units_of
from dse.study.prepared import PreparedStudy
from hwmodels.errors import HardwareError
from hwmodels.synthesis import Library, build_circuit, load_liberty, synthesize
from nets.narrow.narrowing import RescalerChoice, narrow
from nets.network.operators import Method
from studies.experiments.exported import Comparison, app, compare, flip_flop_um2, measure, shown, write
from studies.experiments.program import run
from tests.hwmodels.hw_workloads import needs_yosys
from tests.hwmodels.small_liberty import write_small_liberty


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return load_liberty(write_small_liberty(tmp_path_factory.mktemp("liberty")))


@pytest.fixture(scope="module")
def comparison(digits: PreparedStudy, library: Library) -> Comparison:
    int32 = digits.members[0].network
    choices = {operator.name: RescalerChoice(1, Method.ABSORB) for operator in int32.narrowable_operators()}
    return compare(narrow(int32, choices), int32, library)


@needs_yosys
@pytest.mark.slow
def test_exported_units_are_compared_one_by_one(comparison: Comparison, digits: PreparedStudy, tmp_path: Path) -> None:
    names = [operator.name for operator in digits.members[0].network.narrowable_operators()]
    assert [unit.rescaler for unit in comparison.int32] == [unit.rescaler for unit in comparison.design] == names
    for int32, design in zip(comparison.int32, comparison.design, strict=True):
        assert (int32.multiplier_bits, design.multiplier_bits) == (31, 1)
        assert int32.datapath_um2 > 5 * design.datapath_um2
        assert int32.parameter_bits >= design.parameter_bits
    total = sum(unit.datapath_um2 for unit in comparison.int32) / sum(unit.datapath_um2 for unit in comparison.design)
    assert comparison.datapath_ratio == pytest.approx(total)
    stored = sum(unit.datapath_um2 + 8 * unit.parameter_bits for unit in comparison.design)  # 8 um2 a flip-flop
    wide = sum(unit.datapath_um2 + 8 * unit.parameter_bits for unit in comparison.int32)
    assert comparison.ratio_with_parameters == pytest.approx(wide / stored)
    assert f"{comparison.datapath_ratio:.1f}" in shown(comparison).splitlines()[-2]
    write(comparison, tmp_path / "units.csv")
    with (tmp_path / "units.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["design"] for row in rows] == ["int32"] * len(names) + ["narrowed"] * len(names)
    assert float(rows[0]["datapath_um2"]) == comparison.int32[0].datapath_um2


def counting(calls: list[str], area: float) -> object:
    def build(_netlist: object, _library: Library) -> object:
        calls.append("built")
        return type("Built", (), {"area_um2": area})()

    return build


def test_equal_units_are_synthesized_once(
    digits: PreparedStudy, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(studies.experiments.exported, "synthesize", lambda *_: None)
    monkeypatch.setattr(studies.experiments.exported, "build_circuit", counting(calls, 10.0))
    units = units_of(digits.members[0].network, {})
    twice = list(measure((*units, *units), library, {}))
    assert len(twice) == 2 * len(units)
    assert len(calls) == len({(unit.module, tuple(unit.parameters.items())) for unit in units})
    assert {unit.datapath_um2 for unit in twice} == {10.0}


def test_bad_input_is_one_line(library: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        "sys.argv", ["exported", "trial", str(tmp_path), "--trial", "3", "--liberty", str(library.path)]
    )
    with pytest.raises(SystemExit) as ended:
        run(app)
    assert ended.value.code == 2
    empty = Library(library.name, library.path, 1.0, 25.0, {})
    with pytest.raises(HardwareError, match="has no flip-flop"):
        flip_flop_um2(empty)


def wired_units(digits: PreparedStudy) -> Iterator[Unit]:
    int32 = digits.members[0].network
    choices = {operator.name: RescalerChoice(1, Method.ABSORB) for operator in int32.narrowable_operators()}
    for network in (int32, narrow(int32, choices)):
        yield next(unit for unit in units_of(network, {}) if unit.is_add)


@needs_yosys
@pytest.mark.slow
def test_the_synthesized_unit_is_the_synthesized_module_that_was_costed(
    digits: PreparedStudy, library: Library, tmp_path: Path
) -> None:
    """An ADD has no memory: its whole exported file can be synthesized, constants and all."""
    from dse.export.render import unit_verilog

    for unit in wired_units(digits):
        path = tmp_path / f"unit_{unit.identifier}.v"
        path.write_text(unit_verilog(unit, "digits"))
        exported, costed = (
            build_circuit(synthesize(files, top, parameters, library), library)
            for files, top, parameters in (
                ((path, *unit.files), f"unit_{unit.identifier}", {}),
                (unit.files, unit.module, unit.parameters),
            )
        )
        # The logic is equal, the names are not, and by them the mapper's results scatter by some percent.
        assert exported.area_um2 == pytest.approx(costed.area_um2, rel=0.05)
        assert np.isclose(exported.cells, costed.cells, rtol=0.05)
