"""Evaluating many designs of one network on the same inputs: layers that they share are computed once."""

import hashlib
from collections import OrderedDict
from dataclasses import fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nets.executor import Backend, checked_inputs, prepared
from nets.network import Operator, QuantizedNetwork, TensorSpec
from nets.rescaler import Rescaler

Int8Array = npt.NDArray[np.int8]

DEFAULT_BYTES = 2**30


class PrefixEvaluator:
    """Runs networks on one set of inputs and keeps what they made, for the next that begins alike.

    A tensor's key is a digest of the operator that makes it and of the keys of what that operator reads, so equal
    keys mean equal integers, whichever network asks. Memory is bounded: what was not used for longest goes first.

    Args:
        inputs: one int8 array ``[samples, *shape]`` per network input.
        limit_bytes: of the activations kept.
        backend: which kernels to use.
    """

    def __init__(self, *inputs: Int8Array, limit_bytes: int = DEFAULT_BYTES, backend: Backend = Backend.AUTO) -> None:
        self._inputs = inputs
        self._limit = limit_bytes
        self._backend = backend
        self._kept: OrderedDict[bytes, Tensor] = OrderedDict()
        self._bytes = 0
        self.computed = 0
        self.reused = 0

    def outputs(self, network: QuantizedNetwork) -> list[Int8Array]:
        """The network's outputs, ``[samples, *shape]`` each, equal to :meth:`IntegerExecutor.outputs`."""
        checked = checked_inputs(network, self._inputs)
        keys = tensor_keys(network)
        live = dict(zip(network.inputs, checked, strict=True))
        for operator in _needed(network, {i for i, key in keys.items() if key in self._kept}):
            live[operator.output] = self._compute(operator, network, live, keys)
        results = [self._value(index, live, keys) for index in network.outputs]
        return [value.numpy() for value in results]

    def _value(self, index: int, live: dict[int, Tensor], keys: dict[int, bytes]) -> Tensor:
        if index in live:
            return live[index]
        self._kept.move_to_end(keys[index])
        self.reused += 1
        live[index] = self._kept[keys[index]]
        return live[index]

    def _compute(
        self, operator: Operator, network: QuantizedNetwork, live: dict[int, Tensor], keys: dict[int, bytes]
    ) -> Tensor:
        run, _ = prepared(operator, network, self._backend)
        with torch.inference_mode():
            result = run([self._value(index, live, keys) for index in operator.inputs])
        self.computed += 1
        self._keep(keys[operator.output], result)
        return result

    def _keep(self, key: bytes, value: Tensor) -> None:
        if value.numel() > self._limit:
            return
        self._kept[key] = value
        self._bytes += value.numel()
        while self._bytes > self._limit:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= gone.numel()


def _needed(network: QuantizedNetwork, known: set[int]) -> list[Operator]:
    """The operators that have to run, in order, where the tensors in ``known`` are at hand."""
    wanted, needed = set(network.outputs) - known, []
    for operator in reversed(network.operators):
        if operator.output in wanted:
            needed.append(operator)
            wanted |= set(operator.inputs) - known
    return needed[::-1]


def tensor_keys(network: QuantizedNetwork) -> dict[int, bytes]:
    """For every activation, a digest of all that determines its integers, given the network's inputs."""
    keys = {index: _digest(b"input", str(at).encode()) for at, index in enumerate(network.inputs)}
    for operator in network.operators:
        specs = (network.tensors[index] for index in (*operator.inputs, operator.output))
        parts = [keys[index] for index in operator.inputs]
        keys[operator.output] = _digest(operator_digest(operator), *(_spec_bytes(spec) for spec in specs), *parts)
    return keys


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _spec_bytes(spec: TensorSpec) -> bytes:
    # Names and scales do not enter the integers: the rescalers already hold the scales.
    return repr((spec.shape, spec.zero_point, spec.bits)).encode()


def operator_digest(operator: Operator) -> bytes:
    """A digest of an operator's kind and of all its fields but name and tensor indices."""
    own = [field.name for field in fields(operator) if field.name not in ("name", "inputs", "output")]
    parts = [name.encode() + b"=" + _value_bytes(getattr(operator, name)) for name in own]
    return _digest(type(operator).__name__.encode(), *parts)


def _value_bytes(value: object) -> bytes:
    if isinstance(value, np.ndarray):
        return repr((value.dtype.str, value.shape)).encode() + np.ascontiguousarray(value).tobytes()
    if isinstance(value, Rescaler):
        head = repr((value.contract.name, value.stored_bits)).encode()
        return _digest(head, _value_bytes(value.multiplier), _value_bytes(value.right_shift))
    if isinstance(value, tuple):
        return _digest(*(_value_bytes(item) for item in value))
    return repr(value).encode()
