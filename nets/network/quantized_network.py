"""The immutable integer network: activation tensors, and operators in order of execution."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from nets.errors import NetworkError
from nets.network.operators import SHARING_QUANTIZATION, NarrowableOperator, Operator
from nets.network.recurrent import LstmRecurrence
from nets.network.tensors import ActivationArray, TensorSpec


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """A network of integers, frozen.

    Attributes:
        tensors: activation tensors; operators refer to them by index.
        operators: operators in an order in which every input is ready.
        inputs: tensor indices of the network's inputs.
        outputs: tensor indices of the network's outputs (the logits, if the model ended in a softmax).
        constants: int8 or int16 values ``[*shape]`` of tensors that no operator makes and no sample changes, by tensor
            index.
    """

    name: str
    tensors: tuple[TensorSpec, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    constants: Mapping[int, ActivationArray] = field(default_factory=dict)
    _by_name: dict[str, Operator] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = [operator.name for operator in self.every_operator()]
        if len(set(names)) != len(names):
            raise NetworkError(f"operator names of {self.name!r} are not unique: {names}")
        for index, values in self.constants.items():
            if values.shape != self.tensors[index].shape:
                raise NetworkError(f"constant {self.tensors[index].name!r} of {self.name!r} has shape {values.shape}")
        ready = {*self.inputs, *self.constants}
        for operator in self.operators:
            if missing := set(operator.inputs) - ready:
                raise NetworkError(f"operator {operator.name!r} reads tensors {sorted(missing)} before they are made")
            ready.add(operator.output)
        if missing := set(self.outputs) - ready:
            raise NetworkError(f"outputs {sorted(missing)} of {self.name!r} are made by no operator")
        object.__setattr__(self, "_by_name", {operator.name: operator for operator in self.every_operator()})

    def operator(self, name: str) -> Operator:
        """Returns the operator of a name, or raises a NetworkError that lists the names."""
        if name not in self._by_name:
            raise NetworkError(f"network {self.name!r} has no operator {name!r}; it has {', '.join(self._by_name)}")
        return self._by_name[name]

    def every_operator(self) -> Iterator[Operator]:
        """Yields the operators in order of execution, each followed by its parts."""
        return (each for operator in self.operators for each in (operator, *operator.parts))

    def narrowable_operators(self) -> Iterator[NarrowableOperator]:
        """Yields the operators, parts among them, whose multiplier width is a design variable, in that order."""
        return (operator for operator in self.every_operator() if isinstance(operator, NarrowableOperator))

    def with_operators(self, changed: Mapping[str, Operator]) -> "QuantizedNetwork":
        """Returns the network with the operators, or parts of them, of these names replaced."""
        return replace(self, operators=tuple(_replaced(operator, changed) for operator in self.operators))

    def with_tensors(self, changed: Mapping[int, TensorSpec]) -> "QuantizedNetwork":
        """Returns the network with the tensors at these indices replaced."""
        return replace(self, tensors=tuple(changed.get(i, tensor) for i, tensor in enumerate(self.tensors)))


def _replaced(operator: Operator, changed: Mapping[str, Operator]) -> Operator:
    operator = changed.get(operator.name, operator)
    if not operator.parts:
        return operator
    parts = (changed.get(part.name, part) for part in operator.parts)
    return operator.with_parts([part for part in parts if isinstance(part, NarrowableOperator)])


def class_count(network: QuantizedNetwork) -> int | None:
    """Returns the number of classes whose logits a network's outputs can be, one for each; None if they are others.

    Several outputs, positions, a single element, and outputs in the shape of the inputs (of an autoencoder) are none.
    """
    shapes = [network.tensors[index].shape for index in network.outputs]
    elements = math.prod(shapes[0])
    if len(shapes) > 1 or elements == 1 or max(shapes[0]) < elements:
        return None
    return None if any(network.tensors[index].shape == shapes[0] for index in network.inputs) else elements


def shared_quantization(network: QuantizedNetwork) -> dict[int, int]:
    """Maps each tensor index to a representative of the tensors that must have the same scale and zero point."""
    group = {index: index for index in range(len(network.tensors))}
    for operator in network.operators:
        tied: tuple[int, ...] = ()
        if isinstance(operator, SHARING_QUANTIZATION):
            tied = (*operator.inputs, operator.output)
        elif isinstance(operator, LstmRecurrence):
            tied = operator.of_state
        if tied:
            joined = {group[index] for index in tied}
            group = {index: min(joined) if of in joined else of for index, of in group.items()}
    return group
