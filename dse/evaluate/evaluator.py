"""Evaluates one design: every member's accuracy on its own data, the costs of all rescalers together."""

import functools
import math
import time
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from dse.design import Evaluation, Job, Level, MemberScore, TestScore, paired_interval
from dse.evaluate.costing import cost_models, costs_of
from dse.evaluate.designs import Calibrations, member_job, narrowed, shipped, shipped_networks, workloads_of
from dse.study import (
    BoolArray,
    PreparedMember,
    PreparedStudy,
    Study,
    WorkersSpec,
    correct_answers,
    fingerprint_of,
    train_on_one_thread,
)
from nets.datasets import Samples
from nets.narrow import inherit_weights
from nets.network import Arrays, QuantizedNetwork, trained_arrays
from nets.train import FinetuneSettings, fine_tune


@dataclass(frozen=True, slots=True)
class _Assessment:
    """A member's network of a design, narrowed and perhaps trained, and its accuracy on the validation split."""

    network: QuantizedNetwork
    score: MemberScore
    weights: Arrays | None  # the fine-tuned integers; None if the narrowed weights ship as they are


class Evaluator:
    """Evaluates design points of one study; it has no state but the study, and what calibrations of its networks need.

    Args:
        study: the study.
        calibrations: the calibrations of its int32 networks.
    """

    def __init__(self, study: PreparedStudy, calibrations: Calibrations | None = None) -> None:
        self._calibrations = calibrations or Calibrations()
        self._study, self._device = study, training_device(study.spec.workers)
        self._models = cost_models(study.spec.hardware)

    def run(self, job: Job) -> Evaluation | TestScore:
        """Returns an :class:`Evaluation` for a level of the fidelity ladder, a :class:`TestScore` for the test split.

        Raises:
            TrainingDivergedError: a fine-tune failed; the design has no accuracy.
            ValueError: the network to be tested is not the one that was validated.
        """
        return self._test(job) if job.level is Level.TEST else self._evaluate(job)

    def _evaluate(self, job: Job) -> Evaluation:
        started = time.perf_counter()
        members = self._study.members
        assessments = {member.name: self._assess(member, member_job(job, member)) for member in members}
        networks = {name: each.network for name, each in assessments.items()}
        scores = tuple(each.score for each in assessments.values())
        accuracy, drop = combined(self._study, scores)
        workloads = workloads_of(self._study, networks)
        costs = costs_of(workloads, self._models, self._study.spec.hardware, job.point.surroundings)
        return Evaluation(
            level=job.level,
            val_accuracy=accuracy,
            val_accuracy_drop_pp=drop,
            accelerator=costs.accelerator,
            other_cost=costs.other_cost,
            workloads=workloads,
            network_sha256=fingerprint_of(networks),
            weights=_named_weights(members, assessments),
            seconds=time.perf_counter() - started,
            other_style_area_um2=costs.other_style_area_um2,
            members=scores if self._study.spec.is_portfolio else (),
        )

    def _assess(self, member: PreparedMember, job: Job) -> _Assessment:
        """Returns a member's network of the job's design, trained if the level says so, with its accuracy."""
        if job.level.is_trained:
            network = self._trained(member, job)
        else:
            network = narrowed(member, job.point, self._calibrations)
        indices = part_of(member, self._study.spec) if job.level is Level.PART else slice(None)
        validation = member.splits.validation
        correct = correct_answers(network, Samples(validation.inputs[indices], validation.labels[indices]))
        baseline = member.baseline_correct[indices]
        drop = 100.0 * (float(baseline.mean()) - float(correct.mean()))
        score = MemberScore(member.name, 100.0 * float(correct.mean()), drop)
        return _Assessment(network, score, trained_arrays(network) if job.level.is_trained else None)

    def _trained(self, member: PreparedMember, job: Job) -> QuantizedNetwork:
        network, samples = narrowed(member, job.point, self._calibrations), member.splits.finetune
        settings = finetune_settings(self._study.spec, job.level)
        if job.heir_of is None:
            # Training from the original real weights would undo what calibration made of them.
            originals = None if job.point.calibration else member.originals
            return fine_tune(network, samples, settings, originals, device=self._device).network
        heir = inherit_weights(network, shipped(member, job.heir_of, job.weights, self._calibrations))
        return fine_tune(heir, samples, settings, device=self._device).network

    def _test(self, job: Job) -> TestScore:
        networks = shipped_networks(self._study, job.point, job.weights, self._calibrations)
        if fingerprint_of(networks) != job.network_sha256:
            raise ValueError(f"the stored weights of trial {job.trial} are not those that were validated")
        scores = [(member.name, self._score(member, networks[member.name])) for member in self._study.members]
        worst = weakest([score for _, score in scores])
        return replace(worst, members=tuple(scores)) if self._study.spec.is_portfolio else worst

    def _score(self, member: PreparedMember, network: QuantizedNetwork) -> TestScore:
        """Returns how a member's network of a design compares with its baseline on the test split."""
        design, baseline = correct_answers(network, member.splits.test), self._baselines_on_test[member.name]
        return TestScore(
            samples=len(member.splits.test),
            baseline_correct=int(np.count_nonzero(baseline)),
            lost=int(np.count_nonzero(baseline & ~design)),
            gained=int(np.count_nonzero(design & ~baseline)),
        )

    @functools.cached_property
    def _baselines_on_test(self) -> dict[str, BoolArray]:
        """Whether every member's baseline classifies each test sample correctly; the same for every design."""
        return {member.name: correct_answers(member.network, member.splits.test) for member in self._study.members}


