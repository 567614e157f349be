"""The driver with evaluators in closed form: budgets, baselines, promotion, failures, resumption."""

import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from optuna.trial import TrialState

from dse.design.evaluation import Evaluation, Job, Level, TestScore
from dse.design.roles import Role
from dse.design.space import SearchSpace
from dse.errors import EvaluationsFailedError
from dse.search.baselines import baselines
from dse.search.driver import Driver, Progress
from dse.search.sampler import make_sampler
from dse.store.journal import DriverJournal
from dse.store.run_folder import RunFolder
from dse.store.trials import StudyStore, error_in, record_in, role_of
from dse.study.prepared import PreparedStudy
from dse.study.space import space_over
from dse.study.values import Sampler
from dse.workers import Completion, Evaluates, SerialPool
from tests import stores
from tests.fakes import ClosedForm, Faulty, values
from tests.small_studies import small_spec

TARGET = 24


@pytest.fixture
def space(digits: PreparedStudy) -> SearchSpace:
    return space_over(digits.operators, digits.spec.search, digits.spec.fidelity.finetune)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def opened(prepared: PreparedStudy, folder: RunFolder, space: SearchSpace) -> StudyStore:
    store = stores.opened(stores.journal_for_driver(folder.journal_path), "study")
    store.use(make_sampler(prepared.spec.search, space, 0), space)
    return store


def drive(
    prepared: PreparedStudy, folder: RunFolder, space: SearchSpace, evaluator: Evaluates, target: int = TARGET
) -> tuple[StudyStore, list[Progress]]:
    store, seen = opened(prepared, folder, space), []
    Driver(prepared.spec, store, space, folder, SerialPool(lambda: evaluator), seen.append).run(target)
    return store, seen


def test_exactly_the_trials_asked_for_baselines_included(
    digits: PreparedStudy, folder: RunFolder, space: SearchSpace
) -> None:
    store, seen = drive(digits, folder, space, ClosedForm())
    assert Counter(trial.state for trial in store.trials()) == {TrialState.COMPLETE: TARGET}
    roles = Counter(role_of(trial) for trial in store.trials())
    assert roles == {
        Role.INT32: 1,
        Role.INT16: 1,
        Role.CONTROL: 1,
        Role.UNIFORM_ROUND: 2,
        Role.UNIFORM_ABSORB: 2,
        Role.SEARCH: TARGET - 7,
    }
    assert [progress.complete for progress in seen] == sorted(progress.complete for progress in seen)
    assert (seen[-1].complete, seen[-1].stage) == (TARGET, "test")
    volumes = [progress.hypervolume for progress in seen]
    assert volumes == sorted(volumes)
    assert volumes[-1] > 0


def test_no_design_is_evaluated_twice(digits: PreparedStudy, folder: RunFolder, space: SearchSpace) -> None:
    store, _ = drive(digits, folder, space, ClosedForm())
    assert len({space.point(trial.params).digest for trial in store.trials()}) == TARGET


def test_a_target_below_the_baselines_keeps_the_rest_queued(
    digits: PreparedStudy, folder: RunFolder, space: SearchSpace
) -> None:
    store, _ = drive(digits, folder, space, ClosedForm(), target=2)
    assert Counter(trial.state for trial in store.trials()) == {TrialState.COMPLETE: 2, TrialState.WAITING: 5}
    store, _ = drive(digits, folder, space, ClosedForm(), target=7)
    assert Counter(trial.state for trial in store.trials()) == {TrialState.COMPLETE: 7}
    assert len({(role_of(t), space.point(t.params).digest) for t in store.trials()}) == 7


def test_resuming_counts_what_is_there(digits: PreparedStudy, folder: RunFolder, space: SearchSpace) -> None:
    drive(digits, folder, space, ClosedForm(), target=10)
    store, seen = drive(digits, folder, space, ClosedForm(), target=15)
    assert seen[0].complete == 10
    assert Counter(trial.state for trial in store.trials()) == {TrialState.COMPLETE: 15}
    again, seen = drive(digits, folder, space, Faulty(raises=frozenset(range(100))), target=15)  # nothing is left
    assert len(again.trials()) == 15
    assert len(seen) == 2


