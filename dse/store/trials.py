"""The storage of a study: the only module that knows how Optuna keeps trials and records."""

import math
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, TypeVar

import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from pydantic import TypeAdapter, ValidationError

from dse.design import (
    DEFAULT_OBJECTIVES,
    DesignPoint,
    Observation,
    Role,
    SearchSpace,
    TestScore,
    search_objectives,
    values_of,
)
from dse.errors import StudyError
from dse.store.dashboard import write_note
from dse.store.journal import LAST_ATTRIBUTE
from dse.store.looks import Look
from dse.store.manifest import Manifest
from dse.store.opening import storage_to_read
from dse.store.plausible import implausible, implausible_score
from dse.store.records import RECORD_VERSION, TrialRecord
from dse.store.run_folder import RunFolder

_ROLE, _RECORD, _ERROR, _OBSERVATION = "role", "record", "error", "observation"
_RECOMMENDED = "recommended_trial"
_TEST, _LOOK = "test/", "look/"
_STARTED, _VERSION = "start_probes", LAST_ATTRIBUTE
_RUN, _MANIFEST = "run", "manifest"
_UNNAMED_CONSTRAINTS = "constraints"  # the key that Optuna used before constraints had names
_SCORES, _LOOKS = TypeAdapter(TestScore), TypeAdapter(Look)
_T = TypeVar("_T")


class RememberingSampler(BaseSampler):
    """A sampler that does not propose a design twice in a study."""

    @abstractmethod
    def remember(self, parameters: dict[str, Any]) -> None:
        """Counts a design as proposed."""


