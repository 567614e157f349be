"""Evaluations of earlier runs on this machine, kept by content: the same key always stands for the same result."""

import hashlib
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

from dse.design.evaluation import Evaluation, TestScore
from nets.files import write_bytes

LIMIT_BYTES = 2**30  # 25,000 evaluations of the digits study, at 40 kB each, its trained weights included
_KEPT_SHARE = 0.9  # of the limit is left by an eviction, so that not every entry afterwards begins another one
_UNFINISHED, _ABANDONED_S = ".", 3600.0  # what files being written are called; no write takes an hour
_RESULT, _WEIGHTS = "result", "weights/"
_DIGEST_BYTES = hashlib.sha256().digest_size


def default_cache_path() -> Path:
    """Where the evaluations of all runs of a user are kept."""
    return user_cache_path("rescale-dse") / "evaluations"


class DamagedEntryError(ValueError):
    """An entry that does not hold what was written."""


class EvaluationCache:
    """A folder of evaluations by key; several drivers may use it at once.

    Every entry is one file, written whole or not at all, with a digest in front. A damaged entry counts as none, and
    a folder that cannot be written ends the keeping, not the study; both with a warning.

    Args:
        path: of the folder, made when it is first needed.
        limit_bytes: size above which the entries go that were used longest ago.
    """

    def __init__(self, path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._path, self._limit = path, limit_bytes
        self._size: int | None = None  # of all entries when last counted, plus what was written since
        self._writable = True

    def get(self, key: str) -> Evaluation | TestScore | None:
        """What was kept under a key (hexadecimal), or None."""
        path = self._entry(key)
        try:
            found = unpacked(path.read_bytes())
            os.utime(path)  # the entries that were used last are evicted last
        except FileNotFoundError:
            return None
        except (OSError, DamagedEntryError) as error:
            warnings.warn(f"{path}: cannot be used, evaluated again: {error}", stacklevel=2)
            return None
        return found

    def put(self, key: str, result: Evaluation | TestScore) -> None:
        """Keep a result, unless the folder was found not to be writable."""
        if not self._writable:
            return
        try:
            self._write(self._entry(key), packed(result))
        except OSError as error:
            self._writable = False
            warnings.warn(f"{self._path}: evaluations are not kept for later runs: {error}", stacklevel=2)

    def _entry(self, key: str) -> Path:
        return self._path / key[:2] / key

    def _write(self, path: Path, content: bytes) -> None:
        write_bytes(path, content, durable=False)  # a lost entry is evaluated again
        self._size = self._total() if self._size is None else self._size + len(content)
        if self._size > self._limit:
            self._evict()

    def _total(self) -> int:
        return sum(status.st_size for _, status in self._files())

    def _evict(self) -> None:
        """Remove what was used longest ago; other drivers may do the same at the same time."""
        files = sorted(self._files(), key=lambda file: file[1].st_mtime_ns)
        self._size = sum(status.st_size for _, status in files)
        for path, status in files:
            if self._size <= _KEPT_SHARE * self._limit:
                break
            path.unlink(missing_ok=True)
            self._size -= status.st_size

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Entries, and what drivers left behind that died while writing; what is being written is let alone."""
        for path in self._path.glob("??/*"):
            try:
                status = path.stat()
            except FileNotFoundError:  # evicted by another driver
                continue
            if not path.name.startswith(_UNFINISHED) or status.st_mtime < time.time() - _ABANDONED_S:
                yield path, status


class _Entry(BaseModel):
    """A result as JSON; trained weights stand beside it as arrays."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", ser_json_inf_nan="constants")

    result: Evaluation | TestScore


def packed(result: Evaluation | TestScore) -> bytes:
    """A result as bytes: a SHA-256 digest, and arrays in safetensors' format, the JSON text among them."""
    weights = result.weights if isinstance(result, Evaluation) else None
    plain = replace(result, weights=None) if isinstance(result, Evaluation) else result
    text = np.frombuffer(_Entry(result=plain).model_dump_json().encode(), np.uint8)
    content = save({_RESULT: text, **{_WEIGHTS + name: array for name, array in (weights or {}).items()}})
    return hashlib.sha256(content).digest() + content


def unpacked(content: bytes) -> Evaluation | TestScore:
    """The result that was packed.

    Raises:
        DamagedEntryError: these are other bytes, or those of another version.
    """
    digest, rest = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(rest).digest() != digest:
        raise DamagedEntryError("the entry is damaged")
    try:
        arrays = load(rest)
        result = _Entry.model_validate_json(arrays.pop(_RESULT).tobytes()).result
    except (SafetensorError, ValidationError, KeyError) as error:
        raise DamagedEntryError(f"the entry is of another kind: {error}") from None
    if isinstance(result, TestScore) or not arrays:
        return result
    return replace(result, weights={name.removeprefix(_WEIGHTS): array for name, array in arrays.items()})
