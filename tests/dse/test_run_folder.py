"""The run folder: one driver at a time, no foreign file touched, files written whole or not at all."""

import errno
import json
import multiprocessing
import os
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dse.store.run_folder
from dse.cli.entry import BAD_INPUT
from dse.errors import StudyError
from dse.evaluate import contents_of
from dse.run import begin_run, manifest_of, planned
from dse.store import Look, looks_before, results_of
from dse.store.manifest import FORMAT, difference
from dse.store.run_folder import RunFolder
from dse.study.prepared import PreparedStudy
from nets.files import write_text
from tests.conftest import Cli
from tests.small_studies import write_study


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "small")


def start(folder: RunFolder, prepared: PreparedStudy) -> None:
    with folder.locked():
        begin_run(planned(prepared, folder, contents_of(prepared.spec)), folder)


def test_manifest_round_trip(folder: RunFolder, digits: PreparedStudy) -> None:
    manifest = manifest_of(digits, contents_of(digits.spec), folder)
    start(folder, digits)
    assert folder.exists
    stored = folder.manifest()
    assert stored.id != manifest.id
    assert stored.model_copy(update={"created": manifest.created, "id": manifest.id}) == manifest
    assert stored.rescalers == ("conv_0", "depthwise_1", "conv_2", "add_3", "conv_4", "fc_7")
    assert sum(stored.samples.values()) == 1797
    assert {source.model for source in stored.cost_sources} == {"analytic", "rtl"}


def test_no_manifest_and_a_damaged_one(folder: RunFolder, digits: PreparedStudy) -> None:
    with pytest.raises(StudyError, match="holds no run"):
        folder.manifest()
    start(folder, digits)
    folder.manifest_path.write_text('{"spec": 3}')
    with pytest.raises(StudyError, match=r"manifest\.json: "):
        folder.manifest()
    folder.manifest_path.write_bytes(b"\xff\xff")
    with pytest.raises(StudyError, match=r"manifest\.json: "):
        folder.manifest()


@pytest.mark.parametrize("written", [None, FORMAT + 1])
def test_a_run_of_another_version_is_refused_with_what_to_do(
    folder: RunFolder, digits: PreparedStudy, cli: Cli, written: int | None
) -> None:
    """Every command that reads a run refuses it in one line; --fresh starts over."""
    start(folder, digits)
    document = json.loads(folder.manifest_path.read_text())
    document |= {"format": written, "of_the_other_version": 1}
    age = "older" if written is None else "newer"
    if written is None:
        del document["format"]
    folder.manifest_path.write_text(json.dumps(document))
    with pytest.raises(StudyError) as raised:
        folder.manifest()
    line = str(raised.value)
    given = "no format" if written is None else f"format = {written}"
    assert line.startswith(f"{folder.manifest_path}: {given}, but this version reads format = {FORMAT}; ")
    assert "--fresh" in line
    assert f"that is {age} ({document['versions']['rescale-dse']}) wrote the run" in line
    study = write_study(folder.path.parent)
    for command in (
        ("show", folder.path),
        ("report", folder.path),
        ("export", folder.path, "--trial", 0, "--out", folder.path.parent / "design"),
        ("compare", folder.path, folder.path),
        ("run", study, "--out", folder.path),
    ):
        refused = cli(*command)
        assert refused.status == BAD_INPUT
        assert refused.err.startswith("dse: ")
        assert refused.err.endswith(f"{line}\n")
        assert refused.err.count("\n") == 1
    folder.set_aside()
    assert not folder.exists


def test_a_run_that_another_process_began_meanwhile_is_left_alone(folder: RunFolder, digits: PreparedStudy) -> None:
    contents = contents_of(digits.spec)
    ours = planned(digits, folder, contents)
    start(folder, digits)
    written, theirs = folder.manifest_path.read_bytes(), folder.manifest()
    with folder.locked(), pytest.raises(StudyError, match="another dse run began here in the meantime"):
        begin_run(ours, folder)
    resumed = planned(digits, folder, contents, theirs)
    other = replace(resumed, manifest=theirs.model_copy(update={"id": "0" * 32}))
    with folder.locked(), pytest.raises(StudyError, match="another dse run began here in the meantime"):
        begin_run(other, folder)
    assert folder.manifest_path.read_bytes() == written
    with folder.locked():
        begin_run(planned(digits, folder, contents, theirs), folder)
    assert folder.manifest() == theirs


@pytest.mark.parametrize("what", ["network", "data"])
def test_another_network_or_other_data_are_refused(folder: RunFolder, digits: PreparedStudy, what: str) -> None:
    start(folder, digits)
    other = folder.manifest().model_copy(update={f"{what}_sha256": "other"})
    with pytest.raises(StudyError, match=f"{what} changed since this run began.*--accept-changes"):
        planned(digits, folder, contents_of(digits.spec), other)


def test_a_new_run_counts_the_looks_of_earlier_ones_at_its_data(folder: RunFolder, digits: PreparedStudy) -> None:
    contents = contents_of(digits.spec)
    look = Look(error=0.02, margin_pp=1.0, sequence=(1,), trials=9)
    for looks, before in ((2, 0), (1, 2)):
        plan = planned(digits, folder, contents, fresh=True)
        assert plan.manifest.looks_before == before
        with folder.locked():
            store = begin_run(plan, folder)
            assert results_of(folder).facts.looks_before == before
            for _ in range(looks):
                store.add_look(look)
    assert planned(digits, folder, contents, fresh=True).manifest.looks_before == 3
    changed = folder.manifest().model_copy(update={"network_sha256": "other"})
    accepted = planned(digits, folder, contents, changed, accept_changes=True)
    assert (accepted.resumed, accepted.manifest.looks_before) == (False, 3)
    resumed = planned(digits, folder, contents, folder.manifest())
    assert (resumed.resumed, resumed.manifest.looks_before) == (True, 2)
    assert looks_before(folder, "0" * 64) == 0


