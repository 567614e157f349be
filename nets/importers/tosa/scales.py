"""Scales of a TOSA network's tensors: the file states none, only what their ratios are.

Every rescaler ties the scales of its inputs to that of its output; a layer with weights does not, because its weights
may have any scale. Scales are free up to one factor for each set of tied tensors, which is 1 for its first tensor.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from nets.errors import NetworkError
from nets.network import (
    SHARING_QUANTIZATION,
    ElementwiseProduct,
    ElementwiseSum,
    Mean,
    Operator,
    Requantize,
    RescaledOperator,
    Rescaler,
)

TOLERANCE = 2.0**-10  # relative, between two ways to one scale; those of int32 multipliers agree to 2**-29


class _Ratios:
    """A forest of tensors whose scales are known relative to that of their root."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))
        self._ratio = [1.0] * count
        self._scale = [1.0] * count  # of a root
        self._settled: set[int] = set()

    def tie(self, tensor: int, other: int, ratio: float) -> float:
        """Sets ``scale(other) = ratio * scale(tensor)``, and returns by what factor they are off if they were tied."""
        (root, of), (second, than) = self._root(tensor), self._root(other)
        if root == second:
            return than / (of * ratio)
        self._parent[second], self._ratio[second] = root, of * ratio / than
        return 1.0

    def multiply(self, left: int, right: int, output: int, gain: float) -> float:
        """Sets ``scale(output) = scale(left) * scale(right) / gain`` by a root that is free, if there is one.

        Returns by what factor they are off otherwise.
        """
        roots = [self._root(tensor)[0] for tensor in (output, left, right)]
        powers = Counter({roots[0]: -1})
        for root in roots[1:]:
            powers[root] += 1
        off = self.scale(output) * gain / (self.scale(left) * self.scale(right))
        free = [root for root in roots if powers[root] and root not in self._settled]
        self._settled |= set(roots)
        if not free:
            return off
        self._scale[free[0]] *= off ** (1 / powers[free[0]])
        return 1.0

    def scale(self, tensor: int) -> float:
        """Returns a tensor's scale."""
        root, ratio = self._root(tensor)
        return self._scale[root] * ratio

    def _root(self, tensor: int) -> tuple[int, float]:
        ratio = 1.0
        while (parent := self._parent[tensor]) != tensor:
            self._ratio[tensor] *= self._ratio[parent]  # halves the way; a root's own ratio is 1
            self._parent[tensor] = self._parent[parent]
            ratio *= self._ratio[tensor]
            tensor = self._parent[tensor]
        return tensor, ratio


def tensor_scales(operators: Sequence[Operator], ties: Iterable[tuple[int, int]], count: int) -> list[float]:
    """Returns a scale for each of ``count`` tensors from which the rescalers of the operators follow.

    Raises:
        NetworkError: the rescalers give one tensor two scales.
    """
    ratios = _Ratios(count)
    for tensor, other in ties:
        ratios.tie(tensor, other, 1.0)
    for operator in operators:
        for tensor, other, ratio in _ties(operator):
            _check(operator, ratios.tie(tensor, other, ratio))
    for operator in operators:
        if isinstance(operator, ElementwiseProduct):
            left, right = operator.inputs
            _check(operator, ratios.multiply(left, right, operator.output, _gain(operator)))
    return [ratios.scale(tensor) for tensor in range(count)]


def _ties(operator: Operator) -> list[tuple[int, int, float]]:
    """Returns pairs of tensors and the ratio of the second one's scale to the first one's."""
    first, output = operator.inputs[0], operator.output
    match operator:
        case ElementwiseSum():
            left, right = (_positive(operator, each) for each in operator.input_rescalers)
            gain = left * _gain(operator) * 2.0**operator.left_shift
            return [(first, operator.inputs[1], right / left), (first, output, 1 / gain)]
        case Mean():
            return [(first, output, 1 / (_gain(operator) * operator.count))]
        case Requantize():
            return [(first, output, 1 / _gain(operator))]
    if isinstance(operator, SHARING_QUANTIZATION):
        return [(each, output, 1.0) for each in operator.inputs]
    return []


def _gain(operator: RescaledOperator) -> float:
    return _positive(operator, operator.rescaler)


def _positive(operator: Operator, rescaler: Rescaler) -> float:
    scale = float(rescaler.scale[0])
    if scale <= 0:
        raise NetworkError(f"{operator.name} is rescaled by 0, from which no scales follow")
    return scale


def _check(operator: Operator, off: float) -> None:
    if abs(off - 1) > TOLERANCE:
        raise NetworkError(
            f"the rescalers before and in {operator.name} give its tensors two scales, {off:.4g} apart; only networks "
            "whose scales follow from their rescalers are supported"
        )
