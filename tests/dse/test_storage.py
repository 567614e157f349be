"""Storage: results stay recorded, designs are queued once, and what a dying driver leaves is repaired."""

import json
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.trial import TrialState

from dse.design.evaluation import Level, TestScore
from dse.design.metrics import DEFAULT_OBJECTIVES, search_objectives, values_of
from dse.design.observation import Observation
from dse.design.point import DesignPoint, Finetune
from dse.design.roles import Role
from dse.design.space import RescalerVariable, SearchSpace
from dse.errors import StudyError
from dse.search.sampler import make_sampler
from dse.store.journal import journal
from dse.store.records import RECORD_VERSION, TrialRecord, record_of
from dse.store.trials import StudyStore, error_in, observation_in, record_in, role_of
from dse.study.search import SearchSpec
from nets.network.operators import Method
from tests import fakes, stores
from tests.fakes import evaluation, values

SPACE = SearchSpace(
    (
        RescalerVariable("a", (1, 2, 4, 31), (Method.ROUND, Method.ABSORB)),
        RescalerVariable("b", (1, 31), (Method.ROUND,)),
    ),
    (Finetune.NONE, Finetune.SHORT),
)


def opened(path: Path, seed: int = 0) -> StudyStore:
    store = stores.opened(stores.journal_for_driver(path), "study")
    store.use(make_sampler(SearchSpec(sampler="random"), SPACE, seed), SPACE)
    return store


def record_for(point: DesignPoint) -> TrialRecord:
    return record_of(point.to_json(), [evaluation(point)])


