"""Whether a network and its samples are those of a classifier: accuracy and agreement mean nothing for others."""

import math

import numpy as np

from dse.errors import StudyError
from nets.datasets import LabelArray
from nets.network import QuantizedNetwork

CHANCE_LEVEL = 0.025  # one-sided, as the two-sided 95% intervals of the reports
_LEAST_CLASSES = 2
_INSTEAD = 'use network.outputs = "values" if it is no classifier (a detector, an autoencoder)'


def check_classifier(network: QuantizedNetwork, *, labelled: bool) -> None:
    """Refuses a network whose only output cannot be, or without labels probably is not, one logit per class.

    Args:
        network: the network, its output stated to be classes.
        labelled: whether labels are known, which then tell whether int32 answers better than by chance
            (:func:`check_above_chance`).

    Raises:
        StudyError: the output has positions, fewer than two elements, or without labels the shape of the input.
    """
    source, target = (network.tensors[indices[0]].shape for indices in (network.inputs, network.outputs))
    if math.prod(target) < _LEAST_CLASSES:
        raise StudyError(f"network {network.name!r} has {math.prod(target)} output; {_INSTEAD}")
    if max(target) < math.prod(target):
        raise StudyError(f"network {network.name!r} has outputs {list(target)}, not one logit per class; {_INSTEAD}")
    if source == target and not labelled:
        raise StudyError(f"network {network.name!r} has outputs {list(target)}, the shape of its inputs; {_INSTEAD}")


def chance_of(labels: LabelArray) -> float:
    """Returns the share of right answers, 0 to 1, of always answering the most frequent class of these labels."""
    return float(np.bincount(labels).max() / len(labels))


def beats_chance(right: int, labels: LabelArray) -> bool:
    """Returns whether the exact binomial test finds this many right answers better than :func:`chance_of`."""
    from scipy.stats import binomtest  # here: reading a study does without it

    return bool(binomtest(right, len(labels), chance_of(labels), alternative="greater").pvalue <= CHANCE_LEVEL)


def check_above_chance(origin: str, right: int, labels: LabelArray) -> None:
    """Refuses a study of a network that int32 already answers no better than by chance.

    Args:
        origin: where the samples come from.
        right: the number of right answers of int32.
        labels: labels of the validation split, int64 ``[samples]``.

    Raises:
        StudyError: int32 does not answer better than by chance (:func:`beats_chance`).
    """
    if beats_chance(right, labels):
        return
    chance, samples = chance_of(labels), len(labels)
    raise StudyError(
        f"{origin}: int32 is right on {100 * right / samples:.1f}% of {samples} validation samples, and always "
        f"answering their most frequent class on {100 * chance:.1f}%: not shown to be better than chance; check that "
        f"samples, data.input_offset and labels (y) belong to the network, give more samples, or {_INSTEAD}"
    )
