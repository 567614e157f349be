"""The surrogate: its predictions, its proposals, and that it finds more than random search does."""

from dataclasses import replace

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from dse.design.evaluation import Level
from dse.design.metrics import DEFAULT_OBJECTIVES
from dse.design.pareto import hypervolume, relative_costs
from dse.design.point import Finetune
from dse.design.space import RescalerVariable, SearchSpace, SharedVariable, ShiftVariable, WeightsVariable
from dse.search.atoms import Atoms
from dse.search.baselines import baselines
from dse.search.candidates import changed, favoured
from dse.search.costs import Costs
from dse.search.disturbance import compressed
from dse.search.factors import Factors, Rows
from dse.search.sampler import DistinctSampler, make_sampler
from dse.search.surrogate import Evaluated, Surrogate, improvements
from dse.search.surrogate_sampler import SurrogateSampler
from dse.study.search import SearchSpec
from dse.study.values import Sampler
from nets.network.operators import Method
from studies.experiments.search.synthetic import Synthetic
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
FACTORS = Factors(MIXED)


def drawn(count: int, seed: int = 0, factors: Factors = FACTORS) -> Rows:
    return factors.random(count, np.random.default_rng(seed))


def test_a_row_and_its_parameters_are_the_same_design() -> None:
    for row in drawn(200):
        parameters = FACTORS.parameters(row)
        assert MIXED.snapped(parameters) == parameters
        assert (FACTORS.row(parameters) == row).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_rows_are_equal_exactly_if_designs_are(seed: int) -> None:
    generator = np.random.default_rng(seed)
    parameters = [
        {key: values[generator.integers(len(values))] for key, values in MIXED.values.items()} for _ in range(60)
    ]
    rows = [FACTORS.row(each).tobytes() for each in parameters]
    digests = [MIXED.point(each).digest for each in parameters]
    pairs = set(zip(rows, digests, strict=True))
    assert len(pairs) == len(set(rows)) == len(set(digests))


def test_a_baseline_outside_the_space_has_a_row_of_its_own_and_a_nearest_design_inside() -> None:
    factors = Factors(MIXED)
    assert (factors.int32 >= factors.sizes).any()
    (inside,) = factors.inside(factors.int32[None])
    assert (inside < factors.sizes).all()
    parameters = factors.parameters(inside)
    assert (parameters["a.multiplier_bits"], parameters["b.weight_bits"], parameters["lanes"]) == (8, 6, 2)


def test_a_window_without_an_effect_has_no_term() -> None:
    factors = Factors(MIXED)
    atoms = Atoms(factors.factors)
    one = factors.parameters(drawn(1)[0])
    designs = [
        factors.row({**one, "c.multiplier_bits": k, "c.method": method, "c.shift_bits": window})
        for k, method, window in ((1, "round", 0), (1, "round", 3), (1, "absorb", 0), (1, "absorb", 3))
    ]
    frozen, same, constant, wide = atoms.sums(np.array(designs), atoms.means)
    assert frozen == same
    assert constant > wide


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_slopes_are_the_derivatives_of_the_sums(seed: int) -> None:
    factors, generator = Factors(MIXED), np.random.default_rng(seed)
    atoms = Atoms(factors.factors)
    rows = drawn(8, seed, factors)
    parameters = atoms.means + atoms.deviations * generator.normal(size=len(atoms.means))
    step = 1e-6 * np.eye(len(parameters))
    slopes = [(atoms.sums(rows, parameters + d) - atoms.sums(rows, parameters - d)) / 2e-6 for d in step]
    assert atoms.slopes(rows, parameters) == pytest.approx(np.array(slopes).T, rel=1e-4, abs=1e-6)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_changes_differ_from_a_parent_in_one_to_six_factors(seed: int) -> None:
    parents, generator = drawn(3, seed), np.random.default_rng(seed)
    costs = generator.random((len(FACTORS.factors), int(FACTORS.sizes.max())))
    rows = changed(parents, costs, FACTORS.sizes, 50, generator)
    distances = (rows[:, None] != parents[None]).sum(axis=2).min(axis=1)
    assert distances.max() <= 6
    assert distances.max() >= 1
    assert (rows < FACTORS.sizes).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_favoured_designs_are_not_dominated_by_any_design_in_the_sums(seed: int) -> None:
    generator = np.random.default_rng(seed)
    sizes = np.array([2, 3, 4])
    effects, costs = generator.random((3, 4)), generator.random((2, 3, 4))
    rows = favoured(effects, costs, sizes, 20, generator)
    every = np.array(list(np.ndindex(*sizes)))

    def sums(designs: Rows) -> np.ndarray:
        tables = np.concatenate([effects[None], costs])
        return tables[:, np.arange(3), designs].sum(axis=2).T

    found, all_sums = sums(rows), sums(every)
    no_worse = (all_sums[None] <= found[:, None] + 1e-12).all(axis=2)
    assert not (no_worse & (all_sums[None] < found[:, None] - 1e-9).any(axis=2)).any()


