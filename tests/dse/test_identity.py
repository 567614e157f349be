"""A run is what its files hold, not where they lie; and no two runs are one, whatever they are called."""

import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest

import dse.evaluate.cache_key
import dse.evaluate.contents
import dse.run
import dse.store.manifest
from dse.design import CostSource, Role
from dse.errors import StudyError
from dse.evaluate import contents_of, located
from dse.export.scored_design import files_of
from dse.run import run_study
from dse.store import RunFolder, StudyResults, git_revision, results_of
from dse.study import Study, input_files, load_study, with_input_files
from hwmodels.technologies import technology as technologies
from tests.small_studies import small_spec, write_study

TABLE = Path(technologies.__file__).with_name("aladdin40.toml").read_text(encoding="utf-8")


pytestmark = pytest.mark.usefixtures("by_formula")


def designs(results: StudyResults) -> set[tuple[object, ...]]:
    searched = results.complete[results.complete["role"] == Role.SEARCH]
    return set(map(tuple, searched[[*results.bits_columns, *results.method_columns, "finetune"]].to_numpy().tolist()))


def test_runs_of_one_name_begun_in_one_second_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dse.run, "now_utc", lambda: "2026-11-21T00:00:00+00:00")
    url = f"sqlite:///{tmp_path}/trials.db"
    folders = [RunFolder(tmp_path / f"{number}") for number in range(2)]
    for seed, folder in enumerate(folders):
        run_study(small_spec(seed=seed, search__trials=2), folder, storage=url)
    assert len({folder.manifest().id for folder in folders}) == 2
    names = optuna.get_all_study_names(url)
    assert len(names) == 2
    assert [len(results_of(folder).complete) for folder in folders] == [2, 2]


