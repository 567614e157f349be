"""Prepares a study: loads every network and its data and checks that they fit, before anything is written."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from dse.design import DISAGREEMENT, DIVERGENCE, DROP, DesignPoint, Finetune, SearchSpace
from dse.errors import StudyError
from dse.study.members import DataSpec, MemberSpec, NetworkSpec
from dse.study.space import space_over
from dse.study.spec import Study
from dse.study.task_metrics import Measured, Metric, metric_named
from dse.study.tasks import check_above_chance, check_classifier
from dse.study.values import SHIPPED_METRICS
from nets.datasets import BUILT_IN_DATASETS, Dataset, Samples, Splits, integers, load_npz_dataset, split
from nets.digests import digest
from nets.execute import IntegerExecutor
from nets.importers import TOPOLOGIES, load_network, model_format, quantize_input, quantize_module, train_float
from nets.narrow import RealWeights, real_weights, with_weight_bits
from nets.network import ActivationArray, NarrowableOperator, QuantizedNetwork, fingerprint

BoolArray = npt.NDArray[np.bool_]
T = TypeVar("T")

# A function from a contract's name to the baseline network, and the real weights, which no contract changes.
_Baselines = tuple[Callable[[str], QuantizedNetwork], Mapping[str, RealWeights]]
_SEPARATOR = "/"


@dataclass(frozen=True, eq=False)
class PreparedMember:
    """One network of a study with its data.

    Attributes:
        spec: the member's entry in the study.
        network: the baseline, every rescaler at int32 (Q31).
        originals: real weights that the integers stand for: of the float network, or of the imported int8 weights.
        splits: integer inputs and labels; of the calibration samples those that the study uses.
        dataset: name of the data.
        data_sha256: SHA-256 of the data, hexadecimal.
        baseline_outputs: integer outputs of the baseline on the validation split, ``[samples, elements]``.
        metric: what outputs are worth; None if the study has no metric.
        variants: the baseline network under every other contract that a design may have, by the contract's name.
    """

    spec: MemberSpec
    network: QuantizedNetwork
    originals: Mapping[str, RealWeights]
    splits: Splits
    dataset: str
    data_sha256: str
    baseline_outputs: ActivationArray
    metric: Metric | None = None
    variants: Mapping[str, QuantizedNetwork] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The member's name; empty for the only network of a study."""
        return self.spec.name

    @property
    def has_labels(self) -> bool:
        """Whether the outputs are classes, and those of the samples are known."""
        return self.splits.validation.known_labels is not None

    @property
    def baseline_val_accuracy(self) -> float | None:
        """Accuracy of the baseline on the validation split, percent; None without labels."""
        if not self.has_labels:
            return None
        return 100.0 * float(right_answers(self.baseline_outputs, self.splits.validation).mean())

    def named(self, name: str) -> str:
        """Returns the name that a rescaler or layer of this member has in designs: ``member/name``."""
        return f"{self.name}{_SEPARATOR}{name}" if self.name else name

    def own(self, entries: Mapping[str, T]) -> dict[str, T]:
        """Returns the entries of this member by the names that its network uses."""
        prefix = self.named("")
        return {name.removeprefix(prefix): value for name, value in entries.items() if name.startswith(prefix)}

    def own_point(self, point: DesignPoint) -> DesignPoint:
        """Returns the part of a design that concerns this member."""
        return replace(
            point,
            choices=tuple(self.own(dict(point.choices)).items()),
            weight_bits=tuple(self.own(dict(point.weight_bits)).items()),
        )


