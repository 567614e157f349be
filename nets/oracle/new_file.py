"""A design in a .tflite file of its own, for networks that were not imported from one."""

from dataclasses import replace

from nets.importers import read_graph
from nets.network import QuantizedNetwork
from nets.oracle.annotate import annotated
from nets.writers import deployable, tflite_bytes


def written(network: QuantizedNetwork) -> tuple[QuantizedNetwork, bytes]:
    """Returns the network as the operators of a file, and the file, which has the rescalers in tensors' names.

    Raises:
        NetworkError: an operator has no form in .tflite files.
    """
    own = deployable(network)
    content = tflite_bytes(own)
    return own, annotated(content, own, read_graph(content, f"{own.name}.tflite"))


def imported_part(network: QuantizedNetwork, runtime: QuantizedNetwork) -> QuantizedNetwork:
    """Returns a file's network without the operators at its end that an import of the file drops.

    Args:
        network: the network that was written, or patched into the file.
        runtime: what was imported from the file.
    """
    places = {spec.file_index: index for index, spec in enumerate(runtime.tensors)}
    kept = {operator.name for operator in runtime.operators}
    if len(network.operators) == len(kept):
        return network
    new = {index: places[spec.file_index] for index, spec in enumerate(network.tensors) if spec.file_index in places}
    own = {place: network.tensors[index] for index, place in new.items()}
    return replace(
        network,
        tensors=tuple(own[place] for place in range(len(runtime.tensors))),
        operators=tuple(
            replace(operator, inputs=tuple(new[index] for index in operator.inputs), output=new[operator.output])
            for operator in network.operators
            if operator.name in kept
        ),
        inputs=tuple(new[index] for index in network.inputs),
        outputs=runtime.outputs,
        constants={new[index]: values for index, values in network.constants.items() if index in new},
    )
