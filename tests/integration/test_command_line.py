"""The command line: bad input gives one line and exit status 2 and changes no file; runs resume."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Cli, Outcome
from tests.small_studies import write_study

TRIALS = 8


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def assert_refused(outcome: Outcome, *words: str) -> None:
    assert outcome.status == 2
    assert outcome.err.startswith("dse: ")
    assert outcome.err.count("\n") == 1
    for word in words:
        assert word in outcome.err
    assert "Traceback" not in outcome.err + outcome.out


def damaged_model(folder: Path) -> None:
    (folder / "model.tflite").write_bytes(b"\x18\x00\x00\x00TFL3" + bytes(64))


def integer_samples(folder: Path) -> None:
    np.savez(folder / "samples.npz", x=np.zeros((60, 8, 8, 1), np.int8), y=np.arange(60) % 10)


BAD_STUDIES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "unknown key": ({"search__trails": 9}, ("unknown key search.trails = 9",)),
    "wrong type": ({"workers__count": "two"}, ("workers.count", "'two'", "integer")),
    "width": ({"search__multiplier_bits": [32]}, ("search.multiplier_bits.0", "31", "32")),
    "no model": ({"network__topology": None, "network__model": "none.tflite"}, ("network.model", "none.tflite")),
    "damaged model": ({"network__topology": None, "network__model": "model.tflite"}, ("model.tflite",)),
    "no samples": ({"data__dataset": None, "data__samples": "none.npz"}, ("data.samples", "none.npz")),
    "wrong samples": ({"data__dataset": None, "data__samples": "samples.npz"}, ("network.topology", "real inputs")),
    "technology": ({"hardware__technology": "unobtainium"}, ("unobtainium", "aladdin40")),
    "no area": ({"hardware__technology": "horowitz45"}, ("area",)),
    "split": ({"data__finetune": 0.6, "data__test": 0.15, "data__validation": 0.3}, ("must be 1",)),
}


@pytest.mark.parametrize("case", BAD_STUDIES)
def test_bad_studies_are_refused_and_leave_nothing(cli: Cli, tmp_path: Path, case: str) -> None:
    changes, words = BAD_STUDIES[case]
    study = write_study(tmp_path, **changes)
    damaged_model(tmp_path)
    integer_samples(tmp_path)
    before = contents(tmp_path)
    assert_refused(cli("run", study), str(study), *words)
    assert contents(tmp_path) == before
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("option", "value"), [("--trials", 0), ("--workers", 2000), ("--seed", 2**31), ("--seed", -1)])
def test_bad_options_are_refused(cli: Cli, tmp_path: Path, option: str, value: int) -> None:
    assert_refused(
        cli("run", write_study(tmp_path), option, value), option[2:].replace("workers", "workers.count"), str(value)
    )
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", ["report", "show"])
def test_a_folder_without_a_run(cli: Cli, tmp_path: Path, command: str) -> None:
    assert_refused(cli(command, tmp_path), "holds no run")
    assert contents(tmp_path) == {}


def test_a_study_from_start_to_resumption(cli: Cli, tmp_path: Path) -> None:
    """One run from start to end: run, resume at once, ask for more, refuse another study, start over."""
    study, run = write_study(tmp_path), tmp_path / "runs" / "small"

    first = cli("run", study, "--trials", TRIALS)
    assert first.status == 0, first.err
    assert "Report: runs/small/report.html" in first.out
    trials = pd.read_csv(run / "trials.csv")
    assert (trials["state"] == "COMPLETE").sum() == TRIALS
    for name in ("study.toml", "manifest.json", "front.csv", "baselines.csv", "trials.parquet", "report.html"):
        assert (run / name).is_file()
    assert list((run / "figures").glob("*.png"))
    assert trials["test_accuracy"].isna().all()  # fewer trials than the study file's 10: a first check
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["spec"]["search"]["trials"] == TRIALS
    assert len(manifest["data_sha256"]) == len(manifest["network_sha256"]) == 64

    before = contents(run)
    again = cli("run", study, "--trials", TRIALS)
    assert again.status == 0
    assert contents(run) == before  # nothing was left to do, so no file was written

    more = cli("run", study, "--trials", TRIALS + 2)
    assert more.status == 0, more.err
    extended = pd.read_csv(run / "trials.csv")
    assert (extended["state"] == "COMPLETE").sum() == TRIALS + 2
    assert extended["test_accuracy"].notna().any()
    kept = ["trial", "val_accuracy", "rescaler_area_um2", "rescaler_energy_nj"]
    pd.testing.assert_frame_equal(extended[kept].head(TRIALS), trials[kept])

    before, before_names = contents(run), {path.name for path in run.iterdir()}
    assert_refused(cli("run", study, "--seed", 8), "seed = 8, there 7", "--fresh")
    write_study(tmp_path, network__weight_bits=5)
    assert_refused(cli("run", study), "network.weight_bits = 5, there 4", "--fresh")
    assert contents(run) == before

    assert_refused(cli("run", write_study(tmp_path, hardware__technology="nope"), "--fresh"), "nope")
    assert contents(run) == before  # bad input does not cost the run that is there

    (run / "notes.txt").write_text("the user's own")
    with pytest.warns(UserWarning, match="the earlier run is kept in runs/small/earlier-1"):
        fresh = cli("run", write_study(tmp_path, network__weight_bits=5), "--trials", 7, "--fresh")
    assert fresh.status == 0, fresh.err
    assert "Note: The test split was read 1 time for earlier runs in this folder." in fresh.out
    assert (run / "notes.txt").read_text() == "the user's own"
    assert sorted(path.name for path in run.iterdir() if path.name not in before_names) == ["earlier-1", "notes.txt"]
    assert {path.name for path in (run / "earlier-1").iterdir()} == before_names - {
        ".lock"
    }  # the list of names is whole
    assert len(pd.read_csv(run / "trials.csv")) == 7

    shown = cli("show", run)
    assert shown.status == 0
    rebuilt = cli("report", run)
    assert rebuilt.status == 0


def test_a_study_in_a_database(cli: Cli, tmp_path: Path) -> None:
    study, run = write_study(tmp_path), tmp_path / "runs" / "small"
    url = f"sqlite:///{tmp_path}/studies.db"
    assert cli("run", study, "--trials", 7, "--storage", url).status == 0
    assert not (run / "journal.log").exists()
    assert cli("run", study, "--trials", 8).status == 0  # the manifest knows where the trials are
    assert (pd.read_csv(run / "trials.csv")["state"] == "COMPLETE").sum() == 8
    assert_refused(cli("run", study, "--trials", 9, "--storage", "sqlite:///other.db"), "unable to open database file")
    assert not (tmp_path / "other.db").exists()
    other = tmp_path / "other"  # a second run of the same study does not join the first one
    assert cli("run", study, "--trials", 7, "--storage", url, "--out", other).status == 0
    assert len(pd.read_csv(other / "trials.csv")) == 7


@pytest.mark.parametrize("url", ["nonsense", "nosuchdb://me:secret@host/x", "sqlite:////nowhere/at/all.db"])
def test_bad_storage_is_refused(cli: Cli, tmp_path: Path, url: str) -> None:
    outcome = cli("run", write_study(tmp_path), "--storage", url)
    assert_refused(outcome, "storage", "give a URL")
    assert "secret" not in outcome.err
    assert not (tmp_path / "runs").exists()


def test_foreign_folders_are_untouched(cli: Cli, tmp_path: Path) -> None:
    study, mine = write_study(tmp_path), tmp_path / "mine"
    mine.mkdir()
    (mine / "manifest.json").write_text('{"name": "my web page"}')
    (mine / "index.html").write_text("hello")
    before = contents(mine)
    for options in ((), ("--fresh",)):
        assert_refused(cli("run", study, "--out", mine, *options), "mine")
    assert {k: v for k, v in contents(mine).items() if k != ".lock"} == before