def start_evaluator(study: PreparedStudy) -> Evaluator:
    """Returns the evaluator of a worker process; sets torch to one thread first."""
    train_on_one_thread()
    return Evaluator(study)


def combined(study: PreparedStudy, scores: tuple[MemberScore, ...]) -> tuple[float, float]:
    """Returns the study's validation accuracy (percent) and accuracy drop (percentage points).

    Those of one network are its own. The drop of several is the largest, or the mean weighted as the study says, and
    their accuracy is that drop below the weighted mean of the baselines. ``scores`` are in the members' order.
    """
    if len(scores) == 1:
        return scores[0].val_accuracy, scores[0].val_accuracy_drop_pp
    drops = [score.val_accuracy_drop_pp for score in scores]
    weights = [member.spec.weight for member in study.members]
    drop = max(drops) if study.spec.accuracy == "worst" else float(np.average(drops, weights=weights))
    return study.baseline_val_accuracy - drop, drop


def weakest(scores: list[TestScore]) -> TestScore:
    """Returns the score whose 95% interval of the drop reaches highest: if it is within a margin, all are."""
    return max(scores, key=lambda score: paired_interval(score.counts)[1])


def training_device(workers: WorkersSpec) -> str:
    """Returns the device that computes gradients: the GPU that the study asks for if torch sees one, else the CPU."""
    return "cuda" if workers.gpus and torch.cuda.is_available() else "cpu"


def finetune_settings(spec: Study, level: Level) -> FinetuneSettings:
    """Returns the study's settings of a fine-tune; the order of samples is the same for every design."""
    fidelity = spec.fidelity
    epochs = fidelity.full_epochs if level is Level.FULL_FINETUNE else fidelity.epochs
    return FinetuneSettings(epochs, fidelity.batch_size, fidelity.learning_rate, spec.seed)


def part_of(member: PreparedMember, spec: Study) -> npt.NDArray[np.intp]:
    """Returns the indices of the validation samples that level ``part`` uses, evenly spread over the split."""
    samples = len(member.baseline_correct)
    count = math.ceil(spec.fidelity.part * samples)
    return np.arange(count) * samples // count


def _named_weights(members: tuple[PreparedMember, ...], assessments: dict[str, _Assessment]) -> Arrays | None:
    """Returns the fine-tuned integers of all members, named as in designs; None if nothing was trained."""
    weights = {
        member.named(key): array
        for member in members
        for key, array in (assessments[member.name].weights or {}).items()
    }
    return weights or None
