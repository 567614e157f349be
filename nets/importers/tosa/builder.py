"""Shared parts of the converters: tensors by name, accumulators, and what the file says about quantization."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nets.errors import NetworkError
from nets.importers.limits import ALL_ELEMENTS_MAX, ELEMENTS_MAX, POSITIONS_MAX, PRODUCTS_MAX
from nets.importers.tflite.builder import frozen
from nets.importers.tosa.graph import RawGraph, RawOperator, RawTensor, shown
from nets.importers.tosa.schema import DType
from nets.importers.tosa.wide import Wide
from nets.network import ActivationArray, Operator


@dataclass(slots=True)
class Builder:
    """Collects operators while converters run.

    Attributes:
        batch: first dimension of every activation.
        shapes: without the batch, by tensor index.
        names: by tensor index.
        operators: converted so far.
        constants: int8 operands that are no activations, by tensor index.
        wide: accumulators by name.
        zeros: the zero point that the file states for a tensor, and the operator that does, by tensor index.
        ties: pairs of tensors with one scale and zero point, besides those that operators share by their kind.
    """

    graph: RawGraph
    batch: int
    uses: Counter[str]
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    indices: dict[str, int] = field(default_factory=dict)
    operators: list[Operator] = field(default_factory=list)
    constants: dict[int, ActivationArray] = field(default_factory=dict)
    wide: dict[str, Wide] = field(default_factory=dict)
    zeros: dict[int, tuple[int, str]] = field(default_factory=dict)
    ties: list[tuple[int, int]] = field(default_factory=list)
    elements: int = 0
    positions: int = 0

    def raw_input(self, raw: RawOperator, position: int) -> RawTensor:
        """Returns an operator's input as the file describes it."""
        if position >= len(raw.inputs):
            raise NetworkError(f"{raw} has {len(raw.inputs)} inputs; input {position} is missing")
        return self._tensor(raw, raw.inputs[position])

    def raw_output(self, raw: RawOperator) -> RawTensor:
        """Returns an operator's only output as the file describes it."""
        if len(raw.outputs) != 1:
            raise NetworkError(f"{raw} has {len(raw.outputs)} outputs; 1 is supported")
        return self._tensor(raw, raw.outputs[0])

    def activation(self, raw: RawOperator, position: int = 0) -> int:
        """Returns the index of an int8 input that operators before made."""
        tensor = self.raw_input(raw, position)
        if tensor.name not in self.indices:
            self.check_activation(tensor)
            raise NetworkError(f"{raw} reads {tensor} before it is made")
        return self.indices[tensor.name]

    def operand(self, raw: RawOperator, position: int) -> int:
        """Returns the index of an int8 input, which may be a constant of batch 1."""
        tensor = self.raw_input(raw, position)
        if tensor.data is None or tensor.name in self.indices:
            return self.activation(raw, position)
        values = tensor.values(DType.INT8)
        if values.ndim == 0 or values.shape[0] != 1 or values.size == 0:
            raise NetworkError(f"{raw}: constant {tensor} has shape {list(values.shape)}; a batch of 1 fits")
        index = self._added(tensor.name, values.shape[1:])
        self.constants[index] = frozen(values[0].astype(np.int8))
        return index

    def accumulator(self, raw: RawOperator, position: int) -> Wide:
        """Returns an int32 input that operators before made."""
        tensor = self.raw_input(raw, position)
        if tensor.name not in self.wide:
            raise NetworkError(f"{raw}: {tensor} is no accumulator that an operator of int8 makes")
        return self.wide[tensor.name]

    def scalar(self, raw: RawOperator, position: int, *types: DType) -> int:
        """Returns a constant input of one element."""
        values = self.raw_input(raw, position).values(*types)
        if values.size != 1:
            raise NetworkError(f"{raw}: input {position} has {values.size} elements; 1 is needed")
        return int(values.reshape(-1)[0])

    def sizes(self, raw: RawOperator, position: int) -> tuple[int, ...]:
        """Returns a constant shape."""
        name = raw.inputs[position] if position < len(raw.inputs) else ""
        if name not in self.graph.shapes:
            raise NetworkError(f"{raw}: input {position} {shown(name)} is no constant shape")
        return self.graph.shapes[name]

    def result(self, raw: RawOperator, shape: Sequence[int]) -> int:
        """Returns the index of an operator's int8 output, which has to have this shape (without the batch)."""
        tensor = self.raw_output(raw)
        self.check_activation(tensor)
        self._check_new(raw, tensor)
        self._check_shape(raw, tensor, shape, self.batch)
        return self._added(tensor.name, tensor.shape[1:])

    def accumulates(self, raw: RawOperator, shape: Sequence[int], wide: Wide) -> None:
        """Notes an operator's int32 output, which has to have this shape (without the batch)."""
        tensor = self.raw_output(raw)
        if tensor.type != DType.INT32:
            raise NetworkError(f"{raw} makes {tensor_type(tensor)}; INT32 is supported")
        self._check_new(raw, tensor)
        one = tensor.shape[:1] == (1,)  # of constants, in a graph of any batch
        self._check_shape(raw, tensor, shape, 1 if one else self.batch)
        self.wide[tensor.name] = wide

    def input(self, name: str) -> int:
        """Adds one of the graph's inputs."""
        if name not in self.graph.tensors:
            raise NetworkError(f"the graph's input {shown(name)} is no tensor of the file")
        tensor = self.graph.tensors[name]
        if name in self.indices or tensor.data is not None:
            raise NetworkError(f"the graph's input {tensor} has a value already")
        self.check_activation(tensor)
        return self._added(name, tensor.shape[1:])

    def claim(self, raw: RawOperator, index: int, zero: int) -> None:
        """Notes a tensor's zero point; two operators that state different ones are refused."""
        if not -128 <= zero <= 127:
            raise NetworkError(f"{raw} has zero point {zero}; int8 has -128 to 127")
        before, by = self.zeros.setdefault(index, (zero, str(raw)))
        if before != zero:
            raise NetworkError(
                f"tensor {shown(self.names[index])} has zero point {before} in {by}, {zero} in {raw}; one is supported"
            )

    def spend(self, raw: RawOperator, positions: int) -> None:
        """Counts positions that an operator takes; a small file must not describe gigabytes of them."""
        self.positions += positions
        if self.positions > POSITIONS_MAX:
            raise NetworkError(f"{raw}: rearranging operators up to it move more than {POSITIONS_MAX} elements")

    def check_work(self, raw: RawOperator, shape: Sequence[int], products: int) -> None:
        """Raises a NetworkError if an operator needs minutes for one sample, at so many products per element."""
        if (total := math.prod(shape) * products) > PRODUCTS_MAX:
            raise NetworkError(f"{raw} takes {total} products per sample; at most {PRODUCTS_MAX} are supported")

    def check_activation(self, tensor: RawTensor) -> None:
        """Raises a NetworkError if a tensor is no int8 activation of the graph's batch."""
        if tensor.type != DType.INT8:
            raise NetworkError(f"{tensor} is {tensor.type_name}; only int8 networks are supported")
        if len(tensor.shape) < 2 or tensor.shape[0] != self.batch or min(tensor.shape) < 1:
            raise NetworkError(
                f"{tensor} has shape {list(tensor.shape)}; sizes are positive, the first is the batch, {self.batch}"
            )
        if math.prod(tensor.shape) > ELEMENTS_MAX:
            raise NetworkError(
                f"{tensor} has shape {list(tensor.shape)}; at most {ELEMENTS_MAX} elements are supported"
            )

    def single_use(self, index: int) -> bool:
        """Returns whether only one operator reads a tensor, which is no output."""
        name = self.names[index]
        return self.uses[name] == 1 and name not in self.graph.outputs

    def _tensor(self, raw: RawOperator, name: str) -> RawTensor:
        if name not in self.graph.tensors:
            raise NetworkError(f"{raw} refers to {shown(name)}, which is no tensor of the file")
        return self.graph.tensors[name]

    def _check_new(self, raw: RawOperator, tensor: RawTensor) -> None:
        if tensor.name in self.indices or tensor.name in self.wide or tensor.data is not None:
            raise NetworkError(f"{raw} writes {tensor}, which already has a value")

    def _check_shape(self, raw: RawOperator, tensor: RawTensor, shape: Sequence[int], batch: int) -> None:
        if (batch, *shape) != tensor.shape:
            raise NetworkError(f"{raw} makes shape {[batch, *shape]}; the file says {list(tensor.shape)}")

    def _added(self, name: str, shape: tuple[int, ...]) -> int:
        self.elements += math.prod(shape)
        if self.elements > ALL_ELEMENTS_MAX:
            raise NetworkError(
                f"up to tensor {shown(name)}, tensors have over {ALL_ELEMENTS_MAX} elements; no more are supported"
            )
        index = len(self.shapes)
        self.shapes.append(shape)
        self.names.append(name)
        self.indices[name] = index
        return index


def tensor_type(tensor: RawTensor) -> str:
    """Returns a tensor and its type, for messages."""
    return f"{tensor} of {tensor.type_name}"


def named(raw: RawOperator, kind: str, inputs: Sequence[int], output: int) -> dict[str, Any]:
    """Returns the fields that every operator has."""
    return {"name": f"{kind}_{raw.index}", "inputs": tuple(inputs), "output": output}
