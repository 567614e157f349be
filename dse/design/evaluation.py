"""Jobs for evaluators and their results: evaluations at a level of the fidelity ladder, and test scores."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dse.design import metrics
from dse.design.answers import Answers
from dse.design.point import DesignPoint
from dse.design.statistics import PairedCounts, paired_interval, share_interval
from hwmodels import NetworkCost
from hwmodels.accelerator import AcceleratorCost
from hwmodels.workload import RescalerWorkload
from nets.network import Arrays


class Level(StrEnum):
    """The kind of an evaluation; all but the last are fidelities of a design's accuracy, lowest first."""

    PART = "part"  # bit-exact inference on a part of the validation split, narrowed, and calibrated if the design is
    INTEGER = "integer"  # bit-exact inference on the validation split, weights as narrowed
    CALIBRATED = "calibrated"  # the same after calibration with unlabelled samples
    SHORT_FINETUNE = "short_finetune"  # the same after a short rescale-aware fine-tune
    FULL_FINETUNE = "full_finetune"  # the same after a full one, from the narrowed (or calibrated) weights
    TEST = "test"  # the shipped weights on the test split, compared with the baseline

    @property
    def is_trained(self) -> bool:
        """Whether an evaluation at this level fine-tunes the weights."""
        return self in (Level.SHORT_FINETUNE, Level.FULL_FINETUNE)


@dataclass(frozen=True, slots=True)
class Job:
    """One evaluation that a worker is to do.

    Attributes:
        trial: number of the trial that the evaluation belongs to.
        point: the design.
        level: the kind of evaluation.
        weights: fine-tuned integers: at level TEST those of the design itself, if it was fine-tuned; at a fine-tuning
            level those of the design ``heir_of``.
        network_sha256: fingerprint that the network to be tested must have; empty at other levels.
        heir_of: the trained design that a fine-tune starts from; None to start from the narrowed weights.
    """

    trial: int
    point: DesignPoint
    level: Level
    weights: Arrays | None = None
    network_sha256: str = ""
    heir_of: DesignPoint | None = None


