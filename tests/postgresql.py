"""A PostgreSQL server for tests, in a temporary folder and on a free loopback port."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PASSWORD = "loquacious-walrus"  # noqa: S105 -- of a server that lives for a few seconds
_UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
_START_S = 300  # the server is ready in a second; only a busy machine needs longer


@dataclass
class Server:
    """A server that asks for a password: ``url`` contains it, ``public_url`` does not."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://tester:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    @property
    def public_url(self) -> str:
        return self.url.replace(f":{PASSWORD}", "")

    def start(self) -> None:
        options = ["-D", "data", "-p", str(self.port), "-k", str(self.folder), "-c", "listen_addresses=127.0.0.1"]
        command = [*_as_user(), _program("postgres"), *options, "-c", "fsync=off"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        for _ in range(_START_S * 10):
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        """Closes every connection and stops, as clients see it if a database goes away."""
        if self.process is not None:
            command = [_program("pg_ctl"), "stop", "-D", "data", "-m", "immediate", "-s"]
            subprocess.run([*_as_user(), *command], cwd=self.folder, check=True)
            self.process.wait()
            self.process = None


@contextmanager
def server() -> Iterator[Server]:
    """Starts a fresh server; skips the test if that is not possible here."""
    for name in ("initdb", "postgres", "pg_ctl"):
        if not _program(name):
            pytest.skip(f"PostgreSQL's {name} is not installed")
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("setpriv, with which root starts PostgreSQL as another user, is not installed")
    pytest.importorskip("psycopg", reason="pip install 'psycopg[binary]'", exc_type=ImportError)
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        (folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            user = pwd.getpwnam(_UNPRIVILEGED)
            for path in (folder, folder / "password"):
                os.chown(path, user.pw_uid, user.pw_gid)
        initialize = ["-D", "data", "-U", "tester", "--auth=scram-sha-256", "--pwfile=password", "--no-sync"]
        command = [*_as_user(), _program("initdb"), *initialize]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        made = Server(folder, _free_port())
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> str:
    """Returns the path of a program of the server, which Debian keeps off ``PATH``; empty if there is none."""
    beside = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, beside)])) or ""


def _as_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(_UNPRIVILEGED)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
