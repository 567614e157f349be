"""Operators whose constants follow from the quantization of their tensors, and outputs whose quantization is fixed."""

from collections.abc import Iterable
from dataclasses import replace

from nets.network.float_forms import PairLookup
from nets.network.lookup import OF_FIXED_RANGE, Lookup, StatedTable, Tabulated
from nets.network.operators import Operator
from nets.network.softmax import Softmax, with_input
from nets.network.tensors import TensorSpec


def fixed_quantization(operators: Iterable[Operator]) -> set[int]:
    """Returns the tensors whose scale and zero point may not vary.

    No runtime lets those of the outputs of LOGISTIC, TANH and SOFTMAX; a stated table holds for its tensors as is.
    """
    fixed: set[int] = set()
    for operator in operators:
        if isinstance(operator, StatedTable):
            fixed |= {*operator.inputs, operator.output}
        elif isinstance(operator, Softmax) or _has_fixed_range(operator):
            fixed.add(operator.output)
    return fixed


def _has_fixed_range(operator: Operator) -> bool:
    return isinstance(operator, Lookup) and operator.function in OF_FIXED_RANGE


def retabulated(operator: Operator, tensors: tuple[TensorSpec, ...]) -> Operator:
    """Returns an operator without rescaler with the tables of its tensors' present scales and zero points."""
    source, target = tensors[operator.inputs[0]], tensors[operator.output]
    match operator:
        case Tabulated():
            return replace(operator, table=operator.tabulated(source, target))
        case PairLookup():
            return operator.between(source, tensors[operator.inputs[1]], target)
        case Softmax():
            return with_input(operator, source)
    return operator
