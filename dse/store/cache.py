"""The cache of evaluations: content-addressed, shared by all runs of a user on this machine."""

import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from dse.design import Evaluation, TestScore
from dse.errors import StudyError
from dse.store.plausible import implausible, implausible_score
from nets.digests import digest
from nets.files import write_bytes

LIMIT_BYTES = 2**30  # 25,000 evaluations of the digits study, 40 kB each with trained weights
_KEPT_SHARE = 0.9  # share of the limit that an eviction leaves, so that the next entry does not cause another one
_UNFINISHED, _ABANDONED_S = ".", 3600.0  # name prefix of files being written; age at which they count as abandoned
_RESULT, _WEIGHTS = "result", "weights/"
_DIGEST_BYTES = len(digest())


def default_cache_path() -> Path:
    """Returns the folder of the cache that all runs of a user share."""
    return user_cache_path("rescale-dse") / "evaluations"


class DamagedEntryError(ValueError):
    """A cache entry that does not hold what was written."""


class EvaluationCache:
    """A folder of evaluations by key; several drivers may use it at once.

    Every entry is one file, written atomically, that begins with a digest of its key and content. An entry that is
    damaged, of another key, of another user or not plausible counts as missing; if the folder cannot be written, no
    further entry is written. Both cause a warning, not an error.

    Args:
        path: the folder; it is made when needed.
        limit_bytes: size above which the least recently used entries are removed.

    Raises:
        StudyError: the folder is another user's, who could put anything into it.
    """

    def __init__(self, path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        if path.is_dir() and path.stat().st_uid != os.geteuid():
            raise StudyError(f"{path}: is another user's cache; give --cache a folder of your own, or --no-cache")
        self._path, self._limit = path, limit_bytes
        self._size: int | None = None  # size of all entries when last counted, plus what was written since
        self._writable = True

    def get(self, key: str) -> Evaluation | TestScore | None:
        """Returns the result stored under a key (hexadecimal), or None."""
        path = self._entry(key)
        try:
            result = unpacked(key, _own(path))
            os.utime(path)  # marks the entry as recently used
        except FileNotFoundError:
            return None
        except (OSError, DamagedEntryError) as error:
            warnings.warn(f"{path}: cannot be used and is evaluated again: {error}", stacklevel=2)
            return None
        return result

    def put(self, key: str, result: Evaluation | TestScore) -> None:
        """Stores a result, unless an earlier write failed."""
        if not self._writable:
            return
        content = packed(key, result)
        try:
            write_bytes(self._entry(key), content, durable=False)  # an entry lost in a power cut is evaluated again
            self._grow(len(content))
        except OSError as error:
            self._writable = False
            warnings.warn(f"{self._path}: evaluations are not kept for later runs: {error}", stacklevel=2)

    def _entry(self, key: str) -> Path:
        return self._path / key[:2] / key

    def _grow(self, by: int) -> None:
        """Counts a new entry, and removes the least recently used ones if all are too large together."""
        if self._size is not None and self._size + by <= self._limit:
            self._size += by
            return
        files = sorted(self._files(), key=lambda file: file[1].st_mtime_ns)
        self._size = sum(status.st_size for _, status in files)
        if self._size <= self._limit:
            return
        for path, status in files:  # other drivers may remove them at the same time
            if self._size <= _KEPT_SHARE * self._limit:
                break
            path.unlink(missing_ok=True)
            self._size -= status.st_size

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Yields entries and abandoned temporary files, but no files that are being written."""
        for path in self._path.glob("??/*"):
            try:
                status = path.stat()
            except FileNotFoundError:  # evicted by another driver
                continue
            if not path.name.startswith(_UNFINISHED) or status.st_mtime < time.time() - _ABANDONED_S:
                yield path, status


class _Entry(BaseModel):
    """A result as JSON, without its trained weights, which are stored as arrays."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", ser_json_inf_nan="constants")

    result: Evaluation | TestScore


def _own(path: Path) -> bytes:
    """Returns the content of a file of this user's; symbolic links are not followed.

    Raises:
        DamagedEntryError: it is another user's.
        OSError: it cannot be read.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        if os.fstat(file.fileno()).st_uid != os.geteuid():
            raise DamagedEntryError("another user wrote the entry")
        return file.read()


def packed(key: str, result: Evaluation | TestScore) -> bytes:
    """Returns a result as bytes: a digest, then safetensors with the JSON text as one of the arrays."""
    weights = result.weights if isinstance(result, Evaluation) else None
    plain = replace(result, weights=None) if isinstance(result, Evaluation) else result
    text = np.frombuffer(_Entry(result=plain).model_dump_json().encode(), np.uint8)
    content = save({_RESULT: text, **{_WEIGHTS + name: array for name, array in (weights or {}).items()}})
    return digest(key.encode(), content) + content


def unpacked(key: str, content: bytes) -> Evaluation | TestScore:
    """Returns the result that :func:`packed` was given.

    Raises:
        DamagedEntryError: the bytes are damaged, those of another key, or were written by another version; or the
            result cannot be one.
    """
    expected, rest = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if digest(key.encode(), rest) != expected:
        raise DamagedEntryError("the entry is damaged, or another one's")
    try:
        arrays = load(rest)
        result = _Entry.model_validate_json(arrays.pop(_RESULT).tobytes()).result
    except (SafetensorError, ValidationError, KeyError) as error:
        raise DamagedEntryError(f"the entry is of another kind: {error}") from None
    if reason := implausible_score(result) if isinstance(result, TestScore) else implausible(result.figures):
        raise DamagedEntryError(f"the entry holds {reason}")
    if isinstance(result, TestScore) or not arrays:
        return result
    return replace(result, weights={name.removeprefix(_WEIGHTS): array for name, array in arrays.items()})
