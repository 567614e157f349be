"""Delays Ctrl-C to moments when it can do no harm."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Delays Ctrl-C except in chosen blocks, because an exception during a write would leave it incomplete.

    It does nothing outside the main thread, to which alone Python delivers signals.
    """

    def __init__(self) -> None:
        self._let_in, self._pending = False, False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delays Ctrl-C in this block."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @contextmanager
    def let_in(self) -> Iterator[None]:
        """Lets Ctrl-C through in this block, including one that was delayed.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed.
        """
        self._let_in = True
        try:
            if self._pending:
                raise KeyboardInterrupt
            yield
        finally:
            self._let_in = False

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._pending = True
        if self._let_in:
            raise KeyboardInterrupt
