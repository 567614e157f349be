"""The processes of a Ray, as Linux lists them, and a guard that ends them if their driver dies.

Run as a program, it reads the folder of a Ray from its standard input, waits until that ends, which the driver holds
open, then kills whatever is left of this Ray and removes the folder. It imports nothing of the project: it starts in no
time.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PROC = Path("/proc")
_LOOK_S = 1.0  # interval between two looks at which processes there are
_LONGEST = 4096  # bytes of a folder's path
_END_S = 5.0  # time that the guard has to end

Process = tuple[int, str]  # number, and time of its start, since numbers are used again


def processes_of(word: str) -> set[Process]:
    """Returns the processes whose command line has a word, and all that they started; none but on Linux."""
    all_of_them = dict(_listed())
    found = {number for number in all_of_them if word.encode() in _command(number)} - {os.getpid()}
    while more := {number for number, (parent, _) in all_of_them.items() if parent in found} - found:
        found |= more
    return {(number, all_of_them[number][1]) for number in found}


def kill(processes: set[Process]) -> None:
    """Kills processes that are still there."""
    present = {(number, start) for number, (_, start) in _listed()}
    for number, _ in processes & present:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


@contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Ends everything of the Ray in a folder when this block or this process ends, however it ends."""
    command = [sys.executable, "-I", __file__]
    silent = subprocess.DEVNULL
    with subprocess.Popen(  # noqa: S603 -- this interpreter on this file
        command, stdin=subprocess.PIPE, stdout=silent, stderr=silent, start_new_session=True
    ) as guard:
        try:
            assert guard.stdin is not None  # noqa: S101 -- for mypy
            guard.stdin.write(os.fsencode(folder))
            guard.stdin.flush()
            yield
        finally:
            with suppress(subprocess.TimeoutExpired, BrokenPipeError):
                guard.communicate(timeout=_END_S)
            guard.kill()


def _listed() -> Iterator[tuple[int, tuple[int, str]]]:
    """Yields every process with its parent and the time of its start."""
    for entry in _PROC.glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it ended in the meantime
            continue
        yield int(entry.name), (int(fields[1]), fields[19])


def _command(process: int) -> bytes:
    try:
        return (_PROC / str(process) / "cmdline").read_bytes()
    except OSError:
        return b""


def _guard(folder: str) -> None:
    seen: set[Process] = set()
    while not select.select([sys.stdin], [], [], _LOOK_S)[0]:
        seen |= processes_of(folder)
    kill(seen | processes_of(folder))
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _guard(os.fsdecode(os.read(sys.stdin.fileno(), _LONGEST)))
