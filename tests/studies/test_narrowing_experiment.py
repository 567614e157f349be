"""The narrowing experiment: every width and method, and the page that it makes."""

import numpy as np
import pytest

import studies.experiments.narrowing
from dse.study.prepared import PreparedStudy
from nets.network.operators import Method
from studies.experiments.narrowing import markdown, measure, predictions

WIDTHS = (1, 8, 31)


def test_every_width_and_method_is_measured_against_int32(
    digits: PreparedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies.experiments.narrowing, "MULTIPLIER_BITS", WIDTHS)
    samples = digits.members[0].splits.test.take(np.arange(200))
    rows = {(row.multiplier_bits, row.method): row for row in measure(digits.members[0].network, samples)}
    assert rows.keys() == {(31, "round")} | {(bits, method.value) for bits in WIDTHS[:-1] for method in Method}
    int32 = rows[31, "round"]
    assert (int32.drop_pp, int32.agreement_percent) == (0, 100)
    assert int32.accuracy_percent == 100 * (predictions(digits.members[0].network, samples) == samples.labels).mean()
    for row in rows.values():
        assert row.drop_pp == pytest.approx(int32.accuracy_percent - row.accuracy_percent)
        assert row.ci_low_pp <= row.drop_pp <= row.ci_high_pp
    page = markdown("digits", list(rows.values()), len(samples)).splitlines()
    assert page[0] == "# digits: accuracy and agreement of narrowed networks, untrained"
    assert [line.split("|")[1].strip() for line in page[-3:]] == ["31", "8", "1"]
    assert page[-3].endswith("| as round | | |")
    assert all(line.count("|") == 8 for line in page[-3:])