@pytest.mark.parametrize("change", ["table", "program", "rtl", "included"])
def test_what_changed_is_never_mixed(tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same study file, but other figures: refused, or a new front that begins with the old one's designs."""
    table, rtl = tmp_path / "own.toml", tmp_path / "own.v"
    table.write_text(TABLE)
    rtl.write_text('`include "own.vh"\nmodule own(input a, output b); assign b = a; endmodule')
    rtl.with_suffix(".vh").write_text("`define WIDTH 8\n")
    spec = small_spec(hardware__technology=str(table), search__trials=30)
    spec = with_rtl(spec, rtl) if change in ("rtl", "included") else spec
    monkeypatch.setattr(dse.run, "check_objectives", lambda _study: None)
    monkeypatch.setattr(dse.run, "cost_sources", lambda *_: SOURCES)
    folder = RunFolder(tmp_path / "run")
    first = run_study(spec, folder)
    begun = folder.manifest()
    table.write_text("# a remark changes no figure\n" + TABLE)
    assert run_study(spec, folder).facts == first.facts
    if change == "table":
        table.write_text(TABLE.replace("ab = 6.2025", "ab = 62.025", 1))
        assert table.read_text() != TABLE
    elif change == "rtl":
        rtl.write_text("module own(input a, output b); assign b = ~a; endmodule")
    elif change == "included":
        rtl.with_suffix(".vh").write_text("`define WIDTH 9\n")
    else:
        monkeypatch.setattr(dse.evaluate.contents, "sources", lambda: b"other")
    key = {"table": "hardware.technology", "program": "program"}.get(change, r"hardware.rtl.files\[0\]")
    more = spec.model_copy(update={"search": spec.search.model_copy(update={"trials": 40})})
    for again in (spec, more):  # a finished run, too
        with pytest.raises(StudyError, match=rf"run: {key} changed since this run began.*--accept-changes"):
            run_study(again, folder)
    assert folder.manifest() == begun
    with pytest.warns(UserWarning, match="the earlier run is kept in .*earlier-1"):
        after = run_study(spec, folder, accept_changes=True)
    assert folder.manifest().id != begun.id
    assert len(after.complete) == 30
    assert RunFolder(folder.path / "earlier-1").manifest() == begun
    assert results_of(RunFolder(folder.path / "earlier-1")).trials["trial"].tolist() == first.trials["trial"].tolist()
    of_front = designs(replace(first, trials=first.front))
    assert of_front
    assert of_front <= designs(after)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_study(more, folder, accept_changes=True)  # nothing changed since: resumed
    assert folder.manifest().id == RunFolder(folder.path).manifest().id
    assert not (folder.path / "earlier-2").exists()


SOURCES = (CostSource("analytic", "aladdin40", 40.0, "source", "error"),) * 2


def with_rtl(spec: Study, file: Path) -> Study:
    from dse.study.spec import RtlSpec

    rtl = RtlSpec(files=(file,), top="own")
    return spec.model_copy(update={"hardware": spec.hardware.model_copy(update={"cost_source": "rtl", "rtl": rtl})})


def project(folder: Path) -> Path:
    """A project folder with a study whose table is a file, and its run beside it."""
    folder.mkdir()
    (folder / "own.toml").write_text(TABLE)
    return write_study(folder, hardware__technology="own.toml")


def test_a_project_that_moved_goes_on(tmp_path: Path) -> None:
    study = project(tmp_path / "before")
    first = run_study(load_study(study), RunFolder(tmp_path / "before" / "runs" / "small"))
    (tmp_path / "before").rename(tmp_path / "after")
    folder = RunFolder(tmp_path / "after" / "runs" / "small")
    assert results_of(folder).trials["trial"].tolist() == first.trials["trial"].tolist()
    moved = files_of(folder.manifest(), folder)  # what an export prepares
    assert input_files(moved) == {"hardware.technology": tmp_path / "after" / "own.toml"}
    more = load_study(tmp_path / "after" / "study.toml")
    more = more.model_copy(update={"search": more.search.model_copy(update={"trials": 15})})
    assert len(run_study(more, folder).complete) == 15
    assert folder.manifest().folder == str(folder.path)
    assert folder.manifest().id


def test_a_run_carried_away_alone_needs_a_study_file_that_names_its_files(tmp_path: Path) -> None:
    study = project(tmp_path / "project")
    run_study(load_study(study), RunFolder(tmp_path / "project" / "run"))
    shutil.move(tmp_path / "project" / "run", tmp_path / "deep" / "down" / "run")
    shutil.move(tmp_path / "project", tmp_path / "elsewhere")
    folder = RunFolder(tmp_path / "deep" / "down" / "run")
    assert len(results_of(folder).complete) == 10
    with pytest.raises(StudyError, match=r"hardware.technology: no such file: .*own\.toml; .*--study"):
        files_of(folder.manifest(), folder)
    given = load_study(tmp_path / "elsewhere" / "study.toml")
    assert files_of(folder.manifest(), folder, given) == given
    with pytest.raises(StudyError, match="holds another study: seed = 8, there 7"):
        files_of(folder.manifest(), folder, given.model_copy(update={"seed": 8}))
    (tmp_path / "elsewhere" / "own.toml").write_text(TABLE.replace("1", "2"))
    with pytest.raises(StudyError, match=r"own\.toml changed since this run began; restore it"):
        files_of(folder.manifest(), folder, given)


def test_of_two_files_the_one_with_the_runs_contents_is_taken(tmp_path: Path) -> None:
    """At the old path lies another file by now."""
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, text in ((old, "other"), (new, "same")):
        folder.mkdir()
        np.savez(folder / "data.npz", x=np.frombuffer(text.encode(), np.uint8))
    spec = small_spec(data__dataset=None, data__samples=str(old / "data.npz"))
    contents = contents_of(with_input_files(spec, {"data.samples": new / "data.npz"}))
    assert located(spec, contents, old / "runs" / "r", new / "runs" / "r").members[0].data.samples == new / "data.npz"
    with pytest.raises(StudyError, match=r"data\.samples: .* changed since this run began"):
        located(spec, contents, old / "runs" / "r", tmp_path / "runs" / "r")


def test_another_machine_is_noted_and_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, spec = RunFolder(tmp_path / "run"), small_spec()
    run_study(spec, folder)
    assert folder.manifest().processor
    assert folder.manifest().resumed_with == ()
    monkeypatch.setattr(dse.run, "processor", lambda: "riscv64 RVV")
    more = spec.model_copy(update={"search": spec.search.model_copy(update={"trials": 12})})
    results = run_study(more, folder)
    assert folder.manifest().resumed_with == ("riscv64 RVV",)
    assert results.facts.provenance["resumed with"] == "riscv64 RVV"


def test_a_journal_of_another_run_is_refused(tmp_path: Path) -> None:
    one, other = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "other")
    for folder in (one, other):
        run_study(small_spec(), folder)
    for name in ("journal.log", "journal.mark"):
        shutil.copy(other.path / name, one.path / name)
    for action in (lambda: results_of(one), lambda: run_study(small_spec(search__trials=12), one)):
        with pytest.raises(StudyError, match="study 'small' is that of another run"):
            action()


def test_the_revision_is_that_of_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the working directory's repository nor one around an installed package."""
    import subprocess

    def commit(folder: Path) -> str:
        git: Callable[..., str] = lambda *a: subprocess.run(  # noqa: E731
            ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@x", *a],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        git("init", "-q")
        git("add", ".")
        git("commit", "-q", "--allow-empty", "-m", "x")
        return git("rev-parse", "HEAD").strip()

    other = tmp_path / "other"
    installed = other / "venv" / "dse"
    installed.mkdir(parents=True)
    (other / ".gitignore").write_text("venv\n")
    others = commit(other)
    monkeypatch.chdir(other)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert not git_revision().startswith(others)
    (installed / "manifest.py").write_text("")
    monkeypatch.setattr(dse.store.manifest, "__file__", str(installed / "manifest.py"))
    assert git_revision() == ""
    (other / ".gitignore").write_text("")
    assert commit(other) == git_revision()
    (installed / "manifest.py").write_text("changed")
    assert git_revision().endswith("+changed")
