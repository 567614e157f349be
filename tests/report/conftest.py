"""Synthetic studies as fixtures."""

import pytest
from synthetic_study import HOSTILE, Maker, Recipe, make_results

from dse.results import StudyResults


@pytest.fixture(scope="session")
def make() -> Maker:
    return lambda **changes: make_results(Recipe(**changes))


@pytest.fixture
def typical(make: Maker) -> StudyResults:
    return make()


@pytest.fixture(params=["typical", "one", "many", "none", "hostile", "unscored", "bare", "unfinished", "two_trials"])
def any_study(request: pytest.FixtureRequest, make: Maker) -> StudyResults:
    recipes = {
        "typical": {},
        "one": {"front": 1, "trials": 20},
        "many": {"front": 500, "trials": 30},
        "none": {"front": 0},
        "hostile": {"names": HOSTILE, "study": "<script>alert(2)</script>"},
        "unscored": {"scored": False},
        "bare": {"roles": (), "accelerator": False},
        "unfinished": {"complete": False, "roles": ("int32",)},
        "two_trials": {"trials": 2, "rescalers": 1, "failed": 0},
    }
    return make(**recipes[request.param])
