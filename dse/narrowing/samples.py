"""Samples for one narrowing: a part that calibration sees, and a part that it does not."""

import math
from dataclasses import dataclass

from dse.errors import StudyError
from dse.narrowing.request import NarrowRequest
from nets.datasets import LabelArray, integers, load_npz_dataset, split
from nets.narrow import synthetic_inputs
from nets.network import ActivationArray, QuantizedNetwork

LEAST_TEST = 16  # samples; with fewer no interval says anything
_SYNTHETIC_TEST = 128  # synthetic inputs that outputs are compared on


@dataclass(frozen=True, eq=False)
class NarrowSamples:
    """Inputs of a network, one int8 or int16 array ``[samples, *shape]`` per network input, in two disjoint parts.

    Attributes:
        calibration: what calibration sees; empty if there is none.
        test: what outputs are compared on.
        labels: int64 labels of the test part, or None.
        synthetic: whether they are noise instead of data.
        note: what the reader has to know of them; empty if nothing.
    """

    calibration: tuple[ActivationArray, ...]
    test: tuple[ActivationArray, ...]
    labels: LabelArray | None
    synthetic: bool
    note: str = ""


def samples_for(request: NarrowRequest, network: QuantizedNetwork) -> NarrowSamples:
    """Reads and divides the samples of a request, or makes synthetic ones.

    Raises:
        StudyError: the samples do not fit the network, or are too few.
        NetworkError: the file cannot be used.
    """
    return _synthetic(request, network) if request.data is None else _from_file(request, network)


def _synthetic(request: NarrowRequest, network: QuantizedNetwork) -> NarrowSamples:
    count = request.calibration
    inputs = synthetic_inputs(network, count + _SYNTHETIC_TEST, request.seed)
    note = "no --data: the figures are on synthetic inputs (noise); they are no accuracies, and data may give others"
    return NarrowSamples(tuple(x[:count] for x in inputs), tuple(x[count:] for x in inputs), None, True, note)


def _from_file(request: NarrowRequest, network: QuantizedNetwork) -> NarrowSamples:
    path, count = request.data, request.calibration
    if path is None or len(network.inputs) != 1:
        raise StudyError(f"{request.model}: has {len(network.inputs)} inputs; --data serves models with one")
    spec = network.tensors[network.inputs[0]]
    dataset = load_npz_dataset(path, input_offset=request.input_offset, bits=spec.bits)
    shape = list(dataset.samples.inputs.shape[1:])
    for samples in (dataset.samples, dataset.held_out):
        if samples is not None and samples.inputs.shape[1:] != spec.shape:
            shape = list(samples.inputs.shape[1:])
            raise StudyError(f"{path}: samples have shape {shape}; {request.model} takes {list(spec.shape)}")
    available, held_out = len(dataset.samples), dataset.held_out
    needed = count + (1 if held_out is not None else LEAST_TEST)
    if available < needed or (held_out is not None and len(held_out) < LEAST_TEST):
        tested = "" if held_out is None else f" and {len(held_out)} for testing"
        raise StudyError(
            f"{path}: has {available} samples{tested}; --calibrate {count} takes {count}, and the test at least "
            f"{LEAST_TEST} others"
        )
    parts = split(dataset, finetune=0, validation=0, test=0 if held_out else 1, seed=request.seed, calibration=count)
    labels, note = _usable(parts.test.known_labels, network)
    calibration = integers(parts.calibration)
    test = integers(parts.test.inputs)
    return NarrowSamples((calibration,), (test,), labels, False, note)


def _usable(labels: LabelArray | None, network: QuantizedNetwork) -> tuple[LabelArray | None, str]:
    """Returns the labels if they can be classes of the network's only output, and otherwise why they are not used."""
    if labels is None:
        return None, "no labels (y) in --data: agreement with int32 instead of accuracy"
    if len(network.outputs) != 1:
        return None, f"the labels are not used: the model has {len(network.outputs)} outputs"
    shape = network.tensors[network.outputs[0]].shape
    classes = math.prod(shape)
    if max(shape) < classes:
        return None, f"the labels are not used: the outputs {list(shape)} are not one logit per class"
    if classes < 2 or int(labels.max()) >= classes:
        return None, f"the labels are not used: they go up to {labels.max()}, the model has {classes} outputs"
    return labels, ""