@dataclass(frozen=True, eq=False)
class PreparedStudy:
    """Everything that a run needs, from the first evaluation to the export: plain data, sent to each worker once.

    Attributes:
        spec: the study.
        members: its networks with their data, in the order of the study file.
    """

    spec: Study
    members: tuple[PreparedMember, ...]

    @property
    def operators(self) -> tuple[NarrowableOperator, ...]:
        """Every rescaling operator of the baselines in order of execution, named as in designs."""
        return tuple(
            replace(operator, name=member.named(operator.name))
            for member in self.members
            for operator in member.network.narrowable_operators()
        )

    @property
    def space(self) -> SearchSpace:
        """The search space.

        Raises:
            StudyError: a rule of the study file matches no rescaler.
        """
        spec = self.spec
        return space_over(self.operators, spec.search, spec.fidelity.finetune, spec.hardware, spec.fidelity.calibration)

    @property
    def networks(self) -> dict[str, QuantizedNetwork]:
        """The baseline of every member by the member's name."""
        return {member.name: member.network for member in self.members}

    @property
    def data_sha256(self) -> str:
        """SHA-256 of the data of all members, hexadecimal."""
        hashes = [member.data_sha256 for member in self.members]
        return hashes[0] if len(hashes) == 1 else digest(*(text.encode() for text in hashes)).hex()

    @property
    def baseline_val_accuracy(self) -> float | None:
        """The weighted mean of the members' validation accuracies, percent; None if one has no labels."""
        accuracies = [member.baseline_val_accuracy for member in self.members]
        known = [accuracy for accuracy in accuracies if accuracy is not None]
        if len(known) < len(accuracies):
            return None
        return float(np.average(known, weights=[member.spec.weight for member in self.members]))


def prepare(spec: Study) -> PreparedStudy:
    """Loads every member's network and data, trains built-in topologies, and checks that networks and data fit.

    Sets torch to one thread (:func:`train_on_one_thread`).

    Raises:
        StudyError: network and data do not fit each other.
        NetworkError: one of them cannot be used.
    """
    train_on_one_thread()
    return PreparedStudy(spec, tuple(_prepared(member, spec) for member in spec.members))


def train_on_one_thread() -> None:
    """Sets torch to one thread in this process: the order of sums in training depends on the number of threads.

    Every process that trains calls it first: the driver in :func:`prepare`, and each worker.
    """
    torch.set_num_threads(1)


def fingerprint_of(networks: Mapping[str, QuantizedNetwork]) -> str:
    """Returns one fingerprint of the networks of a study by member, hexadecimal; of one network, its own."""
    fingerprints = {name: fingerprint(network) for name, network in networks.items()}
    if len(fingerprints) == 1:
        return next(iter(fingerprints.values()))
    return digest(*(f"{name} {text}".encode() for name, text in fingerprints.items())).hex()


def outputs_of(network: QuantizedNetwork, samples: Samples) -> ActivationArray:
    """Returns the integer outputs of the network for each sample, ``[samples, elements]``."""
    outputs = IntegerExecutor(network).outputs(integers(samples.inputs))[0]
    return outputs.reshape(len(samples), -1)


def right_answers(outputs: ActivationArray, samples: Samples) -> BoolArray:
    """Returns whether the largest integer logit (the first one on a tie) is each sample's label, ``[samples]``."""
    right: BoolArray = outputs.argmax(axis=1) == samples.labels
    return right


def correct_answers(network: QuantizedNetwork, samples: Samples) -> BoolArray:
    """Returns whether the network classifies each sample correctly (:func:`right_answers`), ``[samples]``."""
    return right_answers(outputs_of(network, samples), samples)


def _prepared(member: MemberSpec, study: Study) -> PreparedMember:
    data, contract = member.data, member.network.contract
    imported = None if member.network.model is None else _imported(member.network, member.network.model)
    dataset = _dataset(data, None if imported is None else imported[0](contract))
    if member.network.outputs == "values":
        dataset = dataset.without_labels()
    splits = split(
        dataset,
        finetune=data.finetune,
        validation=data.validation,
        test=data.test,
        seed=study.seed_of("data"),
        calibration=data.calibration,
    )
    under, originals = imported or _trained(
        member.network, str(member.network.topology), splits.finetune, study.seed_of("network")
    )
    network = under(contract)
    _check_scales(member, dataset, study)
    _check_end(member)
    splits = _for_network(splits, network, data, study.fidelity.calibration)
    _check_losses(member, splits, network, study)
    outputs = outputs_of(network, splits.validation)
    if splits.validation.known_labels is not None:
        right = int(right_answers(outputs, splits.validation).sum())
        check_above_chance(str(data.samples or data.dataset), right, splits.validation.labels)
    metric = None if data.metric is None else metric_named(data.metric, data.metric_kind)
    if metric is not None:
        _check_metric(metric, network, outputs, splits.validation)
    return PreparedMember(
        spec=member,
        network=network,
        originals=originals,
        splits=splits,
        dataset=dataset.name,
        data_sha256=dataset.sha256 if metric is None else digest(f"{dataset.sha256} {metric}".encode()).hex(),
        baseline_outputs=outputs,
        metric=metric,
        variants={name: under(name) for name in study.search.contracts if name != contract},
    )


