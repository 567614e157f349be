import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dse.design.metrics import DEFAULT_OBJECTIVES, DROP, LATENCY
from dse.design.pareto import hypervolume, non_dominated, rank_among, reference_point, relative_costs

INF, NAN = math.inf, math.nan
# Few distinct values, so that ties and duplicates are the rule.
MATRICES = st.integers(0, 25).flatmap(
    lambda n: arrays(np.float64, (n, 3), elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, INF, NAN]))
)


def better(one: np.ndarray, other: np.ndarray) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and any(a < b for a, b in zip(one, other, strict=True))


def by_brute_force(values: np.ndarray) -> list[bool]:
    valid = [row for row in values if not any(map(math.isnan, row))]
    return [not any(map(math.isnan, row)) and not any(better(other, row) for other in valid) for row in values]


@given(MATRICES)
def test_front_equals_brute_force(values: np.ndarray) -> None:
    assert non_dominated(values).tolist() == by_brute_force(values)


@given(MATRICES, st.integers(0, 2**32 - 1))
def test_front_does_not_depend_on_the_order_of_points(values: np.ndarray, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(values))
    assert (non_dominated(values)[order] == non_dominated(values[order])).all()


@pytest.mark.parametrize(
    ("values", "front"),
    [
        ([[1, 2, 3]], [True]),
        ([[1, 2, 3], [1, 2, 3]], [True, True]),
        ([[0, 1, 1], [1, 0, 1], [1, 1, 0], [1, 1, 1]], [True, True, True, False]),
        ([[0, 0, 0], [NAN, -1, -1]], [True, False]),
        ([[0, 0, INF], [0, 0, 1]], [False, True]),
        ([[NAN, NAN, NAN]], [False]),
    ],
)
def test_front_in_closed_form(values: list[list[float]], front: list[bool]) -> None:
    assert non_dominated(np.array(values, dtype=np.float64)).tolist() == front


def longest_chain(values: list[np.ndarray], point: np.ndarray) -> int:
    before = [row for row in values if better(row, point)]
    return max((1 + longest_chain(before, row) for row in before), default=0)


@given(MATRICES, arrays(np.float64, 3, elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])))
@settings(max_examples=50)
def test_rank_is_the_longest_chain_of_better_points(values: np.ndarray, point: np.ndarray) -> None:
    valid = values[~np.isnan(values).any(axis=1)][:10]
    assert rank_among(valid, point) == longest_chain(list(valid), point)


@pytest.mark.parametrize(
    ("points", "volume"),
    [
        ([], 0.0),
        ([[0, 0, 0]], 5.0),
        ([[5, 0, 0]], 0.0),
        ([[0, 1, 0]], 0.0),
        ([[6, 0, 0]], 0.0),
        ([[-1, 0, 0]], 5.0),
        ([[2.5, 0.5, 0.5]], 0.625),
        ([[2.5, 0.5, 0.5], [2.5, 0.5, 0.5]], 0.625),
        ([[0, 0.5, 0.5], [2.5, 0.25, 0.5]], 1.25 + 2.5 * 0.25 * 0.5),
        ([[0, 0.5, 0.5], [NAN, 0, 0]], 1.25),
        ([[INF, 0, 0]], 0.0),
    ],
)
def test_hypervolume_in_closed_form(points: list[list[float]], volume: float) -> None:
    assert hypervolume(np.array(points, dtype=np.float64).reshape(-1, 3)) == pytest.approx(volume)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5), st.integers(0, 5)), max_size=8))
def test_hypervolume_equals_counted_cells(points: list[tuple[int, int, int]]) -> None:
    """On a lattice, the volume is the number of cells that some point dominates."""
    cells = sum(
        any(a <= x and b <= y and c <= z for a, b, c in points) for x in range(5) for y in range(4) for z in range(4)
    )
    lattice = np.array(points, dtype=np.float64).reshape(-1, 3) * [1.0, 0.25, 0.25]
    assert hypervolume(lattice) == pytest.approx(cells / 16)


def test_relative_costs_divide_costs_only() -> None:
    values = np.array([[1.5, 200.0, 30.0], [-0.5, 50.0, 15.0]])
    assert relative_costs(values, values[0]).tolist() == [[1.5, 1.0, 1.0], [-0.5, 0.25, 0.5]]
    assert reference_point(DEFAULT_OBJECTIVES).tolist() == [5.0, 1.0, 1.0]
    with_latency = (DROP.name, LATENCY.name)
    assert hypervolume(np.array([[0.0, 1.0]]), with_latency) == pytest.approx(0.5), "int32's own latency counts"
