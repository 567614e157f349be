"""``dse fetch``: the public files of the shipped studies, brought into the user's cache."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dse import formats
from dse.cli.output import echo, terminal
from dse.errors import StudyError

if TYPE_CHECKING:  # imported where it is used: `dse --help` must not wait for it
    from rich.progress import Progress
    from rich.table import Table

    from dse.fetch import Fetcher


def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="names of files", metavar="NAME", show_default="list them")
    ] = None,
    mirror: Annotated[
        Path | None, typer.Option(help="folder that holds some of the files", show_default="their addresses")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the list as one JSON object; without names")] = False,
) -> None:
    """Bring public models and samples, or list them.

    Files are verified and kept in the cache; their paths are printed.
    """
    with fetching(mirror) as fetcher:
        if names and as_json:
            raise StudyError("--json gives the list of all files; leave out either it or the names")
        if not names:
            _list(fetcher, as_json=as_json)
            return
        for name in names:  # a wrong name is refused before the first download
            fetcher.place_of(name)
        for name in names:
            echo(str(fetcher.bring(name)))


@contextmanager
def fetching(mirror: Path | None) -> Iterator[Fetcher]:
    """Provides what brings public files, with a progress bar on stderr while it downloads."""
    from dse.fetch import Fetcher

    shown = _Shown()
    try:
        yield Fetcher(mirror, on_progress=shown.update)
    finally:
        shown.stop()


class _Shown:
    """A progress bar that appears with the first download; elsewhere than on a terminal, nothing."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._tasks: dict[str, int] = {}

    def update(self, name: str, done: int, total: int) -> None:
        """Shows how much of a file is there."""
        bar = self._started()
        if name not in self._tasks:
            self._tasks[name] = bar.add_task(name, total=total)
        bar.update(self._tasks[name], completed=done)  # type: ignore[arg-type]  # an int under a new type

    def stop(self) -> None:
        """Removes the bar, if there is one."""
        if self._bar is not None:
            self._bar.stop()

    def _started(self) -> Progress:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        if self._bar is None:
            console = terminal(stderr=True)
            name = TextColumn("{task.description}", markup=False)
            columns = (name, BarColumn(bar_width=None), TaskProgressColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=console, expand=True, disable=not console.is_terminal)
            self._bar.start()
        return self._bar


def _list(fetcher: Fetcher, *, as_json: bool) -> None:
    here = {name: fetcher.has(name) for name in fetcher.entries}
    if as_json:
        files = {
            name: entry.model_dump(mode="json", exclude={"name"})
            | {"path": str(fetcher.place_of(name)), "verified": here[name]}
            for name, entry in fetcher.entries.items()
        }
        echo(json.dumps(files, indent=2))
        return
    console = terminal()
    console.print(_table(fetcher, here))
    console.print(f"Files are kept in {fetcher.folder}", soft_wrap=True, markup=False, highlight=False)


def _table(fetcher: Fetcher, here: dict[str, bool]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1))
    table.add_column("file", no_wrap=True)  # to be copied
    for title in ("MB", "here", "from", "licence"):
        table.add_column(title, overflow="fold")
    for name, entry in fetcher.entries.items():
        size = formats.number(entry.size_bytes / 1e6, 2)
        table.add_row(name, size, "yes" if here[name] else "no", entry.source, entry.licence)
    return table
