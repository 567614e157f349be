"""A stable hash of a network's integers, and the trained integers as plain arrays."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nets.errors import NetworkError
from nets.network import ElementwiseSum, Operator, QuantizedNetwork, Weighted
from nets.rescaler import Rescaler

Arrays = dict[str, npt.NDArray[np.generic]]


def fingerprint(network: QuantizedNetwork) -> str:
    """SHA-256 over structure, quantization, weights, biases and rescalers, hexadecimal."""
    digest = hashlib.sha256()
    for tensor in network.tensors:
        digest.update(repr((tensor.shape, tensor.scale, tensor.zero_point, tensor.bits)).encode())
    for operator in network.operators:
        digest.update(repr((type(operator).__name__, operator.name, operator.inputs, operator.output)).encode())
        for array in _integers(operator):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _integers(operator: Operator) -> list[npt.NDArray[np.generic]]:
    arrays: list[npt.NDArray[np.generic]] = []
    rescalers: tuple[Rescaler, ...] = ()
    if isinstance(operator, Weighted):
        arrays = [operator.weights, operator.bias]
    if isinstance(operator, ElementwiseSum):
        rescalers = operator.input_rescalers
    own = getattr(operator, "rescaler", None)
    for rescaler in (*rescalers, *((own,) if own is not None else ())):
        arrays += [rescaler.multiplier, rescaler.right_shift]
    return arrays


def trained_arrays(network: QuantizedNetwork) -> Arrays:
    """Weights (int8) and biases (int64) by operator: ``<operator>.weights``, ``<operator>.bias``."""
    arrays: Arrays = {}
    for operator in network.operators:
        if isinstance(operator, Weighted):
            # Contiguous: a file of raw buffers would lose the strides of a transposed array.
            arrays[f"{operator.name}.weights"] = np.ascontiguousarray(operator.weights)
            arrays[f"{operator.name}.bias"] = np.ascontiguousarray(operator.bias)
    return arrays


def with_trained_arrays(network: QuantizedNetwork, arrays: Mapping[str, npt.NDArray[np.generic]]) -> QuantizedNetwork:
    """The network with the weights and biases of :func:`trained_arrays`.

    Raises:
        NetworkError: an array is missing or has another shape.
    """
    changed: dict[str, Operator] = {}
    for operator in network.operators:
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
        changed[operator.name] = replace(operator, weights=weights.astype(np.int8), bias=bias.astype(np.int64))
    return network.with_operators(changed)
