"""One network under every contract: the first operator that differs, by how much, and the effect on accuracy."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nets.errors import NetworkError
from nets.execute import IntegerExecutor, prepared_alone
from nets.importers import Cut, load_network, model_format
from nets.network import CONTRACTS, ActivationArray, IntArray, QuantizedNetwork, class_count

_CHUNK = 64  # samples whose every tensor is held at once, once for each contract
_REACH = 2  # differences beyond this many LSB are counted together


@dataclass(frozen=True, slots=True)
class ContractRow:
    """A contract compared with the baseline.

    Attributes:
        contract: name of a contract or profile.
        first_divergent: the first operator whose output differs for any sample, or None.
        local_differing: share of outputs that differ if every operator receives the baseline's inputs.
        differing: share of all operators' outputs that differ if each network runs on its own results.
        off_by_one: share of all operators' outputs that differ by exactly 1 LSB then.
        histogram: counts of difference -2 or less, -1, 0, 1, 2 or more LSB, then.
        agreement: share of samples with the baseline's prediction; None if the outputs are no classes.
        accuracy: share of samples whose largest output is the label, or None without labels.
        accuracy_change_pp: percentage points above the baseline's accuracy, or None.
    """

    contract: str
    first_divergent: str | None
    local_differing: float
    differing: float
    off_by_one: float
    histogram: tuple[int, ...]
    agreement: float | None
    accuracy: float | None
    accuracy_change_pp: float | None


@dataclass(frozen=True, slots=True)
class ContractMatrix:
    """One network under every contract; the first row is the baseline itself."""

    model: str
    baseline: str
    samples: int
    rows: tuple[ContractRow, ...]


def contract_matrix(
    path: str | Path,
    samples: ActivationArray,
    labels: IntArray | None = None,
    *,
    baseline: str = "half_up",
    cut: Cut = (),
) -> ContractMatrix:
    """Compares all contracts and profiles on a model file.

    Args:
        path: the file; it has one input.
        samples: int8 ``[samples, *shape]``.
        labels: int64 ``[samples]``, for accuracy, or None.
        baseline: the contract or profile that the others are compared with.
        cut: tensors of the file at which the network ends.

    Raises:
        NetworkError: the file, the samples or the labels cannot be used.
    """
    path = Path(path)
    known = (*CONTRACTS, *model_format(path).profiles)
    names = [baseline, *(name for name in known if name != baseline)]
    networks = {name: load_network(path, contract=name, cut=cut) for name in names}
    _check_labels(networks[baseline], samples, labels)
    tallies = {name: _Tally(networks[name]) for name in names}
    for start in range(0, len(samples), _CHUNK):
        part = samples[start : start + _CHUNK]
        expected = IntegerExecutor(networks[baseline]).tensors(part)
        for tally in tallies.values():
            tally.add(expected, part)
    rows = tuple(tally.row(name, labels) for name, tally in tallies.items())
    return ContractMatrix(path.name, baseline, len(samples), rows)


def _check_labels(network: QuantizedNetwork, samples: ActivationArray, labels: IntArray | None) -> None:
    if labels is None:
        return
    classes = int(np.prod(network.tensors[network.outputs[0]].shape))
    if labels.shape != samples.shape[:1]:
        raise NetworkError(f"{len(samples)} samples have labels of shape {list(labels.shape)}")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise NetworkError(f"labels are {labels.min()} to {labels.max()}; the network has {classes} outputs")


class _Tally:
    """Counts how one network differs from the baseline, chunk by chunk; their tensors have the same indices."""

    def __init__(self, network: QuantizedNetwork) -> None:
        self._network = network
        self._executor = IntegerExecutor(network)
        self._alone = [prepared_alone(operator, network) for operator in network.operators]
        self._differs = [False] * len(network.operators)
        self._local = 0
        self._histogram = np.zeros(2 * _REACH + 1, np.int64)
        self.choices: list[IntArray] = []
        self.baseline_choices: list[IntArray] = []

    def add(self, expected: dict[int, ActivationArray], samples: ActivationArray) -> None:
        """Runs a chunk; ``expected`` are the baseline's tensors."""
        tensors = self._executor.tensors(samples)
        for at, operator in enumerate(self._network.operators):
            self._differs[at] |= self._count(tensors[operator.output], expected[operator.output])
            self._local += self._local_differences(at, expected)
        self.choices.append(_choices(tensors[self._network.outputs[0]]))
        self.baseline_choices.append(_choices(expected[self._network.outputs[0]]))

    def _count(self, tensor: ActivationArray, expected: ActivationArray) -> bool:
        """Adds one tensor to the histogram; returns whether any element differs."""
        different = tensor != expected
        steps = tensor[different].astype(np.int64) - expected[different]
        self._histogram += np.bincount(np.clip(steps, -_REACH, _REACH) + _REACH, minlength=2 * _REACH + 1)
        self._histogram[_REACH] += tensor.size - steps.size
        return bool(steps.size)

    def _local_differences(self, at: int, expected: dict[int, ActivationArray]) -> int:
        operator = self._network.operators[at]
        inputs = [torch.from_numpy(expected[index]) for index in operator.inputs]
        return int((self._alone[at](inputs).numpy() != expected[operator.output]).sum())

    def row(self, name: str, labels: IntArray | None) -> ContractRow:
        elements = int(self._histogram.sum())
        first = next((op.name for op, off in zip(self._network.operators, self._differs, strict=True) if off), None)
        chosen, before = np.concatenate(self.choices), np.concatenate(self.baseline_choices)
        accuracy = None if labels is None else float((chosen == labels).mean())
        change = None if labels is None else 100 * float((chosen == labels).mean() - (before == labels).mean())
        return ContractRow(
            contract=name,
            first_divergent=first,
            local_differing=self._local / elements,
            differing=1 - int(self._histogram[_REACH]) / elements,
            off_by_one=int(self._histogram[_REACH - 1] + self._histogram[_REACH + 1]) / elements,
            histogram=tuple(int(count) for count in self._histogram),
            agreement=None if class_count(self._network) is None else float((chosen == before).mean()),
            accuracy=accuracy,
            accuracy_change_pp=change,
        )


def _choices(outputs: ActivationArray) -> IntArray:
    result: IntArray = outputs.reshape(len(outputs), -1).argmax(axis=1)
    return result
