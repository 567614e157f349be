"""Parts of an image that a window leaves over, which TOSA files cut off before it and other formats ignore."""

from collections import Counter
from dataclasses import replace

import numpy as np

from nets.network import Convolution, Operator, Pool, QuantizedNetwork, Rearrangement


def without_crops(network: QuantizedNetwork) -> QuantizedNetwork:
    """Returns the network whose windows take the whole image where a slice only cuts off what they leave over."""
    uses = Counter(index for operator in network.operators for index in operator.inputs)
    uses.update(network.outputs)
    slices = {op.output: op for op in network.operators if isinstance(op, Rearrangement) and uses[op.output] == 1}
    gone: set[str] = set()
    operators: list[Operator] = []
    for operator in network.operators:
        crop = slices.get(operator.inputs[0])
        if crop is not None and isinstance(operator, Convolution | Pool) and _leaves_over(crop, operator, network):
            gone.add(crop.name)
            operators.append(replace(operator, inputs=crop.inputs))
        else:
            operators.append(operator)
    return replace(network, operators=tuple(each for each in operators if each.name not in gone))


def _leaves_over(crop: Rearrangement, window: Convolution | Pool, network: QuantizedNetwork) -> bool:
    shape, kept = network.tensors[crop.inputs[0]].shape, network.tensors[crop.output].shape
    if len(shape) != 3 or shape[2] != kept[2]:
        return False
    for axis in (0, 1):
        rest = shape[axis] - kept[axis]
        if not 0 <= rest < window.stride[axis] or (rest and window.padding[axis][1]):
            return False
    whole = np.arange(int(np.prod(shape))).reshape(shape)
    return bool((crop.positions == whole[: kept[0], : kept[1]]).all())
