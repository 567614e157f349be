"""Opens the storage of a run: its journal, or the database that it names, to read it or to drive the run."""

from optuna.storages import BaseStorage

from dse.errors import StudyError
from dse.store.journal import journal, new_journal, own_journal
from dse.store.manifest import Manifest
from dse.store.run_folder import RunFolder
from dse.store.trust import is_sealed


def storage_of(folder: RunFolder, manifest: Manifest, given: str) -> str:
    """Returns the URL of the database that holds a run's trials; empty for the journal in its folder.

    A run folder may come from anybody: the database that it names is opened only if the user names one, which may
    also say where the database lies today, or if this user made the run.

    Raises:
        StudyError: the run has no database, or one that the user has to name.
    """
    if not manifest.storage:
        if given:
            raise StudyError(f"{folder.path}: the run keeps its trials in its folder; leave --storage out")
        return ""
    if not given and not is_sealed(manifest.id, manifest.storage, manifest.seal):
        raise StudyError(
            f"{folder.path}: names the database {manifest.storage!r}, but you did not make this run here; to open the "
            "database, name it with --storage"
        )
    return given or manifest.storage


def storage_to_read(folder: RunFolder, manifest: Manifest, given: str = "") -> BaseStorage:
    """Opens a run's storage for reading, also while it is running; nothing in it is made or changed.

    Raises:
        StudyError: it cannot be read, or has to be named (:func:`storage_of`).
    """
    if not (url := storage_of(folder, manifest, given)):
        return journal(folder.journal_path)
    from dse.store.databases import database_to_read  # imports SQLAlchemy, which a journal does not need

    return database_to_read(url)


def storage_to_drive(folder: RunFolder, manifest: Manifest, given: str = "") -> BaseStorage:
    """Opens a run's storage for the driver that resumes the run.

    Raises:
        StudyError: it cannot be opened, or has to be named (:func:`storage_of`).
    """
    if not (url := storage_of(folder, manifest, given)):
        return own_journal(folder.journal_path)
    from dse.store.databases import database

    return database(url)


def new_storage(folder: RunFolder, url: str = "") -> BaseStorage:
    """Opens the storage of a new run: a database, or a new journal in the folder if the URL is empty.

    Raises:
        StudyError: it cannot be opened or written.
    """
    if url:
        from dse.store.databases import database

        return database(url)
    try:
        return new_journal(folder.journal_path)
    except OSError as error:
        raise StudyError(f"{folder.path}: cannot be written: {error.strerror}") from None
