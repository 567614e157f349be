"""The immutable integer network: tensors with affine quantization, operators with their integers and rescalers.

Activations are int8, layout NHWC (batch, height, width, channels) or ``[batch, features]``; shapes leave the batch out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from nets.errors import NetworkError
from nets.network.rescaler import Rescaler

Shape = tuple[int, ...]
Pads = tuple[tuple[int, int], tuple[int, int]]  # (top, bottom), (left, right), in elements


class Method(StrEnum):
    """How a narrow multiplier is reached."""

    ROUND = "round"  # keep the weights, round the multiplier
    ABSORB = "absorb"  # choose a representable multiplier, move the ratio into the weights


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An activation tensor: ``real = scale * (q - zero_point)``.

    Attributes:
        name: as in the imported model.
        shape: without the batch.
        scale: real value of one step (float32 of the model, held in float64).
        zero_point: the integer of real 0.
        bits: width in bits of the stored integer.
        file_index: the tensor's index in the file it was imported from, where it was.
    """

    name: str
    shape: Shape
    scale: float
    zero_point: int
    bits: int = 8
    file_index: int | None = None

    @property
    def q_min(self) -> int:
        """Smallest storable integer."""
        return -(1 << (self.bits - 1))

    @property
    def q_max(self) -> int:
        """Largest storable integer."""
        return (1 << (self.bits - 1)) - 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Operator:
    """One step of the network; tensors are named by index.

    Attributes:
        name: unique, made of kind and position, such as ``conv_0``.
        inputs: tensor indices.
        output: tensor index.
    """

    name: str
    inputs: Shape
    output: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Weighted(Operator):
    """An operator with weights, bias and a rescaler per output channel.

    Attributes:
        weights: int8; a convolution's are ``[out, height, width, in / groups]``, a fully connected one's ``[out, in]``.
        bias: int64 within int32, ``[out]``, in units of ``s_x * s_w``.
        weight_scale: float64 ``[out]`` (per channel) or ``[1]`` (per tensor); symmetric, zero point 0.
        weight_bits: width in bits of the weights, symmetric range ``+-(2**(bits-1) - 1)`` (int8 may hold -128).
        rescaler: the integers that take the accumulator to the output.
        method: how the rescaler's width was reached.
        q_min: fused activation's lower bound, an output integer.
        q_max: fused activation's upper bound, an output integer.
    """

    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int64]
    weight_scale: npt.NDArray[np.float64]
    weight_bits: int = 8
    rescaler: Rescaler
    method: Method = Method.ROUND
    q_min: int
    q_max: int

    @property
    def out_channels(self) -> int:
        """Number of output channels."""
        return int(self.weights.shape[0])


@dataclass(frozen=True, eq=False, kw_only=True)
class Convolution(Weighted):
    """2-D convolution; depthwise where ``groups`` equals the input channels.

    Attributes:
        stride: (vertical, horizontal).
        dilation: (vertical, horizontal).
        padding: explicit, filled with the input's zero point.
        groups: groups of input channels.
    """

    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Pads
    groups: int


@dataclass(frozen=True, eq=False, kw_only=True)
class FullyConnected(Weighted):
    """``[batch, in] -> [batch, out]``."""


class ElementwiseKind(StrEnum):
    """What an elementwise sum computes."""

    ADD = "add"
    SUB = "sub"


@dataclass(frozen=True, eq=False, kw_only=True)
class ElementwiseSum(Operator):
    """``y = x0 + x1`` or ``x0 - x1``: both inputs shifted left, rescaled to a common scale, summed, rescaled.

    The common scale is twice the larger input scale, so that input's multiplier is exactly 1/2
    (TFLite reference kernels, ``left_shift`` 20).

    Attributes:
        kind: sum or difference.
        left_shift: bits by which each zero-point-free input is shifted left before its rescale.
        input_rescalers: of the two inputs, to the common scale.
        rescaler: from the common scale to the output.
        q_min: fused activation's lower bound.
        q_max: fused activation's upper bound.
    """

    kind: ElementwiseKind
    left_shift: int
    input_rescalers: tuple[Rescaler, Rescaler]
    rescaler: Rescaler
    q_min: int
    q_max: int