def test_looks_that_cannot_be_counted_are_warned_of(folder: RunFolder, digits: PreparedStudy) -> None:
    start(folder, digits)
    folder.journal_path.unlink()
    with pytest.warns(UserWarning, match=r"cannot be counted: .*journal\.log"):
        assert planned(digits, folder, contents_of(digits.spec), fresh=True).manifest.looks_before == 0


def hold(path: Path, connection: Connection) -> None:
    with RunFolder(path).locked():
        connection.send("held")
        connection.recv()


def test_a_second_driver_is_refused(folder: RunFolder) -> None:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    other = multiprocessing.get_context("spawn").Process(target=hold, args=(folder.path, theirs))
    other.start()
    assert ours.recv() == "held"
    with pytest.raises(StudyError, match="another dse run works in this folder"), folder.locked():
        pass
    os.kill(other.pid or 0, 9)  # a dead driver holds nothing
    other.join()
    with folder.locked():
        pass


def test_a_lock_without_a_run_leaves_nothing(folder: RunFolder) -> None:
    with folder.locked():
        assert folder.path.is_dir()
    assert not folder.path.exists()
    folder.path.mkdir(parents=True)
    with folder.locked():
        pass
    assert folder.path.is_dir()  # it was there before


def test_a_run_is_set_aside_whole_and_nothing_else_is(folder: RunFolder, digits: PreparedStudy, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    start(folder, digits)
    folder.save_weights(3, {"fc.weights": np.ones(2, np.int8)}, "sha")
    begun = folder.manifest()
    (folder.path / "link").symlink_to(precious, target_is_directory=True)
    (folder.path / "notes.txt").write_text("what the user wrote")
    (folder.path / "figures").mkdir()
    (folder.path / "figures" / "file").symlink_to(precious / "thesis.txt")
    aside = folder.set_aside()
    assert aside == folder.path / "earlier-1"
    assert not folder.exists
    assert sorted(entry.name for entry in folder.path.iterdir()) == [".lock", "earlier-1", "link", "notes.txt"]
    assert (precious / "thesis.txt").read_text() == "years of work"
    earlier = RunFolder(aside)
    assert earlier.manifest() == begun
    assert results_of(earlier).trials.empty
    assert earlier.load_weights(3, "sha")["fc.weights"].tolist() == [1, 1]
    folder.check_free()  # the user's files are no obstacle to the next run
    start(folder, digits)
    assert folder.set_aside() == folder.path / "earlier-2"
    assert folder.set_aside() is None


@pytest.mark.parametrize("name", ["notes.txt", "manifest.json"])
def test_foreign_folders_are_refused_and_untouched(folder: RunFolder, name: str) -> None:
    """Web projects have a manifest.json too."""
    folder.path.mkdir(parents=True)
    (folder.path / name).write_text('{"name": "my web page"}')
    (folder.path / "index.html").write_text("hello")
    with pytest.raises(StudyError):
        folder.set_aside()
    assert sorted(entry.name for entry in folder.path.iterdir()) == sorted([name, "index.html"])


def test_a_file_is_refused(folder: RunFolder) -> None:
    folder.path.parent.mkdir(parents=True)
    folder.path.write_text("a file")
    with pytest.raises(StudyError, match="is a file"):
        folder.check_free()


def test_a_full_disk_leaves_no_half_made_run(
    folder: RunFolder, digits: PreparedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        if path.name == "manifest.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_text(path, text)

    monkeypatch.setattr(dse.store.run_folder, "write_text", full)
    with pytest.raises(StudyError, match="No space left"):
        start(folder, digits)
    assert not folder.path.exists()


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = RunFolder(tmp_path / "file" / "run")
    with pytest.raises(StudyError, match="cannot be written: Not a directory"), folder.locked():
        pass


def test_weights_round_trip_and_damage(folder: RunFolder, digits: PreparedStudy) -> None:
    start(folder, digits)
    weights = {"fc.weights": np.arange(-4, 4, dtype=np.int8).reshape(2, 4), "fc.bias": np.array([2**31], np.int64)}
    folder.save_weights(7, weights, "sha")
    loaded = folder.load_weights(7, "sha")
    assert {key: (value.dtype, value.tolist()) for key, value in loaded.items()} == {
        key: (value.dtype, value.tolist()) for key, value in weights.items()
    }
    with pytest.raises(StudyError, match=r"8\.safetensors: trained weights cannot be read"):
        folder.load_weights(8, "sha")
    with pytest.raises(StudyError, match=r"7\.safetensors: not the weights that were scored"):
        folder.load_weights(7, "another network's")
    (folder.weights_path / "7.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(StudyError, match=r"7\.safetensors: trained weights cannot be read"):
        folder.load_weights(7, "sha")


LEAVES = st.sampled_from([0, 1, "", "a"])  # st.text() would first build a table of all Unicode characters
INNER = st.dictionaries(st.sampled_from("abc"), LEAVES, max_size=3)
DOCUMENTS = LEAVES | INNER | st.dictionaries(st.sampled_from("abc"), INNER, max_size=2)
TABLES = st.dictionaries(st.sampled_from("abc"), DOCUMENTS, max_size=3)


@given(TABLES, TABLES)
def test_difference_names_a_key_exactly_where_tables_differ(one: dict[str, object], other: dict[str, object]) -> None:
    assert (difference(one, other) is None) == (one == other)


def test_difference_shows_both_values() -> None:
    assert difference({"a": {"b": 1}}, {"a": {"b": 2}}) == "a.b = 1, there 2"
    assert difference({"a": 1}, {}) == "a = 1, there None"
