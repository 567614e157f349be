"""Work on files from outside within limits of time and memory, in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from hwmodels.errors import HardwareError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

T = TypeVar("T")
_GRACE_S: Final = 5  # of computing time between the signal that ends the process and the one that it cannot survive
_MEBIBYTE: Final = 1 << 20


class BudgetError(HardwareError):
    """Raised if work takes more time or memory than it may."""


def within_budget(work: Callable[[], T], *, seconds: int, mebibytes: int, task: str = "costed") -> T:
    """Returns what ``work`` returns, or raises what it raises.

    Args:
        work: runs in a forked process; what it returns or raises is pickled.
        seconds: computing time of that process.
        mebibytes: memory that it may take beyond this one's; not limited on systems without ``/proc``.
        task: what a design is that was too large not to be, for the message.

    Raises:
        BudgetError: it took more time or memory.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_limited, args=(sender, work, seconds, mebibytes, task), daemon=True)
    process.start()
    sender.close()
    try:
        result, error = receiver.recv()
    except EOFError:
        process.join()
        result, error = None, _ended(process.exitcode, seconds, mebibytes, task)
    finally:
        process.kill()
        process.join()
        receiver.close()
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]  # what work returned, pickled


def _limited(sender: Connection, work: Callable[[], object], seconds: int, mebibytes: int, task: str) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + _GRACE_S))
    if (size := _address_space()) is not None:
        limit = size + mebibytes * _MEBIBYTE
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        message: tuple[object, Exception | None] = (work(), None)
    except MemoryError:
        message = (None, _error(f"it needs more than {mebibytes} MiB of memory (--memory-limit)", task))
    except Exception as error:
        message = (None, error)
    except KeyboardInterrupt:
        os._exit(1)  # the parent process reports it
    sender.send(message)


def _address_space() -> int | None:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return None
    return pages * resource.getpagesize()


def _ended(exit_code: int | None, seconds: int, mebibytes: int, task: str) -> Exception:
    if exit_code in (-signal.SIGXCPU, -signal.SIGKILL):
        return _error(f"it needs more than {seconds} s of computing time (--time-limit)", task)
    return _error(f"it ended without a result, perhaps for more than {mebibytes} MiB of memory (--memory-limit)", task)


def _error(reason: str, task: str) -> BudgetError:
    return BudgetError(f"the design is too large to be {task}: {reason}; use a smaller part of it, or raise the limit")
