"""optuna-dashboard shows a study's names, values and feasibility through its own interface."""

import io
import json
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import pytest

from dse.design.point import Finetune
from dse.design.space import RescalerVariable, SearchSpace
from dse.search.sampler import make_sampler
from dse.store.journal import journal
from dse.store.records import record_of
from dse.store.trials import StudyStore, record_in
from dse.study.search import SearchSpec
from nets.network.operators import Method
from tests import fakes, stores
from tests.fakes import evaluation

SPACE = SearchSpace(
    tuple(RescalerVariable(name, tuple(range(1, 17)), (Method.ROUND, Method.ABSORB)) for name in "abc"),
    (Finetune.NONE,),
)
EXCESSES = [{"drop": -1.0, "area": -2.0}, {"drop": -1.0, "area": 0.5}, {"drop": 0.1, "area": 3.0}]


def tell(store: StudyStore, excess: dict[str, float]) -> None:
    trial = store.ask(SPACE)
    point = SPACE.point(trial.params)
    fakes.tell(store, trial, record_of(point.to_json(), [evaluation(point)]), excess)


def asked(app: Any, path: str) -> Any:  # noqa: ANN401 -- a WSGI application, and what it answers
    environment: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": "after=0", "wsgi.errors": io.StringIO()}
    setup_testing_defaults(environment)
    status: list[str] = []
    body = b"".join(app(environment, lambda line, _headers, _error=None: status.append(line)))
    assert status == ["200 OK"]
    return json.loads(body)


def test_the_dashboard_shows_names_values_and_feasibility(tmp_path: Path) -> None:
    dashboard = pytest.importorskip("optuna_dashboard", reason="pip install optuna-dashboard")
    store = stores.opened(stores.journal_for_driver(tmp_path / "journal.log"), "shown")
    store.use(make_sampler(SearchSpec(sampler="random"), SPACE, 0), SPACE)
    for excess in EXCESSES:
        tell(store, excess)
    store.tell_failed(store.ask(SPACE), "because")

    app = dashboard.wsgi(journal(tmp_path / "journal.log"))
    (summary,) = asked(app, "/api/studies")["study_summaries"]
    study = asked(app, f"/api/studies/{summary['study_id']}")
    assert summary["study_name"] == "shown"
    assert study["objective_names"] == ["val_cross_entropy_increase", "rescaler_area_um2", "rescaler_energy_nj"]
    assert [trial["state"] for trial in study["trials"]] == ["Complete"] * 3 + ["Fail"]
    assert [trial["values"] for trial in study["trials"][:3]] == [trial.values for trial in store.complete()]
    feasible = [all(excess <= 0 for excess in trial["constraints"]) for trial in study["trials"][:3]]
    assert feasible == [True, False, False]
    assert [list(excess.values()) for excess in EXCESSES] == [t["constraints"] for t in study["trials"][:3]]


def test_the_dashboard_shows_metrics_and_the_recommended_trial(tmp_path: Path) -> None:
    dashboard = pytest.importorskip("optuna_dashboard", reason="pip install optuna-dashboard")
    store = stores.opened(stores.journal_for_driver(tmp_path / "journal.log"), "shown")
    store.use(make_sampler(SearchSpec(sampler="random"), SPACE, 0), SPACE)
    for excess in EXCESSES:
        tell(store, excess)
    store.mark_recommended(0, "not shown: best guess", "Best guess: trial 0.")
    store.mark_recommended(1, "shown", "Take trial 1.")  # resumed: another design is recommended
    version = len((tmp_path / "journal.log").read_bytes())
    store.mark_recommended(1, "shown", "Take trial 1.")
    assert len((tmp_path / "journal.log").read_bytes()) == version  # a report that is rebuilt writes nothing

    app = dashboard.wsgi(journal(tmp_path / "journal.log"))
    (summary,) = asked(app, "/api/studies")["study_summaries"]
    study = asked(app, f"/api/studies/{summary['study_id']}")
    assert study["note"]["body"] == "Take trial 1."
    assert [trial["note"]["body"] for trial in study["trials"]] == ["", "**Recommended** (shown)", ""]
    for shown, trial in zip(study["trials"], store.trials(), strict=True):
        attributes = {each["key"]: each["value"] for each in shown["user_attrs"]}
        record = record_in(trial)
        assert record is not None
        known = {name: str(value) for name, value in record.figures.items() if value is not None}
        assert known
        assert known.items() <= attributes.items()


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_what_the_dashboard_needs_changes_no_proposal(sampler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    proposed = []
    for shown in (True, False):
        if not shown:
            monkeypatch.setattr(StudyStore, "_show_feasibility", lambda *_: None)
        store = stores.opened(optuna.storages.InMemoryStorage(), "same")
        store.use(make_sampler(SearchSpec(sampler=sampler), SPACE, 0), SPACE)
        for number in range(60):
            tell(store, {"drop": (number % 7) - 3.0, "area": (number % 5) - 2.0})
        proposed.append([trial.params for trial in store.trials()])
        assert store.trials()[1].constraints.keys() == {"drop", "area", *("01" if shown else "")}
    assert proposed[0] == proposed[1]
