"""The journal file that a study is stored in: append-only, one driver writes, anyone may read meanwhile."""

import errno
import json
import os
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend


def journal(path: Path) -> BaseStorage:
    """A journal to be read."""
    return JournalStorage(JournalFileBackend(str(path.absolute())))


def own_journal(path: Path) -> BaseStorage:
    """A journal to be written, by the one driver that holds the run folder.

    What a driver left behind that died in the middle of a write is taken away first: half a line, which would end up
    inside the next one and make the journal unreadable, and the lock of Optuna's own journal.
    """
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    if path.exists():
        with path.open("rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
    return JournalStorage(_OwnJournal(path))


class _OwnJournal(JournalFileBackend):
    """Writes without a lock, whole lines or nothing, and waits for the disk once a trial instead of once a line.

    A killed driver loses nothing that was written, waited for or not; a power cut loses at most what was asked for
    and not yet told, which is asked for again.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path.absolute()))
        self._path = path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append lines.

        Raises:
            OSError: the disk is full or read-only; the journal is as it was.
        """
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        with self._path.open("ab", buffering=0) as file:
            size = file.tell()
            if file.write(lines) != len(lines):
                file.truncate(size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            if any(map(_is_a_result, logs)):
                os.fsync(file.fileno())


def _is_a_result(log: dict[str, Any]) -> bool:
    """Whether a line says that a trial was told, or how it did on the test split (an attribute of the study)."""
    return "datetime_complete" in log or ("user_attr" in log and "study_id" in log)
