"""Arrays of .npz files, of which no more is read and unpacked than the caller uses.

The archive's own list says how large each array is and its header what it holds; both are checked before memory is
taken, so that a small file cannot fill it. Nothing in such a file is executed: arrays of Python objects are refused.
"""

import math
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from nets.errors import NetworkError

_SUFFIX: Final = ".npy"
_ENCRYPTED: Final = 0x1  # bit of a member's flags
_MOST_MEMBERS: Final = 1000
_LARGE: Final = 1 << 30  # bytes; larger arrays must take a fair share of them in the file
_RATIO: Final = 100  # to which measured data are never compressed; deflate reaches 1000 on zeros
_HEADERS: Final = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class ArrayFile:
    """The arrays of an .npz file.

    Args:
        path: the file.

    Raises:
        NetworkError: the file is missing, or not an .npz file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except FileNotFoundError:
            raise NetworkError(f"{path}: no such sample file") from None
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
            raise self._unreadable(str(error)) from None
        if len(members) > _MOST_MEMBERS:
            raise self._unreadable(f"it has {len(members)} members; at most {_MOST_MEMBERS} are read")
        self._members: Mapping[str, zipfile.ZipInfo] = {
            member.filename.removesuffix(_SUFFIX): member for member in members
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The arrays' names."""
        return tuple(self._members)

    def read(self, names: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
        """Returns these arrays, read-only.

        Raises:
            NetworkError: an array is damaged, encrypted, of Python objects, or far larger than what the file holds.
        """
        try:
            with zipfile.ZipFile(self._path) as archive:
                return {name: self._read(archive, name) for name in names}
        # An encrypted member gives a RuntimeError, an unknown compression a NotImplementedError, which is one.
        except (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            if isinstance(error, NetworkError):
                raise
            raise self._unreadable(str(error)) from None

    def _read(self, archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
        info = self._members[name]
        if info.flag_bits & _ENCRYPTED:
            raise self._unreadable(f"{name} is encrypted")
        with archive.open(info) as member:
            shape, by_columns, dtype = self._header(member, name)
            size = math.prod(shape) * dtype.itemsize
            if size > max(_LARGE, _RATIO * info.compress_size):
                raise self._unreadable(
                    f"{name} unpacks {info.compress_size} bytes to {size}, which no measured data do"
                )
            if size > info.file_size:
                raise self._unreadable(f"{name} has {info.file_size} bytes, and its header says {size}")
            content = member.read(size)
            if len(content) != size or member.read(1):
                raise self._unreadable(f"{name} has another number of bytes than its header says, {size}")
        return np.ndarray(shape, dtype, content, order="F" if by_columns else "C")

    def _header(self, member: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        version = np.lib.format.read_magic(member)
        if version not in _HEADERS:
            raise self._unreadable(f"{name} has version {version} of the format .npy; 1.0 and 2.0 are read")
        shape, by_columns, dtype = _HEADERS[version](member)
        if dtype.hasobject or dtype.itemsize == 0 or any(length < 0 for length in shape):
            raise self._unreadable(f"{name} is no plain array: {dtype} {list(shape)}")
        return shape, by_columns, dtype

    def _unreadable(self, reason: str) -> NetworkError:
        return NetworkError(f"{self._path}: not a readable .npz of plain arrays: {reason}")
