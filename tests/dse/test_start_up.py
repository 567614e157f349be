"""What the commands import before their own work, as a graph of modules: times would depend on the machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tomli_w

import dse.study
import dse.study.prepared
from nets.lazy import names_on_demand
from tests.conftest import Cli
from tests.small_studies import document, write_study

HEAVY = {"torch", "scipy", "sklearn", "sqlalchemy", "ray", "pyverilog", "jinja2", "vl_convert", "tflite"}
PROGRAM = """
import json, sys
from dse.cli.entry import main
for arguments in json.loads(sys.argv.pop()):
    sys.argv = ["dse", *arguments]
    try:
        main()
    except SystemExit as stop:
        assert stop.code in (None, int(status)), arguments
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def imported(*commands: tuple[object, ...], status: int = 0) -> set[str]:
    """Top-level packages that commands import, one after the other in a process of its own."""
    program = PROGRAM.replace("int(status)", str(status))
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps([list(map(str, command)) for command in commands])],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    return set(done.stderr.splitlines()[-1].split())


def test_help_imports_hardly_anything() -> None:
    names = imported(("--help",), ("run", "--help"), ("show", "--help"))
    assert "typer" in names
    assert names & (HEAVY | {"numpy", "pandas", "optuna", "rich"}) == set()


def test_a_stored_table_is_shown_without_what_computed_it(cli: Cli, tmp_path: Path) -> None:
    """A journal needs no database library; a database does, and only that."""
    study = write_study(tmp_path, search__trials=3, fidelity__finetune="none", search__uniform_multiplier_bits=[4])
    own, shared = tmp_path / "own", tmp_path / "shared"
    database = f"sqlite:///{tmp_path / 'trials.db'}"
    assert cli("run", study, "--out", own).status == 0
    assert cli("run", study, "--out", shared, "--storage", database).status == 0
    names = imported(("show", own), ("show", own, "--json"), ("show", own, "--trial", "1"))
    assert {"pandas", "optuna"} <= names, "it did read the run"
    assert names & HEAVY == set()
    assert imported(("show", shared)) & HEAVY == {"sqlalchemy"}


def test_what_cannot_work_is_refused_before_torch_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wrong.toml").write_text(tomli_w.dumps(document(search__trails=4)), encoding="utf-8")
    (tmp_path / "wrong.tflite").write_text("no model", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names = imported(
        ("run", "nowhere.toml"),
        ("run", "wrong.toml"),
        ("show", "nowhere"),
        ("report", "nowhere"),
        ("compare", "nowhere", "elsewhere"),
        ("export", "nowhere", "--trial", "1", "--out", "chip"),
        ("narrow", "wrong.tflite", "--out", "out.txt"),
        ("verify", "wrong.tflite"),
        ("contracts", "wrong.tflite", "--data", "nowhere.npz"),
        status=2,
    )
    assert {"dse", "tflite"} <= names, "the commands did run"
    assert names & {"torch", "ray", "sklearn"} == set()


def test_a_name_on_demand_is_the_name_of_its_module() -> None:
    assert dse.study.fingerprint_of is dse.study.prepared.fingerprint_of


@pytest.mark.parametrize("name", ["_nonsense", "train_on_one_thread_"])
def test_a_name_that_a_room_does_not_list_is_no_attribute(name: str) -> None:
    """The heavy modules are not even imported for it."""
    attribute = names_on_demand("dse.study", "no_such_module")
    with pytest.raises(AttributeError, match=f"module 'dse[.]study' has no attribute '{name}'"):
        attribute(name)
