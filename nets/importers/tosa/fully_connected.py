"""Fully connected layers, which TOSA writes as 1 x 1 convolutions of one pixel between two changes of shape."""

from collections import Counter
from dataclasses import fields

from nets.network import Convolution, FullyConnected, Operator, QuantizedNetwork, Reshape, Weighted


def with_fully_connected(network: QuantizedNetwork) -> QuantizedNetwork:
    """Returns the network with such convolutions, and what gives their tensors shape, as fully connected layers."""
    uses = Counter(index for operator in network.operators for index in operator.inputs)
    uses.update(network.outputs)
    made = {operator.output: operator for operator in network.operators}
    layers: dict[int, FullyConnected] = {}
    for last in network.operators:
        convolution = made.get(last.inputs[0])
        first = made.get(convolution.inputs[0]) if isinstance(convolution, Convolution) else None
        if not isinstance(last, Reshape) or not isinstance(convolution, Convolution) or not isinstance(first, Reshape):
            continue
        if uses[first.output] == uses[convolution.output] == 1 and _is_layer(first, convolution, last, network):
            layers |= {last.output: _layer(convolution, first.inputs[0], last.output)}
    if not layers:
        return network
    return _replaced(network, made, layers)


def _is_layer(first: Operator, convolution: Convolution, last: Operator, network: QuantizedNetwork) -> bool:
    source, target = network.tensors[first.output], network.tensors[last.output]
    out, height, width, features = convolution.weights.shape
    plain = convolution.groups == 1 and not any(amount for pair in convolution.padding for amount in pair)
    return plain and (height, width) == (1, 1) and source.shape == (1, 1, features) and target.shape == (out,)


def _layer(convolution: Convolution, source: int, output: int) -> FullyConnected:
    shared = {field.name: getattr(convolution, field.name) for field in fields(Weighted)}
    return FullyConnected(
        **shared
        | {
            "name": convolution.name.replace("conv", "fc"),
            "inputs": (source,),
            "output": output,
            "weights": convolution.weights.reshape(convolution.weights.shape[0], -1),
        }
    )


def _replaced(
    network: QuantizedNetwork, made: dict[int, Operator], layers: dict[int, FullyConnected]
) -> QuantizedNetwork:
    gone: set[str] = set()
    for output in layers:
        convolution = made[made[output].inputs[0]]
        gone |= {convolution.name, made[convolution.inputs[0]].name}
    kept = [layers.get(operator.output, operator) for operator in network.operators if operator.name not in gone]
    return QuantizedNetwork(
        name=network.name,
        tensors=network.tensors,
        operators=tuple(kept),
        inputs=network.inputs,
        outputs=network.outputs,
        constants=network.constants,
    )
