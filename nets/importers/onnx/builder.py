"""Values of an ONNX graph while it is converted, and checked access to them.

ONNX has images as [batch, channels, height, width]. The network stores every activation with three sizes besides the
batch with the first of them last, and every other one as it is.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nets.errors import NetworkError
from nets.importers.limits import ALL_ELEMENTS_MAX, ELEMENTS_MAX, POSITIONS_MAX, PRODUCTS_MAX, SCALE_MAX, SCALE_MIN
from nets.importers.onnx.graph import AnyArray, RawGraph, RawNode, shown
from nets.importers.tflite.builder import frozen, full_rescaler
from nets.network import (
    FULL_MULTIPLIER_BITS,
    ActivationArray,
    Contract,
    FloatArray,
    IntArray,
    Operator,
    Profile,
    Rescaler,
    TensorSpec,
    rescaler_from_scale,
)

_UNSIGNED_OFFSET = 128  # between a uint8 and the int8 that is stored for it

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Quantization:
    """One scale and zero point; ``offset`` is what the file's integers have more than int8: 128 for uint8."""

    scale: float
    zero_point: int
    offset: int


@dataclass(frozen=True, slots=True)
class Activation:
    """A tensor of the network, as integers or, behind a DequantizeLinear, as real numbers."""

    index: int
    real: bool


@dataclass(frozen=True, eq=False, slots=True)
class ConstantReal:
    """A constant behind a DequantizeLinear.

    Attributes:
        values: int8 (uint8 less 128) or int32, in int64, as the file shapes them.
        scales: float64 ``[1]`` or one for each position along ``axis``.
        zero_points: int64, as many; of int8.
        offset: 128 if the file has uint8.
    """

    values: IntArray
    scales: FloatArray
    zero_points: IntArray
    axis: int
    offset: int
    bits: int


# Appends the operator that makes a tensor of a name and quantization, with output bounds; returns the tensor.
Finish = Callable[[str, Quantization, tuple[float, float]], int]


@dataclass(frozen=True, eq=False, slots=True)
class Pending:
    """A real result that its operator makes once a QuantizeLinear says its quantization.

    Attributes:
        node: the node that computes it.
        low, high: the clamp, real numbers, that follows.
    """

    node: RawNode
    finish: Finish
    low: float = -math.inf
    high: float = math.inf


Value = Activation | ConstantReal | Pending | AnyArray