def _dataset(data: DataSpec, network: QuantizedNetwork | None) -> Dataset:
    """Loads samples for an imported network, or for one that is yet to be trained."""
    if not data.samples:
        return BUILT_IN_DATASETS[str(data.dataset)]()
    bits = 8 if network is None else network.tensors[network.inputs[0]].bits
    return load_npz_dataset(data.samples, input_offset=data.input_offset, bits=bits)


def measured(
    metric: Metric, baseline: QuantizedNetwork, network: QuantizedNetwork, outputs: ActivationArray, samples: Samples
) -> Measured:
    """Computes a metric of a network's integer outputs.

    Args:
        metric: the metric.
        baseline: the network of int32, whose input scale the samples have.
        network: the network that gave the outputs.
        outputs: integers, ``[samples, elements]``.
        samples: what it was given, and what metrics compare with: targets, or labels.

    Raises:
        StudyError: the metric does not fit outputs and samples.
    """
    source, target = baseline.tensors[baseline.inputs[0]], network.tensors[network.outputs[0]]
    return metric.measured(
        target.scale * (outputs.reshape(-1, *target.shape).astype(np.float64) - target.zero_point),
        source.scale * (samples.inputs.astype(np.float64) - source.zero_point),
        samples.known_labels if samples.targets is None else samples.targets,
    )


def _check_metric(metric: Metric, network: QuantizedNetwork, outputs: ActivationArray, samples: Samples) -> None:
    """Refuses a metric of which int32's is no number above 0: no loss can be stated in percent of that."""
    value = measured(metric, network, network, outputs, samples).value
    if not (math.isfinite(value) and value > 0):
        raise StudyError(
            f"data.metric = {metric.name!r} is {value:g} of int32 on the validation split; losses are in percent of "
            "int32's, which has to be above 0"
        )


def _check_scales(member: MemberSpec, dataset: Dataset, study: Study) -> None:
    """Refuses what needs the real values of inputs or outputs if the model's format does not state their scales."""
    model = member.network.model
    if model is None or model_format(model).states_scales:
        return
    needs = {
        f"{dataset.name}: real inputs": np.issubdtype(dataset.samples.inputs.dtype, np.floating),
        f"{DIVERGENCE.name}": DIVERGENCE.name in study.search.figures,
        "data.metric": member.data.metric is not None,
        "fidelity.finetune": study.fidelity.finetune is not Finetune.NONE,
    }
    if needed := [name for name, is_needed in needs.items() if is_needed]:
        name = model_format(model).name
        raise StudyError(
            f"{model.name}: {name} states no scales of inputs and outputs, which are needed for {needed[0]}"
        )


def _check_end(member: MemberSpec) -> None:
    """Refuses a metric of values that would be computed of logits, without the function that the file ends with."""
    model, metric = member.network.model, member.data.metric
    of_values = member.network.outputs == "values" or metric in SHIPPED_METRICS
    if model is None or metric is None or member.network.cut or not of_values:
        return
    find = model_format(model).dropped_end
    if find is None or (end := find(model)) is None:
        return
    places = {"behind it": end.behind, "before it": end.logits}
    cuts = [
        f"network.cut = [{json.dumps(at)}] for the values {where}" for where, at in places.items() if at is not None
    ]
    raise StudyError(
        f"{model.name}: data.metric = {metric!r} is of values, and the network is read without the {end.kind} that the "
        f"file ends with; use {', or '.join(cuts)}"
    )


