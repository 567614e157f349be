"""Time of a proposal at 5,000 trials of 126 variables, beside Optuna's TPE in one process, and of reading the trials.

Only ratios are meaningful; absolute figures belong to one machine. Run with ``make benchmark``.
"""

import time

import numpy as np
import optuna
import pytest
from optuna.samplers import TPESampler
from optuna.trial import create_trial
from pytest_benchmark.fixture import BenchmarkFixture

from dse.design import DIVERGENCE, Finetune, RescalerVariable, SearchSpace, search_objectives
from dse.design.metrics import DEFAULT_OBJECTIVES
from dse.search.factors import Factors
from dse.search.sampler import DistinctSampler
from dse.search.surrogate_sampler import Beforehand, SurrogateSampler
from nets.network.operators import Method

RESCALERS, TRIALS, ASKS = 63, 5000, 12
WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 31)
BOTH = (Method.ROUND, Method.ABSORB)
KINDS = ("conv", "depthwise", "add")
VARIABLES = tuple(RescalerVariable(f"{KINDS[n % 3]}_{n}", WIDTHS, BOTH) for n in range(RESCALERS))
SPACE = SearchSpace(VARIABLES, (Finetune.NONE,))
FACTORS = Factors(SPACE)
VALUES = FACTORS.factors[0].values
GENERATOR = np.random.default_rng(0)
PRICES = GENERATOR.gamma(2.0, size=(2, RESCALERS))[:, :, None] * np.array([3.0 + int(value[0]) for value in VALUES])
PRICES /= PRICES.max(axis=2).sum(axis=1)[:, None, None]
EFFECTS = GENERATOR.gamma(1.0, size=RESCALERS)[:, None] * np.array([2.0 ** -int(value[0]) for value in VALUES])


def values_of(row: np.ndarray) -> tuple[float, float, float]:
    each = np.arange(RESCALERS)
    area, energy = PRICES[:, each, row].sum(axis=1)
    return float(EFFECTS[each, row].sum()) / RESCALERS, float(area), float(energy)


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    study = optuna.create_study(directions=["minimize"] * 3)
    distributions = dict(SPACE.distributions)
    trials = []
    for row in FACTORS.random(TRIALS, GENERATOR):
        values = values_of(row)
        figures = {DIVERGENCE.name: values[0]}
        trials.append(
            create_trial(params=FACTORS.parameters(row), distributions=distributions, values=values, user_attrs=figures)
        )
    study.add_trials(trials)
    return study


def milliseconds_per_ask(study: optuna.Study) -> list[float]:
    times = []
    for _ in range(ASKS):
        started = time.process_time()
        trial = study.ask(dict(SPACE.distributions))
        times.append(1000 * (time.process_time() - started))
        values = values_of(FACTORS.row(trial.params))
        trial.set_user_attr(DIVERGENCE.name, values[0])
        study.tell(trial, values)
    return times


def test_a_proposal_takes_less_than_a_third_of_tpes(benchmark: BenchmarkFixture, study: optuna.Study) -> None:
    def both() -> tuple[list[float], float, list[float]]:
        inner = SurrogateSampler(SPACE, search_objectives(DEFAULT_OBJECTIVES), 0, Beforehand(400, PRICES))
        sampler = DistinctSampler(lambda _number: inner, SPACE, 0)
        started = time.process_time()
        for trial in study.get_trials(deepcopy=False):
            sampler.remember(trial.params)
        reading = time.process_time() - started
        study.sampler = sampler
        ours = milliseconds_per_ask(study)
        tpe = TPESampler(seed=0, multivariate=True)
        study.sampler = DistinctSampler(lambda _number: tpe, SPACE, 0)
        return ours, reading, milliseconds_per_ask(study)

    ours, reading, tpes = benchmark.pedantic(both, rounds=1)
    print(f"first {ours[0]:.0f} ms (with a fit), median {np.median(ours):.0f} ms, TPE {np.median(tpes):.0f} ms")
    print(f"read {TRIALS} trials in {reading:.2f} s")
    assert np.median(ours) < np.median(tpes) / 3
    assert reading < 0.02 * TRIALS * np.median(tpes) / 1000