@dataclass(slots=True)
class Builder:
    """Collects tensors and operators while nodes are converted.

    Attributes:
        batch: the first size of every activation.
        values: what every name of the file stands for so far.
        tensors: tensors of the network so far, in stored layout; ``quantizations`` belong to them.
        file_names: the name in the file of every tensor that is there as integers, by the tensor's ``file_index``.
        constants: int8 operands that are no activations, by tensor.
    """

    graph: RawGraph
    profile: Profile
    batch: int
    values: dict[str, Value] = field(default_factory=dict)
    tensors: list[TensorSpec] = field(default_factory=list)
    quantizations: list[Quantization] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    file_names: list[str] = field(default_factory=list)
    constants: dict[int, ActivationArray] = field(default_factory=dict)
    elements: int = 0
    positions: int = 0

    def value(self, node: RawNode, position: int) -> Value:
        """Returns what an input stands for."""
        if not node.has(position):
            raise NetworkError(f"{node} has no input {position}")
        name = node.inputs[position]
        if name not in self.values:
            raise NetworkError(f"{node} reads {shown(name)} before it is made: the graph has a cycle or a gap")
        return self.values[name]

    def define(self, node: RawNode, value: Value, position: int = 0) -> None:
        """Gives an output of a node its value."""
        if position >= len(node.outputs) or not node.outputs[position]:
            raise NetworkError(f"{node} has no output {position}")
        name = node.outputs[position]
        if name in self.values:
            raise NetworkError(f"{node} writes {shown(name)}, which already has a value")
        self.values[name] = value

    def array(self, node: RawNode, position: int) -> AnyArray:
        """Returns an input that has to be a constant without quantization."""
        value = self.value(node, position)
        if not isinstance(value, np.ndarray):
            raise NetworkError(f"{node}: input {position}, {shown(node.inputs[position])}, has to be a constant")
        return value

    def integers(self, node: RawNode, position: int) -> tuple[int, ...]:
        """Returns a short constant of integers."""
        array = self.array(node, position)
        if array.dtype not in (np.int32, np.int64) or array.size > ELEMENTS_MAX:
            raise NetworkError(f"{node}: input {position} is {array.dtype}; a list of integers is needed")
        return tuple(int(each) for each in array.reshape(-1))

    def number(self, node: RawNode, position: int) -> float:
        """Returns a constant of one finite or infinite real number."""
        array = self.array(node, position)
        if array.dtype != np.float32 or array.size != 1 or np.isnan(array).any():
            raise NetworkError(f"{node}: input {position} has to be one real number")
        return float(array.reshape(-1)[0])

    def activation(self, node: RawNode, position: int = 0) -> int:
        """Returns the network's tensor that an input stands for."""
        value = self.value(node, position)
        if isinstance(value, Activation):
            return value.index
        what = "real numbers without a QuantizeLinear" if isinstance(value, Pending) else "a constant"
        raise NetworkError(
            f"{node}: input {shown(node.inputs[position])} is {what}; only fully quantized models are supported"
        )

    def shape(self, index: int) -> Shape:
        """Returns a tensor's shape in ONNX's order, without the batch."""
        return logical(self.tensors[index].shape)

    def image(self, node: RawNode) -> tuple[int, Shape]:
        """Returns the first input and its (channels, height, width)."""
        index = self.activation(node)
        shape = self.shape(index)
        if len(shape) != 3:
            raise NetworkError(f"{node} takes [batch, channels, height, width], not [batch, {list(shape)}]")
        return index, shape

    def tensor(self, node: RawNode, name: str, shape: Shape, quantization: Quantization) -> int:
        """Adds a tensor of a shape in ONNX's order; one whose name is not empty is in the file as integers."""
        if not all(size >= 1 for size in shape) or math.prod(shape) > ELEMENTS_MAX:
            raise NetworkError(
                f"{node} makes shape {list(shape)}; sizes are positive, with {ELEMENTS_MAX} elements at most"
            )
        self.elements += math.prod(shape)
        if self.elements > ALL_ELEMENTS_MAX:
            raise NetworkError(f"up to {node}, tensors have over {ALL_ELEMENTS_MAX} elements; no more are supported")
        file_index = None
        if name:
            file_index = len(self.file_names)
            self.file_names.append(name)
        label = shown(name)[1:-1] if name else f"{node.kind.lower()}_{node.index}"
        scale, zero = quantization.scale, quantization.zero_point
        self.tensors.append(TensorSpec(label, stored(shape), scale, zero, file_index=file_index))
        self.quantizations.append(quantization)
        return len(self.tensors) - 1

    def name_in_file(self, index: int, name: str) -> None:
        """Notes that the file has a tensor as integers, under this name, unless it has it under another one."""
        if self.tensors[index].file_index is None:
            self.tensors[index] = replace(self.tensors[index], name=shown(name)[1:-1], file_index=len(self.file_names))
            self.file_names.append(name)

    def add(self, make: Callable[..., Operator], name: str, inputs: tuple[int, ...], output: int, **own: Any) -> int:  # noqa: ANN401 -- fields of any operator
        """Appends an operator; returns its output."""
        self.operators.append(make(name=name, inputs=inputs, output=output, **own))
        return output

    def spend(self, node: RawNode, positions: int) -> None:
        """Counts positions that an operator takes; a small file must not describe gigabytes of them."""
        self.positions += positions
        if self.positions > POSITIONS_MAX:
            raise NetworkError(f"{node}: rearranging operators up to it move more than {POSITIONS_MAX} elements")

    def rescaler(self, scale: FloatArray | float, contract: Contract) -> Rescaler:
        """Rounds effective scales to a rescaler of full width."""
        if isinstance(scale, float):
            return full_rescaler(scale, contract)
        return rescaler_from_scale(scale, FULL_MULTIPLIER_BITS, contract)

    def quantization(self, node: RawNode, scale_at: int, zero_at: int, absent: type = np.uint8) -> Quantization:
        """Returns the scale and zero point that two inputs of a node give for an activation."""
        scales, zero_points, offset = self.scales(node, scale_at, zero_at, absent)
        if scales.size != 1:
            raise NetworkError(f"{node} has {scales.size} scales; activations have one")
        if not -_UNSIGNED_OFFSET <= zero_points[0] < _UNSIGNED_OFFSET:
            raise NetworkError(f"{node} has zero point {zero_points[0]}; int8 has -128 to 127")
        return Quantization(float(scales[0]), int(zero_points[0]), offset)

    def scales(self, node: RawNode, scale_at: int, zero_at: int, absent: type) -> tuple[FloatArray, IntArray, int]:
        """Returns scales, as many zero points of int8 (or int32), and the offset of the file's integers from int8's.

        Without a zero point, integers have the type ``absent``.
        """
        scale = self.array(node, scale_at)
        if scale.dtype != np.float32 or scale.size == 0 or scale.ndim > 1:
            raise NetworkError(f"{node}: input {scale_at}, the scale, has to be float32, one or one for each channel")
        usable = np.isfinite(scale) & (scale >= SCALE_MIN) & (scale <= SCALE_MAX)
        if not usable.all():
            bad = float(scale.reshape(-1)[~usable.reshape(-1)][0])
            raise NetworkError(f"{node} has scale {bad}; scales are finite, {SCALE_MIN:.0e} to {SCALE_MAX:.0e}")
        zero = self.array(node, zero_at) if node.has(zero_at) else np.zeros(scale.shape, absent)
        if zero.dtype not in (np.int8, np.uint8, np.int32) or zero.size != scale.size:
            raise NetworkError(f"{node}: input {zero_at}, the zero point, has to be int8 or uint8, one for each scale")
        offset = _UNSIGNED_OFFSET if zero.dtype == np.uint8 else 0
        return scale.astype(np.float64).reshape(-1), zero.astype(np.int64).reshape(-1) - offset, offset


