"""Atomic file writes: a file appears whole or not at all."""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TEMPORARY = re.compile(r"\..+-[0-9a-f]{16}(\.[^.]+)?")


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Provides a temporary path beside ``path`` and renames it over ``path`` on success.

    The temporary name starts with a dot, cannot be predicted, and keeps the suffix, because some writers choose their
    format by it. A symbolic link at ``path`` is replaced; what it leads to stays as it is.

    Args:
        path: the file to write; its folder is created if necessary.
        durable: whether to wait until content and name have reached the disk.

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
            sync(temporary)
        temporary.replace(path)
        if durable:
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Returns whether a file has a name that :func:`replacing` gives; a process that is killed may leave one."""
    return _TEMPORARY.fullmatch(path.name) is not None


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replaces a file by these bytes in one step; see :func:`replacing`."""
    with replacing(path, durable=durable) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Replaces a UTF-8 text file in one step; see :func:`replacing`."""
    write_bytes(path, text.encode())


def regular(path: Path) -> Path:
    """Returns the path of a file that can be read to its end: no pipe, which would wait for a writer, and no device.

    Raises:
        OSError: there is no file, or something else.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    return path


def sync(path: Path) -> None:
    """Waits until a file's content has reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Waits until the names in a folder have reached the disk, on file systems that can tell."""
    try:
        sync(path)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EACCES):  # FUSE; a folder that may be written but not listed
            raise
