"""The surrogate: its predictions, its proposals, and that it finds more than random search does."""

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.design.evaluation import Level
from dse.design.metrics import DEFAULT_OBJECTIVES
from dse.design.pareto import hypervolume, relative_costs
from dse.design.point import Finetune
from dse.design.space import RescalerVariable, SearchSpace, SharedVariable, ShiftVariable, WeightsVariable
from dse.search.baselines import baselines
from dse.search.sampler import DistinctSampler, make_sampler
from dse.search.surrogate import Designs, Encoding, Model, Rows, improvements
from dse.search.surrogate_sampler import SurrogateSampler
from dse.study.spec import SearchSpec
from dse.study.values import Sampler
from nets.network.operators import Method
from tests.fakes import closed_form

WIDTHS = (1, 2, 3, 4, 5, 6, 8, 12, 16, 31)
BOTH = (Method.ROUND, Method.ABSORB)
SPACE = SearchSpace(tuple(RescalerVariable(name, WIDTHS, BOTH) for name in "abcde"), (Finetune.NONE,))  # 20**5 designs
MIXED = SearchSpace(
    (
        RescalerVariable("a", (2, 4, 8), (Method.ROUND,), narrowest_bits=1),
        RescalerVariable("b", (3, 6, 31), BOTH, weights=WeightsVariable(("b",), (3, 4, 6), 8)),
        RescalerVariable("c", (1, 31), BOTH, shifts=ShiftVariable(("c",), (0, 2, 3))),
    ),
    (Finetune.NONE, Finetune.SHORT),
    shared=(SharedVariable("contract", ("half_up", "floor"), "half_up"), SharedVariable("lanes", (16, 2, 4), 1)),
)
ENCODING = Encoding(MIXED)


def drawn(count: int, seed: int = 0, encoding: Encoding = ENCODING) -> Rows:
    return encoding.random(count, np.random.default_rng(seed))


def of_parameters(rows: Rows, encoding: Encoding = ENCODING) -> Designs:
    encoded = [encoding.of_parameters(encoding.parameters(row)) for row in rows]
    return Designs(np.array([f.errors for f in encoded]), np.array([f.bumps for f in encoded]))


def test_designs_read_alike_as_rows_and_as_parameters() -> None:
    rows = drawn(200)
    for row in rows:
        parameters = ENCODING.parameters(row)
        assert MIXED.snapped(parameters) == parameters
        assert (ENCODING.of_parameters(parameters).row == row).all()
    assert (ENCODING.of_rows(rows).errors == of_parameters(rows).errors).all()
    assert (ENCODING.of_rows(rows).bumps == of_parameters(rows).bumps).all()


def test_a_baseline_outside_the_space_has_the_row_of_its_nearest_design_and_features_of_its_own() -> None:
    int32 = MIXED.parameters(MIXED.uniform(31, Method.ROUND, Finetune.NONE))
    encoded = ENCODING.of_parameters(int32)
    inside = ENCODING.parameters(encoded.row)
    assert (inside["a.multiplier_bits"], inside["b.weight_bits"], inside["lanes"]) == (8, 6, 2)
    assert (encoded.errors != ENCODING.of_parameters(inside).errors).any()


def test_two_widths_differ_by_the_error_of_the_coarser_one() -> None:
    rows = [ENCODING.of_parameters({**ENCODING.parameters(drawn(1)[0]), "b.multiplier_bits": k}) for k in (3, 6, 31)]
    near, far = np.abs(rows[1].errors - rows[2].errors).sum(), np.abs(rows[0].errors - rows[2].errors).sum()
    assert far == pytest.approx(2.0 ** -(3 - 3) - 2.0 ** -(31 - 3))
    assert near == pytest.approx(2.0 ** -(6 - 3) - 2.0 ** -(31 - 3))


def test_a_window_without_an_effect_has_the_features_of_natural_shifts() -> None:
    one = ENCODING.parameters(drawn(1)[0])
    designs = [
        {**one, "c.multiplier_bits": k, "c.method": method, "c.shift_bits": window}
        for k, method, window in ((1, "round", 0), (1, "round", 6), (1, "absorb", 0), (1, "absorb", 6))
    ]
    frozen, same, constant, natural = (ENCODING.of_parameters(design) for design in designs)
    assert (frozen.errors == same.errors).all()
    assert (frozen.bumps == same.bumps).all()
    assert (constant.errors != natural.errors).any()
    assert (constant.bumps != natural.bumps).any()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_neighbours_change_one_to_three_choices_of_a_parent(seed: int) -> None:
    parents = drawn(3, seed)
    rows = ENCODING.neighbours(parents, 50, np.random.default_rng(seed))
    distances = (rows[:, None] != parents[None]).sum(axis=2).min(axis=1)
    assert distances.max() <= 3
    assert distances.max() >= 1
    assert all(MIXED.snapped(ENCODING.parameters(row)) == ENCODING.parameters(row) for row in rows)


