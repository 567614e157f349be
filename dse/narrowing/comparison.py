"""The outputs of a design beside those of int32 on the same samples, with 95% intervals."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dse.design import PairedCounts, mean_interval, paired_interval, share_interval
from dse.evaluate import real_outputs, squared_errors
from dse.narrowing.document import Estimate, ScoreDocument
from nets.datasets import LabelArray
from nets.network import ActivationArray, QuantizedNetwork, class_count

Floats = npt.NDArray[np.float64]


def score(
    networks: tuple[QuantizedNetwork, QuantizedNetwork],
    outputs: tuple[Sequence[ActivationArray], Sequence[ActivationArray]],
    labels: LabelArray | None,
) -> ScoreDocument:
    """Compares a design with int32.

    Args:
        networks: the int32 network and the design.
        outputs: their outputs on the same samples, integers ``[samples, *shape]`` per network output.
        labels: int64 ``[samples]``, or None; then there is no accuracy.
    """
    reference, design = ([each.reshape(len(each), -1) for each in of] for of in outputs)
    samples = len(reference[0])
    errors = _output_errors(networks, reference, design)
    accuracies = None if labels is None else _accuracies(reference[0], design[0], labels)
    return ScoreDocument(
        accuracy_percent=None if accuracies is None else accuracies[0],
        drop_pp=None if accuracies is None else accuracies[1],
        agreement_percent=_agreement(reference[0], design[0]) if class_count(networks[0]) else None,
        output_error=Estimate(float(errors.mean()), *mean_interval(errors)),
        samples=samples,
    )


def accuracy_percent(outputs: ActivationArray, labels: LabelArray) -> float:
    """Returns the share of samples whose first largest output is the label, percent."""
    return 100.0 * float(_right(outputs, labels).mean())


def _right(outputs: ActivationArray, labels: LabelArray) -> npt.NDArray[np.bool_]:
    right: npt.NDArray[np.bool_] = outputs.reshape(len(outputs), -1).argmax(axis=1) == labels
    return right


def _accuracies(reference: ActivationArray, design: ActivationArray, labels: LabelArray) -> tuple[float, Estimate]:
    before, after = _right(reference, labels), _right(design, labels)
    counts = PairedCounts(len(labels), int((before & ~after).sum()), int((after & ~before).sum()))
    return 100.0 * float(after.mean()), Estimate(counts.drop_pp, *paired_interval(counts))


def _agreement(reference: ActivationArray, design: ActivationArray) -> Estimate:
    same = int((reference.argmax(axis=1) == design.argmax(axis=1)).sum())
    return Estimate(100.0 * same / len(reference), *share_interval(same, len(reference)))


def _output_errors(
    networks: tuple[QuantizedNetwork, QuantizedNetwork], reference: list[ActivationArray], design: list[ActivationArray]
) -> Floats:
    """Returns each sample's squared error as a share of the variance of int32's outputs, the mean over the outputs."""
    int32, narrowed = networks
    per_output = [
        squared_errors(real_outputs(narrowed, made, at), real_outputs(int32, wanted, at), int32, at)
        for at, (wanted, made) in enumerate(zip(reference, design, strict=True))
    ]
    return np.asarray(np.mean(per_output, axis=0))
