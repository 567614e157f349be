"""Brings the catalogue's files into the user's cache."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import numpy as np
import requests
from filelock import FileLock
from platformdirs import user_cache_path

from dse.errors import StudyError
from dse.fetch.catalogue import CatalogueEntry, Recipe, entry_named, public_files
from dse.fetch.content import digest_of, matches
from dse.fetch.download import DownloadError, download, small
from dse.fetch.names import PREFIX
from dse.fetch.recipes import RECIPES
from nets.files import replacing

_TIMEOUT_S: Final = 30.0

OnProgress = Callable[[str, int, int], None]
"""Called with a file's name, how much of it is there, and how much there will be: bytes, or parts."""


def default_fetch_folder() -> Path:
    """Returns the folder in the user's cache that holds the catalogue's files."""
    return user_cache_path("rescale-dse") / "files"


def _unnoticed(_name: str, _done: int, _total: int) -> None:
    pass


@dataclass(frozen=True)
class Fetcher:
    """Brings files of the catalogue: from the cache, a mirror, or their addresses; each is verified every time.

    Attributes:
        mirror: folder that holds some of the files, under any name and at any depth; None for no such folder.
        folder: where the files are kept.
        entries: the catalogue.
        on_progress: told the progress of downloads.
        timeout_s: longest wait for a server.

    Raises:
        StudyError: the mirror is no folder.
    """

    mirror: Path | None = None
    folder: Path = field(default_factory=default_fetch_folder)
    entries: Mapping[str, CatalogueEntry] = field(default_factory=public_files)
    on_progress: OnProgress = _unnoticed
    timeout_s: float = _TIMEOUT_S

    def __post_init__(self) -> None:
        if self.mirror is not None and not self.mirror.is_dir():
            raise StudyError(f"{self.mirror}: no such folder; a mirror is a folder with some of the public files")

    def place_of(self, name: str) -> Path:
        """Returns where a file of the catalogue is kept, whether it is there or not.

        Raises:
            StudyError: the catalogue has no such file.
        """
        return self.folder / (self.entries[name] if name in self.entries else entry_named(name)).name

    def has(self, name: str) -> bool:
        """Returns whether a file is there and verified; nothing is brought."""
        return matches(self.entries[name], self.place_of(name))

    def bring(self, name: str) -> Path:
        """Returns the verified file of this name, and brings it if it is not there.

        Raises:
            StudyError: the catalogue has no such file, or it cannot be brought; the message says what to do by hand.
            OSError: the cache cannot be written.
        """
        place, entry = self.place_of(name), self.entries[name]
        if matches(entry, place):
            return place
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / f".{name}.lock"):
            if not matches(entry, place):  # another process may have brought it while this one waited
                self._bring(entry, place)
        return place

    def _bring(self, entry: CatalogueEntry, place: Path) -> None:
        mirrored = None if self.mirror is None else _mirrored(entry, self.mirror)
        try:
            if mirrored is not None:
                self._copy(entry, mirrored, place)
            elif entry.recipe is not None:
                self._make(entry, entry.recipe, place)
            elif entry.url is not None:
                self._download(entry, entry.url, place)
            else:
                raise DownloadError("it has no address")
        except DownloadError as error:
            raise StudyError(self._by_hand(entry, place, str(error))) from None

    def _copy(self, entry: CatalogueEntry, source: Path, place: Path) -> None:
        with replacing(place) as temporary:
            shutil.copyfile(source, temporary)
            if not matches(entry, temporary):
                raise DownloadError(f"{source} changed while it was copied")

    def _download(self, entry: CatalogueEntry, url: str, place: Path) -> None:
        part = place.with_name(f".{entry.name}-{str(entry.sha256)[:8]}.part")
        on_bytes = partial(self._on_bytes, entry)
        download(url, part, entry.size_bytes, timeout_s=self.timeout_s, on_bytes=on_bytes)
        if not matches(entry, part):
            part.unlink()
            raise DownloadError(f"what {urlsplit(url).netloc} sent is another file")
        part.replace(place)

    def _on_bytes(self, entry: CatalogueEntry, done: int) -> None:
        self.on_progress(entry.name, done, entry.size_bytes)

    def _make(self, entry: CatalogueEntry, recipe: Recipe, place: Path) -> None:
        with requests.Session() as session:
            arrays = RECIPES[recipe](_SourcesOf(self, entry, session))
        if digest_of(arrays) != entry.arrays_sha256:
            raise DownloadError("what its sources gave are other samples")
        with replacing(place) as temporary, temporary.open("wb") as opened:
            np.savez_compressed(opened, allow_pickle=False, **arrays)

    def _by_hand(self, entry: CatalogueEntry, place: Path, problem: str) -> str:
        """Returns what went wrong, and how to bring the file without this program."""
        content = (
            f"{entry.size_bytes:,} bytes, SHA-256 {entry.sha256}"
            if entry.sha256 is not None
            else "checked by its arrays"
        )
        origin = f"download {entry.url} and save" if entry.url is not None else f"put the file ({entry.source})"
        note = f"; {entry.note}" if entry.note and entry.url is None else ""
        return (
            f"{PREFIX}{entry.name}: {problem}; {origin} as {place} ({content}), or give --mirror a folder that holds "
            f"it{note}"
        )


@dataclass(frozen=True)
class _SourcesOf:
    """What one recipe brings; see :class:`dse.fetch.recipes.Sources`."""

    fetcher: Fetcher
    entry: CatalogueEntry
    session: requests.Session

    def bring(self, name: str) -> Path:
        return self.fetcher.bring(name)

    def small(self, url: str, most_bytes: int) -> bytes:
        return small(self.session, url, most_bytes, timeout_s=self.fetcher.timeout_s)

    def report(self, done: int, total: int) -> None:
        self.fetcher.on_progress(self.entry.name, done, total)


def _mirrored(entry: CatalogueEntry, mirror: Path) -> Path | None:
    """Returns the file of a mirror that has an entry's content, by its digest; None if there is none."""
    for path in sorted(mirror.rglob("*")):
        likely = path.name == entry.name or (path.is_file() and path.stat().st_size == entry.size_bytes)
        if likely and matches(entry, path):
            return path
    return None
