"""Evaluates one design: every member's accuracy on its own data, the costs of all rescalers together."""

import functools
import math
import time
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from dse.design import DROP, Evaluation, Figure, Job, Level, MemberScore, TestScore, figure_named
from dse.evaluate.costing import cost_models, costs_of
from dse.evaluate.designs import Calibrations, member_job, narrowed, shipped, shipped_networks, workloads_of
from dse.evaluate.outputs import compared
from dse.evaluate.parts import PartOutputs
from dse.study import (
    PreparedMember,
    PreparedStudy,
    Study,
    WorkersSpec,
    fingerprint_of,
    outputs_of,
    train_on_one_thread,
)
from nets.narrow import inherit_weights
from nets.network import ActivationArray, Arrays, QuantizedNetwork, trained_arrays
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
        self._calibrations, self._parts = calibrations or Calibrations(), PartOutputs()
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
        together = combined(self._study, scores)
        workloads = workloads_of(self._study, networks)
        costs = costs_of(workloads, self._models, self._study.spec.hardware, job.point.surroundings)
        return Evaluation(
            level=job.level,
            val_accuracy=together.val_accuracy,
            val_accuracy_drop_pp=together.val_accuracy_drop_pp,
            accelerator=costs.accelerator,
            other_cost=costs.other_cost,
            workloads=workloads,
            network_sha256=fingerprint_of(networks),
            weights=_named_weights(members, assessments),
            seconds=time.perf_counter() - started,
            other_style_area_um2=costs.other_style_area_um2,
            members=scores if self._study.spec.is_portfolio else (),
            val_disagreement_pp=together.val_disagreement_pp,
            val_divergence=together.val_divergence,
            val_cross_entropy_increase=together.val_cross_entropy_increase,
            val_metric=together.val_metric,
            val_metric_loss=together.val_metric_loss,
            answers=together.answers,
        )

    def _assess(self, member: PreparedMember, job: Job) -> _Assessment:
        """Returns a member's network of the job's design, trained if the level says so, with its accuracy."""
        if job.level.is_trained:
            network = self._trained(member, job)
        else:
            network = narrowed(member, job.point, self._calibrations)
        samples, baseline = member.splits.validation, member.baseline_outputs
        if job.level is Level.PART:
            indices = part_of(member, self._study.spec)
            samples, baseline = samples.take(indices), baseline[indices]
            outputs = outputs_of(network, samples)
            self._parts.keep(member.name, job.point, indices, outputs)
        elif job.level.is_trained:
            outputs = outputs_of(network, samples)
        else:
            outputs = self._parts.completed(member.name, job.point, network, samples)
        score = compared(member, network, samples, outputs, baseline).validation_score(member.name)
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
        worst = weakest([score for _, score in scores], figure_named(self._study.spec.search.objectives[0]))
        return replace(worst, members=tuple(scores)) if self._study.spec.is_portfolio else worst

    def _score(self, member: PreparedMember, network: QuantizedNetwork) -> TestScore:
        """Returns how a member's network of a design compares with its baseline on the test split."""
        outputs = self._baselines_on_test[member.name]
        samples = member.splits.test
        return compared(member, network, samples, outputs_of(network, samples), outputs).test_score()

    @functools.cached_property
    def _baselines_on_test(self) -> dict[str, ActivationArray]:
        """The integer outputs of every member's baseline on the test split; the same for every design."""
        return {member.name: outputs_of(member.network, member.splits.test) for member in self._study.members}


def start_evaluator(study: PreparedStudy) -> Evaluator:
    """Returns the evaluator of a worker process; sets torch to one thread first."""
    train_on_one_thread()
    return Evaluator(study)


def combined(study: PreparedStudy, scores: tuple[MemberScore, ...]) -> MemberScore:
    """Returns the study's score on the validation split.

    That of one network is its own. A loss of several is the largest, or the mean weighted as the study says, and their
    accuracy is their drop below the weighted mean of the baselines. ``scores`` are in the members' order.
    """
    if len(scores) == 1:
        return scores[0]
    weights = [member.spec.weight for member in study.members]

    def of_all(losses: list[float | None]) -> float | None:
        known = [loss for loss in losses if loss is not None]
        if len(known) < len(losses):
            return None
        return max(known) if study.spec.accuracy == "worst" else float(np.average(known, weights=weights))

    drop, baseline = of_all([score.val_accuracy_drop_pp for score in scores]), study.baseline_val_accuracy
    return MemberScore(
        name="",
        val_accuracy=None if baseline is None or drop is None else baseline - drop,
        val_accuracy_drop_pp=drop,
        val_disagreement_pp=of_all([score.val_disagreement_pp for score in scores]),
        val_divergence=of_all([score.val_divergence for score in scores]),
        val_cross_entropy_increase=of_all([score.val_cross_entropy_increase for score in scores]),
        val_metric_loss=of_all([score.val_metric_loss for score in scores]),
    )


def weakest(scores: list[TestScore], loss: Figure = DROP) -> TestScore:
    """Returns the score whose 95% interval of the study's loss reaches highest: if it is within a margin, all are."""
    return max(scores, key=lambda score: score.interval(loss)[2])


def training_device(workers: WorkersSpec) -> str:
    """Returns the device that computes gradients: the GPU that the study asks for if torch sees one, else the CPU."""
    return "cuda" if workers.gpus and torch.cuda.is_available() else "cpu"


def finetune_settings(spec: Study, level: Level) -> FinetuneSettings:
    """Returns the study's settings of a fine-tune; the order of samples is the same for every design."""
    fidelity = spec.fidelity
    epochs = fidelity.full_epochs if level is Level.FULL_FINETUNE else fidelity.epochs
    return FinetuneSettings(epochs, fidelity.batch_size, fidelity.learning_rate, spec.seed_of("training"))


def part_of(member: PreparedMember, spec: Study) -> npt.NDArray[np.intp]:
    """Returns the indices of the validation samples that level ``part`` uses, evenly spread over the split."""
    samples = len(member.baseline_outputs)
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
