"""Looks at the test samples that earlier runs in a folder took: a new run there has the less error left for its own."""

import warnings

from dse.errors import StudyError
from dse.store.run_folder import RunFolder
from dse.store.trials import StudyStore


def looks_before(folder: RunFolder, data_sha256: str, storage: str = "") -> int:
    """Counts the looks of the run in a folder and of those that were set aside there, as far as the data are the same.

    Another seed of the splits makes no other samples, so the data count and not the split. A run that cannot be read is
    named in a warning, and its looks do not count.

    Args:
        folder: the folder of a new run.
        data_sha256: digest of the new run's data.
        storage: URL with the password of the database that an earlier run may have its trials in.
    """
    return sum(_looks(run, data_sha256, storage) for run in (folder, *folder.set_aside_runs()))


def _looks(run: RunFolder, data_sha256: str, storage: str) -> int:
    if not run.exists:
        return 0
    try:
        manifest = run.manifest()
        if manifest.data_sha256 != data_sha256:
            return 0
        return len(StudyStore.of_run(run, manifest, storage if manifest.storage else "").looks())
    except StudyError as error:
        warnings.warn(f"looks of an earlier run at the test split cannot be counted: {error}", stacklevel=3)
        return 0
