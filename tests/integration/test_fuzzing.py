"""``make fuzz``: prints its seeds, stops at the first failure, and names the command that repeats it."""

import shlex
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from tests import fuzz

PROFILE = "from hypothesis import settings\n\nsettings.register_profile('fuzz', database=None)\n"
PROPERTIES = """
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers())
def test_that_holds(number):
    assert number == number


@given(st.integers(0, 10**6))
def test_that_fails(number):
    assert number < 1000


def test_without_hypothesis():
    raise AssertionError
"""


def test_rounds_end_at_the_first_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = {3: (0, []), 5: (1, ["tests/test_a.py::test_b"]), 8: (0, [])}
    monkeypatch.setattr(fuzz, "run_round", lambda seed, _paths: outcomes[seed])
    assert fuzz.fuzz(iter(outcomes), []) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["round 1, seed 3", "round 2, seed 5"]
    assert "--hypothesis-seed=5 -x tests/test_a.py::test_b" in lines[-1]
    assert fuzz.fuzz(iter([3, 8]), []) == 0
    assert "2 seeds, no failure" in capsys.readouterr().out


@pytest.mark.parametrize(("seconds", "rounds"), [(0.0, 1), (2.5, 3)])
def test_seeds_come_until_the_time_is_over(seconds: float, rounds: int) -> None:
    ticks = count()
    assert len(list(fuzz.until(fuzz.drawn(), seconds, lambda: float(next(ticks))))) == rounds


def test_a_failing_property_is_named_and_repeated(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # test ids are relative to its folder, wherever the project lies
    (tmp_path / "conftest.py").write_text(PROFILE)
    (tmp_path / "test_properties.py").write_text(PROPERTIES)
    status, failed = fuzz.run_round(7, [str(tmp_path)])
    assert (status, failed) == (1, ["test_properties.py::test_that_fails"])
    command = shlex.split(fuzz.repetition(7, failed))
    again = subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "test_that_fails" in again.stdout
    assert "1 failed" in again.stdout