def _check_losses(member: MemberSpec, splits: Splits, network: QuantizedNetwork, study: Study) -> None:
    """Refuses a study whose figures or fine-tuning need labels or classes that its samples and network lack."""
    origin = member.data.samples or member.data.dataset
    if len(network.outputs) != 1:
        raise StudyError(f"network {network.name!r} has {len(network.outputs)} outputs; studies take networks with one")
    if member.network.outputs == "values":
        return
    labelled = splits.validation.known_labels is not None
    check_classifier(network, labelled=labelled)
    if labelled:
        return
    if DROP.name in study.search.figures:
        raise StudyError(
            f"{origin}: has no labels (y) for {DROP.name}; use {DISAGREEMENT.name} or {DIVERGENCE.name} in its place"
        )
    if study.fidelity.finetune is not Finetune.NONE:
        raise StudyError(
            f"{origin}: has no labels (y) to train with, but fidelity.finetune = {study.fidelity.finetune.value!r}; "
            'use "none"'
        )


def _imported(spec: NetworkSpec, model: Path) -> _Baselines:
    read = load_network(model, contract=spec.contract, cut=spec.cut)
    originals = real_weights(read)

    def under(contract: str) -> QuantizedNetwork:
        network = read if contract == spec.contract else load_network(model, contract=contract, cut=spec.cut)
        return with_weight_bits(network, spec.weight_bits, originals)

    return under, originals


def _trained(spec: NetworkSpec, name: str, samples: Samples, seed: int) -> _Baselines:
    topology, shape = TOPOLOGIES[name], samples.inputs.shape[1:]
    if not np.issubdtype(samples.inputs.dtype, np.floating) or shape != topology.input_shape:
        raise StudyError(
            f"network.topology = {name!r} is trained on real inputs {list(topology.input_shape)}, "
            f'but the data are {samples.inputs.dtype} {list(shape)}; use data.dataset = "{topology.dataset}"'
        )
    images = torch.from_numpy(samples.inputs.astype(np.float32)).permute(0, 3, 1, 2).contiguous()
    module = train_float(topology, images, torch.from_numpy(samples.labels), seed)
    quantized = partial(quantize_module, module, images, name=name, weight_bits=spec.weight_bits)
    own = quantized(contract=spec.contract)

    def under(contract: str) -> QuantizedNetwork:
        return (own if contract == spec.contract else quantized(contract=contract)).network

    return under, own.originals


def _for_network(splits: Splits, network: QuantizedNetwork, data: DataSpec, calibration: int) -> Splits:
    """Returns the splits as integer inputs of the network, with as many calibration samples as the study uses."""
    if len(splits.calibration) < calibration:
        raise StudyError(
            f"{data.samples or data.dataset}: data.calibration = {data.calibration:g} gives {len(splits.calibration)} "
            f"samples, but fidelity.calibration = {calibration}; give more, or use fewer"
        )
    finetune, validation, test, unlabelled = (
        _as_inputs(part, network, data)
        for part in (splits.finetune, splits.validation, splits.test, Samples(splits.calibration[:calibration]))
    )
    return Splits(finetune, validation, test, unlabelled.inputs, splits.stratified)


def _as_inputs(samples: Samples, network: QuantizedNetwork, data: DataSpec) -> Samples:
    """Returns the samples as integer inputs of the network, checked against its shapes and classes."""
    if len(network.inputs) != 1:
        raise StudyError(f"network {network.name!r} has {len(network.inputs)} inputs; studies take networks with one")
    source, target = network.tensors[network.inputs[0]], network.tensors[network.outputs[0]]
    origin = data.samples or data.dataset
    if samples.inputs.shape[1:] != source.shape:
        raise StudyError(
            f"{origin}: samples are {list(samples.inputs.shape[1:])}, but {network.name!r} takes {list(source.shape)}"
        )
    classes, labels, targets = math.prod(target.shape), samples.known_labels, samples.targets
    if labels is not None and len(labels) and labels.max() >= classes:
        raise StudyError(
            f"{origin}: labels reach {labels.max()}, but {network.name!r} has {classes} classes, counted from 0"
        )
    if np.issubdtype(samples.inputs.dtype, np.floating):
        return Samples(quantize_input(samples.inputs.astype(np.float64), source), labels, targets)
    return samples
