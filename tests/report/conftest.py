"""Synthetic studies, and their reports built once, as fixtures."""

from pathlib import Path

import pytest
from synthetic_study import HOSTILE, STUDIES, Maker, Recipe, make_results

from dse.report import write_report
from dse.store.results import StudyResults

Report = tuple[StudyResults, Path]


@pytest.fixture(scope="session")
def make() -> Maker:
    return lambda **changes: make_results(Recipe(**changes))


@pytest.fixture(scope="session")
def typical(make: Maker) -> StudyResults:
    return make()


@pytest.fixture(scope="session")
def hostile(make: Maker) -> StudyResults:
    return make(names=HOSTILE, study="<script>document.title='broken'</script>")


@pytest.fixture(params=STUDIES, scope="session")
def any_study(request: pytest.FixtureRequest, make: Maker) -> StudyResults:
    return make(**STUDIES[request.param])


@pytest.fixture(scope="session")
def any_report(any_study: StudyResults, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return any_study, write_report(any_study, tmp_path_factory.mktemp("any"))


@pytest.fixture(scope="session")
def typical_report(typical: StudyResults, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return typical, write_report(typical, tmp_path_factory.mktemp("typical"))


@pytest.fixture(scope="session")
def hostile_report(hostile: StudyResults, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return hostile, write_report(hostile, tmp_path_factory.mktemp("hostile"))
