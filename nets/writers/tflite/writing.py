"""A .tflite file in the making."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nets.errors import NetworkError
from nets.network import Operator, Pool, QuantizedNetwork, RescaledOperator, TensorSpec
from nets.writers.tflite.activations import activation
from nets.writers.tflite.file import FileOperator, ModelFile, Option
from nets.writers.tflite.kinds import file_kind


@dataclass(frozen=True, slots=True)
class Writing:
    """A file in the making, whose first tensors are the network's."""

    network: QuantizedNetwork
    file: ModelFile

    def source(self, operator: Operator) -> TensorSpec:
        """Returns the spec of an operator's first input."""
        return self.network.tensors[operator.inputs[0]]

    def result(self, operator: Operator) -> TensorSpec:
        """Returns the spec of an operator's output."""
        return self.network.tensors[operator.output]

    def integers(self, operator: Operator, what: str, values: npt.ArrayLike) -> int:
        """Adds int32 constants of an operator and returns their index."""
        return self.file.constant(f"{operator.name}/{what}", np.asarray(values, np.int32))

    def operator(self, operator: Operator, *constants: int, options: str = "", **values: Option) -> FileOperator:
        """Returns an operator that reads its own inputs, and constants after them."""
        kind = file_kind(operator, self.network.tensors)
        return FileOperator(kind, (*operator.inputs, *constants), operator.output, options, values)

    def activation(self, operator: RescaledOperator | Pool) -> int:
        """Returns an operator's fused activation.

        Raises:
            NetworkError: it clamps to another range than the operator.
        """
        kind, bounds = activation(operator, self.result(operator))
        if bounds != (operator.q_min, operator.q_max):
            raise NetworkError(f"{operator.name!r} is clamped to {operator.q_min} to {operator.q_max}, not {bounds}")
        return kind
