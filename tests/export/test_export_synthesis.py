"""Synthesis of exported units: beside what they were costed, and by the script that comes with them."""

import csv
import io
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dse.export.bundle import hardware_files
from dse.export.interface import Interface
from dse.export.synthesis import SynthesisReport, synthesis_files, synthesis_report
from dse.export.units import Unit, units_of
from dse.export.vectors import vectors_of
from dse.study.prepared import PreparedStudy
from hwmodels import CalibratedRescalerModel, load_technology
from hwmodels.synthesis import Library, load_liberty
from tests.export.test_export_rungs import pure_shifts
from tests.hwmodels.hw_workloads import needs_yosys

LIBERTY = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")  # of Debian's qflow-tech-osu018
needs_liberty = pytest.mark.skipif(not LIBERTY.exists(), reason="Debian's qflow-tech-osu018 is needed")
FLOW = Interface("valid_ready", "async_low", "rom")


@pytest.fixture(scope="module")
def units(digits: PreparedStudy) -> tuple[Unit, ...]:
    return units_of(pure_shifts(digits.members[0].network, None), {})[:4]


@pytest.fixture(scope="module")
def library() -> Library:
    return load_liberty(LIBERTY)


@pytest.fixture(scope="module")
def files(units: tuple[Unit, ...], digits: PreparedStudy) -> dict[str, str]:
    inputs = digits.members[0].splits.validation.inputs[:1].astype(np.int8)
    vectors = vectors_of(pure_shifts(digits.members[0].network, None), units, inputs, 5, 0)
    return hardware_files(units, vectors, "digits", 1, FLOW)


@pytest.fixture(scope="module")
def report(units: tuple[Unit, ...], files: dict[str, str], library: Library) -> SynthesisReport:
    return synthesis_report(units, files, CalibratedRescalerModel(load_technology("osu018")), library)


@needs_yosys
@needs_liberty
def test_costs_are_within_5_percent_of_the_exports_synthesis(report: SynthesisReport) -> None:
    assert report.calibrated
    assert report.deviation is not None
    assert abs(report.deviation) < 0.05
    for each in report.units:
        deviation = report.deviation_of(each)
        assert deviation is not None
        assert abs(deviation) < 0.1, each
        assert each.unit_um2 is not None
        assert each.core_um2 < each.unit_um2  # flow control and parameters
    rows = list(csv.DictReader(io.StringIO(report.table())))
    assert [row["unit"] for row in rows] == [each.unit for each in report.units]


@needs_yosys
@needs_liberty
def test_of_another_technology_shares_compare(report: SynthesisReport) -> None:
    other = replace(report, calibrated=False)
    assert other.deviation is None
    deviations = [(other.deviation_of(each) or 0.0) * each.core_um2 for each in other.units]
    assert sum(deviations) == pytest.approx(0, abs=1e-6 * other.core_um2)


@needs_liberty
@pytest.mark.skipif(shutil.which("yosys") is None, reason="the command yosys is needed")
def test_the_script_synthesizes_a_unit_as_the_report_does(
    units: tuple[Unit, ...], files: dict[str, str], report: SynthesisReport, library: Library, tmp_path: Path
) -> None:
    folder = tmp_path / "a folder"
    for name, text in (files | synthesis_files(units, FLOW, "digits", library, 100.0)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    liberty = tmp_path / "a library.lib"
    liberty.symlink_to(LIBERTY)
    command = ["sh", "synthesis/yosys.sh", str(liberty), report.units[0].unit]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    area = re.search(r"Chip area for module .*: ([\d.]+)", done.stdout)
    assert area is not None
    assert float(area[1]) == pytest.approx(report.units[0].unit_um2, rel=0.1)
    assert (folder / "synthesis" / f"{report.units[0].unit}.netlist.v").is_file()
    assert "set period 10\n" in (folder / "synthesis" / "constraints.sdc").read_text()
