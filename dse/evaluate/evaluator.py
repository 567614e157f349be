"""Evaluation of one design point: accuracy from nets, cost from hwmodels, at one level of the fidelity ladder."""

import math
import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from dse.design.evaluation import Evaluation, Job, Level, TestScore
from dse.design.point import DesignPoint
from dse.evaluate.costing import Costing
from dse.evaluate.lowering import lower
from dse.study.problem import BoolArray, Problem, correct_answers
from dse.study.spec import WorkersSpec
from nets.datasets import Samples
from nets.narrow.narrowing import narrow
from nets.narrow.weights import inherit_weights, with_weight_bits
from nets.network.fingerprint import Arrays, fingerprint, trained_arrays, with_trained_arrays
from nets.network.quantized_network import QuantizedNetwork
from nets.train.fine_tuning import FinetuneSettings, fine_tune


@dataclass(frozen=True, slots=True)
class Assessment:
    """A design's network and its accuracy at one fidelity.

    Attributes:
        network: narrowed, and trained where the fidelity says so.
        val_accuracy: percent of the validation split.
        val_accuracy_drop_pp: baseline minus design, percentage points, same samples.
        weights: the fine-tuned integers, or None where the narrowed weights ship as they are.
    """

    network: QuantizedNetwork
    val_accuracy: float
    val_accuracy_drop_pp: float
    weights: Arrays | None


class Evaluator:
    """Evaluates design points of one problem; stateless but for what it was built from."""

    def __init__(self, problem: Problem) -> None:
        torch.set_num_threads(1)  # sums in training depend on the number of threads
        self._problem, self._device = problem, training_device(problem.spec.workers)
        self._costing = Costing(problem.spec.hardware)

    def run(self, job: Job) -> Evaluation | TestScore:
        """Do a job: an :class:`Evaluation` for a fidelity, :class:`TestScore` for a test score.

        Raises:
            TrainingDivergedError: the fine-tune failed; the design has no accuracy.
        """
        if job.level is Level.TEST:
            return self._test(job)
        return self._evaluate(job)

    def _evaluate(self, job: Job) -> Evaluation:
        started = time.perf_counter()
        found = self.assess(job)
        workloads = lower(found.network)
        costs = self._costing.costs(workloads, job.point.surroundings)
        return Evaluation(
            level=job.level,
            val_accuracy=found.val_accuracy,
            val_accuracy_drop_pp=found.val_accuracy_drop_pp,
            objective_cost=costs.accelerator.rescalers,
            other_cost=costs.other,
            workloads=workloads,
            network_sha256=fingerprint(found.network),
            weights=found.weights,
            seconds=time.perf_counter() - started,
            accelerator=costs.accelerator,
            other_style_area_um2=costs.other_style_area_um2,
        )

    def assess(self, job: Job) -> Assessment:
        """The network and the accuracy of a job's design at one fidelity.

        Raises:
            TrainingDivergedError: the fine-tune failed; the design has no accuracy.
        """
        problem, level = self._problem, job.level
        trained = level in (Level.SHORT_FINETUNE, Level.FULL_FINETUNE)
        network = self._trained(job) if trained else narrowed(problem, job.point)
        indices = part_of(problem) if level is Level.PART else slice(None)
        validation = problem.splits.validation
        correct = correct_answers(network, Samples(validation.inputs[indices], validation.labels[indices]))
        baseline = problem.baseline_correct[indices]
        return Assessment(
            network=network,
            val_accuracy=100.0 * float(correct.mean()),
            val_accuracy_drop_pp=100.0 * (float(baseline.mean()) - float(correct.mean())),
            weights=trained_arrays(network) if trained else None,
        )

    def _trained(self, job: Job) -> QuantizedNetwork:
        problem, network = self._problem, narrowed(self._problem, job.point)
        settings = finetune_settings(problem, job.level)
        if job.heir_of is None:
            return fine_tune(network, problem.splits.finetune, settings, problem.originals, device=self._device).network
        heir = inherit_weights(network, shipped(problem, job.heir_of, job.weights))
        return fine_tune(heir, problem.splits.finetune, settings, device=self._device).network

    @cached_property
    def _baseline_on_test(self) -> BoolArray:
        """Which test samples the baseline gets right: the same for every design."""
        return correct_answers(self._problem.network, self._problem.splits.test)

    def _test(self, job: Job) -> TestScore:
        network = shipped(self._problem, job.point, job.weights)
        check_validated(job, fingerprint(network))
        return self.score(network)

    def score(self, network: QuantizedNetwork) -> TestScore:
        """A design's network on the test split, beside the baseline."""
        test = self._problem.splits.test
        design, baseline = correct_answers(network, test), self._baseline_on_test
        return TestScore(
            samples=len(test),
            baseline_correct=int(np.count_nonzero(baseline)),
            lost=int(np.count_nonzero(baseline & ~design)),
            gained=int(np.count_nonzero(design & ~baseline)),
        )


def check_validated(job: Job, network_sha256: str) -> None:
    """Raise ValueError if the network to be tested is not the one that was validated."""
    if network_sha256 != job.network_sha256:
        raise ValueError(f"the stored weights of trial {job.trial} are not those that were validated")


def training_device(workers: WorkersSpec) -> str:
    """Where gradients are computed: on the GPU that the study asks for, if torch sees one."""
    return "cuda" if workers.gpus and torch.cuda.is_available() else "cpu"


def narrowed(problem: Problem, point: DesignPoint) -> QuantizedNetwork:
    """The design's network before any fine-tuning."""
    network = problem.variants.get(point.surroundings.contract or "", problem.network)
    if point.weight_bits:
        network = with_weight_bits(network, dict(point.weight_bits), problem.originals)
    return narrow(network, dict(point.choices), problem.originals)


def shipped(problem: Problem, point: DesignPoint, weights: Arrays | None) -> QuantizedNetwork:
    """The design's network as it ships: narrowed, with its fine-tuned integers where it has some."""
    network = narrowed(problem, point)
    return network if weights is None else with_trained_arrays(network, weights)


def finetune_settings(problem: Problem, level: Level) -> FinetuneSettings:
    """The study's fine-tune of a level; the order of samples is the same for every design."""
    fidelity = problem.spec.fidelity
    epochs = fidelity.full_epochs if level is Level.FULL_FINETUNE else fidelity.epochs
    return FinetuneSettings(epochs, fidelity.batch_size, fidelity.learning_rate, problem.spec.seed)


def part_of(problem: Problem) -> npt.NDArray[np.intp]:
    """Indices of the validation samples of a first look, evenly spread over the split; the same for every design."""
    samples = len(problem.baseline_correct)
    looked_at = math.ceil(problem.spec.fidelity.part * samples)
    return np.arange(looked_at) * samples // looked_at
