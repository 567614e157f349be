"""What several rooms' tests share: a digits network that is trained once, and the command line in this process."""

import copy
import functools
import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import pytest
import torch
from hypothesis import HealthCheck, settings

import dse.study.prepared
from dse.cli.entry import main
from dse.study.prepared import PreparedStudy, prepare
from nets.importers.topologies import Topology, train_float
from tests.small_studies import small_spec

_NUMBERS = itertools.count()

# Time limits would make a property depend on how busy the machine is, and a stored example on earlier runs.
_WITHOUT_LUCK = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("test", _WITHOUT_LUCK, derandomize=True)
settings.register_profile("fuzz", _WITHOUT_LUCK, derandomize=False, max_examples=200, print_blob=True)
settings.load_profile("test")  # pytest's --hypothesis-profile selects another


@pytest.fixture(scope="session", autouse=True)
def font_cache() -> None:
    """Where matplotlib keeps its fonts: it would look in every test's own cache folder, and make them anew."""
    os.environ.setdefault("MPLCONFIGDIR", matplotlib.get_cachedir())


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal with styles, wherever the tests run: a dumb one has none, and 80 columns."""
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a cache of its own, empty at first, in this process and in those that it starts."""
    path = tmp_path_factory.getbasetemp() / f"cache-{next(_NUMBERS)}"
    monkeypatch.setenv("XDG_CACHE_HOME", str(path))
    monkeypatch.setenv("XDG_STATE_HOME", str(path.with_name(f"{path.name}-state")))
    return path


@pytest.fixture
def default_interrupts() -> Iterator[None]:
    """Restores Python's handler of SIGINT, which a shell may ignore for what it starts in the background.

    Child processes that the test starts have the default action then, too.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def trained_once() -> Iterator[None]:
    """Float training is deterministic: each seed and data size is trained once a session."""

    @functools.cache
    def kept(topology: Topology, samples: int, seed: int) -> torch.nn.Module:
        images, labels = waiting[samples, seed]
        return train_float(topology, images, labels, seed)

    waiting: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = {}

    def train(topology: Topology, images: torch.Tensor, labels: torch.Tensor, seed: int) -> torch.nn.Module:
        waiting[len(images), seed] = images, labels
        return copy.deepcopy(kept(topology, len(images), seed))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dse.study.prepared, "train_float", train)
        yield


@pytest.fixture(scope="session")
def digits(trained_once: None) -> PreparedStudy:  # noqa: ARG001 -- a fixture requires another one only as an argument
    """The small digits study, prepared."""
    return prepare(small_spec())


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(
    trained_once: None,  # noqa: ARG001 -- a fixture requires another one only as an argument
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Cli:
    """The ``dse`` command, run in this process in an empty working directory."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["dse", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        shown = capsys.readouterr()
        return Outcome(status, shown.out, shown.err)

    return call
