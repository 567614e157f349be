"""GPUs for evaluators: requested from Ray, refused if there are too few, used for training if torch sees one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import dse.evaluate.evaluator
from dse.design.evaluation import Job, Level
from dse.design.point import Finetune
from dse.errors import StudyError
from dse.evaluate.evaluator import Evaluator
from dse.run import run_study
from dse.store.run_folder import RunFolder
from dse.study.prepared import PreparedStudy
from dse.study.space import space_over
from dse.workers.ray_pool import RayPool
from nets.network.operators import Method
from nets.train.fine_tuning import FinetuneOutcome, fine_tune
from tests.fakes import ClosedForm, TellsResources
from tests.rays import shared_ray
from tests.small_studies import small_spec

TIMEOUT_S = 120.0


@pytest.fixture(scope="module")
def one_gpu() -> Iterator[None]:
    """A logical GPU: Ray assigns it without checking that it exists."""
    with shared_ray(gpus=1):
        yield


def job(prepared: PreparedStudy, level: Level) -> Job:
    space = space_over(prepared.operators, prepared.spec.search, Finetune.SHORT, prepared.spec.hardware)
    return Job(0, space.uniform(2, Method.ROUND, Finetune.SHORT), level)


def test_an_address_where_nothing_listens_is_refused_at_once() -> None:
    with pytest.raises(StudyError, match=r"--ray-address 127\.0\.0\.1:1: Connection refused; give the address"):
        RayPool(ClosedForm, workers=1, timeout_s=TIMEOUT_S, address="127.0.0.1:1")


@pytest.mark.usefixtures("one_gpu")
def test_every_actor_holds_its_share_of_a_gpu(digits: PreparedStudy) -> None:
    pool = RayPool(TellsResources, workers=2, timeout_s=TIMEOUT_S, gpus=0.5)
    pool.submit(job(digits, Level.INTEGER))
    assert "'GPU': 0.5" in pool.next().error
    pool.close()


@pytest.mark.usefixtures("one_gpu", "trained_once")
def test_too_few_gpus_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    spec = small_spec(workers__executor="ray", workers__gpus=0.6)
    with pytest.raises(StudyError, match=r"workers\.gpus = 0\.6 for workers\.count = 2 needs 2 GPUs, .* has 1; use"):
        run_study(spec, RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_gpus_are_rays_to_share_out() -> None:
    with pytest.raises(
        StudyError, match=r'workers: gpus = 0\.5 is shared out by Ray, but executor = .serial.; use "ray"'
    ):
        small_spec(workers__gpus=0.5)


@pytest.mark.parametrize(("gpus", "seen", "device"), [(0, True, "cpu"), (0.5, False, "cpu"), (0.5, True, "cuda")])
def test_training_is_where_the_study_asks(
    digits: PreparedStudy, gpus: float, seen: bool, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def on_the_cpu(*arguments: object, **options: str) -> FinetuneOutcome:
        asked.append(options.pop("device"))
        return fine_tune(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(dse.evaluate.evaluator, "fine_tune", on_the_cpu)
    spec = digits.spec.model_copy(update={"workers": digits.spec.workers.model_copy(update={"gpus": gpus})})
    with monkeypatch.context() as patched:  # no longer: torch itself asks too while it trains
        patched.setattr(torch.cuda, "is_available", lambda: seen)
        evaluator = Evaluator(replace(digits, spec=spec))
    evaluator.run(job(digits, Level.SHORT_FINETUNE))
    assert asked == [device]
