"""Layers run on their own: one, or all in order with a look at every layer's inputs before it runs."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nets.execute.executor import Backend, PreparedOperators, input_chunks, samples_at_once
from nets.network import ActivationArray, Operator, QuantizedNetwork

Kernel = Callable[[Sequence[Tensor]], Tensor]
Visit = Callable[[Operator, Sequence[Sequence[Tensor]]], Operator]

_CHUNK = 8  # samples that a layer takes at once, even if the whole network takes fewer


def prepared_alone(operator: Operator, network: QuantizedNetwork) -> Kernel:
    """Prepares one operator of a network by the fastest kernel that there is.

    Returns:
        A function of the operator's inputs, int8 ``[batch, *shape]`` each, that returns its output.
    """
    prepared = PreparedOperators([operator], network, Backend.AUTO)

    def run(inputs: Sequence[Tensor]) -> Tensor:
        given = dict(zip(operator.inputs, inputs, strict=True))
        return prepared.run([given], {operator.output})[0][operator.output]

    return run


def run_by_layer(network: QuantizedNetwork, inputs: Sequence[ActivationArray], visit: Visit) -> QuantizedNetwork:
    """Runs a network operator by operator; each may be replaced when its inputs are known.

    Only activations that are still needed are kept.

    Args:
        network: the network.
        inputs: one int8 or int16 array ``[samples, *shape]`` per network input.
        visit: called with every operator, in order of execution, and for each of its inputs the chunks, integers
            ``[samples, *shape]``; what it returns runs in the operator's place and makes the next layers' inputs.

    Returns:
        The network with the operators that ran.

    Raises:
        NetworkError: number, types or shapes of the inputs are not the network's.
    """
    # Layer by layer no cache holds a sample's activations: larger chunks cost no memory, and fewer calls.
    size = max(samples_at_once(network), min(_CHUNK, -(-len(inputs[0]) // torch.get_num_threads())))
    live = input_chunks(network, tuple(inputs), size)
    last_use = {index: at for at, operator in enumerate(network.operators) for index in operator.inputs}
    visited: dict[str, Operator] = {}
    for at, operator in enumerate(network.operators):
        made = visit(operator, [[chunk[index] for chunk in live] for index in operator.inputs])
        visited[operator.name] = made
        if operator.output in last_use:
            parts = PreparedOperators([made], network, Backend.AUTO).run(live, {operator.output})
            for chunk, part in zip(live, parts, strict=True):
                chunk[operator.output] = part[operator.output]
        for index in set(operator.inputs):
            if last_use[index] == at:
                for chunk in live:
                    del chunk[index]
    return network.with_operators(visited)
