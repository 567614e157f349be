"""Starts a Ray of this run's own, which nobody else can use, or connects to a cluster that the user names.

A local Ray listens on the loopback interface alone and asks for a token that only this run knows. Whoever may submit
work to Ray runs code as its user, so both are checked after the start, and a Ray that ignores them is not used. Ray
makes its folders writable for everyone; they lie in a private one, which is removed with the token when Ray stops.
"""

import logging
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import ray
from ray._private import ray_constants
from ray._raylet import (  # type: ignore[attr-defined]  # a compiled module
    AuthenticationMode,
    AuthenticationTokenLoader,
    Config,
    get_authentication_mode,
)

from dse.errors import StudyError
from dse.workers.processes import guarded, kill, processes_of

_ANSWER_S: Final = 5.0  # time limit for connecting to a running head
_HEAD_S: Final = 20.0  # and for what listens there to answer; asked in a process of its own, which can be ended
_ASK_HEAD: Final = """\
import sys
from ray._raylet import GcsClient
try:
    GcsClient(address=sys.argv[1])
except Exception as error:
    sys.exit(str(error).strip().splitlines()[0][:200])
"""
_ADDRESS: Final = re.compile(r"(?P<host>[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:]+\]):(?P<port>[0-9]{1,5})")
_STOP_S: Final = 3.0  # time that a Ray of its own has to stop
_LOOPBACK: Final = ("127.0.0.1", "::1")
_LONGEST_FOLDER: Final = 28  # characters; the path of a Unix socket has 107, of which Ray's own part takes up to 79
_TOKEN_BYTES: Final = 32
_TOKEN_SETTINGS: Final = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


class RayCluster:
    """The Ray that a run uses: one that runs already in this process, one of its own, or the cluster at an address.

    Args:
        workers: number of CPUs of a Ray of its own.
        address: address of a running cluster; if it is None, a local Ray is started.

    Raises:
        StudyError: the address is none, or no cluster of this version answers there.
    """

    def __init__(self, workers: int, address: str | None) -> None:
        self._to_undo = ExitStack()
        self._folder: Path | None = None  # of a Ray of its own
        if ray.is_initialized():
            return
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # silences a notice about GPUs
        with ExitStack() as begun:
            if address is None:
                self._folder = begun.enter_context(_private_folder())
                begun.enter_context(guarded(self._folder))
                with _keeping_sigterm():
                    _start(workers, self._folder, begun)
            else:
                with _keeping_sigterm():
                    _connect(address)
                begun.callback(ray.shutdown)
            self._to_undo = begun.pop_all()

    def close(self) -> None:
        """Stops a Ray of its own, or leaves the cluster."""
        self._to_undo.close()

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Kills a Ray of its own that does not stop in this block in time, such as one with a frozen raylet."""
        killer = threading.Timer(_STOP_S, self._kill)
        killer.daemon = True
        killer.start()
        try:
            yield
        finally:
            killer.cancel()

    def _kill(self) -> None:
        if self._folder is not None:
            kill(processes_of(str(self._folder)))


@contextmanager
def _keeping_sigterm() -> Iterator[None]:
    """Puts SIGTERM's handler back: Ray replaces it, in Python and below, by one that aborts the process."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _start(workers: int, folder: Path, undo: ExitStack) -> None:
    undo.enter_context(_own_token(folder / "token"))
    undo.enter_context(_loopback_only())
    undo.callback(ray.shutdown)
    ray.init(
        address="local",  # never one that RAY_ADDRESS or a file in the folder of all temporary files names
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=str(folder / "ray"),
    )
    ip = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    if ip not in _LOOPBACK:
        raise StudyError(f"Ray {ray.__version__} listens at {ip}, not on this machine alone; use executor = 'serial'")
    if get_authentication_mode() != AuthenticationMode.TOKEN:
        raise StudyError(f"Ray {ray.__version__} does not ask for a token; use executor = 'serial'")


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Provides a folder that no other user can enter, short enough for the paths of Ray's sockets."""
    parent = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="dse-ray-", dir=parent if len(parent) <= _LONGEST_FOLDER else "/tmp"))  # noqa: S108 -- mkdtemp's name is unpredictable
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _own_token(path: Path) -> Iterator[None]:
    """Makes Ray ask for a new token, in a file that only this user can read; Ray's processes inherit its path."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(_TOKEN_BYTES))
    before = {name: os.environ.pop(name, None) for name in _TOKEN_SETTINGS}
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(path))
    read_settings_again()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        read_settings_again()


def read_settings_again() -> None:
    """Makes Ray, which keeps what it once read, see the settings of its tokens."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _loopback_only() -> Iterator[None]:
    """Makes Ray take the loopback address for this machine's, as it does on systems on which it has no clusters.

    Ray itself replaces a loopback address that it is given by the one under which other machines reach this one.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _connect(address: str) -> None:
    """Connects to a running cluster, whose tokens are the user's to set (``RAY_AUTH_MODE``)."""
    _check_answers(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise _unusable(address, str(error) or type(error).__name__) from None


def _check_answers(address: str) -> None:
    """Refuses an address at which no head answers; Ray itself would retry for a quarter of an hour."""
    if address == "auto":  # Ray looks for a head that was started on this machine
        return
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 1 << 16:
        raise StudyError(f"--ray-address {address!r}: expected HOST:PORT of a running head, such as HEAD:6379, or auto")
    try:
        socket.create_connection((match["host"].strip("[]"), int(match["port"])), timeout=_ANSWER_S).close()
    except OSError as error:
        raise StudyError(
            f"--ray-address {address}: {error.strerror or error}; give the address of a running head, such as HEAD:6379"
        ) from None
    try:
        asked = subprocess.run(  # noqa: S603 -- this interpreter, on a constant text
            [sys.executable, "-c", _ASK_HEAD, address], capture_output=True, text=True, timeout=_HEAD_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise _unusable(address, f"nothing that speaks Ray's protocol within {_HEAD_S:g} s") from None
    if asked.returncode != 0:
        raise _unusable(address, asked.stderr.strip().rpartition("\n")[2])


def _unusable(address: str, reason: str) -> StudyError:
    line = reason.strip().partition("\n")[0]
    return StudyError(f"--ray-address {address}: no Ray head that this driver can use answers there: {line}")
