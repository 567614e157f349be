"""Many proposals in flight: pending designs count with their expected values."""

import numpy as np
import optuna

from dse.design import DIVERGENCE, hypervolume, search_objectives
from dse.design.metrics import DEFAULT_OBJECTIVES
from dse.search.factors import Factors
from dse.search.surrogate_sampler import Beforehand, SurrogateSampler
from studies.experiments.search.synthetic import Synthetic

PROBLEM = Synthetic(1, rescalers=20)
FACTORS = Factors(PROBLEM.space)
SPACE = dict(PROBLEM.space.distributions)


def tell(study: optuna.Study, trial: optuna.Trial) -> tuple[float, ...]:
    seen = PROBLEM.evaluate(trial.params)
    trial.set_user_attr(DIVERGENCE.name, seen.divergence)
    study.tell(trial, (seen.loss, *seen.costs))
    return seen.test_drop, *seen.costs


def begun(seed: int) -> tuple[optuna.Study, list[tuple[float, ...]]]:
    objectives = search_objectives(DEFAULT_OBJECTIVES)
    sampler = SurrogateSampler(PROBLEM.space, objectives, seed, Beforehand(PROBLEM.samples, PROBLEM.prices(FACTORS)))
    study = optuna.create_study(directions=["minimize"] * 3, sampler=sampler)
    for parameters in PROBLEM.uniform():
        study.enqueue_trial(parameters)
    uniform = [tell(study, study.ask(SPACE)) for _ in PROBLEM.uniform()]
    return study, [*uniform, *(tell(study, study.ask(SPACE)) for _ in range(6))]


def test_designs_proposed_together_gain_as_much_as_most_of_those_proposed_in_turn() -> None:
    gained = []
    for together in (1, 24):
        study, points = begun(seed=0)
        before = hypervolume(np.array(points))
        for _ in range(24 // together):
            trials = [study.ask(SPACE) for _ in range(together)]
            for trial in trials:
                assert trial.params  # proposed before the next one is
            points += [tell(study, trial) for trial in trials]
        gained.append(hypervolume(np.array(points)) - before)
    in_turn, at_once = gained
    assert at_once > 0.5 * in_turn


def test_a_proposal_depends_on_the_trials_alone() -> None:
    """A sampler that was there from the start proposes what one does that reads all trials at once."""
    study, _ = begun(seed=3)
    number = study.ask(SPACE)
    fresh = SurrogateSampler(
        PROBLEM.space,
        search_objectives(DEFAULT_OBJECTIVES),
        3,
        Beforehand(PROBLEM.samples, PROBLEM.prices(FACTORS)),
    )
    trials = [trial for trial in study.trials if trial.number < number.number]
    again = optuna.create_study(directions=["minimize"] * 3, sampler=fresh)
    again.add_trials(trials)
    assert again.ask(SPACE).params == number.params
