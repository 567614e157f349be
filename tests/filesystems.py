"""A file system for one test, which can be full or read-only even for root."""

import ctypes
import multiprocessing
import os
import subprocess
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

_WAIT_S = 300  # longer than any of the tests takes on a busy machine
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000  # linux/sched.h


class FileSystem:
    """A small file system in memory, seen by this process alone."""

    def __init__(self, path: Path, size_kib: int) -> None:
        self._path = str(path)
        mount("-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", self._path)

    def resize(self, size_kib: int) -> None:
        mount("-o", f"remount,size={size_kib}k", self._path)

    def read_only(self, *, on: bool) -> None:
        """Switches the whole file system; fails while a file is open for writing."""
        mount("-o", f"remount,{'ro' if on else 'rw'}", self._path)

    def freeze(self, file: Path) -> None:
        """Makes one file read-only, even while it is open."""
        mount("--bind", str(file), str(file))
        mount("-o", "remount,bind,ro", str(file))

    def thaw(self, file: Path) -> None:
        """Makes a frozen file writable again."""
        subprocess.run(["umount", str(file)], check=True)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def with_file_system(path: Path, size_kib: int, work: Callable[[FileSystem], None]) -> None:
    """Runs ``work`` in a child process with its own file system at ``path``; skips the test if none can be mounted."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    child = fork.Process(target=_child, args=(path, size_kib, work, theirs))
    child.start()
    child.join(timeout=_WAIT_S)
    if child.is_alive():
        child.kill()
    outcome, text = ours.recv() if ours.poll() else ("failed", f"the child ended with {child.exitcode}")
    if outcome == "skipped":
        pytest.skip(text)
    assert outcome == "done", text


def _child(path: Path, size_kib: int, work: Callable[[FileSystem], None], connection: Connection) -> None:
    try:
        _unshare()
        made = FileSystem(path, size_kib)
    except (OSError, subprocess.CalledProcessError) as error:
        connection.send(("skipped", f"no file system can be mounted here: {error}"))
        return
    try:
        work(made)
    except BaseException:  # a failed assertion is the parent's to show
        connection.send(("failed", traceback.format_exc()))
    else:
        connection.send(("done", ""))


def _unshare() -> None:
    """Moves this process into a mount namespace of its own, and a user namespace if it is not root."""
    user, group, root = os.geteuid(), os.getegid(), os.geteuid() == 0
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS | (0 if root else _CLONE_NEWUSER)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if not root:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    mount("--make-rprivate", "/")
