"""Whether a file is the one that the catalogue means."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dse.fetch.catalogue import CatalogueEntry
from nets.archives import ArrayFile
from nets.digests import digest
from nets.errors import NetworkError


def matches(entry: CatalogueEntry, path: Path) -> bool:
    """Returns whether a file has the content of an entry: its bytes, or if these may differ, its arrays."""
    if not path.is_file():
        return False
    if entry.sha256 is not None:
        return path.stat().st_size == entry.size_bytes and file_sha256(path) == entry.sha256
    try:
        return arrays_sha256(path) == entry.arrays_sha256
    except NetworkError:  # no .npz file, or a damaged one
        return False


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 digest of a file's bytes, hexadecimal."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def arrays_sha256(path: Path) -> str:
    """Returns one digest of the arrays of an .npz file, whatever wrote it: names, types, shapes and values.

    Raises:
        NetworkError: the file is no .npz file of plain arrays.
    """
    file = ArrayFile(path)
    return digest_of(file.read(file.names))


def digest_of(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Returns one digest of named arrays, hexadecimal; see :func:`arrays_sha256`."""
    parts = []
    for name, array in sorted(arrays.items()):
        parts += [f"{name} {array.dtype.str} {array.shape}".encode(), np.ascontiguousarray(array).tobytes()]
    return digest(*parts).hex()
