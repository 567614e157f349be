"""Help, suggestions, versions and the progress line: what every command has in common."""

import io
import json
import re
import shlex
from importlib.metadata import version
from pathlib import Path

import pytest
from rich.console import Console

from dse.cli.entry import COMMANDS
from dse.cli.progress import StudyProgress, state_in
from dse.search import Progress
from dse.store import RunFolder, results_of
from dse.verdict import verdict_of
from tests.conftest import Cli
from tests.small_studies import write_study

NAMES = [command.__name__ for command in COMMANDS]


@pytest.mark.parametrize("name", ["", *NAMES])
def test_help_fits_into_80_columns_and_is_not_cut(cli: Cli, name: str) -> None:
    outcome = cli(*([name] if name else []), "--help")
    assert outcome.status == 0
    assert max(map(len, outcome.out.splitlines())) <= 80
    described = outcome.out.partition("\n")[2]  # the first line is the usage, in which ... means several
    assert "..." not in described.replace("runs...", "").replace("files...", "")


@pytest.mark.parametrize("name", NAMES)
def test_help_shows_an_example_that_the_command_accepts(cli: Cli, name: str) -> None:
    text = cli(name, "--help").out
    lines = text.partition("Examples:")[2].splitlines()
    examples = [line.partition("#")[0].partition("|")[0].split() for line in lines]
    used = [word for example in examples for word in example if word.startswith("-")]
    assert any(example[:2] == ["dse", name] for example in examples if example)
    assert all(re.search(rf"^ .*{word}\b", text.partition("Examples:")[0], re.MULTILINE) for word in used)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("run", "[default: (runs/<name>)]"),
        ("run", "[default: (the study file's)]"),
        ("verify", "[default: (random inputs)]"),
        ("verify", "[default: 32;"),
        ("cost", "[default: osu018]"),
        ("calibrate", "[default: (NAME.toml)]"),
        ("compare", "[default: runs/compare]"),
    ],
)
def test_help_shows_defaults(cli: Cli, name: str, shown: str) -> None:
    assert shown in " ".join(cli(name, "--help").out.split())


def test_version(cli: Cli) -> None:
    assert cli("--version").out == f"rescale-dse {version('rescale-dse')}\n"


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("runn", "study.toml"), "'run'"),
        (("exprot",), "'export'"),
        (("run", "study.toml", "--trails", "5"), "--trials"),
        (("export", "runs/a", "--trail", "5"), "--trial"),
    ],
)
def test_a_mistyped_word_is_bad_input_and_what_was_meant_is_named(
    cli: Cli, arguments: tuple[str, ...], meant: str
) -> None:
    outcome = cli(*arguments)
    assert outcome.status == 2
    assert meant in outcome.err
    assert outcome.out == ""


def test_completion_can_be_installed(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--install-completion" in cli("--help").out
    monkeypatch.setenv("_DSE_COMPLETE", "source_bash")  # what --show-completion prints if a bash began this process
    assert "complete -o default -F _dse_completion dse" in cli().out


def shown_on_a_terminal(progress: Progress, name: str, width: int) -> list[str]:
    """The last frame of the progress line, as rich draws it."""
    file = io.StringIO()
    console = Console(width=width, file=file, force_terminal=True, color_system=None, legacy_windows=False)
    with StudyProgress(console, name) as line:
        line.update(progress)
    frames = re.sub(r"\x1b\[\?25[lh]", "", file.getvalue())
    return [text for text in re.split(r"\r?\x1b\[\d*[AK]|\r|\n", frames) if text.strip()][-1:]


@pytest.mark.parametrize("name", ["kws", "a_study_with_a_rather_long_name"])
@pytest.mark.parametrize("reused", [0, 4321])
@pytest.mark.parametrize("width", [80, 100])
def test_the_progress_line_holds_count_and_front_at_80_columns(name: str, reused: int, width: int) -> None:
    (line,) = shown_on_a_terminal(Progress(1234, 5000, 123, 4.2123, "search", reused), name, width)
    assert len(line) <= width
    assert "…" not in line.removeprefix("a_study_…ng_name")
    assert "1234/5000" in line
    assert "front 123, hypervolume 4.212" in line
    if reused and (width == 100 or name == "kws"):
        assert "4321 reused" in line


def test_parts_that_do_not_fit_are_left_out_from_the_end() -> None:
    progress = Progress(5, 10, 3, 1.5, "test", 2)
    assert state_in(progress) == ["front 3", "scored on test", "hypervolume 1.500", "2 reused"]
    assert state_in(progress, 23) == ["front 3", "scored on test"]
    assert state_in(progress, 22) == ["front 3"]
    assert state_in(progress, 6) == []


def test_a_pipe_gets_whole_lines_without_control_characters() -> None:
    file = io.StringIO()
    name = "[bold]a study with a name that is longer than a line is[/bold]"
    with StudyProgress(Console(file=file), name) as line:
        for complete in range(101):
            line.update(Progress(complete, 100, complete // 2, 0.5, "search"))
        line.update(Progress(100, 100, 50, 0.5, "test", 7))
    lines = file.getvalue().splitlines()
    assert len(lines) == 12
    assert all(text.isprintable() and text.startswith(f"{name}: ") for text in lines)
    assert lines[-1] == f"{name}: 100/100 trials, front 50, scored on test, hypervolume 0.500, 7 reused"


def test_run_and_show_end_with_the_command_that_exports_what_they_recommend(cli: Cli, tmp_path: Path) -> None:
    study = write_study(tmp_path, search__trials=5, fidelity__finetune="none", search__uniform_multiplier_bits=[1, 4])
    folder = tmp_path / "a run"  # a blank, which a shell would take for the end of the name
    run, show = cli("run", study, "--out", folder), cli("show", folder)
    recommended = verdict_of(results_of(RunFolder(folder))).recommended
    assert recommended is not None
    last = run.out.splitlines()[-1]
    assert last == show.out.splitlines()[-1]
    assert last.startswith(f"Export trial {recommended.trial}: dse export ")
    command = shlex.split(last.partition(": dse ")[2])
    assert cli(*command).status == 0
    assert json.loads((tmp_path / "chip" / "design.json").read_text(encoding="utf-8"))["trial"] == recommended.trial


@pytest.mark.parametrize("trial", ["99", "-1", "best", ""])
def test_a_design_that_does_not_exist_is_not_exported(cli: Cli, tmp_path: Path, trial: str) -> None:
    study = write_study(tmp_path, search__trials=2, fidelity__finetune="none", search__uniform_multiplier_bits=[4])
    assert cli("run", study, "--out", "run").status == 0
    outcome = cli("export", "run", "--trial", trial, "--out", "chip")
    assert outcome.status == 2
    assert outcome.err.startswith("dse: --trial is ")
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "chip").exists()
