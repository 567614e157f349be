"""The prepared study: baseline network and data, loaded and checked once, before anything is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from dse.errors import StudyError
from dse.study.spec import StudySpec
from nets.datasets import Dataset, Samples, Splits, load_digits_dataset, load_npz_dataset, split
from nets.execute.executor import IntegerExecutor
from nets.importers.pytorch import quantize_input, quantize_module
from nets.importers.tflite import load_tflite
from nets.importers.topologies import TOPOLOGIES, train_float
from nets.narrow.weights import RealWeights, real_weights, with_weight_bits
from nets.network.quantized_network import QuantizedNetwork

BoolArray = npt.NDArray[np.bool_]
UnderContract = Callable[[str], QuantizedNetwork]


@dataclass(frozen=True, eq=False)
class Problem:
    """All that an evaluation needs; plain data, so that it travels to workers once.

    Attributes:
        spec: the study.
        network: the baseline, every rescaler at int32 (Q31).
        originals: real weights behind the integers: of the float network, or of the imported int8 weights.
        splits: int8 inputs and labels.
        dataset: name of the data.
        data_sha256: hash of the data.
        baseline_correct: which validation samples the baseline gets right, ``[samples]``.
        variants: the baseline network under every other contract that a design may have, by the contract's name.
    """

    spec: StudySpec
    network: QuantizedNetwork
    originals: Mapping[str, RealWeights]
    splits: Splits
    dataset: str
    data_sha256: str
    baseline_correct: BoolArray
    variants: Mapping[str, QuantizedNetwork] = field(default_factory=dict)


def correct_answers(network: QuantizedNetwork, samples: Samples) -> BoolArray:
    """Which samples a network classifies correctly by the largest integer logit (the first one on a tie)."""
    logits = IntegerExecutor(network).outputs(samples.inputs.astype(np.int8, copy=False))[0]
    correct: BoolArray = logits.reshape(len(samples), -1).argmax(axis=1) == samples.labels
    return correct


def prepare(spec: StudySpec) -> Problem:
    """Load network and data and check that they fit.

    Raises:
        StudyError: network and data do not fit each other.
        NetworkError: one of them cannot be used.
    """
    torch.set_num_threads(1)  # sums in training depend on the number of threads
    dataset = _dataset(spec)
    parts = split(
        dataset, finetune=spec.data.finetune, validation=spec.data.validation, test=spec.data.test, seed=spec.seed
    )
    under, originals = _network(spec, parts)
    network = under(spec.network.contract)
    parts = Splits(*(_as_inputs(part, network, spec) for part in (parts.finetune, parts.validation, parts.test)))
    return Problem(
        spec=spec,
        network=network,
        originals=originals,
        splits=parts,
        dataset=dataset.name,
        data_sha256=dataset.sha256,
        baseline_correct=correct_answers(network, parts.validation),
        variants={name: under(name) for name in spec.search.contracts if name != spec.network.contract},
    )


def _dataset(spec: StudySpec) -> Dataset:
    if spec.data.samples is not None:
        return load_npz_dataset(spec.data.samples, input_offset=spec.data.input_offset)
    return load_digits_dataset()


def _network(spec: StudySpec, parts: Splits) -> tuple[UnderContract, Mapping[str, RealWeights]]:
    """What makes the baseline under a contract, and the real weights, which no contract changes."""
    if spec.network.model is not None:
        model, weight_bits = spec.network.model, spec.network.weight_bits
        read = load_tflite(model, contract=spec.network.contract)
        originals = real_weights(read)

        def imported(contract: str) -> QuantizedNetwork:
            network = read if contract == spec.network.contract else load_tflite(model, contract=contract)
            return with_weight_bits(network, weight_bits, originals)

        return imported, originals
    topology = TOPOLOGIES[str(spec.network.topology)]
    shape = parts.finetune.inputs.shape[1:]
    if not np.issubdtype(parts.finetune.inputs.dtype, np.floating) or shape != topology.input_shape:
        raise StudyError(
            f"network.topology = {spec.network.topology!r} is trained on real inputs {list(topology.input_shape)}, "
            f'but the data are {parts.finetune.inputs.dtype} {list(shape)}; use data.dataset = "digits"'
        )
    images = torch.from_numpy(parts.finetune.inputs.astype(np.float32)).permute(0, 3, 1, 2).contiguous()
    module = train_float(topology, images, torch.from_numpy(parts.finetune.labels), spec.seed)
    quantized = partial(
        quantize_module, module, images, name=str(spec.network.topology), weight_bits=spec.network.weight_bits
    )
    own = quantized(contract=spec.network.contract)
    return lambda name: (own if name == spec.network.contract else quantized(contract=name)).network, own.originals


def _as_inputs(samples: Samples, network: QuantizedNetwork, spec: StudySpec) -> Samples:
    """The samples as int8 inputs of the network, checked against its shapes and classes."""
    if len(network.inputs) != 1:
        raise StudyError(f"network {network.name!r} has {len(network.inputs)} inputs; studies take networks with one")
    source, target = network.tensors[network.inputs[0]], network.tensors[network.outputs[0]]
    where = spec.data.samples or spec.data.dataset
    if samples.inputs.shape[1:] != source.shape:
        raise StudyError(
            f"{where}: samples are {list(samples.inputs.shape[1:])}, but {network.name!r} takes {list(source.shape)}"
        )
    classes = target.shape[-1]
    if len(samples) and samples.labels.max() >= classes:
        raise StudyError(
            f"{where}: labels reach {samples.labels.max()}, but {network.name!r} has {classes} classes, counted from 0"
        )
    if np.issubdtype(samples.inputs.dtype, np.floating):
        return Samples(quantize_input(samples.inputs.astype(np.float64), source), samples.labels)
    return samples
