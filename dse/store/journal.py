"""The journal file of a study: append-only, written by one driver, readable at the same time.

Every line is a JSON object of Optuna's journal with two keys more: ``line``, its number, and ``sum``, a digest of the
line and of the ``sum`` before it. A line that was changed, lost, repeated or moved no longer fits. A second file, the
mark, names the last line that a recorded result ended with: a journal that was cut short at a line's end lacks it.

What follows the last good line is no loss if it follows the mark, too: a driver that was killed leaves an incomplete
line, a power cut a block of zeros. Damage before the mark would lose recorded trials, and is refused.
"""

import errno
import json
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import TrialState

from dse.errors import StudyError
from nets.digests import digest
from nets.files import regular, sync_folder, write_bytes

_SUM_BYTES = 16
_SUM_KEY = b',"sum":"'
_END = b'"}\n'
_TAIL = len(_SUM_KEY) + 2 * _SUM_BYTES + len(_END)  # bytes of a line from the sum's key on
_LONGEST = 2**28  # bytes of a line; more without an end of line is damage
LAST_ATTRIBUTE = "record_version"  # of those that a study has before its first trial
_READINGS, _WAIT_S = 3, 0.01  # of a mark that is not whole
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW


class DamagedLineError(ValueError):
    """A line that is not the one that was written there."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two lines.

    Attributes:
        lines: number of lines before it.
        offset: its distance from the beginning of the file, bytes.
        sum: ``sum`` of the line before it; zeros at the beginning.
    """

    lines: int = 0
    offset: int = 0
    sum: str = "0" * 2 * _SUM_BYTES


@dataclass(frozen=True, slots=True)
class Condition:
    """What a journal and its mark hold.

    Attributes:
        good: the end of the last line that is as it was written.
        complete: complete trials in the good lines.
        trials: trials in the good lines.
        has_study: whether the good lines hold a study with all that belongs to it.
        size: size of the file, bytes.
        flaw: what is wrong with the line after the good ones; empty if there is none.
        loss: what is lost, if recorded results are; empty if all are in the good lines.
    """

    good: Position
    complete: int
    trials: int
    has_study: bool
    size: int
    flaw: str
    loss: str

    @property
    def is_torn(self) -> bool:
        """Whether it ends in an incomplete line, as a write that was cut short leaves it."""
        return self.flaw == _INCOMPLETE


_INCOMPLETE = "is incomplete"


def mark_of(path: Path) -> Path:
    """Returns the path of a journal's mark."""
    return path.with_suffix(".mark")


def journal(path: Path) -> BaseStorage:
    """Opens a journal for reading; it is not changed.

    Raises:
        StudyError: it is missing, or recorded trials in it are damaged.
    """
    return _replayed(Journal(path))


def own_journal(path: Path) -> BaseStorage:
    """Opens a journal for writing, by the one driver that holds the run folder.

    What follows the last good line is cut off if no recorded result is lost by that.

    Raises:
        StudyError: it is missing, or recorded trials in it are damaged.
    """
    return _replayed(DriverJournal(path))


