"""A newcomer's first hour: the commands of the README, one after the other, with files that a stranger has."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import tomli_w
import torch
import typer

import dse.run
import hwmodels
from dse.cli import app
from hwmodels import parse_toml
from nets.datasets import load_digits_dataset
from nets.importers.pytorch import quantize_input, quantize_module
from nets.importers.topologies.digits import DigitsCnn
from nets.writers import save_tflite
from tests.conftest import Cli

ROOT = Path(__file__).parents[2]
GENERATED = "docs/command-line.md"  # from the program, with the usage of every command
PAGES = sorted({ROOT / "README.md", *(ROOT / "docs").rglob("*.md")} - {ROOT / GENERATED})
ELSEWHERE = {
    "calibrate": "minutes; tests/hwmodels/test_hardware_commands.py calibrates small libraries",
}


def commands_of(page: Path) -> list[list[str]]:
    """The arguments of every ``dse`` command in a page's blocks of code, without comments."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^(?: {4,}|(?:\(cd \w+ && )?)(dse [a-z].*?)\)?$", text.replace("\\\n", " "), re.MULTILINE)
    each = [part for line in lines for part in line.split(" && ") if part.startswith("dse ")]
    return [shlex.split(re.sub(r'"\$\((.*?)\)"', "FILE", line), comments=True)[1:] for line in each]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if commands_of(page)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_commands_of_a_page_have_the_options_that_it_gives(page: Path) -> None:
    """Nothing is run: commands, options and the types of their values are those of the program."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, *arguments in commands_of(page):
        commands[name].make_context(name, list(arguments)).close()


def files_of_a_newcomer() -> None:
    """Writes the shipped study with fewer trials, a model of their own with samples, and Verilog."""
    study = parse_toml((ROOT / "studies" / "digits.toml").read_text(encoding="utf-8"))
    study["search"] |= {"trials": 6, "uniform_multiplier_bits": [4, 8]}
    study["workers"] = {"executor": "serial"}
    Path("studies").mkdir()
    Path("studies/digits.toml").write_text(tomli_w.dumps(study), encoding="utf-8")
    torch.manual_seed(0)
    samples = load_digits_dataset().samples
    images = torch.from_numpy(samples.inputs[:64]).float().permute(0, 3, 1, 2)
    network = quantize_module(DigitsCnn(width=4), images, name="mine").network
    save_tflite(network, "model.tflite")
    inputs = quantize_input(samples.inputs[:200], network.tensors[network.inputs[0]])
    np.savez("samples.npz", x=inputs, y=samples.labels[:200])
    rtl = Path(hwmodels.__path__[0]) / "rtl"
    parts = [(rtl / name).read_text(encoding="utf-8") for name in ("rescaler.v", "rescaler_register.v")]
    Path("rescaler.v").write_text("".join(parts), encoding="utf-8")


def test_the_tour_of_the_readme(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ai_edge_litert", "bitwuzla", "pyosys"):
        pytest.importorskip(module, reason=f"pip install {module}")
    monkeypatch.setattr(dse.run, "write_report", lambda _, folder: (folder / "report.html").touch())
    files_of_a_newcomer()
    tour = [arguments for arguments in commands_of(ROOT / "README.md") if arguments[0] not in ELSEWHERE]
    assert {"doctor", "run", "show", "export", "prove", "inspect", "verify", "narrow", "cost"} <= {c[0] for c in tour}
    shown = {}
    for arguments in tour:
        fewer = [{"240": "8"}.get(word, word) for word in arguments]
        done = cli(*fewer)
        assert done.status == 0, (fewer, done.out, done.err)
        shown[arguments[0]] = done.out
    assert shown["prove"].count("proven") >= 6
    assert "every integer equal" in shown["verify"]
    assert all(Path(made).is_file() for made in ("chip/README.md", "narrow.tflite"))
    what_the_run_says_next(cli, shown["run"])


def what_the_run_says_next(cli: Cli, shown: str) -> None:
    """The last lines of ``dse run`` are commands that work, the last of which goes on with the run."""
    lines = shown.partition("Try next:\n")[2].splitlines()
    commands = [shlex.split(line, comments=True) for line in lines]
    assert [command[:2] for command in commands] == [["dse", name] for name in ("show", "prove", "run")]
    *_, last = commands
    assert last == ["dse", "run", "studies/digits.toml", "--trials", "12"]
    assert cli(*last[1:]).status == 0
