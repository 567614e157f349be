"""Interrupts: Ctrl-C, and the signals that batch systems and closed terminals send, at moments when they do no harm."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_KILLED = 128  # plus the signal's number: the shells' convention for the exit status


class Interrupted(KeyboardInterrupt):
    """One of SIGNALS came.

    Attributes:
        status: exit status by the shells' convention, 128 plus the number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = _KILLED + number


class Interrupts:
    """Turns SIGNALS into exceptions, and delays them while something is being written.

    A second signal ends the process at once, without an exception. It does nothing outside the main thread, to which
    alone Python delivers signals, and leaves alone a signal that this process was started to ignore (``nohup``).
    """

    def __init__(self) -> None:
        self._delayed, self._caught = False, False
        self._first: int | None = None

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Turns signals in this block into :class:`Interrupted`.

        Raises:
            Interrupted: a signal came.
        """
        if self._caught or threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        ours = [number for number, handler in handlers.items() if handler is not signal.SIG_IGN]
        self._caught = True
        for number in ours:
            signal.signal(number, self._note)
        try:
            yield
        finally:
            for number in ours:
                signal.signal(number, handlers[number])
            self._caught = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delays signals in this block, except in blocks of :meth:`let_in`."""
        with self.caught():
            self._delayed = True
            try:
                yield
            finally:
                self._delayed = False

    @contextmanager
    def let_in(self) -> Iterator[None]:
        """Lets signals through in this block, including one that was delayed.

        Raises:
            Interrupted: a signal came.
        """
        self._delayed = False
        try:
            if self._first is not None:
                raise Interrupted(self._first)
            yield
        finally:
            self._delayed = True

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self._first is not None:
            os._exit(_KILLED + number)
        self._first = number
        if not self._delayed:
            raise Interrupted(number)
