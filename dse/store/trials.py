"""The study's storage: the only room that knows how trials and records are kept in Optuna."""

import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError

from dse.design.metrics import DEFAULT_OBJECTIVES, Metric, values_of
from dse.design.point import DesignPoint
from dse.design.space import SearchSpace
from dse.errors import StudyError
from dse.search.sampler import DistinctSampler
from dse.store.database import database, without_password
from dse.store.journal import journal
from dse.store.records import TestRecord, TrialRecord
from dse.store.run_folder import Manifest, RunFolder

_ROLE, _RECORD, _ERROR, _REPEATS = "role", "record", "error", "repeats"
_TEST = "test/"
_STARTED = "start_probes"
_UNNAMED_CONSTRAINTS = "constraints"  # where Optuna kept them before they had names
SEARCH = "search"

optuna.logging.set_verbosity(optuna.logging.WARNING)


class StudyStore:
    """One Optuna study: trials asked, told, re-queued and read, and the records beside them.

    Args:
        study: the Optuna study.
    """

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    @classmethod
    def create_or_load(
        cls, storage: BaseStorage, name: str, objectives: Sequence[Metric] = DEFAULT_OBJECTIVES
    ) -> "StudyStore":
        """Open a study for writing, making it with these objectives where it is not there yet."""
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            directions=["minimize"] * len(objectives),
            load_if_exists=True,
        )
        if not study.metric_names:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                study.set_metric_names([objective.value for objective in objectives])
        return cls(study)

    @classmethod
    def of_run(cls, folder: RunFolder, manifest: Manifest, storage: str = "") -> "StudyStore":
        """The study of a run, for reading, also while it is running.

        Args:
            folder: the run's folder.
            manifest: the run's manifest.
            storage: URL of its database with the password, if the driver finds that nowhere else.

        Raises:
            StudyError: the run's storage cannot be read.
        """
        url = storage_of(manifest, storage)
        return cls.load(database(url) if url else journal(folder.journal_path), manifest.study_name)

    @classmethod
    def load(cls, storage: BaseStorage, name: str) -> "StudyStore":
        """Open a study for reading.

        Raises:
            StudyError: the storage has no such study.
        """
        try:
            return cls(optuna.load_study(study_name=name, storage=storage))
        except KeyError:
            raise StudyError(f"the storage holds no study named {name!r}") from None

    def use(self, sampler: DistinctSampler, space: SearchSpace) -> None:
        """Have this sampler propose; it learns what is in the study."""
        for trial in self.trials():
            if parameters := _parameters(trial, space):
                sampler.remember(parameters)
        self._study.sampler = sampler

    def _values(self, record: TrialRecord) -> tuple[float, ...]:
        return values_of(record, [Metric(name) for name in self._study.metric_names or ()])

    def trials(self) -> list[FrozenTrial]:
        """All trials, in order."""
        return self._study.get_trials(deepcopy=False)

    def complete(self) -> list[FrozenTrial]:
        """Trials that were told with values."""
        return self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))

    def requeue_interrupted(self, space: SearchSpace) -> int:
        """Give every trial that was running when its driver stopped a fresh one with the same design.

        A trial whose record was written already is told with it instead.

        Returns:
            How many there were.
        """
        trials = self._study.get_trials(deepcopy=False)
        requeued = {trial.user_attrs.get(_REPEATS) for trial in trials}
        interrupted = [trial for trial in trials if trial.state is TrialState.RUNNING]
        for trial in interrupted:
            if record := record_in(trial):  # evaluated, and stopped just short of being told
                self._study.tell(trial.number, self._values(record))
                continue
            # A driver killed between the two steps below must not queue the design twice.
            if (parameters := _parameters(trial, space)) and trial.number not in requeued:
                attributes = {_ROLE: role_of(trial), _REPEATS: trial.number}
                self._study.enqueue_trial(parameters, user_attrs=attributes)
            self._study.tell(trial.number, state=TrialState.FAIL)
        return len(interrupted)

    def designs(self, space: SearchSpace) -> set[tuple[str, str]]:
        """(role, design digest) of every trial that has not failed."""
        return {
            (role_of(trial), space.point(parameters).digest)
            for trial in self.trials()
            if trial.state is not TrialState.FAIL and (parameters := _parameters(trial, space))
        }

    def enqueue(self, space: SearchSpace, point: DesignPoint, role: str) -> None:
        """Queue a design before anything the sampler proposes."""
        self._study.enqueue_trial(space.parameters(point), user_attrs={_ROLE: role})
        if isinstance(self._study.sampler, DistinctSampler):
            self._study.sampler.remember(space.parameters(point))

    def ask(self, space: SearchSpace) -> optuna.Trial:
        """The next trial: a queued one, else one of the sampler's."""
        return self._study.ask(dict(space.distributions))

    def tell(
        self, trial: optuna.Trial, record: TrialRecord, constraints: Mapping[str, float] = MappingProxyType({})
    ) -> None:
        """Keep what a trial found, and by how much it exceeds constraints (at most 0: it keeps them)."""
        for name, excess in constraints.items():
            trial.set_constraint(name, excess)
        if constraints:
            self._show_feasibility(trial, constraints)
        trial.set_user_attr(_RECORD, record.model_dump_json())
        self._study.tell(trial, self._values(record))

    def _show_feasibility(self, trial: optuna.Trial, constraints: Mapping[str, float]) -> None:
        """Keep the constraints where optuna-dashboard looks for them as well: in a list without names.

        Samplers then add every excess twice, which leaves the order of the designs as it is.
        """
        storage = trial.storage
        study_id = storage.get_study_id_from_name(self._study.study_name)
        trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
        storage.set_trial_system_attr(trial_id, _UNNAMED_CONSTRAINTS, list(constraints.values()))

    def tell_failed(self, trial: optuna.Trial, error: str) -> None:
        """Keep that a trial has no result, and why."""
        trial.set_user_attr(_ERROR, error)
        self._study.tell(trial, state=TrialState.FAIL)

    def started(self) -> bool:
        """Whether the designs to start from were queued."""
        return _STARTED in self._study.user_attrs

    def set_started(self, probes: int) -> None:
        """Keep that they were, and how many evaluations beside the trials it took to find them."""
        self._study.set_user_attr(_STARTED, probes)

    def set_test(self, trial: int, record: TestRecord) -> None:
        """Keep a trial's score on the test split."""
        self._study.set_user_attr(f"{_TEST}{trial}", record.model_dump_json())

    def tests(self) -> dict[int, TestRecord]:
        """Test scores by trial number."""
        return {
            int(key.removeprefix(_TEST)): TestRecord.model_validate_json(value)
            for key, value in self._study.user_attrs.items()
            if key.startswith(_TEST)
        }