def stored(shape: Shape) -> Shape:
    """Returns the sizes of a tensor as the network stores it, from ONNX's order."""
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape


def logical(shape: Shape) -> Shape:
    """Returns the sizes of a tensor in ONNX's order, from the network's."""
    return (shape[-1], *shape[:-1]) if len(shape) == 3 else shape


def stored_axes(rank: int) -> tuple[int, ...]:
    """Returns the axis in ONNX's order, batch left out, of each axis that the network stores."""
    return (1, 2, 0) if rank == 3 else tuple(range(rank))


def to_stored(values: AnyArray) -> AnyArray:
    """Returns one sample's values ``[*shape]`` as the network stores them."""
    return frozen(values.transpose(stored_axes(values.ndim)))


def from_stored(values: AnyArray) -> AnyArray:
    """Returns one sample's stored values in ONNX's order."""
    return values.transpose(2, 0, 1) if values.ndim == 3 else values


def bounds(quantization: Quantization, clamp: tuple[float, float], node: RawNode) -> tuple[int, int]:
    """Returns the smallest and the largest output integer, int8, of a real clamp."""
    low, high = (_nearest(bound, quantization) for bound in clamp)
    if low > high:
        raise NetworkError(f"{node}: no int8 output lies in the range of its activation, {clamp[0]} to {clamp[1]}")
    return low, high


def _nearest(real: float, quantization: Quantization) -> int:
    if math.isinf(real):
        return -128 if real < 0 else 127
    steps = np.rint(np.clip(np.float32(real) / np.float32(quantization.scale), -(2.0**15), 2.0**15))
    return int(np.clip(int(steps) + quantization.zero_point, -128, 127))


def check_work(node: RawNode, outputs: int, products: int) -> None:
    """Raises a NetworkError if an operator needs minutes for one sample."""
    if outputs * products > PRODUCTS_MAX:
        raise NetworkError(
            f"{node} takes {outputs * products} products per sample; at most {PRODUCTS_MAX} are supported"
        )