def _replayed(lines: "Journal") -> BaseStorage:
    """Returns Optuna's storage of a journal; its checksums have no key, so that its lines may be a stranger's."""
    try:
        return JournalStorage(lines)
    except (
        AssertionError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise StudyError(f"{lines.path}: holds lines that no run writes ({type(error).__name__})") from None


def new_journal(path: Path) -> BaseStorage:
    """Makes an empty journal and opens it for writing.

    Raises:
        OSError: it exists, or cannot be written.
    """
    os.close(os.open(path, _NEW, 0o666))
    write_mark(path, Position())
    sync_folder(path.parent)
    return own_journal(path)


def examine(path: Path) -> Condition:
    """Reads a journal from its first line to the last one that is as it was written.

    Raises:
        OSError: it is missing or cannot be read.
    """
    marked = _mark(path)  # before the journal, which may grow in the meantime
    position, complete, trials, has_study, flaw = Position(), 0, 0, False, ""
    sums = {0: position.sum}
    with regular(path).open("rb") as file:
        while raw := file.readline(_LONGEST):
            try:
                log = verified(raw, position)
            except DamagedLineError as error:
                flaw = str(error)
                break
            position = after(raw, position)
            sums[position.lines] = position.sum
            complete += log.get("state") == TrialState.COMPLETE and "datetime_complete" in log
            trials += log["op_code"] == _CREATE_TRIAL
            has_study = has_study or LAST_ATTRIBUTE in log.get("user_attr", ())
        size = os.fstat(file.fileno()).st_size
    return Condition(position, complete, trials, has_study, size, flaw, _loss(path, marked, position, sums, flaw))


_CREATE_TRIAL = 4  # optuna.storages.journal's operation


def _loss(path: Path, marked: Position | None, good: Position, sums: dict[int, str], flaw: str) -> str:
    if marked is None:
        return f"{mark_of(path).name} is missing or damaged"
    if marked.lines > good.lines:
        where = f"line {good.lines + 1} {flaw}" if flaw else f"it ends after line {good.lines}"
        return f"{where}, and results were recorded up to line {marked.lines}"
    if sums[marked.lines] != marked.sum:
        return f"{mark_of(path).name} is that of another journal"
    return ""


def verified(raw: bytes, before: Position) -> dict[str, Any]:
    """Returns the object of the line that stands at a position.

    Raises:
        DamagedLineError: another line was written there.
    """
    if not raw.endswith(b"\n"):
        raise DamagedLineError(_INCOMPLETE)
    if raw[-_TAIL:] != _tail(raw[:-_TAIL], before.sum):
        raise DamagedLineError(_difference(raw, before.lines + 1))
    try:
        log = json.loads(raw)
    except (ValueError, RecursionError):
        log = None
    if not isinstance(log, dict) or type(log.get("op_code")) is not int:
        raise DamagedLineError("is none that Optuna writes")
    return log


def _difference(raw: bytes, expected: int) -> str:
    """Returns in which way a line is not the expected one."""
    try:
        number = json.loads(raw).get("line")
    except (ValueError, AttributeError, RecursionError):
        return "is damaged"
    return "does not have its checksum" if number == expected else f"is missing: line {number!r} stands in its place"


def after(raw: bytes, before: Position) -> Position:
    """Returns the position after a good line."""
    total = raw[-_TAIL + len(_SUM_KEY) : -len(_END)].decode()
    return Position(before.lines + 1, before.offset + len(raw), total)


def framed(log: dict[str, Any], before: Position) -> bytes:
    """Returns the line that holds an object of Optuna's at a position."""
    body = json.dumps({**log, "line": before.lines + 1}, separators=(",", ":")).encode()[:-1]
    return body + _tail(body, before.sum)


def _tail(body: bytes, before: str) -> bytes:
    return _SUM_KEY + digest(before.encode(), body)[:_SUM_BYTES].hex().encode() + _END


def write_mark(path: Path, position: Position) -> None:
    """Writes a journal's mark in one step."""
    write_bytes(mark_of(path), _marked(position))


def cut_to(path: Path, good: Position) -> None:
    """Cuts a journal after its good lines, and writes a mark for it."""
    os.truncate(path, good.offset)
    write_mark(path, good)


def _marked(position: Position) -> bytes:
    """Returns the content of a mark; all marks have one length, so that writing over one needs no space."""
    text = f"{position.lines:012d} {position.offset:016d} {position.sum}".encode()
    return text + b" " + digest(text)[:_SUM_BYTES].hex().encode() + b"\n"


def _mark(path: Path) -> Position | None:
    """Reads a journal's mark; None if it is missing or damaged."""
    for attempt in range(_READINGS):
        try:
            content = regular(mark_of(path)).read_bytes()
        except OSError:
            return None
        if (position := _position(content)) is not None:
            return position
        time.sleep(attempt * _WAIT_S)  # its driver may just be writing over it
    return None


def _position(content: bytes) -> Position | None:
    """Returns the position that a mark names; None if the mark is damaged."""
    try:
        lines, offset, total, _ = content.decode("ascii").split(" ")
        position = Position(int(lines), int(offset), total)
    except ValueError:
        return None
    return position if _marked(position) == content else None


class Journal(BaseJournalBackend):
    """Reads a journal for Optuna, also while its driver writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._read = Position()  # after the lines that were read
        self._opened = self._condition()

    def _condition(self) -> Condition:
        """Returns the journal's condition, in which no recorded result is lost."""
        try:
            condition = examine(self.path)
        except FileNotFoundError:
            raise StudyError(
                f"{self.path}: is missing, and with it the run's trials; restore the file, or start over with --fresh"
            ) from None
        except OSError as error:
            raise StudyError(f"{self.path}: cannot be read: {error.strerror}") from None
        if condition.loss:
            raise StudyError(
                f"{self.path}: {condition.loss}; dse repair keeps the {condition.complete} complete trials before it"
            )
        return condition

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yields the objects of the good lines from a number on, counted from 0."""
        position = self._read if self._read.lines <= log_number_from else Position()
        with self.path.open("rb") as file:
            file.seek(position.offset)
            while raw := file.readline(_LONGEST):
                try:
                    log = verified(raw, position)
                except DamagedLineError:  # after the mark, or else _condition had refused it
                    return
                position = after(raw, position)
                if position.lines > self._read.lines:
                    self._read = position
                if position.lines > log_number_from:
                    yield log

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Refuses to write.

        Raises:
            OSError: always.
        """
        raise OSError(errno.EROFS, f"opened for reading: {len(logs)} lines not written", str(self.path))


class DriverJournal(Journal):
    """Writes without a lock, whole lines or nothing, and syncs file and mark once per recorded trial.

    If the driver is killed, no written line is lost. A power cut can lose lines after the last recorded trial: designs
    that were asked for but not recorded, which are evaluated again.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        condition = self._opened
        self._end = condition.good
        self._unread: list[dict[str, Any]] = []  # the last lines, that were written here and not read yet
        if condition.size > self._end.offset:
            os.truncate(self.path, self._end.offset)
        if condition.flaw and not condition.is_torn:
            warnings.warn(
                f"{self.path}: line {self._end.lines + 1} {condition.flaw}; {condition.size - self._end.offset} bytes "
                "from there on were cut off, no recorded trial is lost",
                stacklevel=3,
            )

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yields the objects of the good lines from a number on, counted from 0; those just written from memory."""
        first = self._end.lines - len(self._unread)
        if log_number_from < first:
            yield from super().read_logs(log_number_from)
            return
        self._unread = self._unread[log_number_from - first :]
        yield from self._unread

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends lines.

        Raises:
            OSError: the disk is full or read-only, or another program wrote into the journal; it is unchanged.
        """
        position, lines, written = self._end, b"", []
        for log in logs:
            line = framed(log, position)
            lines, position = lines + line, after(line, position)
            written.append(json.loads(line))
        with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW), "ab", buffering=0) as file:
            if file.seek(0, os.SEEK_END) != self._end.offset:
                raise OSError(errno.EBUSY, "another program writes into this journal", str(self.path))
            if file.write(lines) != len(lines):
                file.truncate(self._end.offset)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            self._end = position
            self._unread += written
            if any(map(_is_a_result, logs)):
                os.fsync(file.fileno())
                self._advance_mark()

    def _advance_mark(self) -> None:
        """Writes over the mark, which takes no space on a full disk; the lines before it are on the disk already."""
        descriptor = os.open(mark_of(self.path), os.O_WRONLY | os.O_NOFOLLOW)
        try:
            os.pwrite(descriptor, _marked(self._end), 0)
        finally:
            os.close(descriptor)


def _is_a_result(log: dict[str, Any]) -> bool:
    """Returns whether a line holds the result of a trial, or its test score (an attribute of the study)."""
    return "datetime_complete" in log or ("user_attr" in log and "study_id" in log)
