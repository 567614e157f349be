"""The experiment on the shipped studies: equal runs are called equal, others are not; every shipped study is valid."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from dse.study.loading import validated
from dse.verdict import verdict_of
from studies.experiments.shipped import page, repeated
from tests.small_studies import write_study

STUDIES = sorted(Path("studies").glob("*.toml"))


@pytest.mark.usefixtures("trained_once")
def test_equal_runs_are_called_equal_and_a_changed_figure_is_noticed(tmp_path: Path) -> None:
    path = write_study(tmp_path, search__batch=4, search__methods=["round"], fidelity__finetune="none")
    study = repeated(path, runs=2, trials=12)
    assert study.identical
    first, second = study.results
    trials = second.trials.copy()
    trials.loc[3, "rescaler_area_um2"] += 1
    assert not replace(study, results=(first, replace(second, trials=trials))).identical
    text = page([study], "command")
    assert "| 2, equal |" in text
    assert f"`{path}` | 12 |" in text
    assert verdict_of(first).text in text


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_shipped_studies_say_their_decision_and_repeat_themselves(path: Path) -> None:
    head = path.read_text(encoding="utf-8").split("\nname =")[0]
    assert "# Decision: " in head
    spec = validated(tomllib.loads(path.read_text(encoding="utf-8")))  # the models it names may be elsewhere
    assert spec.search.batch == 8
    assert spec.search.trials % spec.search.batch == 0  # no batch is left unfinished
    assert spec.name == path.stem


def test_there_are_shipped_studies() -> None:
    assert {"digits", "kws", "kws_weights", "mobilenet_v2", "mlperf_tiny_portfolio"} <= {path.stem for path in STUDIES}
