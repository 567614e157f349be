import csv
import dataclasses
import os
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from synthetic_study import HOSTILE, Maker

from dse.formats import TIMES
from dse.report import write_tables
from dse.report.spreadsheets import as_text
from dse.report.tables import LAYER_AREAS, scored_layers
from dse.store.results import StudyResults
from nets.files import replacing

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
REQUIRED = [
    *("trial", "val_accuracy", "val_accuracy_drop_pp", "test_accuracy_drop_pp", "ci_low", "ci_high"),
    *("rescaler_area_um2", "rescaler_energy_nj", "fidelity"),
]


def test_front_and_baselines_have_the_same_columns_and_the_required_ones(
    any_study: StudyResults, tmp_path: Path
) -> None:
    write_tables(any_study, tmp_path)
    front, baselines = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("front", "baselines"))
    assert list(front.columns) == list(baselines.columns)
    bits = [as_text(f"{name}.multiplier_bits") for name in any_study.rescalers]
    assert set(REQUIRED + bits) <= set(front.columns)
    assert sorted(front["trial"]) == sorted(any_study.front["trial"])
    assert set(baselines["trial"]) == set(any_study.baselines["trial"])


def test_trials_csv_has_every_trial_with_its_state(any_study: StudyResults, tmp_path: Path) -> None:
    write_tables(any_study, tmp_path)
    trials = pd.read_csv(tmp_path / "trials.csv")
    assert trials["trial"].tolist() == any_study.trials["trial"].tolist()
    assert trials["state"].tolist() == any_study.trials["state"].tolist()


def test_parquet_is_read_back_equal(any_study: StudyResults, tmp_path: Path) -> None:
    write_tables(any_study, tmp_path)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "trials.parquet"), any_study.trials, check_dtype=False)


def test_csv_keeps_numbers_exactly(typical: StudyResults, tmp_path: Path) -> None:
    write_tables(typical, tmp_path)
    front = pd.read_csv(tmp_path / "front.csv")
    for name in REQUIRED[1:-1]:
        np.testing.assert_array_equal(front[name], typical.front[name])


def test_bits_stay_whole_numbers_beside_waiting_trials(typical: StudyResults, tmp_path: Path) -> None:
    bits = [f"{name}.multiplier_bits" for name in typical.rescalers]
    waiting = {"trial": len(typical.trials), "state": "WAITING", "role": "search", "on_front": False, "error": ""}
    trials = pd.concat([typical.trials, pd.DataFrame([waiting])], ignore_index=True)
    assert trials[bits[0]].dtype == np.float64
    write_tables(dataclasses.replace(typical, trials=trials), tmp_path)
    as_text = pd.read_csv(tmp_path / "front.csv", dtype=str)
    assert as_text[bits].apply(lambda column: column.str.fullmatch(r"\d+")).all(axis=None)
    table = pd.read_csv(tmp_path / "front.csv")
    assert table[bits].to_numpy().tolist() == typical.front[bits].to_numpy().tolist()
    assert pd.read_csv(tmp_path / "trials.csv")["state"].iloc[-1] == "WAITING"
    assert pd.read_parquet(tmp_path / "trials.parquet")[bits[0]].dtype == "Int64"


def sheets(path: Path) -> dict[str, str]:
    """XML of each worksheet by its name, without a spreadsheet library to agree with itself."""
    with zipfile.ZipFile(path) as archive:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314 -- our own file
        names = [sheet.attrib["name"] for sheet in book.iter() if sheet.tag.endswith("}sheet")]
        return {name: archive.read(f"xl/worksheets/sheet{i}.xml").decode() for i, name in enumerate(names, 1)}


def shared_strings(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        table = ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))  # noqa: S314 -- our own file
    return [text.text or "" for text in table.iter() if text.tag.endswith("}t")]


def test_workbook_has_a_sheet_each_and_units_in_headings(typical: StudyResults, tmp_path: Path) -> None:
    write_tables(typical, tmp_path)
    assert list(sheets(tmp_path / "results.xlsx")) == ["Summary", "Front", "Trials", "Layers", "About"]
    strings = shared_strings(tmp_path / "results.xlsx")
    assert {"Rescaler area (µm²)", "Rescaler energy per inference (nJ)", "Validation accuracy drop (pp)"} <= set(
        strings
    )
    assert not [text for text in strings if text.startswith(("rescaler_", "val_", "test_"))]


def styles_of(path: Path, sheet: str) -> dict[str, str]:
    """Number formats of the first cells below the headings of a sheet, by heading."""
    with zipfile.ZipFile(path) as archive:
        styles = ElementTree.fromstring(archive.read("xl/styles.xml"))  # noqa: S314 -- our own file
    codes = {one.attrib["numFmtId"]: one.attrib["formatCode"] for one in styles.iter(f"{SHEET}numFmt")}
    (cell_formats,) = styles.iter(f"{SHEET}cellXfs")
    used = [codes.get(one.attrib["numFmtId"], "") for one in cell_formats]
    strings, rows = shared_strings(path), ElementTree.fromstring(sheets(path)[sheet])  # noqa: S314 -- our own file
    first, second = list(rows.iter(f"{SHEET}row"))[:2]
    titles = {cell.attrib["r"].rstrip("1"): strings[int(cell[0].text or "")] for cell in first}
    return {titles[cell.attrib["r"].rstrip("2")]: used[int(cell.attrib.get("s", 0))] for cell in second}


def test_numbers_in_the_workbook_are_formatted_by_their_units(typical: StudyResults, tmp_path: Path) -> None:
    write_tables(typical, tmp_path)
    front = styles_of(tmp_path / "results.xlsx", "Front")
    assert front["Rescaler area (µm²)"] == "#,##0"
    assert front["Validation accuracy drop (pp)"] == "0.00"
    assert front["Trial"] == ""
    summary = styles_of(tmp_path / "results.xlsx", "Summary")
    assert summary["Rescalers' share of the accelerator's area"] == "0.0%"
    assert summary["Rescalers' share of the accelerator's energy, buffers included"] == "0.0%"
    assert summary["Area, times less than int32"] == f'0.0"{TIMES}"'


def test_layers_of_a_shared_bank_have_no_area_of_their_own(typical: StudyResults) -> None:
    shared = dataclasses.replace(typical, facts=dataclasses.replace(typical.facts, style="shared"))
    assert scored_layers(shared)[list(LAYER_AREAS)].isna().all(axis=None)
    assert scored_layers(shared)["energy_nj"].notna().all()
    assert scored_layers(typical)[list(LAYER_AREAS)].notna().all(axis=None)


def test_text_from_files_becomes_no_formula(make: Maker, tmp_path: Path) -> None:
    write_tables(make(names=HOSTILE), tmp_path)
    for path in tmp_path.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            cells = {cell for row in csv.reader(file) for cell in row}
        assert not [cell for cell in cells if as_text(cell) != cell], path.name
    front = (tmp_path / "front.csv").read_text(encoding="utf-8")
    assert "'=1+1.multiplier_bits" in front
    found = sheets(tmp_path / "results.xlsx")
    assert not [name for name, xml in found.items() if "<f>" in xml]
    strings = shared_strings(tmp_path / "results.xlsx")
    assert "=1+1: multiplier width (bits)" in strings
    assert "=1+1" in strings


def write_half(target: Path) -> None:
    with replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("boom")


def test_failed_write_leaves_the_old_file_and_no_debris(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="boom"):
        write_half(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_new_files_get_the_usual_permissions(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.csv") as temporary:
        temporary.write_text("x")
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o666 & ~mask
