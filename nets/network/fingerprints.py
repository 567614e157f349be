"""A stable hash of a network's integers, and the trained integers as plain arrays."""

from collections.abc import Mapping
from dataclasses import fields, replace

import numpy as np
import numpy.typing as npt

from nets.digests import digest
from nets.errors import NetworkError
from nets.network.operators import Neighbours, Operator, Weighted
from nets.network.quantized_network import QuantizedNetwork
from nets.network.rescaler import Rescaler

Arrays = dict[str, npt.NDArray[np.generic]]


def fingerprint(network: QuantizedNetwork) -> str:
    """Computes the SHA-256 digest of structure, quantization and every operator's fields, hexadecimal."""
    tensors = [(tensor.shape, tensor.scale, tensor.zero_point, tensor.bits) for tensor in network.tensors]
    operators = [(operator.name, operator.inputs, operator.output) for operator in network.every_operator()]
    structure = repr((network.inputs, network.outputs, tensors, operators)).encode()
    constants = [repr(index).encode() + _value_bytes(values) for index, values in sorted(network.constants.items())]
    return digest(structure, *(operator_digest(operator) for operator in network.operators), *constants).hex()


def operator_digest(operator: Operator) -> bytes:
    """Computes a digest of an operator's kind and of all its fields except name and tensor indices."""
    own = [field.name for field in fields(operator) if field.name not in ("name", "inputs", "output")]
    parts = [name.encode() + b"=" + _value_bytes(getattr(operator, name)) for name in own]
    return digest(type(operator).__name__.encode(), *parts)


def _value_bytes(value: object) -> bytes:
    if isinstance(value, np.ndarray):
        return repr((value.dtype.str, value.shape)).encode() + np.ascontiguousarray(value).tobytes()
    if isinstance(value, Rescaler):
        head = repr((value.contract.name, value.stored_bits)).encode()
        return digest(head, _value_bytes(value.multiplier), _value_bytes(value.right_shift))
    if isinstance(value, Operator):  # a part of another one
        return operator_digest(value)
    if isinstance(value, Neighbours):
        return _value_bytes((value.first, value.second, value.share))
    if isinstance(value, tuple):
        return digest(*(_value_bytes(item) for item in value))
    return repr(value).encode()


def trained_arrays(network: QuantizedNetwork) -> Arrays:
    """Returns weights (int8 or int16) and biases (int64) by operator: ``<operator>.weights``, ``<operator>.bias``."""
    arrays: Arrays = {}
    for operator in network.every_operator():
        if isinstance(operator, Weighted):
            # Contiguous: a file of raw buffers would lose the strides of a transposed array.
            arrays[f"{operator.name}.weights"] = np.ascontiguousarray(operator.weights)
            arrays[f"{operator.name}.bias"] = np.ascontiguousarray(operator.bias)
    return arrays


def with_trained_arrays(network: QuantizedNetwork, arrays: Mapping[str, npt.NDArray[np.generic]]) -> QuantizedNetwork:
    """Returns the network with the weights and biases of :func:`trained_arrays`.

    Raises:
        NetworkError: an array is missing or has another shape.
    """
    changed: dict[str, Operator] = {}
    for operator in network.every_operator():
        if not isinstance(operator, Weighted):
            continue
        try:
            weights, bias = arrays[f"{operator.name}.weights"], arrays[f"{operator.name}.bias"]
        except KeyError as error:
            raise NetworkError(f"trained weights lack {error.args[0]!r}") from None
        if weights.shape != operator.weights.shape or bias.shape != operator.bias.shape:
            raise NetworkError(
                f"trained weights of {operator.name!r} have shape {weights.shape}, not {operator.weights.shape}"
            )
        changed[operator.name] = replace(
            operator, weights=weights.astype(operator.weights.dtype), bias=bias.astype(np.int64)
        )
    return network.with_operators(changed)
