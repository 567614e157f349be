"""A network as operators that .tflite files have: the same integers, with one operator of the file for each of its own.

A padding that is neither SAME nor VALID becomes a PAD, a clamp that no fused activation has becomes a MINIMUM or
MAXIMUM, and a rearrangement as many operators as it takes.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from nets.errors import NetworkError
from nets.importers import kind_name
from nets.network import (
    ActivationArray,
    AveragePool,
    Convolution,
    Extremum,
    FilledPad,
    IntArray,
    MaxPool,
    Operator,
    Pad,
    Pads,
    Pool,
    QuantizedNetwork,
    Rearrangement,
    RescaledOperator,
    Reshape,
    TensorSpec,
)
from nets.writers.tflite.activations import activation
from nets.writers.tflite.arrangements import arrangement, indices_by_axis, moved_axes
from nets.writers.tflite.kinds import file_kind
from nets.writers.tflite.padding import scheme

_NO_PADDING: Pads = ((0, 0), (0, 0))


def deployable(network: QuantizedNetwork) -> QuantizedNetwork:
    """Returns the network as operators of a .tflite file, named and numbered as an import of that file does.

    Its tensors begin with the network's own, at the same indices; their scales are float32 values, as files have them.

    Raises:
        NetworkError: an operator has no form in .tflite files.
    """
    return _Deployment(network).deployed()


class _Deployment:
    """Adds operators one by one."""

    def __init__(self, network: QuantizedNetwork) -> None:
        self._network = network
        self._tensors = list(network.tensors)
        self._operators: list[Operator] = []
        self._constants: dict[int, ActivationArray] = dict(network.constants)

    def deployed(self) -> QuantizedNetwork:
        for operator in self._network.operators:
            self._convert(operator)
        tensors = tuple(
            replace(spec, file_index=index, scale=float(np.float32(spec.scale)))
            for index, spec in enumerate(self._tensors)
        )
        return replace(
            self._network, tensors=tensors, operators=tuple(self._operators), constants=dict(self._constants)
        )

    def _convert(self, operator: Operator) -> None:
        match operator:
            case Rearrangement():
                self._rearrange(operator)
            case Convolution() | Pool():
                self._clamped(self._slid(operator))
            case RescaledOperator():
                self._clamped(operator)
            case _:
                self._emit(operator)

    def _emit(self, operator: Operator) -> None:
        kind = kind_name(file_kind(operator, self._tensors))
        self._operators.append(replace(operator, name=f"{kind}_{len(self._operators)}"))

    def _new(self, like: int, what: str, shape: tuple[int, ...]) -> int:
        """Adds a tensor of the quantization of another one."""
        spec = self._tensors[like]
        self._tensors.append(replace(spec, name=f"{spec.name}_{what}", shape=shape))
        return len(self._tensors) - 1

    def _clamped(self, operator: RescaledOperator | Pool) -> None:
        """Adds an operator, and what its fused activation leaves to clamp."""
        low, high = activation(operator, self._tensors[operator.output])[1]
        bounds = [
            (value, largest)
            for value, largest, needed in (
                (operator.q_min, True, low < operator.q_min),
                (operator.q_max, False, operator.q_max < high),
            )
            if needed
        ]
        if not bounds:
            self._emit(operator)
            return
        shape = self._tensors[operator.output].shape
        current = self._new(operator.output, "unclamped", shape)
        self._emit(replace(operator, output=current, q_min=low, q_max=high))
        for at, (value, largest) in enumerate(bounds):
            bound = self._new(operator.output, "at_least" if largest else "at_most", (1,) * len(shape))
            self._constants[bound] = np.full((1,) * len(shape), value, np.int8)
            last = at == len(bounds) - 1
            output = operator.output if last else self._new(operator.output, "half_clamped", shape)
            self._emit(Extremum(name=operator.name, inputs=(current, bound), output=output, largest=largest))
            current = output

    def _slid(self, operator: Convolution | Pool) -> Convolution | Pool:
        """Returns the operator with a padding that files have; the rest of it becomes operators before it."""
        source, result = (self._tensors[index] for index in (operator.inputs[0], operator.output))
        if scheme(operator, source, result) is not None:
            return operator
        if isinstance(operator, AveragePool):
            raise NetworkError(
                f"operator {operator.name!r} averages with padding {operator.padding}; .tflite has SAME and VALID"
            )
        padded = self._padded(operator, source, operator.inputs[0])
        return replace(operator, inputs=(padded,), padding=_NO_PADDING)

    def _padded(self, operator: Convolution | Pool, source: TensorSpec, index: int) -> int:
        """Adds the padded image: of zeros, or for a maximum of the smallest integers."""
        padding = (*operator.padding, (0, 0))
        sizes = (size + sum(pair) for size, pair in zip(source.shape, padding, strict=True))
        placed: dict[str, Any] = {
            "name": operator.name,
            "inputs": (index,),
            "output": self._new(index, "padded", tuple(sizes)),
            "padding": padding,
        }
        smallest = isinstance(operator, MaxPool) and source.zero_point != source.q_min
        self._emit(FilledPad(**placed, value=source.q_min) if smallest else Pad(**placed))
        return len(self._tensors) - 1

    def _take(self, index: int, axis: int, taken: IntArray, output: int | None = None) -> int:
        """Adds a rearrangement along one axis."""
        shape = self._tensors[index].shape
        positions = np.arange(np.prod(shape), dtype=np.int64).reshape(shape).take(taken, axis)
        output = self._new(index, f"taken_{axis}", positions.shape) if output is None else output
        self._emit(Rearrangement(name="take", inputs=(index,), output=output, positions=positions))
        return output

    def _rearrange(self, operator: Rearrangement) -> None:
        source = self._tensors[operator.inputs[0]]
        if arrangement(operator.positions, source.shape) is not None:
            self._emit(operator)
        elif (indices := indices_by_axis(operator.positions, source.shape)) is not None:
            *first, last = moved_axes(indices, source.shape)
            index = operator.inputs[0]
            for axis in first:
                index = self._take(index, axis, indices[axis])
            self._take(index, last, indices[last], operator.output)
        else:
            self._rearrange_flat(operator, source)

    def _rearrange_flat(self, operator: Rearrangement, source: TensorSpec) -> None:
        index, shape = operator.inputs[0], self._tensors[operator.output].shape
        if len(source.shape) > 1:
            index = self._reshaped(index, self._new(index, "flat", (int(np.prod(source.shape)),)))
        taken = operator.positions.reshape(-1)
        if len(shape) > 1:
            index = self._take(index, 0, taken)
            self._reshaped(index, operator.output)
        else:
            self._take(index, 0, taken, operator.output)

    def _reshaped(self, index: int, output: int) -> int:
        self._emit(Reshape(name="reshape", inputs=(index,), output=output))
        return output
