"""Damage of a run folder by chance (:mod:`tests.damage`), and repairs one by one."""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dse.errors import StudyError
from dse.report import recommendation
from dse.store import RunFolder, StudyStore, check, repair, results_of, storage_to_drive
from dse.store.journal import (
    Journal,
    Position,
    after,
    examine,
    framed,
    journal,
    mark_of,
    own_journal,
    verified,
    write_mark,
)
from dse.store.records import LayerRecord
from dse.study.prepared import PreparedStudy
from tests import damage
from tests.conftest import Cli
from tests.damage import Contents


@pytest.fixture(scope="module")
def made(digits: PreparedStudy, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return damage.make_run(tmp_path_factory.mktemp("made") / "run", digits)


@pytest.fixture(scope="module")
def whole(made: RunFolder) -> Contents:
    return damage.read(made)


@pytest.fixture
def run(made: RunFolder, tmp_path: Path) -> RunFolder:
    """A run of one's own to damage."""
    shutil.copytree(made.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def test_damage_is_recovered_or_refused_and_never_accepted(digits: PreparedStudy, tmp_path: Path) -> None:
    outcomes = damage.campaign(60, 1, tmp_path, digits)
    assert outcomes.total() == 60
    assert outcomes["recovered"] > 0
    assert outcomes["refused, then repaired with fewer trials"] > 0


def changed(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


@pytest.mark.parametrize("tail", [*damage.TAILS, b"garbage\n", b"\xff\xfe\n"])
def test_garbage_at_the_end_is_cut_off_and_said(run: RunFolder, whole: Contents, tail: bytes) -> None:
    before = run.journal_path.read_bytes()
    with run.journal_path.open("ab") as file:
        file.write(tail)
    assert damage.read(run) == whole
    (finding,) = check(run)
    assert "the next dse run cuts it off" in str(finding)
    if tail.endswith(b"\n"):
        with pytest.warns(UserWarning, match=r"bytes from there on were cut off, no recorded trial is lost"):
            storage_to_drive(run, run.manifest())
    else:
        storage_to_drive(run, run.manifest())  # an incomplete line, as every kill may leave it
    assert run.journal_path.read_bytes() == before
    assert check(run) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:20], "it ends after line 20, and results were recorded up to line"),
        (lambda lines: lines[:20] + lines[21:], "line 21 is missing: line 22 stands in its place"),
        (lambda lines: [*lines[:20], lines[19], *lines[20:]], "line 21 is missing: line 20 stands in its place"),
        (lambda lines: [*lines[:20], b"\0" * len(lines[20]), *lines[21:]], "line 21 is damaged"),
        (
            lambda lines: [*lines[:20], lines[20].replace(b"1", b"2", 1), *lines[21:]],
            "line 21 does not have its checks",
        ),
        (lambda lines: [*lines[:20], b"17\n", *lines[21:]], "line 21 is damaged"),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], "is incomplete, and results were recorded up to line"),
    ],
)
def test_lost_trials_are_refused_and_repaired(
    run: RunFolder, whole: Contents, change: Callable[[list[bytes]], list[bytes]], message: str
) -> None:
    changed(run.journal_path, change)
    damaged = run.journal_path.read_bytes()
    for action in (
        lambda: StudyStore.of_run(run, run.manifest()),
        lambda: storage_to_drive(run, run.manifest()),
        lambda: journal(run.journal_path),
        lambda: own_journal(run.journal_path),
    ):
        with pytest.raises(StudyError, match=rf"journal\.log: .*{message}.*; dse repair keeps the \d+ complete trials"):
            action()
    assert run.journal_path.read_bytes() == damaged
    (done,) = repair(run)
    assert "good lines" in done
    assert (run.path / "damaged-1" / "journal.log").read_bytes() == damaged
    kept = [damage.told(trial) for trial in StudyStore.of_run(run, run.manifest()).complete()]
    assert all(whole.trials[int(str(trial[0]))] == trial for trial in kept)
    assert repair(run) == []


def test_a_deleted_journal_is_not_started_over(run: RunFolder) -> None:
    run.journal_path.unlink()
    for action in (lambda: StudyStore.of_run(run, run.manifest()), lambda: storage_to_drive(run, run.manifest())):
        with pytest.raises(StudyError, match=r"journal\.log: is missing, and with it the run's trials"):
            action()
    assert not run.journal_path.exists()


