"""From a QuantizedNetwork to a .tflite file."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from nets.errors import NetworkError
from nets.files import write_bytes
from nets.importers import network_from_bytes
from nets.network import Operator, QuantizedNetwork, operator_digest
from nets.writers.tflite.deployment import deployable
from nets.writers.tflite.file import FileTensor, ModelFile
from nets.writers.tflite.operators import file_operator
from nets.writers.tflite.writing import Writing

_INT8_BITS = 8
_BATCH = 1
_ROUNDING = {"rescaler", "input_rescalers", "method", "weight_scale", "weight_bits"}  # fields that no file states


def save_tflite(network: QuantizedNetwork, path: str | Path) -> None:
    """Writes a network as a .tflite file, which every command takes as a model.

    Scales, zero points, weights and biases are the network's. The file says nothing of rounding: a runtime rounds by
    its own contract, and :func:`nets.importers.load_tflite` by the one that it is given.

    Args:
        network: the network, from whatever source.
        path: the file to write, in one step.

    Raises:
        NetworkError: an operator or tensor has no form in .tflite files.
    """
    write_bytes(Path(path), tflite_bytes(network))


def tflite_bytes(network: QuantizedNetwork) -> bytes:
    """Returns a network as the bytes of a .tflite file; see :func:`save_tflite`."""
    own = deployable(network)
    _check_types(own)
    content = _file(own).content()
    _check_holds(own, network_from_bytes(content, f"{network.name}.tflite"))
    return content


def _check_types(network: QuantizedNetwork) -> None:
    for spec in network.tensors:
        if spec.bits != _INT8_BITS:
            raise NetworkError(
                f"tensor {spec.name!r} of {network.name!r} has {spec.bits} bits; only int8 is written to .tflite files"
            )


def _file(network: QuantizedNetwork) -> ModelFile:
    file = ModelFile(network.inputs, network.outputs)
    for index, spec in enumerate(network.tensors):
        values = network.constants.get(index)
        file.add(
            FileTensor(
                name=spec.name,
                shape=(_BATCH, *spec.shape),
                dtype=np.int8,
                scales=np.array([spec.scale]),
                zero_point=spec.zero_point,
                data=None if values is None else values[np.newaxis],
            )
        )
    writing = Writing(network, file)
    file.operators.extend(file_operator(operator, writing) for operator in network.operators)
    return file


def _check_holds(network: QuantizedNetwork, read: QuantizedNetwork) -> None:
    """Raises a NetworkError if a file says another thing than the network, rounding apart."""
    places = [spec.file_index for spec in read.tensors]
    for index, spec in zip(places, read.tensors, strict=True):
        if index is None or replace(network.tensors[index], name=spec.name) != spec:
            raise NetworkError(f"tensor {spec.name!r} of {network.name!r} would be read from the file as {spec}")
    written = {operator.name: operator for operator in network.operators}
    for theirs in read.operators:
        ours = written.pop(theirs.name)
        indices = (tuple(places[index] for index in theirs.inputs), places[theirs.output])
        if (ours.inputs, ours.output) != indices or operator_digest(ours) != operator_digest(
            _rounding_as(ours, theirs)
        ):
            raise NetworkError(f"operator {ours.name!r} of {network.name!r} would be read from the file as another one")
    if any(operator.output not in network.outputs for operator in written.values()):
        raise NetworkError(f"operators {', '.join(written)} of {network.name!r} would not be read from the file")


def _rounding_as(ours: Operator, theirs: Operator) -> Operator:
    """Returns an operator with the rescalers, and how they came about, of another one of its kind."""
    own = {field.name for field in fields(ours)} & {field.name for field in fields(theirs)}
    return replace(theirs, **{name: getattr(ours, name) for name in _ROUNDING & own})
