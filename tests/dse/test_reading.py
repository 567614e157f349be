"""Reading is reading: no storage is made or changed, and none is opened because a run folder says so."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError

import dse.run
from dse.errors import StudyError
from dse.run import run_study
from dse.store import RunFolder, results_of
from dse.store.databases import database, database_to_read
from dse.store.trust import is_sealed, seal
from dse.study.prepared import PreparedStudy
from dse.workers import EvaluatorPool, SerialPool
from tests.conftest import Cli, Outcome
from tests.fakes import ClosedForm
from tests.small_studies import small_spec

PASSWORD = "correct-horse"  # noqa: S105 -- a password that nothing takes


@pytest.fixture
def run(digits: PreparedStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run whose trials are in a SQLite database beside it."""

    def pool(*_study: PreparedStudy, **_options: object) -> EvaluatorPool:
        return SerialPool(ClosedForm)

    monkeypatch.setattr(dse.run, "prepare", lambda spec: replace(digits, spec=spec))
    monkeypatch.setattr(dse.run, "make_pool", pool)
    monkeypatch.setattr(dse.run, "write_report", lambda *_: None)
    folder = RunFolder(tmp_path / "run")
    run_study(small_spec(search__trials=2), folder, storage=f"sqlite:///{tmp_path}/trials.db")
    return folder


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that takes what credentials it is sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def named_by_a_stranger(run: RunFolder, storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets another user, with a key of their own, name a database in the run folder."""
    with monkeypatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(run.path.parent / "strangers"))
        manifest = run.manifest()
        update = {"storage": storage, "seal": seal(manifest.id, storage)}
        run.manifest_path.write_text(manifest.model_copy(update=update).to_json())


def every_command_that_reads(cli: Cli, run: RunFolder, *options: str) -> list[Outcome]:
    out = run.path.parent / "out"
    commands = (
        ("show", run.path),
        ("report", run.path),
        ("compare", run.path, run.path, "--out", out),
        ("export", run.path, "--trial", 0, "--out", out),
        ("check", run.path),
    )
    return [cli(*command, *options) for command in commands]


def test_a_database_that_a_stranger_names_is_not_opened(
    cli: Cli, run: RunFolder, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    url = f"postgresql://me@127.0.0.1:{listener.getsockname()[1]}/trials"
    named_by_a_stranger(run, url, monkeypatch)
    for outcome in every_command_that_reads(cli, run):
        assert outcome.status == 2, outcome
        assert outcome.err.count("\n") == 1
        assert f"names the database '{url}', but you did not make this run here; " in outcome.err
        assert "name it with --storage" in outcome.err
    with pytest.raises(StudyError, match="you did not make this run here"):
        run_study(small_spec(search__trials=3), run)
    with pytest.raises(BlockingIOError):
        listener.accept()  # nobody called


def test_a_file_that_a_stranger_names_is_not_touched(
    cli: Cli, run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, new = tmp_path / "mine.db", tmp_path / "new.db"
    mine.write_bytes(b"")
    for path in (mine, new):
        named_by_a_stranger(run, f"sqlite:///{path}", monkeypatch)
        assert [outcome.status for outcome in every_command_that_reads(cli, run)] == [2] * 5
        for outcome in every_command_that_reads(cli, run, "--storage", f"sqlite:///{path}"):  # named, but no run's
            assert outcome.status == 2, outcome
            assert outcome.err.count("\n") == 1
    assert mine.read_bytes() == b""
    assert not new.exists()


def test_a_run_is_read_from_its_database_without_a_change(cli: Cli, run: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / "trials.db"
    before, written = path.read_bytes(), path.stat().st_mtime_ns
    path.chmod(0o400)
    assert len(results_of(run).complete) == 2
    for command in (("show", run.path), ("check", run.path)):
        outcome = cli(*command)
        assert outcome.status == 0, outcome
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, written)


def test_a_stranger_may_be_followed_knowingly(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/trials.db"
    named_by_a_stranger(run, url, monkeypatch)
    assert len(results_of(run, url).complete) == 2
    (tmp_path / "trials.db").rename(tmp_path / "moved.db")  # or the database moved
    moved = f"sqlite:///{tmp_path}/moved.db"
    assert len(run_study(small_spec(search__trials=3), run, storage=moved).complete) == 3
    assert run.manifest().storage == moved
    assert len(results_of(run).complete) == 3  # whoever resumed it made it theirs


def test_reading_storages_refuse_to_write(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a b?%23.db"
    with pytest.raises(StudyError, match="unable to open database file"):
        database_to_read(url)
    assert list(tmp_path.iterdir()) == []
    url = f"sqlite:///{tmp_path}/a b.db"
    database(url).create_new_study([], "study")
    with pytest.raises(StorageInternalError) as raised:
        database_to_read(url).create_new_study([], "other")
    assert "readonly database" in str(raised.value.__cause__)


def test_seals_are_this_users_and_this_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_sealed("run", "url", "")
    assert not (tmp_path / "rescale-dse").exists()  # reading makes no key
    given = seal("run", "url")
    assert is_sealed("run", "url", given)
    for run, storage, other in (
        ("other", "url", given),
        ("run", "other", given),
        ("run", "url", ""),
        ("run", "url", "é"),
    ):
        assert not is_sealed(run, storage, other)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert not is_sealed("run", "url", given)
    assert seal("run", "url") != given
    (key,) = (tmp_path / "state").rglob("key")
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_bytes()) == 32
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/none")  # a place that cannot be written
    assert seal("run", "url") == ""