@pytest.mark.parametrize("content", [None, b"", b"0" * 63, b"1 2 3\n"])
def test_a_journal_without_its_mark_is_refused_and_repaired(
    run: RunFolder, whole: Contents, content: bytes | None
) -> None:
    mark = mark_of(run.journal_path)
    mark.unlink() if content is None else mark.write_bytes(content)
    with pytest.raises(StudyError, match=r"journal\.mark is missing or damaged; dse repair keeps the 8 complete"):
        damage.read(run)
    repair(run)
    assert damage.read(run) == whole


def test_a_journal_of_nothing_cannot_be_repaired(run: RunFolder) -> None:
    changed(run.journal_path, lambda lines: lines[1:])
    with pytest.raises(StudyError, match="nothing can be kept, use dse run --fresh"):
        repair(run)
    assert not list(run.path.glob("damaged-*"))


@pytest.mark.parametrize("damaged", ["missing", "changed", "garbage"])
def test_a_manifest_is_restored_from_the_journal(run: RunFolder, whole: Contents, damaged: str) -> None:
    path, journal_before = run.manifest_path, run.journal_path.read_bytes()
    text = path.read_text()
    if damaged == "missing":
        path.unlink()
    else:
        path.write_text(text.replace('"test": 720', '"test": 721').replace('"test": 719', '"test": 718')
                        if damaged == "changed" else "garbage")  # fmt: skip
        assert path.read_text() != text
    with pytest.raises(StudyError, match=r"manifest\.json: "):
        run.manifest()
    (finding,) = check(run)
    assert "dse repair restores it" in str(finding)
    if damaged == "missing":
        with pytest.raises(StudyError, match=r"holds 8 trials but no manifest\.json; dse repair restores it"):
            run.check_free()
    (done,) = repair(run)
    assert "restored from the journal" in done
    assert damage.read(run) == whole
    assert run.journal_path.read_bytes() == journal_before


def test_the_study_file_is_written_again(run: RunFolder, whole: Contents) -> None:
    text = run.study_path.read_text()
    run.study_path.write_text(text.replace("seed = 7", "seed = 8"))
    assert "is not the study as run" in str(check(run)[0])
    repair(run)
    assert run.study_path.read_text() == text
    assert damage.read(run) == whole


def test_damaged_and_swapped_weights_are_reported(run: RunFolder, whole: Contents) -> None:
    first, second = sorted(whole.weights)[:2]
    one, other = (run.weights_path / f"{number}.safetensors" for number in (first, second))
    one.write_bytes(one.read_bytes()[:-1] + b"\x01")
    assert f"weights of trial {first} are" in str(check(run)[0])
    mine = other.read_bytes()
    one.write_bytes(mine)
    (finding,) = check(run)
    assert "dse repair --train trains them again" in str(finding)


def test_an_older_program_writes_its_lines_in_vain(run: RunFolder, whole: Contents) -> None:
    """A program that appends by Optuna's own backend, such as a dashboard, changes nothing."""
    from optuna.storages.journal import JournalFileBackend

    reader = JournalFileBackend(str(run.journal_path))
    logs = list(reader.read_logs(0))
    assert [log for log in logs if log["op_code"] == 4]  # it reads the journal as its own
    reader.append_logs([{"op_code": 2, "worker_id": "x", "study_id": 0, "user_attr": {"record_version": 99}}])
    assert damage.read(run) == whole


def test_a_driver_stops_if_another_program_writes(run: RunFolder) -> None:
    storage = storage_to_drive(run, run.manifest())
    with run.journal_path.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(OSError, match="another program writes into this journal"):
        storage.set_study_user_attr(0, "key", 1)