def test_failed_evaluations_do_not_count_and_keep_their_reason(
    digits: PreparedStudy, folder: RunFolder, space: SearchSpace
) -> None:
    store, _ = drive(digits, folder, space, Faulty(raises=frozenset({7, 9}), not_finite=frozenset({8})))
    states = {trial.number: trial.state for trial in store.trials()}
    assert Counter(states.values()) == {TrialState.COMPLETE: TARGET, TrialState.FAIL: 3}
    errors = {trial.number: error_in(trial) for trial in store.trials() if error_in(trial)}
    assert errors[7] == "ValueError: trial 7 is broken"
    assert errors[8].startswith("the objectives are not finite: (nan")
    assert set(errors) == {7, 8, 9}


def test_a_study_in_which_everything_fails_stops(digits: PreparedStudy, folder: RunFolder, space: SearchSpace) -> None:
    with pytest.raises(EvaluationsFailedError, match=r"20 evaluations in a row failed, .* is broken"):
        drive(digits, folder, space, Faulty(raises=frozenset(range(1000))))


def test_only_promising_designs_and_baselines_are_promoted(
    digits: PreparedStudy, folder: RunFolder, space: SearchSpace
) -> None:
    store, _ = drive(digits, folder, space, ClosedForm(), target=60)
    records = {trial.number: record for trial in store.trials() if (record := record_in(trial))}
    reached = Counter(record.fidelity for record in records.values())
    assert reached["short_finetune"] > 5
    for trial in store.trials():
        point, record = space.point(trial.params), records[trial.number]
        if point.finetune.value == "none":
            assert record.fidelity == "integer"
        elif role_of(trial) is not Role.SEARCH:
            assert record.fidelity == "short_finetune"
        trained = record.fidelity == "short_finetune"
        assert (folder.weights_path / f"{trial.number}.safetensors").is_file() == trained
    slack = digits.spec.fidelity.slack_pp
    untrained = np.array([(90 - r.val_accuracy_integer, *values(r)[1:]) for r in records.values()])
    for trial in store.trials():
        record, point = records[trial.number], space.point(trial.params)
        if point.finetune.value == "short" and record.fidelity == "integer":
            mine = np.array((90 - record.val_accuracy_integer - slack, *values(record)[1:]))
            assert ((untrained <= mine).all(axis=1) & (untrained < mine).any(axis=1)).any()


def test_front_and_baselines_are_scored_on_test_and_nothing_else(
    digits: PreparedStudy, folder: RunFolder, space: SearchSpace
) -> None:
    store, _ = drive(digits, folder, space, ClosedForm(), target=40)
    complete = [(t, r) for t in store.complete() if (r := record_in(t))]

    def beaten(mine: tuple[float, ...]) -> bool:
        return any(all(a <= b for a, b in zip(values(r), mine, strict=True)) and values(r) != mine for _, r in complete)

    expected = {t.number for t, r in complete if role_of(t) != Role.SEARCH or not beaten(values(r))}
    assert set(store.tests()) == expected


def test_what_is_tested_is_fixed_before_the_test_split_is_read(
    digits: PreparedStudy, folder: RunFolder, space: SearchSpace
) -> None:
    store = opened(digits, folder, space)
    with pytest.raises(EvaluationsFailedError, match="on the test split"):
        Driver(digits.spec, store, space, folder, SerialPool(NoTest)).run(TARGET)
    (look,) = store.looks()
    assert store.tests() == {}
    assert look.sequence
    assert (look.error, look.margin_pp, look.trials) == (pytest.approx(0.02), 1.0, TARGET)
    store, _ = drive(digits, folder, space, ClosedForm())
    assert store.looks() == (look,)
    assert set(look.sequence) <= set(store.tests())
    again, _ = drive(digits, folder, space, ClosedForm(), target=TARGET + 30)
    assert again.looks()[0] == look
    assert [each.error for each in again.looks()[1:]] == [pytest.approx(0.004)] * (len(again.looks()) - 1)
    assert {number for each in again.looks() for number in each.sequence} <= set(again.tests())


def test_a_first_check_leaves_the_test_split_alone(
    digits: PreparedStudy, folder: RunFolder, space: SearchSpace
) -> None:
    store = opened(digits, folder, space)
    Driver(digits.spec, store, space, folder, SerialPool(NoTest)).run(10, read_test=False)
    assert (store.looks(), store.tests()) == ((), {})
    again, _ = drive(digits, folder, space, ClosedForm())
    assert [look.error for look in again.looks()] == [pytest.approx(0.02)]  # nothing of it is spent


