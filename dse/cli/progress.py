"""The progress line of a study: complete trials, front and hypervolume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from dse.search import Progress as SearchProgress

_LINES_WITHOUT_TERMINAL = 10  # approximate number of lines in a log


class StudyProgress:
    """Shows a study's progress: as a moving bar on a terminal, as a few plain lines elsewhere."""

    def __init__(self, console: Console, name: str) -> None:
        self._console, self._name, self._printed = console, name, -1
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(
                "trials · front {task.fields[front]} · hypervolume {task.fields[hypervolume]:.3f}{task.fields[reused]}"
            ),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(f"{name}: preparing", total=None, front=0, hypervolume=0.0, reused="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()

    def update(self, progress: SearchProgress) -> None:
        """Shows the study's progress."""
        stage = {"search": "searching", "test": "scored on test"}[progress.stage]
        self._bar.update(
            self._task,
            description=f"{self._name}: {stage}",
            completed=progress.complete,
            total=progress.target,
            front=progress.front,
            hypervolume=progress.hypervolume,
            reused=_reused(progress, " · "),
        )
        if not self._console.is_terminal:
            self._print_some(progress, stage)

    def _print_some(self, progress: SearchProgress, stage: str) -> None:
        tenth = progress.complete * _LINES_WITHOUT_TERMINAL // progress.target
        if tenth > self._printed or progress.stage == "test":
            self._printed = tenth
            self._console.print(
                f"{self._name}: {stage}, {progress.complete}/{progress.target} trials, "
                f"front {progress.front}, hypervolume {progress.hypervolume:.3f}{_reused(progress, ', ')}"
            )


def _reused(progress: SearchProgress, separator: str) -> str:
    return f"{separator}{progress.reused} reused" if progress.reused else ""
