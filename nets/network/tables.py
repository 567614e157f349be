"""Operators whose constants follow from the quantization of their tensors, and outputs whose quantization is fixed."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from nets.network.arithmetic import ParametricRelu
from nets.network.contracts import CONTRACTS, FULL_MULTIPLIER_BITS
from nets.network.float_forms import PairLookup
from nets.network.lookup import OF_FIXED_RANGE, Lookup, StatedTable, Tabulated
from nets.network.operators import Operator
from nets.network.recurrent import LstmRecurrence
from nets.network.rescaler import Rescaler, rescaler_from_scale
from nets.network.softmax import Softmax, with_input
from nets.network.tensors import TensorSpec


def relu_rescalers(source: float, slope: float, target: float) -> tuple[Rescaler, Rescaler]:
    """Returns the rescalers of PRELU's values and products, as TFLite's ``activations.cc`` makes them."""
    scales = (np.float32(source) / np.float32(target), np.float32(source) * np.float32(slope) / np.float32(target))
    contract = CONTRACTS["tflite_double"]
    positive, negative = (
        rescaler_from_scale(np.array([float(scale)]), FULL_MULTIPLIER_BITS, contract) for scale in scales
    )
    return positive, negative


def fixed_quantization(operators: Iterable[Operator], *, with_states: bool = True) -> set[int]:
    """Returns the tensors whose scale and zero point may not vary.

    No runtime lets those of the outputs of LOGISTIC, TANH and SOFTMAX, nor those of an LSTM's gates. A stated table
    holds for its tensors as is.

    Args:
        operators: the operators.
        with_states: whether the scale of an LSTM's state, which is part of what it computes, counts as fixed, too. That
            of a projection's outputs always does: they are clipped in its steps.
    """
    fixed: set[int] = set()
    for operator in operators:
        if isinstance(operator, StatedTable):
            fixed |= {*operator.inputs, operator.output}
        elif isinstance(operator, LstmRecurrence):
            fixed.update((*operator.inputs, *(part.output for part in operator.recurrent), *operator.hidden.inputs))
            if with_states or operator.projection is not None:
                fixed.update(operator.of_state)
            if with_states:
                fixed.add(operator.hidden.output)
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
        case ParametricRelu():
            positive, negative = relu_rescalers(source.scale, operator.slope_scale, target.scale)
            return replace(operator, positive=positive, negative=negative)
        case Softmax():
            return with_input(operator, source)
    return operator