def tell(store: StudyStore, trial: optuna.Trial) -> None:
    fakes.tell(store, trial, record_for(SPACE.point(trial.params)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.log"


def test_told_trials_are_read_back_by_another_process_handle(path: Path) -> None:
    store = opened(path)
    store.enqueue(SPACE, SPACE.uniform(4, Method.ROUND, Finetune.NONE), Role.UNIFORM_ROUND)
    tell(store, store.ask(SPACE))
    trial = store.ask(SPACE)
    store.tell_failed(trial, "because")
    store.set_test(0, TestScore(samples=10, baseline_correct=9, lost=1, gained=0))
    (complete, failed) = StudyStore.load(journal(path), "study").trials()
    record = record_in(complete)
    assert record is not None
    searched = values_of(record, search_objectives(DEFAULT_OBJECTIVES))
    assert tuple(complete.values) == searched
    assert observation_in(complete) == Observation(Level.INTEGER, {Level.INTEGER: searched[0]})
    assert observation_in(failed) is None
    assert (role_of(complete), role_of(failed)) == (Role.UNIFORM_ROUND, Role.SEARCH)
    assert (error_in(complete), error_in(failed)) == ("", "because")
    assert StudyStore.load(journal(path), "study").tests()[0].lost == 1
    assert optuna.load_study(study_name="study", storage=journal(path)).metric_names == [
        "val_cross_entropy_increase",
        "rescaler_area_um2",
        "rescaler_energy_nj",
    ]


def test_opening_a_study_prints_nothing_and_leaves_optunas_verbosity_alone(
    path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        opened(path)
        opened(path)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(before)
    assert capfd.readouterr().err == ""


def test_a_study_that_is_not_there(path: Path) -> None:
    opened(path)
    with pytest.raises(StudyError, match="no study named 'other'"):
        StudyStore.load(journal(path), "other")
    path.unlink()
    with pytest.raises(StudyError, match=r"journal\.log: is missing, and with it the run's trials"):
        StudyStore.load(journal(path), "study")
    assert not path.exists()
    with pytest.raises(StudyError, match="holds a study named 'study' already"):
        StudyStore.create(storage := optuna.storages.InMemoryStorage(), "study"), StudyStore.create(storage, "study")


def test_open_trials_are_put_back_with_number_design_and_role(path: Path) -> None:
    store = opened(path)
    store.enqueue(SPACE, SPACE.uniform(1, Method.ROUND, Finetune.SHORT), Role.UNIFORM_ROUND)
    store.enqueue(SPACE, SPACE.uniform(2, Method.ROUND, Finetune.SHORT), Role.UNIFORM_ROUND)
    left = [store.ask(SPACE), store.ask(SPACE), store.ask(SPACE)]
    tell(store, left[1])
    resumed = opened(path, seed=1)
    assert [trial.number for trial in resumed.interrupted()] == [0, 2]
    for trial in resumed.interrupted():
        resumed.put_back(trial.number)
    assert resumed.interrupted() == []
    assert resumed.asked(SPACE) == {0: True, 1: False, 2: True}
    again = [resumed.ask(SPACE), resumed.ask(SPACE)]
    assert [(trial.number, trial.params) for trial in again] == [(n, left[n].params) for n in (0, 2)]
    assert [role_of(trial) for trial in again] == [Role.UNIFORM_ROUND, Role.SEARCH]
    assert resumed.ask(SPACE).number == 3
    states = [trial.state for trial in resumed.trials()]
    assert states == [TrialState.RUNNING, TrialState.COMPLETE, TrialState.RUNNING, TrialState.RUNNING]


def test_killed_between_record_and_tell(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result of an evaluated trial is there for its completion."""
    store = opened(path)
    trial = store.ask(SPACE)
    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "tell", killed)
        with pytest.raises(KilledError):
            tell(store, trial)
    resumed = opened(path)
    (left,) = resumed.interrupted()
    record, observation = record_in(left), observation_in(left)
    assert record is not None
    assert observation is not None
    resumed.complete_with(left.number, record, observation.levels[observation.asked])
    (completed,) = resumed.trials()
    assert completed.state is TrialState.COMPLETE
    assert tuple(completed.values) == values_of(record, search_objectives(DEFAULT_OBJECTIVES))


def test_killed_in_the_middle_of_asking(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that has only some of its parameters gets the others when it is asked for again, or keeps its design."""
    point = SPACE.uniform(2, Method.ABSORB, Finetune.NONE)
    whole = opened(path.with_name("whole.log")).ask(SPACE).params
    for queued in (False, True):
        store = opened(path)
        if queued:
            store.enqueue(SPACE, point, Role.UNIFORM_ABSORB)
        with monkeypatch.context() as patch:
            limited = fail_after(JournalStorage.set_trial_param, 2)
            patch.setattr(JournalStorage, "set_trial_param", limited)
            with pytest.raises(KilledError):
                store.ask(SPACE)
    resumed = opened(path)
    for trial in resumed.interrupted():
        resumed.put_back(trial.number)
    assert resumed.asked(SPACE) == {}
    first, second = resumed.ask(SPACE), resumed.ask(SPACE)
    assert (first.number, first.params) == (0, whole)
    assert (second.number, SPACE.point(second.params)) == (1, point)
    assert resumed.asked(SPACE) == {0: False, 1: False}


def test_half_a_line_at_the_end_is_taken_away(path: Path) -> None:
    """A full disk or a kill cuts a write short; appending to the rest would make the journal unreadable."""
    store = opened(path)
    tell(store, store.ask(SPACE))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 3].split(b"\n")[-1])
    resumed = opened(path)
    tell(resumed, resumed.ask(SPACE))
    assert path.read_bytes().startswith(whole)
    assert [t.state for t in opened(path).trials()] == [TrialState.COMPLETE] * 2


def test_a_full_disk_leaves_the_journal_whole(path: Path) -> None:
    """A write that the file system cuts short is undone and reported to the driver."""
    store = opened(path)
    tell(store, store.ask(SPACE))
    whole = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 10, limits[1]))
    try:
        with pytest.raises(OSError, match=r"No space left|File too large"):
            store.ask(SPACE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == whole
    resumed = opened(path)
    tell(resumed, resumed.ask(SPACE))
    assert [t.state for t in opened(path).trials()] == [TrialState.COMPLETE] * 2


def test_designs_lists_everything_but_failures(path: Path) -> None:
    store = opened(path)
    point = SPACE.uniform(4, Method.ROUND, Finetune.NONE)
    store.enqueue(SPACE, point, Role.UNIFORM_ROUND)
    assert store.designs(SPACE) == {(Role.UNIFORM_ROUND, point.digest)}
    trial = store.ask(SPACE)
    assert store.designs(SPACE) == {(Role.UNIFORM_ROUND, point.digest)}
    store.tell_failed(trial, "no")
    assert store.designs(SPACE) == set()


def test_a_damaged_record_is_named(path: Path) -> None:
    store = opened(path)
    trial = store.ask(SPACE)
    trial.set_user_attr("record", f'{{"version": {RECORD_VERSION}, "design": 3}}')
    with pytest.raises(StudyError, match="trial 0: the stored record is damaged"):
        record_in(store.trials()[0])


@pytest.mark.parametrize(("version", "named"), [(None, 1), (RECORD_VERSION + 1, RECORD_VERSION + 1)])
def test_a_record_of_another_version_is_refused(path: Path, version: int | None, named: int) -> None:
    store = opened(path)
    trial = store.ask(SPACE)
    tell(store, trial)
    stored = json.loads(store.trials()[0].user_attrs["record"])
    stored.pop("version")
    other = store.ask(SPACE)
    other.set_user_attr("record", json.dumps(stored if version is None else stored | {"version": version}))
    assert record_in(store.trials()[0]) is not None
    with pytest.raises(StudyError, match=rf"trial 1: .* format {named}, .* reads format {RECORD_VERSION}; .*--fresh"):
        record_in(store.trials()[1])


@pytest.mark.parametrize(("version", "named"), [(None, 1), (RECORD_VERSION + 1, RECORD_VERSION + 1)])
def test_a_study_of_another_version_is_refused(path: Path, version: int | None, named: int) -> None:
    study = optuna.create_study(
        storage=stores.journal_for_driver(path), study_name="study", directions=["minimize"] * 3
    )
    if version is not None:
        study.set_user_attr("record_version", version)
    study.ask()
    for reopened in (opened, lambda path: StudyStore.load(journal(path), "study")):
        with pytest.raises(
            StudyError, match=rf"'study': .* format {named}, .* reads format {RECORD_VERSION}; .*--fresh"
        ):
            reopened(path)


def test_records_round_trip_and_sum_levels() -> None:
    point = SPACE.uniform(2, Method.ROUND, Finetune.SHORT)
    levels = [evaluation(point), evaluation(point, Level.SHORT_FINETUNE)]
    record = record_of(point.to_json(), levels)
    assert type(record).model_validate_json(record.model_dump_json()) == record
    assert record.fidelity == "short_finetune"
    assert record.val_accuracy_integer == levels[0].val_accuracy
    assert values(record) == values(levels[1])
    assert record.seconds == pytest.approx(0.02)


class KilledError(BaseException):
    """Stands for kill -9: nothing in the program catches it."""


def killed(*_: object, **__: object) -> None:
    raise KilledError


def fail_after(function: Callable[..., object], calls: int) -> Callable[..., object]:
    counted = iter(range(calls))

    def limited(*arguments: object) -> object:
        if next(counted, None) is None:
            raise KilledError
        return function(*arguments)

    return limited