class NoTest(ClosedForm):
    """Fails on the test split."""

    def run(self, job: Job) -> Evaluation | TestScore:
        if job.level is Level.TEST:
            raise OSError("the test samples are gone")
        return super().run(job)


class Interrupting(SerialPool):
    """Behaves as if the user pressed Ctrl-C while the driver waits for the n-th result."""

    def __init__(self, evaluator: Evaluates, after: int) -> None:
        super().__init__(lambda: evaluator)
        self._left = after

    def next(self) -> Completion:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return super().next()


def test_an_interrupt_anywhere_keeps_what_was_recorded(
    digits: PreparedStudy, tmp_path: Path, space: SearchSpace
) -> None:
    for after in range(0, 30, 3):
        folder = RunFolder(tmp_path / str(after))
        folder.path.mkdir()
        store = opened(digits, folder, space)
        with pytest.raises(KeyboardInterrupt):
            Driver(digits.spec, store, space, folder, Interrupting(ClosedForm(), after)).run(TARGET)
        recorded = {trial.number: trial.values for trial in store.complete()}
        resumed, _ = drive(digits, folder, space, ClosedForm())
        assert {n: t.values for t in resumed.complete() if (n := t.number) in recorded} == recorded
        states = Counter(trial.state for trial in resumed.trials())
        assert states[TrialState.COMPLETE] == TARGET
        assert states[TrialState.RUNNING] == states[TrialState.WAITING] == 0
        digests = [space.point(trial.params).digest for trial in resumed.complete()]
        assert len(set(digests)) == TARGET
        wanted = {point.digest for _, point in baselines(space, (1, 4))}
        assert wanted <= set(digests)


