"""A local Ray that only its own run can use."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from dse.workers.ray_cluster import RayCluster

# What any client of a cluster must do first: ask the head who the cluster is, and then use it.
CLIENT = """\
import sys
from ray._raylet import GcsClient
print(GcsClient(address=sys.argv[1]).internal_kv_put(b"name", b"value", True, None))
"""
LISTENS = "0A"  # state of a socket in /proc/net/tcp
LOOPBACK = {"tcp": ("0100007F",), "tcp6": ("00000000000000000000000001000000", "0000000000000000FFFF00000100007F")}


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    """Start a local Ray although the environment names another one, and yield its address."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_ADDRESS", "192.0.2.77:6379")
        environment.setenv("RAY_AUTH_MODE", "disabled")
        cluster = RayCluster(1, None)
        yield ray.get_runtime_context().gcs_address
        folder = token_path().parent
        cluster.close()
        assert not folder.exists()
        assert os.environ["RAY_AUTH_MODE"] == "disabled"
        assert "RAY_AUTH_TOKEN_PATH" not in os.environ


def token_path() -> Path:
    return Path(os.environ["RAY_AUTH_TOKEN_PATH"])


def descendants(pid: int) -> set[int]:
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # ended in the meantime
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def sockets_of(pids: set[int]) -> set[str]:
    inodes = set()
    for pid in pids:
        try:
            for link in Path(f"/proc/{pid}/fd").iterdir():
                if match := re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink())):
                    inodes.add(match[1])
        except OSError:
            continue
    return inodes


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="listening sockets are read from /proc")
def test_a_local_ray_listens_on_loopback_alone(head: str) -> None:
    assert head.startswith("127.0.0.1:")
    ray.get(ray.remote(lambda: 1).remote())  # a worker listens, too
    own = sockets_of(descendants(os.getpid()))
    seen = []
    for kind, allowed in LOOPBACK.items():
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENS and words[9] in own:
                seen.append(words[1])
                assert words[1].partition(":")[0] in allowed, f"{kind} {words[1]} listens beyond this machine"
    assert len(seen) > 3  # head, raylet, worker, driver


def asked(address: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Let a client with these settings, and none of this process, use a cluster."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run(
        [sys.executable, "-c", CLIENT, address],
        env={**environment, "HOME": "/nonexistent", **settings}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_only_the_run_itself_may_use_its_ray(head: str) -> None:
    right = token_path().read_text()
    known = asked(head, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=right)
    assert (known.returncode, known.stdout.strip()) == (0, "1"), known.stderr
    for settings in ({}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * len(right)}):
        stranger = asked(head, **settings)
        assert stranger.returncode != 0
        assert "InvalidAuthToken" in stranger.stderr


@pytest.mark.usefixtures("head")
def test_no_other_user_can_read_the_token_or_reach_the_files_of_ray() -> None:
    path = token_path()
    assert len(path.read_text()) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list((path.parent / "ray").glob("session_*/sockets"))