def test_reading_never_writes(run: RunFolder) -> None:
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    reader = Journal(run.journal_path)
    with pytest.raises(OSError, match="opened for reading"):
        reader.append_logs([{}])
    damage.read(run)
    check(run)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_the_commands(cli: Cli, run: RunFolder) -> None:
    sound = cli("check", run.path)
    assert (sound.status, sound.out) == (0, f"{run.path}: nothing is missing or damaged\n")
    assert cli("repair", run.path).out == f"{run.path}: nothing to repair\n"
    changed(run.journal_path, lambda lines: lines[: len(lines) // 2])
    found = cli("check", run.path)
    assert found.status == 1
    assert "results were recorded up to line" in found.out
    assert found.err == ""
    refused = cli("show", run.path)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.count("\n") == 1
    fixed = cli("repair", run.path)
    assert fixed.status == 0
    assert "cut to its" in fixed.out
    assert cli("show", run.path).status == 0
    assert cli("check", run.path.parent).err.endswith(
        "holds no run (no manifest.json); give a folder that dse run wrote\n"
    )


def test_the_mark_of_another_journal_is_noticed(run: RunFolder) -> None:
    good = examine(run.journal_path).good
    write_mark(run.journal_path, replace(good, sum="0" * 32))
    with pytest.raises(StudyError, match=r"journal\.mark is that of another journal"):
        damage.read(run)


@pytest.mark.parametrize("name", ["journal.log", "journal.mark", "manifest.json", "study.toml"])
def test_a_pipe_in_a_run_folder_is_not_waited_for(run: RunFolder, name: str) -> None:
    (run.path / name).unlink()
    os.mkfifo(run.path / name)
    try:
        found = [str(finding) for finding in check(run)]
    except StudyError as error:
        found = [str(error)]
    assert any(name in text for text in found)
    if name != "study.toml":  # which nothing is read from
        with pytest.raises(StudyError, match=name.replace(".", r"\.")):
            results_of(run)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The objects of a journal's lines, without their frames."""
    position, logs = Position(), []
    for raw in path.read_bytes().splitlines(keepends=True):
        logs.append({key: value for key, value in verified(raw, position).items() if key not in ("line", "sum")})
        position = after(raw, position)
    return logs


def forge(path: Path, logs: list[dict[str, Any]]) -> None:
    """Writes a journal as a stranger may: every checksum is right."""
    position, content = Position(), b""
    for log in logs:
        line = framed(log, position)
        content, position = content + line, after(line, position)
    path.write_bytes(content)
    write_mark(path, position)


def attribute(name: str, change: Callable[[Any], None]) -> Callable[[list[dict[str, Any]]], None]:
    """A change of the first attribute of this name, which holds JSON."""

    def change_first(logs: list[dict[str, Any]]) -> None:
        attributes = next(log["user_attr"] for log in logs if name in log.get("user_attr", ()))
        document = json.loads(attributes[name])
        change(document)
        attributes[name] = json.dumps(document)

    return change_first


def role(logs: list[dict[str, Any]]) -> None:
    next(log for log in logs if "role" in log.get("user_attrs", {}))["user_attrs"]["role"] = "\x1b[2J"


LAYER = {**dict.fromkeys(LayerRecord.model_fields, 1), "rescaler": "none"}
FORGED: dict[str, Callable[[list[dict[str, Any]]], None]] = {
    "an operation that Optuna has not": lambda logs: logs[5].update(op_code=99),
    "no operation": lambda logs: logs[5].pop("op_code"),
    "an operation without its keys": lambda logs: logs.insert(9, {"op_code": 4}),
    "a role": role,
    "a look": attribute("look/1", lambda look: look.update(margin_pp=None)),
    "a design": attribute("record", lambda record: record.update(design="{}")),
    "a layer": attribute("record", lambda record: record["layers"].append(LAYER)),
    "packed answers": attribute("record", lambda record: record["answers"].update(right="")),
    "answers to fewer samples": attribute(
        "record", lambda record: record["answers"].update(samples=8, right="/w==", same="/w==")
    ),
    "a number of samples": attribute("record", lambda record: record["answers"].update(samples=-1)),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_journal_is_refused_in_one_line(run: RunFolder, what: str) -> None:
    logs = lines_of(run.journal_path)
    FORGED[what](logs)
    forge(run.journal_path, logs)
    with pytest.raises(StudyError) as refused:
        recommendation(results_of(run))
    damage.one_line(refused.value)
    if "to fewer samples" not in what:  # the verdict's to notice
        try:
            assert check(run)
        except StudyError as error:
            damage.one_line(error)


def test_forged_journals_end_in_no_traceback(run: RunFolder) -> None:
    chance, logs = random.Random(5), lines_of(run.journal_path)  # noqa: S311 -- no secret
    for _ in range(60):
        changed_logs = json.loads(json.dumps(logs))
        place, key = chance.choice(list(places(chance.choice(changed_logs))))
        place[key] = chance.choice([None, -1, 10**30, "", [], {}, True, "\x1b[2J"])
        forge(run.journal_path, changed_logs)
        for reads in (check, lambda run: recommendation(results_of(run))):
            try:
                reads(run)
            except (StudyError, OSError) as error:
                damage.one_line(error)


def places(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 -- any JSON
    """Yields every container of a JSON value with each of its keys."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])
