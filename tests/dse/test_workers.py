"""The contract of evaluator pools, run on every pool; a job comes back exactly once whatever becomes of its worker."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from dse.design.evaluation import Evaluation, Job, Level, TestScore
from dse.design.point import DesignPoint, Finetune
from dse.evaluate.evaluator import Evaluator
from dse.store.cache import EvaluationCache
from dse.study.prepared import PreparedStudy
from dse.study.space import space_over
from dse.workers import Completion, EvaluatorFactory, EvaluatorPool, SerialPool
from dse.workers.cached import CachedPool
from dse.workers.ray_pool import RayPool
from nets.narrow.narrowing import RescalerChoice
from nets.network.operators import Method
from tests.fakes import ClosedForm, Faulty, NeverStarts, values
from tests.rays import shared_ray

POINTS = [DesignPoint.of({"a": RescalerChoice(k)}, Finetune.NONE) for k in range(1, 13)]
TIMEOUT_S = 120.0  # longer than a job, or the news of a dead actor, takes on a busy machine
SHORT_TIMEOUT_S = 5.0  # of a job that hangs

MakePool = Callable[[EvaluatorFactory], EvaluatorPool]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with shared_ray():
        yield


@pytest.fixture(params=["serial", "ray", "cached"])
def make_pool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakePool]:
    made: list[EvaluatorPool] = []
    if request.param == "ray":
        request.getfixturevalue("cluster")

    def make(factory: EvaluatorFactory) -> EvaluatorPool:
        pool: EvaluatorPool = (
            RayPool(factory, workers=2, timeout_s=TIMEOUT_S) if request.param == "ray" else SerialPool(factory)
        )
        if request.param == "cached":
            cache = EvaluationCache(tmp_path / "cache")
            pool = CachedPool(pool, lambda job: f"{job.trial:02} {job.level}", cache)
        made.append(pool)
        return pool

    yield make
    for pool in made:
        pool.close()


@pytest.fixture
def ray_pool(request: pytest.FixtureRequest) -> Iterator[MakePool]:
    request.getfixturevalue("cluster")
    made: list[RayPool] = []

    def make(factory: EvaluatorFactory, timeout_s: float = TIMEOUT_S) -> EvaluatorPool:
        made.append(RayPool(factory, workers=2, timeout_s=timeout_s))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def done(pool: EvaluatorPool, jobs: int) -> dict[int, Completion]:
    """Run jobs as a driver does: never more than the capacity at a time."""
    waiting = [Job(trial, POINTS[trial], Level.INTEGER) for trial in range(jobs)]
    back: list[Completion] = []
    while waiting or pool.running:
        while waiting and pool.running < pool.capacity:
            before = pool.running
            pool.submit(waiting.pop(0))
            assert pool.running == before + 1
        back.append(pool.next())
    assert sorted(completion.job.trial for completion in back) == list(range(jobs))  # each exactly once
    for completion in back:
        assert (completion.result is None) == bool(completion.error)
        assert "\n" not in completion.error
    return {completion.job.trial: completion for completion in back}


def test_every_job_comes_back_once_with_its_result_or_its_error(make_pool: MakePool) -> None:
    pool = make_pool(partial(Faulty, raises=frozenset({1, 4}), unreadable=frozenset({6})))
    completions = done(pool, 12)
    assert {
        trial: completion.error for trial, completion in completions.items() if completion.error and trial != 6
    } == {
        1: "ValueError: trial 1 is broken",
        4: "ValueError: trial 4 is broken",
    }
    assert completions[6].error
    for trial in set(completions) - {1, 4, 6}:
        result = completions[trial].result
        assert isinstance(result, Evaluation)
        assert result.network_sha256 == POINTS[trial].digest
    pool.submit(Job(5, POINTS[0], Level.TEST))
    assert isinstance(pool.next().result, TestScore)
    pool.submit(Job(0, POINTS[0], Level.INTEGER))
    pool.close()
    assert pool.running == 0  # what ran is lost


def test_the_key_of_a_job_is_worked_out_once(tmp_path: Path) -> None:
    keys: list[int] = []

    def key(job: Job) -> str:
        keys.append(job.trial)
        return f"{job.trial:02}"

    for reused in (0, 6):
        keys.clear()
        pool = CachedPool(SerialPool(ClosedForm), key, EvaluationCache(tmp_path))
        done(pool, 6)
        assert (keys, pool.reused) == (list(range(6)), reused)


def test_a_worker_that_dies_costs_one_evaluation(ray_pool: MakePool, tmp_path: Path) -> None:
    """Dying once is repaired; a job that kills every worker it meets is given up."""
    completions = done(ray_pool(partial(Faulty, dies_once=frozenset({1, 2}), dies=frozenset({4}), marks=tmp_path)), 8)
    assert sorted(mark.name for mark in tmp_path.iterdir()) == ["died-1", "died-2"]
    assert completions[4].error.startswith("the evaluator died 3 times")
    assert {trial for trial, completion in completions.items() if completion.error} == {4}


def test_a_hung_evaluation_is_stopped_while_others_go_on(ray_pool: MakePool) -> None:
    """Other jobs are submitted for as long as the hung one is not given up, however long that takes."""
    pool = ray_pool(partial(Faulty, seconds=0.1, hangs=frozenset({0})), SHORT_TIMEOUT_S)
    back: dict[int, Completion] = {}
    submitted = 0
    while 0 not in back or pool.running:
        while 0 not in back and pool.running < pool.capacity:
            pool.submit(Job(submitted, POINTS[submitted % len(POINTS)], Level.INTEGER))
            submitted += 1
        completion = pool.next()
        assert completion.job.trial not in back
        back[completion.job.trial] = completion
    assert sorted(back) == list(range(submitted))
    order = list(back)
    assert 0 < order.index(0) < len(order) - 1  # others came back before, and after on the actor that replaced it
    assert back[0].error == f"no result after {SHORT_TIMEOUT_S:g} s"
    assert all(completion.result for trial, completion in back.items() if trial != 0)


def test_evaluators_that_never_start_are_reported(ray_pool: MakePool) -> None:
    completions = done(ray_pool(NeverStarts), 2)
    reason = "no evaluator starts: RuntimeError: no such library on this node"
    assert {completion.error for completion in completions.values()} == {reason}


@pytest.mark.usefixtures("cluster")
def test_both_pools_evaluate_real_designs_alike(digits: PreparedStudy) -> None:
    """Bit for bit, the fine-tuned weights included."""
    space = space_over(digits.operators, digits.spec.search, Finetune.SHORT)
    job = Job(0, space.uniform(2, Method.ROUND, Finetune.SHORT), Level.SHORT_FINETUNE)
    results = []
    for pool in (
        SerialPool(partial(Evaluator, digits)),
        RayPool(partial(Evaluator, digits), workers=1, timeout_s=TIMEOUT_S),
    ):
        pool.submit(job)
        results.append(pool.next().result)
        pool.close()
    assert all(isinstance(result, Evaluation) for result in results)
    here, there = (result for result in results if isinstance(result, Evaluation))
    assert here.network_sha256 == there.network_sha256
    assert values(here) == values(there)
    assert here.workloads == there.workloads
