"""The search experiment: the problem whose truth is known, its rivals, and the arithmetic of its tables."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from dse.design import hypervolume
from dse.search.factors import Factors
from studies.experiments.search.page import Result, table, with_interval
from studies.experiments.search.problem import History, Seen
from studies.experiments.search.rivals import SEARCHES
from studies.experiments.search.runs import Store, begun, run
from studies.experiments.search.synthetic import WIDTHS, Synthetic

SMALL = Synthetic(0, rescalers=6, samples=200)


def test_true_drops_are_those_of_very_many_samples() -> None:
    problem = Synthetic(2, rescalers=6, samples=400_000)
    for width in (0, 2, 4):
        row = np.full(6, width)
        (expected,) = problem.true_drops(row[None])
        drop, loss, divergence = problem.seen(row)
        assert drop == pytest.approx(expected, abs=0.25)
        assert loss > 0
        assert divergence >= 0


def test_int32_costs_one_and_is_hardly_disturbed() -> None:
    (row,) = [np.full(6, len(WIDTHS) - 1)]
    assert SMALL.relative_costs(row[None]) == pytest.approx(np.ones((1, 2)))
    assert SMALL.true_drops(row[None])[0] < 1e-3


def test_no_design_of_a_small_problem_is_beyond_its_ideal_front() -> None:
    problem = Synthetic(1, rescalers=3)
    every = np.array(list(np.ndindex(9, 9, 9)))
    values = np.column_stack([problem.true_drops(every), problem.relative_costs(every)])
    assert problem.attainable <= hypervolume(values) + 1e-9
    assert problem.attainable > 0.93 * hypervolume(values)  # the convex part of the front of few designs


@pytest.mark.parametrize("seed", range(3))
def test_uniform_designs_leave_a_tenth_to_be_gained(seed: int) -> None:
    problem = Synthetic(seed)
    history = begun(problem, Factors(problem.space))
    assert 0.86 < history.found / problem.attainable < 0.95


@pytest.mark.parametrize("name", [name for name in SEARCHES if name != "gp"])  # seconds per proposal
def test_every_search_evaluates_new_designs_after_the_same_uniform_ones(name: str) -> None:
    history, seconds = run(SMALL, SEARCHES[name], 24, 0)
    assert len(history.known) == len(history.rows) == 24
    assert seconds > 0
    assert (history.rows[:9] == begun(SMALL, Factors(SMALL.space)).rows).all()
    assert history.found >= history.first(9).found


def test_a_search_that_was_run_is_read_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, _ = store.result(SMALL, "random", SEARCHES["random"], 15, 0)
    (path,) = tmp_path.iterdir()
    again, seconds = store.result(SMALL, "random", SEARCHES["random"], 15, 0)
    assert again.seen == tuple(first.seen) or list(again.seen) == list(first.seen)
    assert (again.rows == first.rows).all()
    assert seconds == json.loads(path.read_text())["seconds"]


def test_lucky_designs_add_nothing_beyond_int32_and_hide_others_from_the_report() -> None:
    factors = Factors(SMALL.space)
    rows = np.zeros((2, 6), dtype=np.intp)
    honest = Seen(0.01, 0.01, (0.5, 0.5), 1.0)
    lucky = Seen(-0.3, 0.01, (0.4, 0.4), 6.0)
    assert History(factors, rows[:1], [Seen(0.0, 0.0, (0.5, 0.5), -3.0)]).found == pytest.approx(5 * 0.25)
    both = History(factors, rows, [honest, lucky])
    assert both.found == pytest.approx(4 * 0.25)
    assert both.reported == 0


def test_the_interval_is_students() -> None:
    values = np.array([0.1, 0.3, 0.35, 0.6])
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    assert with_interval(values) == f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


def test_gains_are_shares_of_what_can_be_gained() -> None:
    runs = [run(SMALL, SEARCHES["random"], 12, seed) for seed in range(2)]
    result = Result.of(runs, 9, [SMALL.attainable] * 2)
    begin = runs[0][0].first(9).found
    expected = [(history.found - begin) / (SMALL.attainable - begin) for history, _ in runs]
    assert result.gains == pytest.approx(np.array(expected))
    lines = table({"random": [result]}, [12, 50])
    assert len({line.count("|") for line in lines}) == 1
    assert with_interval(result.gains) in lines[2]
