"""Evaluators that need no network: objectives in closed form, and every way in which a worker can go wrong."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import optuna

from dse.design.answers import Answers
from dse.design.evaluation import Evaluation, Job, Level, TestScore
from dse.design.metrics import DEFAULT_OBJECTIVES, Measured, value_of, values_of
from dse.design.observation import Observation
from dse.design.point import DesignPoint
from dse.store.records import TrialRecord
from dse.store.trials import StudyStore
from hwmodels import NetworkCost
from hwmodels.accelerator import AcceleratorCost

TEST_SAMPLES = 1000


def closed_form(point: DesignPoint, level: Level) -> tuple[float, float, float]:
    """Drop (pp), area (um2), energy (nJ): narrow is cheap and inaccurate, training halves the drop."""
    bits = [choice.multiplier_bits for _, choice in point.choices]
    drop = sum((3.0 if choice.method == "round" else 1.5) / 2**choice.multiplier_bits for _, choice in point.choices)
    area, energy = 100.0 * sum(bits), sum(b * b for b in bits) / 10
    return (drop / 2 if level is Level.SHORT_FINETUNE else drop), area, energy


def values(measured: Measured) -> tuple[float, ...]:
    """Drop (pp), area (um2), energy (nJ)."""
    return values_of(measured, DEFAULT_OBJECTIVES)


def evaluation(
    point: DesignPoint, level: Level = Level.INTEGER, objectives: tuple[float, float, float] | None = None
) -> Evaluation:
    drop, area, energy = objectives or closed_form(point, level)
    rescalers = NetworkCost(area, energy, 64, ())
    cost = AcceleratorCost(area_um2=None, energy_nj=None, latency_cycles=0, rescalers=rescalers, missing=())
    trained = {"fc.weights": np.zeros(3, np.int8)} if level is Level.SHORT_FINETUNE else None
    return Evaluation(
        level,
        90.0 - drop,
        drop,
        cost,
        rescalers,
        (),
        point.digest,
        trained,
        0.01,
        val_cross_entropy_increase=0.03 * drop,
        answers=answers_of(drop),
    )


def tell(
    store: StudyStore,
    trial: optuna.Trial,
    record: TrialRecord,
    constraints: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Records a trial that reached the level which its design asks for."""
    loss = 0.03 * value_of(record, DEFAULT_OBJECTIVES[0])
    store.tell(trial, record, Observation(record.fidelity, {record.fidelity: loss}), loss, constraints)


def answers_of(drop: float) -> Answers:
    """Of int32, the first 900 of 1000 answers are right; of a design with this drop (pp), fewer."""
    lost = round(10 * float(np.clip(np.nan_to_num(drop), -10, 90)))
    right = np.arange(TEST_SAMPLES) < (TEST_SAMPLES * 9) // 10 - lost
    return Answers.of(TEST_SAMPLES, right, None)


@dataclass
class ClosedForm:
    """Evaluates by formula, after ``seconds`` of sleep."""

    seconds: float = 0.0

    def run(self, job: Job) -> Evaluation | TestScore:
        if self.seconds:
            time.sleep(self.seconds)
        if job.level is Level.TEST:
            drop = closed_form(job.point, Level.SHORT_FINETUNE if job.weights else Level.INTEGER)[0]
            answers = answers_of(drop)
            return TestScore(TEST_SAMPLES, 900, round(10 * drop), 0, answers=answers, most_frequent=100)
        return evaluation(job.point, job.level)


@dataclass
class Faulty(ClosedForm):
    """Goes wrong at the trials that are named; ``marks`` is a folder that remembers which died once."""

    dies: frozenset[int] = frozenset()
    dies_once: frozenset[int] = frozenset()
    hangs: frozenset[int] = frozenset()
    raises: frozenset[int] = frozenset()
    unreadable: frozenset[int] = frozenset()
    not_finite: frozenset[int] = frozenset()
    marks: Path | None = None

    def run(self, job: Job) -> Evaluation | TestScore:
        if job.trial in self.dies or (job.trial in self.dies_once and self._first_time(job.trial)):
            os._exit(1)
        if job.trial in self.hangs:
            time.sleep(3600)
        if job.trial in self.raises:
            raise ValueError(f"trial {job.trial} is broken")
        if job.trial in self.unreadable:
            raise UnreadableError(job.trial)
        if job.trial in self.not_finite:
            return evaluation(job.point, job.level, (float("nan"), 1.0, 1.0))
        return super().run(job)

    def _first_time(self, trial: int) -> bool:
        mark = Path(f"{self.marks}/died-{trial}")
        before = mark.exists()
        mark.touch()
        return not before


class TellsResources(ClosedForm):
    """Fails with what Ray gave its actor."""

    def run(self, _job: Job) -> Evaluation | TestScore:
        import ray

        raise ValueError(str(ray.get_runtime_context().get_assigned_resources()))


@dataclass
class NamesNode(ClosedForm):
    """Leaves a file with the name of its Ray node in the folder ``marks`` as soon as it has a job."""

    marks: Path = Path()

    def run(self, job: Job) -> Evaluation | TestScore:
        import ray

        (self.marks / ray.get_runtime_context().get_node_id()).touch()
        return super().run(job)


class NeverStarts:
    """An evaluator that cannot be built where it should run."""

    def __init__(self) -> None:
        raise RuntimeError("no such library on this node")

    def run(self, _job: Job) -> Evaluation | TestScore:
        raise NotImplementedError


class UnreadableError(Exception):
    """An error that cannot be rebuilt on the driver's side: its constructor takes more than its message."""

    def __init__(self, trial: int) -> None:
        self.held = (part for part in (trial,))  # generators cannot be pickled
        super().__init__(f"trial {trial} cannot be read", self.held)
