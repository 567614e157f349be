"""How long commands take to start, as multiples of importing the libraries that they cannot do without.

Only ratios are meaningful; absolute figures belong to one machine. Run with ``make benchmark``.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.small_studies import write_study

DSE = (sys.executable, "-c", "from dse.cli.entry import main; main()")
LIBRARIES = (sys.executable, "-c", "import typer, pydantic, pandas, optuna.storages")
TORCH = (sys.executable, "-c", "import torch")
ROUNDS = 5


def processor_seconds(command: Sequence[str]) -> float:
    """Median processor time of a command, which depends less than its wall-clock time on what else runs."""
    seconds = []
    for _ in range(ROUNDS):
        before = os.times()
        subprocess.run(command, capture_output=True, check=False)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return median(seconds)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 60 trials."""
    folder = tmp_path_factory.mktemp("start")
    study = write_study(folder, search__trials=60, fidelity__finetune="none")
    subprocess.run([*DSE, "run", study, "--out", folder / "run", "--no-cache"], capture_output=True, check=True)
    return folder / "run"


def test_a_stored_run_is_shown_at_the_cost_of_reading_it(benchmark: BenchmarkFixture, run: Path) -> None:
    show = [*DSE, "show", str(run)]
    benchmark.pedantic(lambda: subprocess.run(show, capture_output=True, check=True), rounds=ROUNDS)
    seconds, libraries, torch = processor_seconds(show), processor_seconds(LIBRARIES), processor_seconds(TORCH)
    print(f"\ndse show: {seconds / libraries:.1f} times pandas, Optuna and typer; {seconds / torch:.1f} times torch")
    assert seconds < 3 * libraries


def test_help_and_refusals_are_cheaper(benchmark: BenchmarkFixture, run: Path) -> None:
    benchmark.pedantic(lambda: subprocess.run([*DSE, "--help"], capture_output=True, check=True), rounds=ROUNDS)
    shown, shown_help = processor_seconds([*DSE, "show", str(run)]), processor_seconds([*DSE, "--help"])
    refused = processor_seconds([*DSE, "run", "nowhere.toml"])
    print(f"\ndse --help: {shown_help / shown:.2f} of dse show; a study file that is not there: {refused / shown:.2f}")
    assert shown_help < refused < shown
