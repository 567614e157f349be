"""Comparison of the integer executor with LiteRT, tensor by tensor."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nets.errors import NetworkError
from nets.execute import IntegerExecutor
from nets.importers import Cut, network_from_bytes, read_file
from nets.network import PROFILES, ActivationArray, QuantizedNetwork, profile_named
from nets.oracle.litert import LiteRtRunner, exposed_model, strange_axes


@dataclass(frozen=True, slots=True)
class TensorCheck:
    """How one tensor compares with LiteRT's.

    Attributes:
        operator: the operator that makes the tensor.
        tensor: the tensor's name in the file.
        elements: the number of elements compared, over all samples.
        first_index: (sample, ...) of the first difference, or None.
        ours: the executor's integer there; ``theirs`` is LiteRT's.
    """

    operator: str
    tensor: str
    elements: int
    mismatches: int
    first_index: tuple[int, ...] | None
    ours: int | None
    theirs: int | None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The comparison of one model under one profile.

    Attributes:
        mended: the number of tensors whose quantized dimension was changed to 0 for the comparison; LiteRT refuses the
            file as it is if there are any.
    """

    model: str
    profile: str
    runtime: str
    samples: int
    tensors: tuple[TensorCheck, ...]
    mended: int = 0

    @property
    def exact(self) -> bool:
        """Whether every element of every tensor is equal."""
        return not any(check.mismatches for check in self.tensors)


def verify_model(path: str | Path, profile: str, *samples: ActivationArray, cut: Cut = ()) -> VerifyReport:
    """Compares every tensor before a final softmax with LiteRT's, for equality.

    Args:
        path: A full-int8 .tflite file.
        profile: ``litert_ref`` or ``litert_xnnpack``.
        samples: one int8 or int16 array ``[samples, *shape]`` per network input.
        cut: tensors of the file at which the network ends.

    Raises:
        NetworkError: the model, the samples or the profile cannot be used, or LiteRT is missing.
    """
    path = Path(path)
    return verify_bytes(read_file(path), path.name, profile, *samples, cut=cut)


def verify_bytes(content: bytes, name: str, profile: str, *samples: ActivationArray, cut: Cut = ()) -> VerifyReport:
    """Compares a model given as bytes; see :func:`verify_model`."""
    runtime = profile_named(profile).runtime
    if runtime is None:
        raise NetworkError(f"{profile!r} is no profile of a LiteRT resolver; choose one of {', '.join(PROFILES)}")
    network = network_from_bytes(content, name, contract=profile, cut=cut)
    stored = [at for at, each in enumerate(network.operators) if network.tensors[each.output].file_index is not None]
    made = [network.operators[at].output for at in stored]
    runner = LiteRtRunner(exposed_model(content, network, made), runtime)
    executor = IntegerExecutor(network)
    tallies = [Tally(network, at) for at in stored]
    count = samples[0].shape[0] if samples else 0
    for start, ours in executor.every_tensor(*samples) if count else ():
        part = [ours[index] for index in network.inputs]
        for tally, tensor, theirs in zip(tallies, made, runner.run_all(*part), strict=True):
            tally.add(ours[tensor], theirs, start)
    return VerifyReport(
        name, profile, runtime, count, tuple(tally.check() for tally in tallies), len(strange_axes(content))
    )


class Tally:
    """Counts the differences of one operator's output, chunk by chunk."""

    def __init__(self, network: QuantizedNetwork, position: int, where: str = "") -> None:
        operator = network.operators[position]
        self._names = (operator.name + where, network.tensors[operator.output].name)
        self._elements = 0
        self._mismatches = 0
        self._first: tuple[tuple[int, ...], int, int] | None = None

    def add(self, ours: ActivationArray, theirs: ActivationArray, offset: int) -> None:
        """Compares one chunk, whose first sample is at ``offset``."""
        if ours.shape != theirs.shape:
            raise NetworkError(f"{self._names[0]}: the output has shape {ours.shape}, the runtime's {theirs.shape}")
        different = ours != theirs
        self._elements += ours.size
        self._mismatches += int(different.sum())
        if self._first is None and different.any():
            at = tuple(int(i) for i in np.unravel_index(int(different.argmax()), different.shape))
            self._first = ((at[0] + offset, *at[1:]), int(ours[at]), int(theirs[at]))

    def check(self) -> TensorCheck:
        """Returns what was counted."""
        index, ours, theirs = self._first or (None, None, None)
        return TensorCheck(*self._names, self._elements, self._mismatches, index, ours, theirs)


def random_samples(network: QuantizedNetwork, count: int, seed: int) -> list[ActivationArray]:
    """Draws uniform integers ``[count, *shape]`` of the whole range for every network input."""
    rng = np.random.default_rng(seed)
    specs = [network.tensors[index] for index in network.inputs]
    return [rng.integers(spec.q_min, spec.q_max, (count, *spec.shape), spec.dtype, endpoint=True) for spec in specs]