def test_costs_that_add_up_are_predicted_and_known_accuracies_are_certain() -> None:
    encoding = Encoding(SPACE)
    evaluated, unknown = drawn(250, 1, encoding), drawn(100, 2, encoding)

    def values(rows: Rows) -> np.ndarray:
        points = [SPACE.point(encoding.parameters(row)) for row in rows]
        return np.array([closed_form(point, Level.INTEGER) for point in points])

    known, true = values(evaluated), values(unknown)
    known[:, 0], true[:, 0] = known[:, 0] / 5, true[:, 0] / 5  # in units of the reference point
    model = Model(encoding.of_rows(evaluated), known[:, 0], known[:, 1:], encoding.variables)
    drops, costs = model.predict(encoding.of_rows(unknown), 0.0)
    assert (np.abs(costs - true[:, 1:]) < 0.005 * np.ptp(true[:, 1:], axis=0)).all()
    assert np.corrcoef(drops, true[:, 0])[0, 1] > 0.9
    certain = model.predict(encoding.of_rows(evaluated), 0.0)[0] - model.predict(encoding.of_rows(evaluated), 1.0)[0]
    doubtful = drops - model.predict(encoding.of_rows(unknown), 1.0)[0]
    assert certain.max() < doubtful.min()


@given(st.integers(2, 4), st.integers(0, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_improvements_are_differences_of_hypervolumes(objectives: int, members: int, seed: int) -> None:
    """The reference counts dominated cells of a grid."""
    generator, end = np.random.default_rng(seed), 5
    front = generator.integers(0, end, size=(members, objectives)).astype(float)
    points = generator.integers(0, end + 2, size=(8, objectives)).astype(float)
    cells = np.stack(np.meshgrid(*[np.arange(end)] * objectives), axis=-1).reshape(-1, objectives)

    def covered(by: np.ndarray) -> int:
        return int((by[None] <= cells[:, None]).all(axis=2).any(axis=1).sum())

    added = improvements(points, front, np.full(objectives, float(end)))
    wanted = [covered(np.vstack([front, point])) - covered(front) for point in points]
    assert added == pytest.approx(np.array(wanted))


def searched(sampler: Sampler, seed: int, trials: int, **limits: float) -> optuna.Study:
    """Returns a study of the closed form, with limits on metrics if any are given."""
    inner = make_sampler(SearchSpec(sampler=sampler), SPACE, seed)
    study = optuna.create_study(directions=["minimize"] * 3, sampler=inner)
    for _, point in baselines(SPACE, (1, 4)):
        study.enqueue_trial(SPACE.parameters(point))
    for _ in range(trials):
        trial = study.ask(dict(SPACE.distributions))
        values = closed_form(SPACE.point(trial.params), Level.INTEGER)
        for metric, at_most in limits.items():
            trial.set_constraint(metric, values[DEFAULT_OBJECTIVES.index(metric)] - at_most)
        study.tell(trial, (0.03 * values[0], *values[1:]))  # nats, as the driver tells them
    return study


def volume(study: optuna.Study) -> float:
    values = np.array([trial.values for trial in study.trials]) / (0.03, 1.0, 1.0)
    return hypervolume(relative_costs(values, values[0]))


def test_it_finds_more_than_chance_in_a_quarter_of_the_trials() -> None:
    ours = [volume(searched("surrogate", seed, 60)) for seed in range(3)]
    chance = [volume(searched("random", seed, 240)) for seed in range(3)]
    assert min(ours) > max(chance)


def test_designs_that_keep_the_constraints_come_first() -> None:
    limits = {"rescaler_area_um2": 1500.0, "val_accuracy_drop_pp": 2.0}  # one design in two hundred drawn evenly
    study = searched("surrogate", 0, 60, **limits)
    kept = [max(trial.constraints.values()) <= 0 for trial in study.trials]
    assert np.mean(kept[30:]) > 0.7
    assert np.mean(kept[:10]) < 0.2


def test_trials_asked_together_are_different_designs() -> None:
    study = searched("surrogate", 0, 20)
    asked = [study.ask(dict(SPACE.distributions)).params for _ in range(12)]
    assert len({SPACE.point(parameters).digest for parameters in asked}) == 12
    inner = SurrogateSampler(SPACE, DEFAULT_OBJECTIVES, 0)
    alone = inner.sample_relative(study, study.trials[-1], dict(SPACE.distributions))
    assert alone not in asked  # the sampler itself passes over what is pending; nothing has to be changed afterwards


@pytest.mark.parametrize("objectives", [2, 4])
def test_any_number_of_objectives(objectives: int) -> None:
    inner = SurrogateSampler(MIXED, (*DEFAULT_OBJECTIVES, DEFAULT_OBJECTIVES[-1])[:objectives], 0)
    study = optuna.create_study(
        directions=["minimize"] * objectives, sampler=DistinctSampler(lambda _number: inner, MIXED, 0)
    )
    proposed = set()
    for _ in range(30):
        trial = study.ask(dict(MIXED.distributions))
        point = MIXED.point(trial.params)
        proposed.add(point.digest)
        drop, area, energy = closed_form(point, Level.INTEGER)
        study.tell(trial, (drop, area, energy, area + energy)[:objectives])
    assert len(proposed) == 30
