"""Studies in a storage without a run, as tests open them: created at first, loaded afterwards."""

from collections.abc import Sequence
from pathlib import Path

from optuna.storages import BaseStorage

from dse.design import DEFAULT_OBJECTIVES
from dse.store.journal import new_journal, own_journal
from dse.store.trials import StudyStore


def opened(storage: BaseStorage, name: str, objectives: Sequence[str] = DEFAULT_OBJECTIVES) -> StudyStore:
    """Returns the study of a name, which is created if it does not exist."""
    if name in (study.study_name for study in storage.get_all_studies()):
        return StudyStore.load(storage, name)
    return StudyStore.create(storage, name, objectives)


def journal_for_driver(path: Path) -> BaseStorage:
    """Returns a journal, opened for writing, which is made if it does not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return own_journal(path) if path.exists() else new_journal(path)
