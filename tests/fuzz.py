"""Runs the property tests with one random seed after another; stops at the first failure.

    python -m tests.fuzz --seeds 20
    python -m tests.fuzz --seconds 600

Every round runs all tests that use Hypothesis in a process of its own, with the profile ``fuzz`` of conftest.py.
"""

import argparse
import itertools
import json
import random
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PYTEST = ("-m", "pytest", "--hypothesis-profile=fuzz")


def main() -> int:
    """Returns 0 if every round passed, and pytest's exit status of the first one that did not otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seeds", type=int, default=20, help="number of rounds [default: 20]")
    length.add_argument("--seconds", type=float, help="starts rounds for this long instead")
    parser.add_argument("paths", nargs="*", help="test files or folders [default: all]")
    arguments = parser.parse_args()
    if arguments.seconds is None:
        return fuzz(itertools.islice(drawn(), arguments.seeds), arguments.paths)
    return fuzz(until(drawn(), arguments.seconds), arguments.paths)


def drawn() -> Iterator[int]:
    """Yields random seeds without end."""
    chance = random.SystemRandom()
    while True:
        yield chance.randrange(2**32)


def until(seeds: Iterator[int], seconds: float, clock: Callable[[], float] = time.monotonic) -> Iterator[int]:
    """Yields seeds until the time is over, one at least."""
    end = clock() + seconds
    yield next(seeds)
    while clock() < end:
        yield next(seeds)


def fuzz(seeds: Iterator[int], paths: list[str]) -> int:
    """Runs a round for each seed, up to the first that fails.

    Args:
        seeds: of the rounds.
        paths: test files or folders; all tests if empty.

    Returns:
        Exit status: 0, or that of the round that failed.
    """
    number = 0
    for number, seed in enumerate(seeds, 1):
        print(f"round {number}, seed {seed}", flush=True)
        status, failed = run_round(seed, paths)
        if status:
            print(f"seed {seed} fails; this repeats it:\n    {repetition(seed, failed or paths)}", flush=True)
            return status
    print(f"{number} seeds, no failure")
    return 0


def run_round(seed: int, paths: list[str]) -> tuple[int, list[str]]:
    """Runs the property tests with a seed.

    Returns:
        pytest's exit status, and the ids of the tests that failed.
    """
    with tempfile.TemporaryDirectory() as cache:
        options = ["-m", "hypothesis", "-x", "-q", "--no-header", "-o", f"cache_dir={cache}"]
        status = subprocess.run([sys.executable, *PYTEST, f"--hypothesis-seed={seed}", *options, *paths]).returncode
        failures = Path(cache) / "v" / "cache" / "lastfailed"
        return status, list(json.loads(failures.read_text())) if failures.is_file() else []


def repetition(seed: int, tests: list[str]) -> str:
    """Returns the shell command that runs tests with a seed again."""
    selection = tests or ["-m", "hypothesis"]
    return shlex.join(["python", *PYTEST, f"--hypothesis-seed={seed}", "-x", *selection])


if __name__ == "__main__":
    sys.exit(main())
