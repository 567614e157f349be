"""Ray as a cluster: a node that is removed, and studies whose results are the same with Ray as without."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import ray
from ray.cluster_utils import Cluster

from dse.design.evaluation import Job, Level
from dse.design.point import DesignPoint, Finetune
from dse.run import run_study
from dse.store.collection import results_of
from dse.store.run_folder import RunFolder
from dse.workers.ray_pool import RayPool
from nets.narrow.narrowing import RescalerChoice
from tests.fakes import NamesNode
from tests.rays import without_token
from tests.small_studies import small_spec

pytestmark = pytest.mark.slow

POINT = DesignPoint.of({"a": RescalerChoice(3)}, Finetune.NONE)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with without_token():
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        yield made
        ray.shutdown()
        made.shutdown()


def test_a_node_that_is_removed_loses_no_job(cluster: Cluster, tmp_path: Path) -> None:
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    pool = RayPool(partial(NamesNode, 1.0, tmp_path), workers=2, timeout_s=300, address=cluster.address)
    waiting = [Job(trial, POINT, Level.INTEGER) for trial in range(12)]
    back, removed = [], False
    while waiting or pool.running:
        while waiting and pool.running < pool.capacity:
            pool.submit(waiting.pop(0))
        if len(list(tmp_path.iterdir())) == 2 and not removed:  # both nodes are at work
            cluster.remove_node(second, allow_graceful=False)
            removed = True
        back.append(pool.next())
    pool.close()
    assert removed
    assert sorted(completion.job.trial for completion in back) == list(range(12))
    assert [completion.error for completion in back] == [""] * 12


@pytest.mark.usefixtures("trained_once")
def test_lock_step_studies_are_the_same_with_ray(tmp_path: Path) -> None:
    tables = []
    for executor in ("serial", "ray"):
        spec = small_spec(
            search__trials=16, search__batch=4, search__sampler="tpe", search__starts=3, workers__executor=executor
        )
        results = run_study(spec, RunFolder(tmp_path / executor))
        tables.append(results.trials.drop(columns=["seconds", "finished"]))
    assert (tables[0]["fidelity"] == "short_finetune").sum() > 5
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.usefixtures("trained_once")
def test_the_manifest_is_enough_to_run_a_study_again(tmp_path: Path) -> None:
    first = RunFolder(tmp_path / "first")
    run_study(small_spec(search__trials=9), first)
    again = run_study(first.manifest().spec, RunFolder(tmp_path / "again"))
    kept = [c for c in again.trials.columns if c not in ("seconds", "finished")]
    pd.testing.assert_frame_equal(again.trials[kept], results_of(first).trials[kept])
