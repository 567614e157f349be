"""Sample files that promise more, or other things, than they hold."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nets.archives import ArrayFile
from nets.datasets import load_npz_dataset
from nets.errors import NetworkError

MEBIBYTE = 1 << 20


def member(header: dict[str, object], content: bytes = b"", version: int = 1) -> bytes:
    text = repr(header).encode()
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes((version, 0)) + size + text + content


def plain(shape: tuple[int, ...], descr: str = "|i1") -> dict[str, object]:
    return {"descr": descr, "fortran_order": False, "shape": shape}


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def encrypted(path: Path) -> None:
    archive(path, x=member(plain((2, 2)), bytes(4)))
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)


def unknown_compression(path: Path) -> None:
    archive(path, x=member(plain((2, 2)), bytes(4)))
    content = bytearray(path.read_bytes())
    for signature, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(signature) + method] = 99
    path.write_bytes(content)


def damaged(path: Path) -> None:
    archive(path, x=member(plain((50, 100)), np.random.default_rng(0).bytes(5000)))
    content = bytearray(path.read_bytes())
    content[2000:2100] = bytes(100)
    path.write_bytes(content)


def a_plain_npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros((2, 2), np.int8))


def objects(path: Path) -> None:
    np.savez(path, x=np.array([[print]], dtype=object))


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bomb": (
        lambda path: archive(path, x=member(plain((1 << 20, 1 << 12)), bytes(64 * MEBIBYTE))),
        "x unpacks 6[0-9]{4} bytes to 4294967296, which no measured data do",
    ),
    "a header of more than there is": (
        lambda path: archive(path, x=member(plain((1 << 20, 512)), bytes(100))),
        "x has [0-9]+ bytes, and its header says 536870912",
    ),
    "more than its header says": (
        lambda path: archive(path, x=member(plain((2, 2)), bytes(100))), "x has another number of bytes"
    ),
    "a negative length": (lambda path: archive(path, x=member(plain((-1, 2)), bytes(4))), "no plain array"),
    "a structure": (
        lambda path: archive(path, x=member(plain((1, 1), "V0"), b"")), "not a readable .npz of plain arrays"
    ),
    "a header without an end": (lambda path: archive(path, x=member(plain((1, 1)))[:20]), "not a readable .npz"),
    "a header that is code": (
        lambda path: archive(path, x=b"\x93NUMPY\x01\x00" + struct.pack("<H", 16) + b"__import__('os')"),
        "not a readable .npz",
    ),
    "another version": (lambda path: archive(path, x=member(plain((1, 1)), b"1", version=3)), "version"),
    "objects": (objects, "no plain array: object"),
    "a plain .npy": (a_plain_npy, "File is not a zip file"),
    "an encrypted member": (encrypted, "x is encrypted"),
    "an unknown compression": (unknown_compression, "compression"),
    "damaged data": (damaged, "not a readable .npz of plain arrays"),
    "very many members": (
        lambda path: archive(path, **{f"m{n}": b"" for n in range(1001)}), "it has 1001 members; at most 1000"
    ),
    "no file": (lambda _: None, "no such sample file"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_sample_files_are_refused_within_bounded_memory(attack: str, tmp_path: Path) -> None:
    write, message = HOSTILE[attack]
    path = tmp_path / "samples.npz"
    write(path)
    tracemalloc.start()
    with pytest.raises(NetworkError, match=message) as caught:
        load_npz_dataset(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * MEBIBYTE
    assert "\n" not in str(caught.value)


def test_only_the_arrays_that_are_used_are_unpacked(tmp_path: Path) -> None:
    samples = io.BytesIO()
    np.save(samples, np.arange(12, dtype=np.int8).reshape(3, 4))
    bomb = member(plain((1 << 40, 1)), bytes(MEBIBYTE))
    path = archive(tmp_path / "samples.npz", x=samples.getvalue(), extra=bomb)
    assert load_npz_dataset(path).samples.inputs.tolist() == np.arange(12).reshape(3, 4).tolist()


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_are_read_as_numpy_reads_them(compressed: bool, tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(24, dtype=np.int16).reshape(2, 3, 4),
        "by_columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "empty": np.zeros((0, 3), np.uint8),
        "scalar": np.array(7),
        "swapped": np.arange(5, dtype=">i4"),
        "zeros": np.zeros((1000, 1000), np.int8),
    }
    path = tmp_path / "arrays.npz"
    (np.savez_compressed if compressed else np.savez)(path, allow_pickle=False, **arrays)
    file = ArrayFile(path)
    assert set(file.names) == set(arrays)
    with np.load(path) as expected:
        for name, array in file.read(arrays).items():
            assert array.dtype == expected[name].dtype
            np.testing.assert_array_equal(array, expected[name])