@dataclass(frozen=True, slots=True)
class MemberScore:
    """How one member of a study compares with its own baseline on the validation split; None if it is not defined.

    The attributes are those of :class:`Evaluation`.
    """

    name: str
    val_accuracy: float | None
    val_accuracy_drop_pp: float | None
    val_disagreement_pp: float | None = None
    val_divergence: float | None = None
    val_cross_entropy_increase: float | None = None
    val_metric: float | None = None
    val_metric_loss: float | None = None
    answers: Answers | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Accuracy and costs of a design at one level.

    Attributes:
        level: the fidelity.
        val_accuracy: accuracy on the validation split, percent; None without labels.
        val_accuracy_drop_pp: accuracy of the baseline minus that of the design on the same samples, percentage points.
        accelerator: cost of rescalers and MACs together by the study's own cost source.
        other_cost: cost of the rescalers by the other cost source.
        workloads: workload of every rescaler, as certified for these weights.
        network_sha256: fingerprint of the evaluated networks.
        weights: the fine-tuned integers, or None if the narrowed weights ship as they are.
        seconds: wall-clock time of the evaluation, seconds.
        other_style_area_um2: rescaler area in the accelerator style that the design does not have, um2.
        members: scores of the networks of a portfolio; empty in a study of one network.
        val_disagreement_pp: share of the samples whose first class is not that of the baseline, percentage points; None
            if the outputs are no classes.
        val_divergence: mean divergence of the outputs from the baseline's (:mod:`dse.evaluate.outputs`).
        val_cross_entropy_increase: mean cross-entropy of the labels under the softmax of the outputs, minus that of the
            baseline, nats; None without labels.
        val_metric: the study's metric of the outputs, in its own unit; None without one, and for a portfolio.
        val_metric_loss: how much worse that is than the baseline's, percent of the baseline's; None without one.
        answers: the answers to the validation samples; None for a portfolio, whose members have their own.
    """

    level: Level
    val_accuracy: float | None
    val_accuracy_drop_pp: float | None
    accelerator: AcceleratorCost
    other_cost: NetworkCost
    workloads: tuple[RescalerWorkload, ...]
    network_sha256: str
    weights: Arrays | None
    seconds: float
    other_style_area_um2: float | None = None
    members: tuple[MemberScore, ...] = ()
    val_disagreement_pp: float | None = None
    val_divergence: float | None = None
    val_cross_entropy_increase: float | None = None
    val_metric: float | None = None
    val_metric_loss: float | None = None
    answers: Answers | None = None

    @property
    def figures(self) -> Mapping[str, float | None]:
        """Every figure by name (:mod:`dse.design.metrics`)."""
        return {figure.name: figure.measured(self) for figure in metrics.FIGURES}


@dataclass(frozen=True, slots=True)
class TestScore:
    """A design compared with the baseline on the same samples of the test split; numbers of samples.

    A portfolio's score is that of the member that loses most: whose 95% interval reaches highest.

    Attributes:
        samples: samples of the test split.
        baseline_correct: samples that the baseline classifies correctly; None without labels.
        lost, gained: samples that only the baseline, or only the design, classifies correctly; None without labels.
        members: the score of every member of a portfolio by its name; empty in a study of one network.
        differing: samples whose first class is not that of the baseline; None if the outputs are no classes.
        divergence, divergence_low, divergence_high: mean divergence of the outputs, and the ends of its 95% interval
            (:func:`~dse.design.statistics.mean_interval`).
        metric_loss, metric_loss_low, metric_loss_high: loss of the study's metric, percent of int32's, and the ends of
            its 95% interval (:func:`~dse.study.task_metrics.loss_interval`); None without a metric.
        answers: the answers to the test samples.
        most_frequent: samples of the most frequent class; None without labels.
    """

    __test__ = False  # not a test class

    samples: int
    baseline_correct: int | None
    lost: int | None
    gained: int | None
    members: tuple[tuple[str, "TestScore"], ...] = ()
    differing: int | None = None
    divergence: float | None = None
    divergence_low: float | None = None
    divergence_high: float | None = None
    metric_loss: float | None = None
    metric_loss_low: float | None = None
    metric_loss_high: float | None = None
    answers: Answers | None = None
    most_frequent: int | None = None

    @property
    def accuracy(self) -> float | None:
        """Accuracy of the design, percent; None without labels."""
        if self.baseline_correct is None or self.lost is None or self.gained is None:
            return None
        return 100.0 * (self.baseline_correct - self.lost + self.gained) / self.samples

    @property
    def by_member(self) -> tuple[tuple[str, "TestScore"], ...]:
        """The score of every network by its name; of a study of one network its own, without a name."""
        return self.members or (("", self),)

    @property
    def counts(self) -> PairedCounts | None:
        """The counts from which statistics of the accuracy drop are computed; None without labels."""
        if self.lost is None or self.gained is None:
            return None
        return PairedCounts(self.samples, self.lost, self.gained)

    def interval(self, loss: metrics.Figure) -> tuple[float, float, float]:
        """Returns a loss on the test split and the ends of its 95% interval, in its unit; NaN if it is not defined."""
        unknown = (math.nan, math.nan, math.nan)
        if loss is metrics.DROP:
            return unknown if self.counts is None else (self.counts.drop_pp, *paired_interval(self.counts))
        if loss is metrics.DISAGREEMENT:
            if self.differing is None:
                return unknown
            return 100.0 * self.differing / self.samples, *share_interval(self.differing, self.samples)
        continuous = {
            metrics.DIVERGENCE: (self.divergence, self.divergence_low, self.divergence_high),
            metrics.METRIC_LOSS: (self.metric_loss, self.metric_loss_low, self.metric_loss_high),
        }
        value, low, high = continuous[loss]
        return unknown if value is None or low is None or high is None else (value, low, high)