def closed_form_of(rows: Rows, factors: Factors) -> Evaluated:
    """The closed form's drops in units of 5 pp, and its costs relative to int32's."""
    points = [SPACE.point(factors.parameters(row)) for row in rows]
    values = np.array([closed_form(point, Level.INTEGER) for point in points])
    return Evaluated(rows, values[:, 0] / 5, None, values[:, 1:] / (15500.0, 480.5))


def test_sums_are_predicted() -> None:
    factors = Factors(SPACE)
    known, true = closed_form_of(drawn(150, 1, factors), factors), closed_form_of(drawn(100, 2, factors), factors)
    model = Surrogate(factors, known)
    assert (np.abs(model.costs.predict(true.rows) - true.costs) < 0.01 * np.ptp(true.costs, axis=0)).all()
    assert np.corrcoef(model.losses(true.rows), true.losses)[0, 1] > 0.999


def test_deviations_from_sums_are_learned_and_known_losses_are_certain() -> None:
    factors, each = Factors(SPACE), np.arange(5)
    luck = np.exp(np.random.default_rng(0).normal(0.0, 0.8, size=(5, int(factors.sizes[0]))))
    alone = np.array([[(3.0 if m == "round" else 1.5) / 2**k for k, m in f.values] for f in factors.factors])

    def of(seed: int, count: int) -> Evaluated:
        rows = drawn(count, seed, factors)
        return Evaluated(rows, (alone * luck)[each, rows].sum(axis=1) / 5, None, closed_form_of(rows, factors).costs)

    known, true = of(1, 200), of(2, 100)
    model = Surrogate(factors, known)
    sums = model.disturbance.expected(true.rows)
    errors = np.abs(compressed(model.losses(true.rows)) - compressed(true.losses))
    assert errors.mean() < 0.8 * np.abs(sums - compressed(true.losses)).mean()
    deviation = [
        compressed(model.losses(each.rows)) - compressed(model.losses(each.rows, 1.0)) for each in (known, true)
    ]
    assert np.mean(deviation[0]) < np.mean(deviation[1])


def test_costs_that_are_known_beforehand_are_exact() -> None:
    problem = Synthetic(3, rescalers=12)
    factors = Factors(problem.space)
    rows, others = drawn(12, 1, factors), drawn(50, 2, factors)
    known = Costs(factors, rows, problem.relative_costs(rows), problem.costs[:, :, : int(factors.sizes[0])])
    learned = Costs(factors, rows, problem.relative_costs(rows))
    true = problem.relative_costs(others)
    assert known.predict(others) == pytest.approx(true, abs=1e-12)
    assert np.abs(learned.predict(others) - true).max() > 1e-4


def test_designs_of_values_without_a_price_are_not_learned_from() -> None:
    problem = Synthetic(3, rescalers=5)
    factors = Factors(problem.space)
    rows = drawn(12, 1, factors)
    prices = problem.costs.copy()
    prices[:, :, 2] = np.nan
    spoilt = problem.relative_costs(rows) + np.where((rows == 2).any(axis=1), 7.0, 0.0)[:, None]
    others = np.where(drawn(50, 2, factors) == 2, 3, drawn(50, 2, factors))
    assert Costs(factors, rows, spoilt, prices).predict(others) == pytest.approx(problem.relative_costs(others))


def test_a_divergence_shows_sensitivities_that_lucky_losses_hide() -> None:
    """Correlation of expected losses with the truth, if 100 samples hide what 12 rescalers do."""
    generator, agreement = np.random.default_rng(0), []
    for seed in range(4):
        problem = Synthetic(seed, rescalers=12, samples=100)
        factors = Factors(problem.space)
        rows, unknown = generator.integers(1, 6, size=(60, 12)), generator.integers(1, 6, size=(200, 12))
        seen = np.array([problem.seen(row) for row in rows])
        loss_only = Evaluated(rows, seen[:, 1] / 0.2, None, problem.relative_costs(rows))
        both = replace(loss_only, divergences=seen[:, 2], samples=100, reference=0.2)
        models = [Surrogate(factors, each) for each in (loss_only, both)]
        agreement.append([spearmanr(model.losses(unknown), problem.true_drops(unknown))[0] for model in models])
    hidden, shown = np.mean(agreement, axis=0)
    assert shown > hidden + 0.02


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
    ours = [volume(searched("surrogate", seed, 30)) for seed in range(2)]
    chance = [volume(searched("random", seed, 120)) for seed in range(2)]
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