@pytest.mark.usefixtures("default_interrupts")
def test_ctrl_c_in_the_middle_of_a_write_waits_for_its_end(
    digits: PreparedStudy, folder: RunFolder, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(digits, folder, space)
    written: list[str] = []
    append = DriverJournal.append_logs

    def interrupted(backend: DriverJournal, logs: list[dict[str, object]]) -> None:
        written.append("begun")
        if len(written) == 61:
            os.kill(os.getpid(), signal.SIGINT)
        append(backend, logs)
        written.append("done")

    monkeypatch.setattr(DriverJournal, "append_logs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Driver(digits.spec, store, space, folder, SerialPool(ClosedForm)).run(TARGET)
    assert written.count("begun") == written.count("done") > 30
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class OutOfOrder(SerialPool):
    """Returns the newest job first, as parallel workers may."""

    capacity = 3  # type: ignore[assignment]

    def next(self) -> Completion:
        self._jobs.rotate(1)
        return super().next()


@pytest.mark.parametrize("batch", [1, 5])
def test_batches_find_the_same_with_any_number_of_workers(
    digits: PreparedStudy, tmp_path: Path, space: SearchSpace, batch: int
) -> None:
    prepared = replace(digits, spec=small_spec(search__batch=batch, search__sampler="tpe"))
    runs = []
    for pool in (SerialPool, OutOfOrder):
        folder = RunFolder(tmp_path / pool.__name__)
        folder.path.mkdir()
        store = opened(prepared, folder, space)
        Driver(prepared.spec, store, space, folder, pool(lambda: Faulty(raises=frozenset({9})))).run(TARGET)
        assert len(store.complete()) == TARGET
        runs.append([(t.number, t.state, t.params, t.values) for t in store.trials()])
    assert runs[0] == runs[1]


def test_designs_to_start_from_come_before_the_sampler(
    digits: PreparedStudy, folder: RunFolder, space: SearchSpace
) -> None:
    prepared = replace(digits, spec=small_spec(search__starts=5))
    store, _ = drive(prepared, folder, space, ClosedForm())
    assert len(store.complete()) == TARGET
    queued = [t for t in store.trials() if "fixed_params" in t.system_attrs]
    assert 1 <= len(queued) - 6 <= 5
    again, _ = drive(prepared, folder, space, ClosedForm(), target=TARGET + 3)  # once a study
    assert len([t for t in again.trials() if "fixed_params" in t.system_attrs]) == len(queued)


def test_constraints_are_recorded_for_the_sampler(digits: PreparedStudy, folder: RunFolder, space: SearchSpace) -> None:
    limit = {"metric": "rescaler_area_um2", "at_most": 3000.0}
    prepared = replace(digits, spec=small_spec(search__constraints=[limit]))
    store, _ = drive(prepared, folder, space, ClosedForm(), target=60)
    for trial in store.complete():
        record = record_in(trial)
        assert record is not None
        assert trial.constraints["rescaler_area_um2"] == record.figures["rescaler_area_um2"] - 3000.0
    scored = {t for t in store.tests() if role_of(store.trials()[t]) == Role.SEARCH}
    assert scored
    assert all(store.trials()[t].constraints["rescaler_area_um2"] <= 0 for t in scored)


def test_serial_studies_repeat_themselves(digits: PreparedStudy, tmp_path: Path, space: SearchSpace) -> None:
    runs = []
    for name in ("one", "two"):
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir()
        store, _ = drive(digits, folder, space, ClosedForm())
        runs.append([(trial.number, trial.params, trial.values) for trial in store.trials()])
    assert runs[0] == runs[1]


SAMPLERS = list(get_args(Sampler))


def trials_of(store: StudyStore) -> list[tuple[object, ...]]:
    """Returns what a study found, without trials that were asked for and put back."""
    return [(t.number, t.params, t.values, t.user_attrs["record"]) for t in store.complete()]


@pytest.mark.parametrize("batch", [None, 8])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_in_two_sittings_is_the_study_in_one(
    digits: PreparedStudy, tmp_path: Path, sampler: str, batch: int | None
) -> None:
    """The first sitting ends within a batch; the second one is interrupted within another."""
    prepared = replace(digits, spec=small_spec(search__batch=batch, search__sampler=sampler))
    space = space_over(prepared.operators, prepared.spec.search, prepared.spec.fidelity.finetune)
    faulty = Faulty(raises=frozenset({9, 17}))
    straight, parts = RunFolder(tmp_path / "straight"), RunFolder(tmp_path / "parts")
    for folder in (straight, parts):
        folder.path.mkdir()
    wanted, _ = drive(prepared, straight, space, faulty, target=28)
    first, _ = drive(prepared, parts, space, faulty, target=13)
    assert len(first.complete()) == 13
    store = opened(prepared, parts, space)
    with pytest.raises(KeyboardInterrupt):
        Driver(prepared.spec, store, space, parts, Interrupting(faulty, 6)).run(28)
    resumed, _ = drive(prepared, parts, space, faulty, target=28)
    assert trials_of(resumed) == trials_of(wanted)
    scored = resumed.tests()  # and the front of the first sitting
    assert {number: scored[number] for number in wanted.tests()} == wanted.tests()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_batches_that_end_with_the_study_leave_nothing_behind(
    digits: PreparedStudy, folder: RunFolder, space: SearchSpace, sampler: str
) -> None:
    prepared = replace(digits, spec=small_spec(search__batch=6, search__sampler=sampler))
    store, _ = drive(prepared, folder, space, ClosedForm())
    assert Counter(trial.state for trial in store.trials()) == {TrialState.COMPLETE: TARGET}


def test_inherited_weights_are_those_of_earlier_batches_in_one_sitting_or_two(
    digits: PreparedStudy, tmp_path: Path
) -> None:
    spec = small_spec(search__batch=8, fidelity__inherit=True, fidelity__promote_rank=5)
    prepared = replace(digits, spec=spec)
    space = space_over(prepared.operators, spec.search, spec.fidelity.finetune)
    found = []
    for targets in ((40,), (21, 40)):
        folder = RunFolder(tmp_path / str(len(targets)))
        folder.path.mkdir()
        for target in targets:
            store, _ = drive(prepared, folder, space, ClosedForm(), target=target)
        found.append(trials_of(store))
        heirs = {t.number: r.heir_of for t in store.complete() if (r := record_in(t)) and r.heir_of is not None}
        assert heirs
        assert all(elder // 8 < heir // 8 for heir, elder in heirs.items())
    assert found[0] == found[1]
