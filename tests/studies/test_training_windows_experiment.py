"""The experiment that trains pure shifts in windows: its cases, what each is compared with, its table and page."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import studies.experiments.training_windows
from dse.study.prepared import PreparedStudy, correct_answers
from nets.narrow.weights import with_weight_bits
from studies.experiments.training import Fold
from studies.experiments.training_windows import DEPLOYED, SETTINGS, Case, Stage, cases, main, markdown, rows, table


def test_every_case_has_an_int32_alike_among_the_cases() -> None:
    every = cases()
    assert len(set(every)) == len(every) == 36
    assert {case.alike for case in every} <= set(every)
    assert all(case.alike.stage is case.stage for case in every)
    assert DEPLOYED in every


def test_drops_are_against_the_deployed_int32_and_against_int32_alike() -> None:
    narrow = Case(4, 1, 0, Stage.TRAINED)
    right = {
        DEPLOYED: np.array([1.0, 1.0, 1.0, 0.0]),
        narrow.alike: np.array([1.0, 0.0, 1.0, 0.0]),
        narrow: np.array([1.0, 0.0, 0.0, 0.0]),
    }
    row = rows(right)[narrow]
    assert (row.accuracy_percent, row.drop_pp, row.drop_against_int32_alike_pp) == (25, 50, 25)
    assert row.ci_low_pp < 50 < row.ci_high_pp
    page = markdown({"digits": table(rows(right), seeds=1, samples=4)})
    assert "| 8 | int32 | 75.00 (+0.00; +0.00 to +0.00) |" in page
    assert "| 4 | 1 | 25.00 (+25.00; " in page


def test_a_run_writes_its_table_and_the_page_of_all_tables(
    digits: PreparedStudy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (member,) = digits.members
    test = member.splits.test.take(np.arange(200))
    network = with_weight_bits(member.network, 8, member.originals)

    def one_fold(_name: str, _data: Path, _seed: int) -> Iterator[Fold]:
        yield Fold(network, dict(member.originals), member.splits.finetune, test, np.arange(200))

    monkeypatch.setattr(studies.experiments.training_windows, "folds", one_fold)
    monkeypatch.setattr(studies.experiments.training_windows, "SHIFT_BITS", (None, 0))
    monkeypatch.setattr(studies.experiments.training_windows, "WEIGHT_BITS", (8,))
    monkeypatch.setitem(SETTINGS, "digits", replace(SETTINGS["digits"], epochs=1))
    main("digits", seeds=1, data=tmp_path, out=tmp_path)
    results = pd.read_csv(tmp_path / "windows_trained-digits.csv", dtype={"shifts": str})
    stages = [stage.value for stage in Stage]
    assert [*results["stage"]] == stages * 3
    assert [*results["shifts"].drop_duplicates()] == ["natural", "1"]
    deployed = results.iloc[0]
    assert deployed["accuracy_percent"] == pytest.approx(100 * correct_answers(network, test).mean(), abs=1e-3)
    assert (results["accuracy_percent"] > deployed["accuracy_percent"] - 5).all()
    assert np.allclose(deployed["accuracy_percent"] - results["accuracy_percent"], results["drop_pp"], atol=2e-3)
    page = (tmp_path / "windows_trained.md").read_text().splitlines()
    assert [line.split("|")[2].strip() for line in page[-3:]] == ["int32", "natural", "1"]
