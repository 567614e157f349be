"""Samplers never propose a design twice, and leave queued trials alone."""

import math
from typing import get_args

import optuna
import pytest
from optuna.trial import TrialState

from dse.design.point import Finetune
from dse.design.roles import Role
from dse.design.space import RescalerVariable, SearchSpace
from dse.search.baselines import baselines
from dse.search.sampler import make_sampler
from dse.study.prepared import PreparedStudy
from dse.study.search import SearchSpec
from dse.study.space import space_over
from dse.study.values import Sampler
from nets.narrow.narrowing import RescalerChoice
from nets.network.operators import Method
from tests import stores

SAMPLERS = list(get_args(Sampler))
SPACE = SearchSpace(
    (
        RescalerVariable("a", (1, 2, 4), (Method.ROUND, Method.ABSORB)),
        RescalerVariable("b", (1, 3, 31), (Method.ROUND,)),
    ),
    (Finetune.NONE, Finetune.SHORT),
)
DESIGNS = 3 * 2 * 3 * 2


def new_study(name: str, space: SearchSpace, seed: int = 0) -> optuna.Study:
    search = SearchSpec(sampler=name)  # type: ignore[arg-type]
    return optuna.create_study(directions=["minimize"] * 3, sampler=make_sampler(search, space, seed))


def values_of(trial: optuna.Trial) -> list[float]:
    bits = [float(value) for key, value in trial.params.items() if key.endswith("bits")]
    return [sum(1 / b for b in bits), sum(bits), math.prod(bits)]


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_design_of_a_space_is_proposed_once_before_any_twice(name: str) -> None:
    study = new_study(name, SPACE)
    proposed = []
    for _ in range(DESIGNS):
        trial = study.ask(dict(SPACE.distributions))
        proposed.append(SPACE.point(trial.params).digest)
        study.tell(trial, values_of(trial))
    assert len(set(proposed)) == DESIGNS


@pytest.mark.parametrize("name", SAMPLERS)
def test_trials_asked_together_differ_whatever_became_of_earlier_ones(name: str) -> None:
    """Earlier trials are complete with constraints, failed, or still running."""
    study = new_study(name, SPACE)
    for number in range(12):
        trial = study.ask(dict(SPACE.distributions))
        if number % 4 == 3:
            study.tell(trial, state=TrialState.FAIL)
            continue
        trial.set_constraint("rescaler_area_um2", float(number - 6))
        study.tell(trial, values_of(trial))
    asked = [study.ask(dict(SPACE.distributions)) for _ in range(DESIGNS - 12)]
    assert len({SPACE.point(trial.params).digest for trial in [*study.trials[:12], *asked]}) == DESIGNS


def test_an_exhausted_space_repeats_instead_of_waiting_for_ever() -> None:
    study = new_study("random", SPACE)
    for _ in range(DESIGNS + 3):
        trial = study.ask(dict(SPACE.distributions))
        study.tell(trial, values_of(trial))
    assert len(study.trials) == DESIGNS + 3


@pytest.mark.parametrize("name", SAMPLERS)
def test_proposals_lie_in_the_space_of_the_network(name: str, digits: PreparedStudy) -> None:
    spec = digits.spec.search.model_copy(update={"multiplier_bits": (3, 6, 31)})
    space = space_over(digits.operators, spec, Finetune.SHORT)
    study = new_study(name, space)
    for _ in range(40):
        trial = study.ask(dict(space.distributions))
        study.tell(trial, values_of(trial))
        assert all(trial.params[key] in allowed for key, allowed in space.values.items())


@pytest.mark.parametrize("name", SAMPLERS)
def test_queued_trials_keep_their_own_parameters(name: str, digits: PreparedStudy) -> None:
    spec = digits.spec.search.model_copy(
        update={"sampler": name, "multiplier_bits": (3, 6)}
    )  # the baselines lie outside
    space = space_over(digits.operators, spec, Finetune.SHORT)
    store = stores.opened(optuna.storages.InMemoryStorage(), "queued")
    store.use(make_sampler(spec, space, 0), space)
    wanted = baselines(space, (1, 4))
    for role, point in wanted:
        store.enqueue(space, point, role)
    for role, point in wanted:
        trial = store.ask(space)
        assert (trial.user_attrs["role"], space.point(trial.params)) == (role, point)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_same_seed_proposes_the_same_designs(name: str) -> None:
    def proposals(seed: int) -> list[str]:
        study = new_study(name, SPACE, seed)
        digests = []
        for _ in range(20):
            trial = study.ask(dict(SPACE.distributions))
            digests.append(SPACE.point(trial.params).digest)
            study.tell(trial, values_of(trial))
        return digests

    assert proposals(3) == proposals(3)
    assert proposals(3) != proposals(4)


def test_queued_designs_and_those_in_the_study_are_not_proposed_again() -> None:
    known = SPACE.point(
        {"a.multiplier_bits": 1, "a.method": "round", "b.multiplier_bits": 1, "b.method": "round", "finetune": "none"}
    )
    stored = SPACE.uniform(1, Method.ABSORB, Finetune.NONE)
    assert dict(stored.choices)["a"] == RescalerChoice(1, Method.ABSORB)
    storage = optuna.storages.InMemoryStorage()
    first = stores.opened(storage, "s")
    first.use(make_sampler(SearchSpec(sampler="random"), SPACE, 0), SPACE)
    first.enqueue(SPACE, stored, Role.UNIFORM_ABSORB)
    second = stores.opened(storage, "s")  # as a resumed driver opens it
    second.use(make_sampler(SearchSpec(sampler="random"), SPACE, 1), SPACE)
    second.enqueue(SPACE, known, Role.SEARCH)
    digests = [SPACE.point(second.ask(SPACE).params).digest for _ in range(DESIGNS)]
    assert digests[:2] == [stored.digest, known.digest]
    assert len(set(digests)) == DESIGNS
    assert all(trial.state is TrialState.RUNNING for trial in second.trials())
