"""The windows experiment: every width, window and method, calibrated on samples that are not tested."""

import numpy as np
import pytest

import studies.experiments.windows
from dse.study.prepared import PreparedStudy
from nets.datasets import Dataset
from studies.experiments.windows import markdown, measured, parts


@pytest.fixture
def dataset(digits: PreparedStudy) -> Dataset:
    splits = digits.members[0].splits
    return Dataset("digits", splits.validation, splits.test.take(np.arange(150)), "")


def test_every_rung_is_measured(digits: PreparedStudy, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies.experiments.windows, "MULTIPLIER_BITS", (2, 1))
    monkeypatch.setattr(studies.experiments.windows, "OTHER_CALIBRATIONS", (0, 16))
    rows = list(measured(digits.members[0].network, dataset))
    kinds = {(row.multiplier_bits, row.shift_bits, row.method, row.calibration_samples) for row in rows}
    assert len(rows) == len(kinds) == 1 + 2 * (1 + 5 + 5) + 2 * 5
    assert (rows[0].drop_pp, rows[0].agreement_percent) == (0, 100)
    for row in rows:
        assert row.drop_pp == pytest.approx(row.int32_percent - row.accuracy_percent)
        assert row.ci_low_pp <= row.drop_pp <= row.ci_high_pp
    constant = {row.method: row for row in rows if (row.multiplier_bits, row.shift_bits) == (1, 0)}
    assert constant["calibrated"].agreement_percent > 90
    page = markdown("digits", rows).splitlines()
    assert page[0] == "# digits: accuracy at every width and shift window, untrained"
    assert sum(line.startswith("| 1 | calibrated |") for line in page) == 1
    assert all(line.count("|") == 8 for line in page if line.startswith(("| 2 ", "| 1 ", "| 16 ")))


def test_tested_samples_are_not_calibrated_on(digits: PreparedStudy) -> None:
    member = digits.members[0]
    pool, test = parts(member.network, Dataset("digits", member.splits.test, None, ""), 16)
    assert len(pool) + len(test.samples) == len(member.splits.test)
    seen = {image.tobytes() for image in pool.inputs}
    known = {image.tobytes() for image in member.splits.test.inputs}
    assert len(seen | {image.tobytes() for image in test.samples.inputs}) == len(known)
