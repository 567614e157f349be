"""Costs that are known before an evaluation, against evaluations."""

from dataclasses import replace

import numpy as np
import pytest

from dse.design import Evaluation, Job, Level, search_objectives, values_of
from dse.design.metrics import ACCELERATOR_AREA, DEFAULT_OBJECTIVES
from dse.evaluate.evaluator import Evaluator
from dse.evaluate.prices import prices_of
from dse.search.factors import Factors
from dse.search.sampler import known_before
from dse.study.prepared import PreparedStudy


@pytest.mark.parametrize("objectives", [DEFAULT_OBJECTIVES[1:], (ACCELERATOR_AREA.name,)])
def test_sums_of_prices_are_the_costs_of_designs(digits: PreparedStudy, objectives: tuple[str, ...]) -> None:
    space = digits.space
    factors = Factors(space)
    prices = prices_of(digits, factors.choices, objectives)
    assert prices is not None
    evaluator = Evaluator(digits)

    def costs(parameters: dict[str, str | int]) -> np.ndarray:
        point = replace(space.point(parameters), finetune=space.finetune[0])
        evaluation = evaluator.run(Job(0, point, Level.INTEGER))
        assert isinstance(evaluation, Evaluation)
        return np.array(values_of(evaluation, objectives))

    int32 = costs(factors.parameters(factors.int32))
    each = np.arange(len(factors.factors))
    for row in factors.random(4, np.random.default_rng(0)):
        expected = costs(factors.parameters(row)) / int32
        assert prices[:, each, row].sum(axis=1) == pytest.approx(expected, rel=0.02)
    assert prices[:, each, factors.int32].sum(axis=1) == pytest.approx(1.0)


def test_a_search_knows_the_prices_and_samples_of_its_study(digits: PreparedStudy) -> None:
    objectives = search_objectives(DEFAULT_OBJECTIVES)
    known = known_before(digits, digits.space, objectives)
    assert known.samples == len(digits.members[0].splits.validation)
    assert known.prices is not None
    assert known_before(None, digits.space, objectives).prices is None


def test_too_many_choices_have_no_prices(digits: PreparedStudy) -> None:
    variable = digits.space.rescalers[0]
    choices: list[dict[str, str | int]] = [
        {f"{variable.name}.multiplier_bits": bits, f"{variable.name}.method": method, f"{variable.name}.shift_bits": s}
        for bits in range(1, 17)
        for method in ("round", "absorb")
        for s in range(3)
    ]
    assert prices_of(digits, [(variable, choices)], DEFAULT_OBJECTIVES[1:]) is None