@dataclass(frozen=True, eq=False, kw_only=True)
class ElementwiseProduct(Operator):
    """``y = x0 * x1`` of zero-point-free inputs, one rescale ``s_0 * s_1 / s_y``."""

    rescaler: Rescaler
    q_min: int
    q_max: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Requantize(Operator):
    """A stand-alone change of quantization, or activation: QUANTIZE int8 to int8, RELU, RELU6."""

    rescaler: Rescaler
    q_min: int
    q_max: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool(Operator):
    """Each window's valid elements become one; no rescaler, scales are equal.

    Attributes:
        kernel: (vertical, horizontal).
        stride: (vertical, horizontal).
        padding: elements that count in no window.
        q_min: fused activation's lower bound.
        q_max: fused activation's upper bound.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Pads
    q_min: int
    q_max: int


class AveragePool(Pool):
    """Mean of each window, rounded half away from zero."""


class MaxPool(Pool):
    """Maximum of each window."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Mean(Operator):
    """Mean over axes: the sum of zero-point-free inputs, rescaled by ``s_x / (s_y * count)``.

    Attributes:
        axes: axes of the tensor's shape without batch, counted from 0.
        count: number of elements summed.
        float_offset: None, or XNNPACK's form: the inputs are summed with their zero point, and the output is
            ``rint(float32(sum) * scale + float_offset)``, every step in float32, output zero point included.
    """

    axes: Shape
    count: int
    rescaler: Rescaler
    float_offset: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Operator):
    """Constant padding with the zero point; (before, after) of every axis without batch."""

    padding: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Concatenation(Operator):
    """Join along an axis (without batch); all scales and zero points equal, so integers are only moved."""

    axis: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Operator):
    """New shape, same elements in order: RESHAPE, SQUEEZE, EXPAND_DIMS."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Transpose(Operator):
    """Permutation of the axes without batch, counted from 0."""

    permutation: Shape


Rescaling = Weighted | ElementwiseSum | ElementwiseProduct


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """A network of integers, frozen.

    Attributes:
        name: for people.
        tensors: activation tensors; operators refer to them by index.
        operators: in an order in which every input is ready.
        inputs: tensor indices of the network's inputs.
        outputs: tensor indices of the network's outputs (the logits, where the model ended in a softmax).
    """

    name: str
    tensors: tuple[TensorSpec, ...]
    operators: tuple[Operator, ...]
    inputs: Shape
    outputs: Shape
    _by_name: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = [operator.name for operator in self.operators]
        if len(set(names)) != len(names):
            raise NetworkError(f"operator names of {self.name!r} are not unique: {names}")
        ready = set(self.inputs)
        for operator in self.operators:
            if missing := set(operator.inputs) - ready:
                raise NetworkError(f"operator {operator.name!r} reads tensors {sorted(missing)} before they are made")
            ready.add(operator.output)
        if missing := set(self.outputs) - ready:
            raise NetworkError(f"outputs {sorted(missing)} of {self.name!r} are made by no operator")
        object.__setattr__(self, "_by_name", {name: index for index, name in enumerate(names)})

    def operator(self, name: str) -> Operator:
        """The operator of that name.

        Raises:
            NetworkError: there is none.
        """
        if name not in self._by_name:
            raise NetworkError(f"network {self.name!r} has no operator {name!r}; it has {', '.join(self._by_name)}")
        return self.operators[self._by_name[name]]

    def rescaling_operators(self) -> Iterator[Weighted | ElementwiseSum | ElementwiseProduct]:
        """Operators whose rescaler width is a design variable, in order of execution."""
        for operator in self.operators:
            if isinstance(operator, Rescaling):
                yield operator

    def with_operators(self, changed: dict[str, Operator]) -> "QuantizedNetwork":
        """A network in which the operators of these names are replaced."""
        return replace(self, operators=tuple(changed.get(op.name, op) for op in self.operators))

    def with_tensors(self, changed: dict[int, TensorSpec]) -> "QuantizedNetwork":
        """A network in which the tensors at these indices are replaced."""
        return replace(self, tensors=tuple(changed.get(i, tensor) for i, tensor in enumerate(self.tensors)))


_SHARING = (AveragePool, MaxPool, Pad, Concatenation, Reshape, Transpose)  # outputs keep the inputs' quantization


def shared_quantization(network: QuantizedNetwork) -> dict[int, int]:
    """Tensor index to a representative of the tensors that must have the same scale."""
    group = {index: index for index in range(len(network.tensors))}
    for operator in network.operators:
        if isinstance(operator, _SHARING):
            joined = {group[index] for index in (*operator.inputs, operator.output)}
            group = {index: min(joined) if of in joined else of for index, of in group.items()}
    return group
