"""Runs searches and keeps what they evaluated, so that a comparison that was stopped goes on."""

import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from dse.search import Factors, Rows
from studies.experiments.search.problem import History, Problem, Seen
from studies.experiments.search.rivals import Search

_CHANGES = 1000  # tried before a repeated design is accepted


def run(problem: Problem, kind: type[Search], evaluations: int, seed: int) -> tuple[History, float]:
    """Returns the evaluated designs of a search, and the seconds that its proposals took."""
    factors = Factors(problem.space)
    history = begun(problem, factors)
    search = kind(problem, factors, evaluations, seed)
    generator, seconds = np.random.default_rng((seed, 1)), 0.0
    while len(history.rows) < evaluations:
        started = time.perf_counter()
        proposed = search.propose(history)
        seconds += time.perf_counter() - started
        row = _new(proposed, history, generator)
        history = history.with_design(row, problem.evaluate(factors.parameters(row)))
    return history, seconds


def begun(problem: Problem, factors: Factors) -> History:
    """Returns the history of the uniform designs."""
    designs = problem.uniform()
    rows = np.array([factors.row(parameters) for parameters in designs])
    return History(factors, rows, [problem.evaluate(parameters) for parameters in designs])


def _new(row: Rows, history: History, generator: np.random.Generator) -> Rows:
    """Returns a design with single factors changed at random until it is new."""
    known, sizes = history.known, history.factors.sizes
    row = np.minimum(row, sizes - 1)
    for _ in range(_CHANGES):
        if row.tobytes() not in known:
            break
        at = generator.choice(history.factors.free)
        row = row.copy()
        row[at] = generator.integers(sizes[at])
    return row


class Store:
    """Results of runs in a folder, one file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def result(
        self, problem: Problem, name: str, kind: type[Search], evaluations: int, seed: int
    ) -> tuple[History, float]:
        """Returns a run's result, of an earlier process if it has one."""
        words = f"{problem.name}-{name}-{evaluations}-{seed}".replace(" ", "_").replace(",", "")
        path = self._folder / f"{words}.json"
        factors = Factors(problem.space)
        if path.is_file():
            stored = json.loads(path.read_text(encoding="utf-8"))
            seen = [Seen(**{**each, "costs": tuple(each["costs"])}) for each in stored["seen"]]
            return History(factors, np.array(stored["rows"], dtype=np.intp), seen), stored["seconds"]
        history, seconds = run(problem, kind, evaluations, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {"rows": history.rows.tolist(), "seen": [asdict(each) for each in history.seen], "seconds": seconds}
        path.write_text(json.dumps(document), encoding="utf-8")
        return history, seconds