class StudyStore:
    """One Optuna study: its trials, and the records stored with them.

    Raises:
        StudyError: another version of rescale-dse wrote the study's records.
    """

    def __init__(self, study: optuna.Study, storage: BaseStorage) -> None:
        self._study, self._storage = study, storage
        if self.trials() and (version := study.user_attrs.get(_VERSION, 1)) != RECORD_VERSION:
            raise StudyError(f"study {study.study_name!r}: {_written_by_another(version)}")

    @classmethod
    def create(
        cls,
        storage: BaseStorage,
        name: str,
        objectives: Sequence[str] = DEFAULT_OBJECTIVES,
        run: Manifest | None = None,
    ) -> "StudyStore":
        """Creates a study for these objectives, and keeps the manifest of its run with it.

        Its trials have the values that the search minimises (:func:`~dse.design.search_objectives`).

        Raises:
            StudyError: the storage holds a study of this name.
        """
        searched = search_objectives(objectives)
        directions = [StudyDirection.MINIMIZE for _ in searched]
        try:
            with _without_notices():
                study = optuna.create_study(study_name=name, storage=storage, directions=directions)
        except DuplicatedStudyError:
            raise StudyError(f"the storage holds a study named {name!r} already") from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(list(searched))
        if run is not None:
            study.set_user_attr(_RUN, run.id)
            study.set_user_attr(_MANIFEST, run.to_json())
        study.set_user_attr(_VERSION, RECORD_VERSION)
        return cls(study, storage)

    @classmethod
    def of_run(cls, folder: RunFolder, manifest: Manifest, storage: str = "") -> "StudyStore":
        """Opens the study of a run for reading, also while it is running.

        Args:
            folder: the run's folder.
            manifest: the run's manifest.
            storage: URL of the run's database, needed if this user did not make the run here, or for its password.

        Raises:
            StudyError: the run's storage cannot be read.
        """
        return cls.load(storage_to_read(folder, manifest, storage), manifest.study_name, manifest.id)

    @classmethod
    def load(cls, storage: BaseStorage, name: str, run: str = "") -> "StudyStore":
        """Opens a study, that of a run if its id is given.

        Raises:
            StudyError: the storage has no such study, or another version of rescale-dse wrote its records.
        """
        try:
            study = optuna.load_study(study_name=name, storage=storage)
        except KeyError:
            raise StudyError(f"the storage holds no study named {name!r}") from None
        if run and study.user_attrs.get(_RUN) != run:
            raise StudyError(f"the storage's study {name!r} is that of another run")
        return cls(study, storage)

    def use(self, sampler: RememberingSampler, space: SearchSpace) -> None:
        """Sets the sampler that proposes designs, after it has remembered those of the study."""
        for trial in self.trials():
            if parameters := _parameters(trial, space):
                sampler.remember(parameters)
        self._study.sampler = sampler

    def trials(self) -> list[FrozenTrial]:
        """Returns all trials, in order."""
        return self._study.get_trials(deepcopy=False)

    def complete(self) -> list[FrozenTrial]:
        """Returns the trials that have a result."""
        return self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))

    def interrupted(self) -> list[FrozenTrial]:
        """Returns the trials that were open when their driver stopped, in order; they may have a record already."""
        return [trial for trial in self.trials() if trial.state is TrialState.RUNNING]

    def put_back(self, number: int) -> None:
        """Queues an open trial again under its number, before everything that was never asked for.

        It keeps the parameters that it has; the sampler proposes the others when the trial is asked for.
        """
        self._storage.set_trial_state_values(self._trial_id(number), TrialState.WAITING)

    def asked(self, space: SearchSpace) -> dict[int, bool]:
        """Returns the numbers of all trials that were asked for, in order, and whether each was put back.

        A trial whose asking was cut short is not one of them.
        """
        waiting = {trial.number: trial.state is TrialState.WAITING for trial in self.trials()}
        names = space.distributions.keys()
        return {t.number: waiting[t.number] for t in self.trials() if not waiting[t.number] or t.params.keys() == names}

    def designs(self, space: SearchSpace, *, searched: bool = True) -> set[tuple[Role, str]]:
        """Returns (role, design digest) of every trial that has not failed; without the search's own if asked."""
        return {
            (role_of(trial), space.point(parameters).digest)
            for trial in self.trials()
            if trial.state is not TrialState.FAIL
            and (searched or role_of(trial) is not Role.SEARCH)
            and (parameters := _parameters(trial, space))
        }

    def enqueue(self, space: SearchSpace, point: DesignPoint, role: Role) -> None:
        """Queues a design before anything that the sampler proposes."""
        self._study.enqueue_trial(space.parameters(point), user_attrs={_ROLE: role.value})
        self.reserve(space, point)

    def reserve(self, space: SearchSpace, point: DesignPoint) -> None:
        """Keeps the sampler from proposing a design."""
        if isinstance(self._study.sampler, RememberingSampler):
            self._study.sampler.remember(space.parameters(point))

    def ask(self, space: SearchSpace) -> optuna.Trial:
        """Returns the next trial: a queued one, or else one that the sampler proposes."""
        return self._study.ask(dict(space.distributions))

    def tell(
        self,
        trial: optuna.Trial,
        record: TrialRecord,
        observation: Observation,
        loss: float,
        constraints: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Records the result of a trial.

        Args:
            trial: the trial.
            record: its result.
            observation: the losses that it shows the sampler.
            loss: the loss at the level that its design asks for, measured or expected: the trial's first value.
            constraints: by how much it exceeds constraints (at most 0 if it keeps them).
        """
        for name, excess in constraints.items():
            trial.set_constraint(name, excess)
        if constraints:
            self._show_feasibility(trial, constraints)
        trial.set_user_attr(_OBSERVATION, observation.document())
        for name, value in record.figures.items():
            if value is not None:
                trial.set_user_attr(name, value)  # a column in optuna-dashboard; reports read the record
        trial.set_user_attr(_RECORD, record.model_dump_json())
        self.complete_with(trial.number, record, loss)

    def complete_with(self, number: int, record: TrialRecord, loss: float) -> None:
        """Completes a trial whose record is stored; the arguments are those of :meth:`tell`."""
        self._study.tell(number, (loss, *self._costs(record)))

    def is_told_of(self, trial: FrozenTrial, record: TrialRecord) -> bool:
        """Returns whether a complete trial's values are its record's; the loss may be one that was expected."""
        loss, *costs = trial.values or (math.nan,)
        return isinstance(loss, float) and math.isfinite(loss) and tuple(costs) == self._costs(record)

    def _costs(self, record: TrialRecord) -> tuple[float, ...]:
        return values_of(record, (self._study.metric_names or ())[1:])

    def _show_feasibility(self, trial: optuna.Trial, constraints: Mapping[str, float]) -> None:
        """Stores the constraints also as optuna-dashboard reads them: in a list without names.

        Samplers then add every excess twice, which does not change the order of the designs.
        """
        trial_id = self._trial_id(trial.number)
        self._storage.set_trial_system_attr(trial_id, _UNNAMED_CONSTRAINTS, list(constraints.values()))

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id(), number)

    def _study_id(self) -> int:
        return self._storage.get_study_id_from_name(self._study.study_name)

    def mark_recommended(self, trial: int | None, outcome: str, headline: str) -> None:
        """Marks the recommended trial for readers of optuna-dashboard, and no other one.

        Args:
            trial: number of the trial; None if no design is recommended.
            outcome: what the test split says of it, in words.
            headline: the verdict in one sentence.
        """
        study_id, before = self._study_id(), self._study.user_attrs.get(_RECOMMENDED)
        for number, text in ((before, ""), (trial, f"**Recommended** ({outcome})")):
            if number is not None and (number != trial or text):
                write_note(self._storage, study_id, text, self._trial_id(number))
        write_note(self._storage, study_id, headline)
        if before != trial:
            self._study.set_user_attr(_RECOMMENDED, trial)

    def tell_failed(self, trial: optuna.Trial, error: str) -> None:
        """Records that a trial has no result, and why."""
        trial.set_user_attr(_ERROR, error)
        self._study.tell(trial, state=TrialState.FAIL)

    def started(self) -> bool:
        """Returns whether the designs to start from were queued."""
        return _STARTED in self._study.user_attrs

    def set_started(self, probes: int) -> None:
        """Records that the designs to start from were queued, and how many evaluations it took to choose them."""
        self._study.set_user_attr(_STARTED, probes)

    def add_look(self, look: Look) -> None:
        """Records what is going to be tested, before the test split is read."""
        self._study.set_user_attr(f"{_LOOK}{len(self.looks()) + 1}", look.model_dump_json())

    def looks(self) -> tuple[Look, ...]:
        """Returns the looks at the test split, in order.

        Raises:
            StudyError: a stored look is damaged.
        """
        stored = _numbered(self._study.user_attrs, _LOOK)
        return tuple(_stored(f"{_LOOK}{number}", _LOOKS, stored[number]) for number in sorted(stored))

    def set_test(self, trial: int, score: TestScore) -> None:
        """Records a trial's score on the test split."""
        self._study.set_user_attr(f"{_TEST}{trial}", _SCORES.dump_json(score).decode())

    def tests(self) -> dict[int, TestScore]:
        """Returns the test scores by trial number.

        Raises:
            StudyError: a stored score is damaged.
        """
        stored = _numbered(self._study.user_attrs, _TEST)
        return {number: _score(f"{_TEST}{number}", text) for number, text in stored.items()}


def _numbered(attributes: Mapping[str, Any], prefix: str) -> dict[int, Any]:
    """Returns the attributes whose keys are a prefix and a number, by their numbers."""
    keys = [key for key in attributes if key.startswith(prefix)]
    if bad := [key for key in keys if not key.removeprefix(prefix).isdecimal()]:
        raise StudyError(f"{bad[0]}: is not {prefix} and a number, as a run writes it")
    return {int(key.removeprefix(prefix)): attributes[key] for key in keys}


def _stored(key: str, kind: TypeAdapter[_T], text: object) -> _T:
    """Returns what is stored under a key as JSON."""
    try:
        return kind.validate_json(str(text))
    except ValidationError as error:
        raise StudyError(f"{key}: is damaged: {error.errors()[0]['msg']}") from None


def _score(key: str, text: object) -> TestScore:
    score = _stored(key, _SCORES, text)
    if reason := implausible_score(score):
        raise StudyError(f"{key}: is damaged: {reason}")
    return score


@contextmanager
def _without_notices() -> Iterator[None]:
    """Keeps Optuna from printing that it made or opened a study."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _parameters(trial: FrozenTrial, space: SearchSpace) -> dict[str, Any] | None:
    """Returns all parameters of a trial, also of a queued one; None if a crash left only some of them."""
    for parameters in (trial.params, trial.system_attrs.get("fixed_params", {})):
        if parameters.keys() == space.distributions.keys():
            return dict(parameters)
    return None


def role_of(trial: FrozenTrial | optuna.Trial) -> Role:
    """Returns the role of a trial in its study.

    Raises:
        StudyError: the stored role is damaged.
    """
    stored = trial.user_attrs.get(_ROLE, Role.SEARCH)
    if stored not in tuple(Role):
        raise StudyError(f"trial {trial.number}: the stored role is damaged: {stored!r}")
    return Role(stored)


def record_in(trial: FrozenTrial) -> TrialRecord | None:
    """Returns the result of a trial, or None if it has none yet.

    Raises:
        StudyError: the stored record is damaged, or another version of rescale-dse wrote it.
    """
    text = trial.user_attrs.get(_RECORD)
    if text is None:
        return None
    try:
        record = TrialRecord.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        if problem["loc"] == ("version",):
            version = problem["input"] if problem["type"] != "missing" else 1  # the first format had no version
            raise StudyError(f"trial {trial.number}: {_written_by_another(version)}") from None
        raise StudyError(f"trial {trial.number}: the stored record is damaged: {problem['msg']}") from None
    if reason := next((reason for level in record.levels if (reason := implausible(level.figures))), ""):
        raise StudyError(f"trial {trial.number}: the stored record is damaged: {reason}")
    return record


def _written_by_another(version: object) -> str:
    return (
        f"its records have format {version}, and this version of rescale-dse reads format {RECORD_VERSION}; start the "
        "study over with --fresh, or use the version of rescale-dse that wrote it"
    )


def observation_in(trial: FrozenTrial) -> Observation | None:
    """Returns the losses that a trial shows the sampler, or None if it has no result yet."""
    document = trial.user_attrs.get(_OBSERVATION)
    return None if document is None else Observation.of_document(document)


def error_in(trial: FrozenTrial) -> str:
    """Returns why a trial failed, or an empty text."""
    return str(trial.user_attrs.get(_ERROR, ""))
