"""A Ray that several tests share, without a token, whatever tests before it and the user's own files ask for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from dse.workers.ray_cluster import read_settings_again

_MODE = "RAY_AUTH_MODE"


@contextmanager
def without_token() -> Iterator[None]:
    """Lets Ray start without a token in this block; by itself it takes one that it finds in the user's home."""
    before = os.environ.get(_MODE)
    os.environ[_MODE] = "disabled"
    read_settings_again()
    try:
        yield
    finally:
        os.environ.pop(_MODE)
        if before is not None:
            os.environ[_MODE] = before
        read_settings_again()


@contextmanager
def shared_ray(*, gpus: int = 0) -> Iterator[None]:
    """Runs a Ray with two CPUs and so many logical GPUs, which Ray assigns without checking that they exist."""
    with without_token():
        ray.init(address="local", num_cpus=2, num_gpus=gpus, include_dashboard=False, log_to_driver=False)
        try:
            yield
        finally:
            ray.shutdown()