def storage_of(manifest: Manifest, given: str) -> str:
    """URL of a run's database: the given one, which may bring the password, else the manifest's; empty for the journal.

    Raises:
        StudyError: the given one is another database than the run's.
    """
    if given and (public := without_password(given)) != manifest.storage:
        kept = manifest.storage or "the run folder"
        raise StudyError(f"storage {public}: the run keeps its trials in another storage, {kept}; leave --storage out")
    return given or manifest.storage


def _parameters(trial: FrozenTrial, space: SearchSpace) -> dict[str, Any] | None:
    """All parameters of a trial, also of one that is still queued; None where a crash left only some."""
    for parameters in (trial.params, trial.system_attrs.get("fixed_params", {})):
        if parameters.keys() == space.distributions.keys():
            return dict(parameters)
    return None


def role_of(trial: FrozenTrial | optuna.Trial) -> str:
    """Why a trial is in the study: a baseline's role, or ``search``."""
    return str(trial.user_attrs.get(_ROLE, SEARCH))


def record_in(trial: FrozenTrial) -> TrialRecord | None:
    """What a trial found, or None where it found nothing yet.

    Raises:
        StudyError: the stored record is not one of ours.
    """
    text = trial.user_attrs.get(_RECORD)
    if text is None:
        return None
    try:
        return TrialRecord.model_validate_json(text)
    except ValidationError as error:
        raise StudyError(f"trial {trial.number}: the stored record is damaged: {error.errors()[0]['msg']}") from None


def error_in(trial: FrozenTrial) -> str:
    """Why a trial failed, or an empty text."""
    return str(trial.user_attrs.get(_ERROR, ""))
