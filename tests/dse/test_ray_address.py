"""Addresses of clusters that are none, refused in one line and in time."""

import socket
import threading

import pytest

import dse.workers.ray_cluster
from dse.errors import StudyError
from dse.workers.ray_cluster import RayCluster


@pytest.mark.parametrize(
    "address", ["junk", "", ":6379", "HEAD:", "HEAD:0", "HEAD:65536", "a b:6379", "http://h:1", "local", "[::1]"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(StudyError, match=r"--ray-address .*: expected HOST:PORT of a running head"):
        RayCluster(1, address)


def test_what_listens_but_is_no_ray_is_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dse.workers.ray_cluster, "_HEAD_S", 3.0)
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answers() -> None:
            while True:
                try:
                    accepted.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=answers, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(StudyError, match=f"--ray-address {address}: no Ray head .* answers there: nothing that"):
            RayCluster(1, address)
        server.shutdown(socket.SHUT_RDWR)
    for connection in accepted:
        connection.close()
