"""The experiment on the optimism of fronts: promises are those of a front, and tests are those of its designs."""

from pathlib import Path

import pytest

from dse.store.run_folder import RunFolder
from studies.experiments.optimism import Promise, promise, promises, table
from tests.small_studies import small_spec


def test_optimism_is_what_is_lost_beyond_the_promise() -> None:
    found = promise({2, 1}, {1: 0.5, 2: -0.5, 3: 9.0}, {1: 1.0, 2: 2.0, 3: 0.0})
    assert found == Promise(designs=2, promised=0.0, on_test=1.5)
    assert found.optimism == 1.5
    text = table([(found, found), (Promise(4, 1.0, 1.0), Promise(4, 1.0, 0.5))])
    assert "| measured drops | 3.0 | 0.50 | 1.25 | 0.75 |" in text
    assert "| expected drops | 3.0 | 0.50 | 1.00 | 0.50 |" in text


@pytest.mark.usefixtures("trained_once")
def test_both_fronts_of_a_search_are_scored_on_test(tmp_path: Path) -> None:
    spec = small_spec(search__trials=14, search__methods=["round"], fidelity__finetune="none")
    measured, expected = promises(spec, RunFolder(tmp_path))
    assert measured.designs > 0
    assert expected.designs > 0
    assert measured.promised < 5
    assert abs(measured.on_test) < 20
