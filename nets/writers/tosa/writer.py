"""A network as the bytes of a TOSA file that computes its integers."""

from collections.abc import Sequence
from pathlib import Path

from nets.errors import NetworkError
from nets.files import write_bytes
from nets.narrow import certify
from nets.network import QuantizedNetwork
from nets.writers.tosa.graph import GraphWriter, Value
from nets.writers.tosa.operators import Lowering


def save_tosa(network: QuantizedNetwork, path: str | Path, *, batch: int = 1) -> None:
    """Writes a network as a .tosa file, in one step; see :func:`tosa_bytes`."""
    write_bytes(Path(path), tosa_bytes(network, batch=batch))


def tosa_bytes(network: QuantizedNetwork, *, batch: int = 1, exposed: Sequence[int] | None = None) -> bytes:
    """Returns a network as a TOSA 1.0 flatbuffer that states its integers exactly.

    Args:
        network: the network, narrowed or not.
        batch: samples of one run; TOSA files have fixed shapes.
        exposed: indices of the tensors that become outputs; None for the network's own.

    Raises:
        NetworkError: TOSA cannot state an operator or its rounding; one line that names it.
    """
    if wide := [spec.name for spec in network.tensors if spec.bits > 8]:
        raise NetworkError(f"tensor {wide[0]!r} of {network.name!r} is of int16; only int8 is written to .tosa files")
    graph = GraphWriter()
    lowering = Lowering(graph, network, certify(network), batch)
    values: dict[int, Value] = {}
    for index in network.inputs:
        values[index] = graph.input(_name(network, index), (batch, *network.tensors[index].shape))
    for index, constant in network.constants.items():
        values[index] = graph.constant(constant.reshape(1, *constant.shape))
    for operator in network.operators:
        result = Value(_name(network, operator.output), (batch, *network.tensors[operator.output].shape))
        values[operator.output] = lowering.write(operator, [values[index] for index in operator.inputs], result)
    outputs = network.outputs if exposed is None else exposed
    return graph.content([values[index] for index in network.inputs], [values[index] for index in outputs])


def _name(network: QuantizedNetwork, index: int) -> str:
    """Returns a unique name of a tensor that says which it is; names of model files are long and may repeat."""
    for operator in network.operators:
        if operator.output == index:
            return operator.name
    return f"input_{network.inputs.index(index)}"
