"""How the outputs of a design differ from those of int32 on the same samples, with labels and without."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from dse.design import Answers, MemberScore, TestScore, mean_interval
from dse.study import BoolArray, Measured, PreparedMember, loss_interval, measured, right_answers
from nets.datasets import Samples
from nets.network import ActivationArray, QuantizedNetwork

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A network beside its baseline on the same samples.

    Attributes:
        divergence: divergence of the outputs of each sample, ``[samples]`` (:func:`divergences`).
        differs: whether the first class differs, ``[samples]``; None if the outputs are no classes.
        right, baseline_right: whether network and baseline are right, ``[samples]``; None without labels.
        surprise, baseline_surprise: cross-entropies of network and baseline, ``[samples]``; None without labels.
        most_frequent: samples of the most frequent class; None without labels.
        metric, baseline_metric: the study's metric of network and baseline; None if the study has none.
    """

    divergence: Floats
    differs: BoolArray | None
    right: BoolArray | None
    baseline_right: BoolArray | None
    most_frequent: int | None
    surprise: Floats | None = None
    baseline_surprise: Floats | None = None
    metric: Measured | None = None
    baseline_metric: Measured | None = None

    @property
    def answers(self) -> Answers:
        """The network's answers, as they are stored."""
        return Answers.of(len(self.divergence), self.right, self.differs)

    def validation_score(self, name: str) -> MemberScore:
        """Returns the score of a member of this name on the validation split."""
        accuracy, baseline = _percent(self.right), _percent(self.baseline_right)
        metric = None if self.metric is None else self.metric.value
        return MemberScore(
            name=name,
            val_accuracy=accuracy,
            val_accuracy_drop_pp=None if accuracy is None or baseline is None else baseline - accuracy,
            val_disagreement_pp=_percent(self.differs),
            val_divergence=float(self.divergence.mean()),
            val_cross_entropy_increase=_increase(self.surprise, self.baseline_surprise),
            val_metric=_finite(metric),
            val_metric_loss=self._metric_loss(),
            answers=self.answers,
        )

    def test_score(self) -> TestScore:
        """Returns the score on the test split, with the intervals."""
        low, high = mean_interval(self.divergence)
        worse_low, worse_high = self._metric_interval()
        return TestScore(
            samples=len(self.divergence),
            baseline_correct=_count(self.baseline_right),
            lost=_only(self.baseline_right, self.right),
            gained=_only(self.right, self.baseline_right),
            differing=_count(self.differs),
            divergence=float(self.divergence.mean()),
            divergence_low=low,
            divergence_high=high,
            metric_loss=self._metric_loss(),
            metric_loss_low=worse_low,
            metric_loss_high=worse_high,
            answers=self.answers,
            most_frequent=self.most_frequent,
        )

    def _metric_loss(self) -> float | None:
        if self.metric is None or self.baseline_metric is None:
            return None
        return _finite(self.metric.metric.loss(self.metric.value, self.baseline_metric.value))

    def _metric_interval(self) -> tuple[float | None, float | None]:
        if self.metric is None or self.baseline_metric is None:
            return None, None
        low, high = loss_interval(self.metric, self.baseline_metric)
        return _finite(low), _finite(high)


def compared(
    member: PreparedMember,
    network: QuantizedNetwork,
    samples: Samples,
    outputs: ActivationArray,
    baseline_outputs: ActivationArray,
) -> Comparison:
    """Compares a member's network with the member's baseline.

    Args:
        member: the member.
        network: its network of a design.
        samples: the samples.
        outputs: integer outputs of the network for these samples, ``[samples, elements]``.
        baseline_outputs: those of the baseline.
    """
    ours, theirs = real_outputs(network, outputs), real_outputs(member.network, baseline_outputs)
    classes = member.spec.network.outputs == "classes"
    labels = samples.known_labels if member.has_labels else None
    metric = member.metric
    return Comparison(
        divergence=divergences(ours, theirs) if classes else squared_errors(ours, theirs, member.network),
        differs=outputs.argmax(axis=1) != baseline_outputs.argmax(axis=1) if classes else None,
        right=right_answers(outputs, samples) if member.has_labels else None,
        baseline_right=right_answers(baseline_outputs, samples) if member.has_labels else None,
        surprise=None if labels is None else cross_entropies(ours, labels),
        baseline_surprise=None if labels is None else cross_entropies(theirs, labels),
        most_frequent=int(np.unique(samples.labels, return_counts=True)[1].max()) if member.has_labels else None,
        metric=None if metric is None else measured(metric, member.network, network, outputs, samples),
        baseline_metric=None
        if metric is None
        else measured(metric, member.network, member.network, baseline_outputs, samples),
    )


def real_outputs(network: QuantizedNetwork, outputs: ActivationArray, at: int = 0) -> Floats:
    """Returns the real values that the integers of a network's output number ``at`` stand for."""
    spec = network.tensors[network.outputs[at]]
    return (outputs.astype(np.float64) - spec.zero_point) * spec.scale


def divergences(logits: Floats, baseline: Floats) -> Floats:
    """Returns each sample's Kullback-Leibler divergence of the softmax from the baseline's, nats, ``[samples]``.

    ``logits`` and ``baseline`` are real, ``[samples, classes]``.
    """
    ours, theirs = log_softmax(logits, axis=1), log_softmax(baseline, axis=1)
    summed: Floats = (np.exp(theirs) * (theirs - ours)).sum(axis=1)
    return np.maximum(summed, 0.0)  # rounding can leave -1e-17


def cross_entropies(logits: Floats, labels: npt.NDArray[np.int64]) -> Floats:
    """Returns each sample's cross-entropy of its label under the softmax of its logits, nats, ``[samples]``.

    ``logits`` are real, ``[samples, classes]``, ``labels`` are classes, ``[samples]``.
    """
    surprise: Floats = -log_softmax(logits, axis=1)[np.arange(len(labels)), labels]
    return surprise


def squared_errors(values: Floats, baseline: Floats, network: QuantizedNetwork, at: int = 0) -> Floats:
    """Returns each sample's mean squared error over the variance of the baseline's outputs, ``[samples]``.

    The variance is that of all output elements of all samples, at least the square of the output's quantization step.
    ``values`` and ``baseline`` are real, ``[samples, elements]``, of output number ``at``; ``network`` is the baseline.
    """
    step = network.tensors[network.outputs[at]].scale
    errors: Floats = ((values - baseline) ** 2).mean(axis=1) / max(float(baseline.var()), step**2)
    return errors


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _percent(marks: BoolArray | None) -> float | None:
    return None if marks is None else 100.0 * float(marks.mean())


def _increase(surprise: Floats | None, baseline: Floats | None) -> float | None:
    return None if surprise is None or baseline is None else float((surprise - baseline).mean())


def _count(marks: BoolArray | None) -> int | None:
    return None if marks is None else int(np.count_nonzero(marks))


def _only(these: BoolArray | None, others: BoolArray | None) -> int | None:
    """Counts the samples that only the first one gets right."""
    return None if these is None or others is None else _count(these & ~others)
