"""What the tests of this folder share: runs without inference."""

from dataclasses import replace
from pathlib import Path

import pytest

import dse.run
from dse.store.results import StudyResults
from dse.study import Study
from dse.study.prepared import PreparedStudy
from dse.workers import EvaluatorPool, SerialPool
from tests.fakes import ClosedForm


@pytest.fixture
def by_formula(digits: PreparedStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies are prepared once, evaluated in closed form, and have a report of one word."""

    def prepared(spec: Study) -> PreparedStudy:
        return replace(digits, spec=spec)

    def pool(*_study: PreparedStudy, **_options: object) -> EvaluatorPool:
        return SerialPool(ClosedForm)

    def reported(_results: StudyResults, path: Path) -> None:
        (path / "report.html").write_text("report")

    monkeypatch.setattr(dse.run, "prepare", prepared)
    monkeypatch.setattr(dse.run, "make_pool", pool)
    monkeypatch.setattr(dse.run, "write_report", reported)
