"""Evaluation of many designs of one network on the same inputs: layers that they share are computed once."""

from collections import OrderedDict

import numpy as np
from torch import Tensor

from nets.digests import digest
from nets.execute.executor import Backend, PreparedOperators, input_chunks, samples_at_once
from nets.network import Int8Array, Operator, QuantizedNetwork, TensorSpec, operator_digest

DEFAULT_BYTES = 2**30


class PrefixEvaluator:
    """Runs networks on one set of inputs and keeps their activations for networks that begin with the same layers.

    A tensor's key is a digest of the operator that makes it and of the keys of the tensors that this operator reads, so
    equal keys mean equal integers in any network. Memory is bounded: the least recently used activations are dropped.

    Args:
        inputs: one int8 array ``[samples, *shape]`` per network input.
        limit_bytes: the largest total size of the activations kept, in bytes.
        backend: the kernels to use.

    Attributes:
        computed: the number of operators computed so far.
        reused: the number of activations that were taken from memory.
        kept_bytes: the present size of the activations kept, in bytes.
    """

    def __init__(self, *inputs: Int8Array, limit_bytes: int = DEFAULT_BYTES, backend: Backend = Backend.AUTO) -> None:
        self._inputs = inputs
        self._limit = limit_bytes
        self._backend = backend
        self._chunk_size = 0
        self._kept: OrderedDict[bytes, _Chunks] = OrderedDict()
        self.kept_bytes = 0
        self.computed = 0
        self.reused = 0

    def outputs(self, network: QuantizedNetwork, *, remember: bool = True) -> list[Int8Array]:
        """Computes the network's outputs, equal to those of :meth:`IntegerExecutor.outputs`.

        Args:
            network: A design.
            remember: whether to keep what is computed now. Variants of one network that no other network will begin
                with, as in a sensitivity analysis, are faster without.

        Returns:
            One int8 array ``[samples, *shape]`` per network output.
        """
        self._chunk_size = self._chunk_size or samples_at_once(network)  # the same for all networks
        keys = tensor_keys(network)
        needed = _needed(network, {index for index, key in keys.items() if key in self._kept})
        chunks = input_chunks(network, self._inputs, self._chunk_size)
        for index in _read_by(network, needed) - chunks[0].keys():
            for chunk, part in zip(chunks, self._recalled(keys[index]), strict=True):
                chunk[index] = part
        new = {operator.output for operator in needed} if remember else set()
        parts = PreparedOperators(needed, network, self._backend).run(chunks, new | set(network.outputs))
        self.computed += len(needed)
        for index in new:
            self._keep(keys[index], [part[index] for part in parts])
        return [np.concatenate([part[index].numpy() for part in parts]) for index in network.outputs]

    def _recalled(self, key: bytes) -> "_Chunks":
        self._kept.move_to_end(key)
        self.reused += 1
        return self._kept[key]

    def _keep(self, key: bytes, value: "_Chunks") -> None:
        size = _bytes(value)
        if size > self._limit:
            return
        self._kept[key] = value
        self.kept_bytes += size
        while self.kept_bytes > self._limit:
            _, gone = self._kept.popitem(last=False)
            self.kept_bytes -= _bytes(gone)


_Chunks = list[Tensor]  # one activation, cut along the samples


def _bytes(value: _Chunks) -> int:
    return sum(part.numel() for part in value)


def _read_by(network: QuantizedNetwork, needed: list[Operator]) -> set[int]:
    """Returns the tensors that the needed operators, or the caller, read and no needed operator makes."""
    read = {index for operator in needed for index in operator.inputs} | set(network.outputs)
    return read - {operator.output for operator in needed}


def _needed(network: QuantizedNetwork, known: set[int]) -> list[Operator]:
    """Returns the operators that have to run, in order, if the tensors in ``known`` are available."""
    wanted, needed = set(network.outputs) - known, []
    for operator in reversed(network.operators):
        if operator.output in wanted:
            needed.append(operator)
            wanted |= set(operator.inputs) - known
    return needed[::-1]


def tensor_keys(network: QuantizedNetwork) -> dict[int, bytes]:
    """Computes, for every activation, a digest of all that determines its integers, given the network's inputs."""
    keys = {index: digest(b"input", str(at).encode()) for at, index in enumerate(network.inputs)}
    keys |= {index: digest(b"constant", values.tobytes()) for index, values in network.constants.items()}
    for operator in network.operators:
        specs = (network.tensors[index] for index in (*operator.inputs, operator.output))
        parts = [keys[index] for index in operator.inputs]
        keys[operator.output] = digest(operator_digest(operator), *(_spec_bytes(spec) for spec in specs), *parts)
    return keys


def _spec_bytes(spec: TensorSpec) -> bytes:
    # Names and scales do not enter the integers: the rescalers already hold the scales.
    return repr((spec.shape, spec.zero_point, spec.bits)).encode()
