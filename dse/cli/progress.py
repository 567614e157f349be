"""The progress line of a study: complete trials and the front, within the width of the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dse import formats

if TYPE_CHECKING:
    from dse.search import Progress as SearchProgress

_LINES_WITHOUT_TERMINAL = 10  # approximate number of lines in a log
_NAME = 16  # characters shown of a study's name
_SHORTEST_BAR = 4  # rich's own limit
_TIME = len("-:--:--")


class StudyProgress:
    """Shows a study's progress: as a moving bar on a terminal, as a few plain lines elsewhere."""

    def __init__(self, console: Console, name: str) -> None:
        self._console, self._name, self._printed = console, name, -1
        self._bar = Progress(
            TextColumn("{task.description}", markup=False, style="bold"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            expand=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(formats.shorten(name, _NAME), total=None, state="preparing")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()

    def update(self, progress: SearchProgress) -> None:
        """Shows the study's progress."""
        count = f"{progress.complete}/{progress.target}"
        texts = (formats.shorten(self._name, _NAME), count, _TIME * " ", _SHORTEST_BAR * " ")
        room = self._console.width - sum(len(text) + 1 for text in texts)
        state = ", ".join(state_in(progress, room))
        self._bar.update(self._task, completed=progress.complete, total=progress.target, state=state)
        if not self._console.is_terminal:
            self._print_some(progress, count)

    def _print_some(self, progress: SearchProgress, count: str) -> None:
        tenth = progress.complete * _LINES_WITHOUT_TERMINAL // progress.target
        if tenth > self._printed or progress.stage == "test":
            self._printed = tenth
            line = ", ".join((f"{count} trials", *state_in(progress)))
            self._console.print(f"{self._name}: {line}", soft_wrap=True, markup=False, highlight=False)


def state_in(progress: SearchProgress, room: int | None = None) -> list[str]:
    """Returns the state of the search in words, most important first: as many parts as fit with ``, `` between them.

    Args:
        progress: the state.
        room: number of characters; None for all parts.
    """
    scored = "scored on test" if progress.stage == "test" else ""
    reused = f"{progress.reused} reused" if progress.reused else ""
    front = f"front {progress.front}"
    parts = [part for part in (front, scored, f"hypervolume {progress.hypervolume:.3f}", reused) if part]
    while room is not None and len(", ".join(parts)) > room and parts:
        parts.pop()
    return parts
