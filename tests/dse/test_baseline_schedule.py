"""When the baselines of a study are evaluated: the search does not wait for all of them if they take long."""

from dataclasses import replace
from pathlib import Path

import pytest

from dse.design import Finetune, Role
from dse.design.space import RescalerVariable, SearchSpace
from dse.search.baselines import baselines, schedule
from dse.search.driver import Driver
from dse.search.sampler import make_sampler
from dse.store.run_folder import RunFolder
from dse.store.trials import role_of
from dse.study.prepared import PreparedStudy
from dse.study.search import SearchSpec
from dse.study.space import space_over
from dse.workers import SerialPool
from nets.network.operators import Method
from tests import stores
from tests.fakes import ClosedForm

WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16)
BOTH = (Method.ROUND, Method.ABSORB)


def space_of(finetune: tuple[Finetune, ...]) -> SearchSpace:
    return SearchSpace(tuple(RescalerVariable(f"conv_{n}", (*WIDTHS, 31), BOTH) for n in range(4)), finetune)


@pytest.mark.parametrize(
    ("finetune", "trials", "first"),
    [
        ((Finetune.NONE, Finetune.SHORT), 120, 5),  # int32, its control, int16, the narrowest width by both methods
        ((Finetune.NONE,), 120, 12),
        ((Finetune.NONE,), 60, 10),
        ((Finetune.NONE,), 1000, 18),
        ((Finetune.NONE, Finetune.SHORT), 20, 19),  # too short to spread them
    ],
)
def test_the_search_starts_early(finetune: tuple[Finetune, ...], trials: int, first: int) -> None:
    space, search = space_of(finetune), SearchSpec(trials=trials)
    planned = schedule(space, search)
    assert sum(each.after == 0 for each in planned) == first
    assert [each.after for each in planned] == sorted(each.after for each in planned)
    assert planned[-1].after <= max(trials // 2, first)
    wanted = baselines(space, search.uniform_multiplier_bits)
    assert len(planned) == len(wanted)
    assert {(each.role, each.point.digest) for each in planned} == {(role, point.digest) for role, point in wanted}
    firsts = {(each.role, each.point.digest) for each in planned if each.after == 0}
    narrowest = {(Role.uniform(method), space.uniform(1, method, finetune[-1]).digest) for method in BOTH}
    assert narrowest <= firsts
    assert next(iter(planned)).role is Role.INT32


def test_the_middle_width_comes_before_its_neighbours() -> None:
    planned = schedule(space_of((Finetune.NONE, Finetune.SHORT)), SearchSpec(trials=200))
    later = [each.point.choices[0][1].multiplier_bits for each in planned if each.role is Role.UNIFORM_ROUND]
    assert later == [1, 6, 3, 12, 2, 4, 8, 16]


@pytest.mark.parametrize("batch", [None, 4])
def test_designs_of_the_search_stand_between_them(digits: PreparedStudy, tmp_path: Path, batch: int | None) -> None:
    search = digits.spec.search.model_copy(
        update={"trials": 40, "batch": batch, "uniform_multiplier_bits": (1, 2, 3, 4)}
    )
    prepared = replace(digits, spec=digits.spec.model_copy(update={"search": search}))
    space = space_over(digits.operators, search, prepared.spec.fidelity.finetune)

    def drive(folder: RunFolder, target: int) -> list[tuple[str, str]]:
        store = stores.opened(stores.journal_for_driver(folder.journal_path), "study")
        store.use(make_sampler(search, space, 0), space)
        Driver(prepared.spec, store, space, folder, SerialPool(ClosedForm)).run(target)
        return [(role_of(trial).value, space.point(trial.params).digest) for trial in store.complete()]

    straight = drive(RunFolder(tmp_path / "straight"), 40)
    drive(RunFolder(tmp_path / "halves"), 13)
    assert drive(RunFolder(tmp_path / "halves"), 40) == straight
    roles = [role for role, _ in straight]
    assert roles.index("search") == 5
    assert sorted(role for role in roles if role != "search") == sorted(
        role.value for role, _ in baselines(space, (1, 2, 3, 4))
    )
    assert max(at for at, role in enumerate(roles) if role != "search") <= 24
    assert len({digest for _, digest in straight}) == 40
