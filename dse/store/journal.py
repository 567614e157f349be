"""The journal file of a study: append-only, written by one driver, readable at the same time."""

import errno
import json
import os
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend


def journal(path: Path) -> BaseStorage:
    """Opens a journal for reading."""
    return JournalStorage(JournalFileBackend(str(path.absolute())))


def own_journal(path: Path) -> BaseStorage:
    """Opens a journal for writing, by the one driver that holds the run folder.

    First removes what a driver that died during a write has left: an incomplete line, which the next write would
    continue and make unreadable, and the lock file of Optuna's own backend.
    """
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    if path.exists():
        with path.open("rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
    return JournalStorage(DriverJournal(path))


class DriverJournal(JournalFileBackend):
    """Writes without a lock, whole lines or nothing, and syncs the file once per recorded trial.

    If the driver is killed, no written line is lost. A power cut can lose lines after the last recorded trial: designs
    that were asked for but not recorded, which are evaluated again.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path.absolute()))
        self._path = path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends lines.

        Raises:
            OSError: the disk is full or read-only; the journal is unchanged.
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
    """Returns whether a line holds the result of a trial, or its test score (an attribute of the study)."""
    return "datetime_complete" in log or ("user_attr" in log and "study_id" in log)
