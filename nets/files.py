"""Atomic file writes: a file appears whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Provides a temporary path beside ``path`` and renames it over ``path`` on success.

    The temporary name starts with a dot, cannot be predicted, and keeps the suffix, because some writers choose their
    format by it.

    Args:
        path: the file to write; its folder is created if necessary.
        durable: whether to wait until the content has reached the disk.

    Yields:
        The temporary path, an empty file.

    Raises:
        OSError: the disk is full or read-only; the previous file is unchanged and no temporary file remains.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem[:64]}-{secrets.token_hex(8)}{path.suffix}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        if durable:
            _sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replaces a file by these bytes in one step; see :func:`replacing`."""
    with replacing(path, durable=durable) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Replaces a UTF-8 text file in one step; see :func:`replacing`."""
    write_bytes(path, text.encode())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
