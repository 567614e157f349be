"""Shared parts of the operator converters: the graph, the profile, and checked access to tensors."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nets.errors import NetworkError
from nets.importers.limits import ALL_ELEMENTS_MAX, ELEMENTS_MAX, POSITIONS_MAX, PRODUCTS_MAX, SCALE_MAX, SCALE_MIN
from nets.importers.tflite.graph import RawGraph, RawOperator, RawTensor
from nets.network import (
    CONTRACTS,
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

_NUMPY_TYPES = {"BOOL": np.uint8, "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64}
_ACTIVATION_BITS = {"INT8": 8, "INT16": 16}  # by type


@dataclass(slots=True)
class Builder:
    """Collects tensors and operators while converters run.

    Attributes:
        batch: first dimension of every activation in the file.
        specs: activation tensors described so far, by file index.
        operators: operators converted so far; their tensor indices are still the file's.
        elements: of all tensors described so far.
        positions: how many positions rearranging operators have taken so far.
        constants: operands that are no activations, by file index.
        inner_tensors: how many activations are described that the file has no tensors for.
    """

    graph: RawGraph
    profile: Profile
    batch: int
    specs: dict[int, TensorSpec] = field(default_factory=dict)
    operators: list[Operator] = field(default_factory=list)
    elements: int = 0
    positions: int = 0
    constants: dict[int, ActivationArray] = field(default_factory=dict)
    inner_tensors: int = 0

    def input(self, operator: RawOperator, position: int) -> RawTensor:
        """Returns an operator's input, or raises a NetworkError if it is missing."""
        if position >= len(operator.inputs):
            raise NetworkError(f"{operator} has {len(operator.inputs)} inputs; input {position} is missing")
        return self.graph.tensor(operator.inputs[position], str(operator))

    def has_input(self, operator: RawOperator, position: int) -> bool:
        """Returns whether an optional input is present."""
        return position < len(operator.inputs) and operator.inputs[position] != -1

    def activation(self, operator: RawOperator, position: int = 0) -> TensorSpec:
        """Returns the spec of an activation input."""
        return self.spec(self.input(operator, position))

    def operand(self, operator: RawOperator, position: int, rank: int) -> TensorSpec:
        """Returns the spec of an input that may be a constant, which gets ``rank`` dimensions besides the batch."""
        tensor = self.input(operator, position)
        if tensor.data is None:
            return self.spec(tensor)
        spec = _quantized_spec(tensor)
        values = constant(tensor, tensor.type_name).astype(spec.dtype)
        extra = values.ndim - rank
        if values.size == 0 or (extra > 0 and values.shape[:extra] != (1,) * extra):
            raise NetworkError(
                f"{operator}: constant {tensor} has shape {list(values.shape)}; a batch of 1 and {rank} others fit"
            )
        values = values.reshape(*(1,) * -extra, *values.shape[max(extra, 0) :])
        if tensor.index in self.constants and self.constants[tensor.index].shape != values.shape:
            raise NetworkError(f"{operator}: constant {tensor} has other dimensions in another operator")
        self.constants[tensor.index] = frozen(values)
        self.specs[tensor.index] = replace(spec, shape=values.shape)
        return self.specs[tensor.index]

    def image(self, operator: RawOperator) -> TensorSpec:
        """Returns the spec of the first input, which has to have height, width and channels."""
        spec = self.activation(operator)
        if len(spec.shape) != 3:
            raise NetworkError(f"{operator} takes [batch, height, width, channels], not [batch, {list(spec.shape)}]")
        return spec

    def result(self, operator: RawOperator) -> TensorSpec:
        """Returns the spec of an operator's only output."""
        if len(operator.outputs) != 1:
            raise NetworkError(f"{operator} has {len(operator.outputs)} outputs; exactly 1 is supported")
        return self.spec(self.graph.tensor(operator.outputs[0], str(operator)))

    def spec(self, tensor: RawTensor) -> TensorSpec:
        """Checks an activation tensor, once, and describes it."""
        if tensor.index not in self.specs:
            self.specs[tensor.index] = _activation_spec(tensor, self.batch)
            self.elements += math.prod(tensor.shape)
            if self.elements > ALL_ELEMENTS_MAX:
                raise NetworkError(
                    f"up to {tensor}, tensors have over {ALL_ELEMENTS_MAX} elements; no more are supported"
                )
        return self.specs[tensor.index]

    def inner(self, name: str, shape: tuple[int, ...], scale: float, zero_point: int, bits: int) -> int:
        """Describes an activation that the file's operator keeps to itself, and returns its index."""
        index = len(self.graph.tensors) + self.inner_tensors
        self.inner_tensors += 1
        self.specs[index] = TensorSpec(name, shape, scale, zero_point, bits)
        return index

    @property
    def reference_of_uint8(self) -> bool:
        """Whether the profile is that of TFLite's own kernels, and these are those of uint8."""
        return self.graph.unsigned and self.profile.runtime is not None and not self.profile.xnnpack_forms

    def spend(self, operator: RawOperator, positions: int) -> None:
        """Counts positions that an operator takes; a small file must not describe gigabytes of them."""
        self.positions += positions
        if self.positions > POSITIONS_MAX:
            raise NetworkError(f"{operator}: rearranging operators up to it move more than {POSITIONS_MAX} elements")

    def contract(self, kind: str, *, wide: bool = False, xnnpack: bool = True) -> Contract:
        """Returns the profile's contract of an operator kind; TFLite's own if XNNPACK leaves the operator to it.

        Args:
            kind: as profiles call it.
            wide: whether an input is of int16.
            xnnpack: whether XNNPACK runs the operator, if it is of int8.
        """
        if self.reference_of_uint8:
            return CONTRACTS["tflite_double"]  # of every kind
        left = self.profile.xnnpack_forms and not xnnpack and not wide
        return CONTRACTS["tflite_double"] if left else self.profile.contract(kind, wide=wide)

    def has_xnnpack_form(self, *specs: TensorSpec) -> bool:
        """Returns whether XNNPACK's own forms count for an operator between these tensors: it has none of int16."""
        return self.profile.xnnpack_forms and not any(is_wide(spec) for spec in specs)


def is_wide(spec: TensorSpec) -> bool:
    """Returns whether a tensor is stored as int16."""
    return bool(spec.dtype == np.int16)


def full_rescaler(scale: float, contract: Contract) -> Rescaler:
    """Rounds one effective scale to a rescaler of full width."""
    return rescaler_from_scale(np.array([scale]), FULL_MULTIPLIER_BITS, contract)


def _activation_spec(tensor: RawTensor, batch: int) -> TensorSpec:
    if tensor.type_name not in _ACTIVATION_BITS:
        raise NetworkError(f"{tensor} is {tensor.type_name}; only full-integer models are supported")
    if tensor.data is not None:
        raise NetworkError(f"{tensor} is a constant; an activation is expected here")
    if tensor.variable:
        raise NetworkError(f"{tensor} is a state, which lasts from one inference to the next; none is supported here")
    if not tensor.shape or tensor.shape[0] != batch or min(tensor.shape) < 1:
        raise NetworkError(
            f"{tensor} has shape {list(tensor.shape)}; sizes are positive, the first is the batch, {batch}"
        )
    if len(tensor.shape) == 1:
        raise NetworkError(f"{tensor} has shape {list(tensor.shape)}; a dimension besides the batch is needed")
    if math.prod(tensor.shape) > ELEMENTS_MAX:
        raise NetworkError(f"{tensor} has shape {list(tensor.shape)}; at most {ELEMENTS_MAX} elements are supported")
    return _quantized_spec(tensor)


def _quantized_spec(tensor: RawTensor) -> TensorSpec:
    """Describes an int8 or int16 tensor of one scale and zero point, its first size as the batch."""
    bits = _ACTIVATION_BITS.get(tensor.type_name)
    if bits is None:
        raise NetworkError(f"{tensor} is {tensor.type_name}; INT8 or INT16 is needed here")
    scales, zero_points = quantization(tensor)
    if scales.size != 1:
        raise NetworkError(f"{tensor} has {scales.size} scales; activations have one")
    zero = int(zero_points[0])
    if not -128 <= zero <= 127:
        raise NetworkError(f"{tensor} has zero point {zero}; int8 has -128 to 127")
    if bits > 8 and zero:
        raise NetworkError(f"{tensor} has zero point {zero}; of int16 it has to be 0")
    return TensorSpec(tensor.name, tensor.shape[1:], float(scales[0]), zero, bits, file_index=tensor.index)


def quantization(tensor: RawTensor) -> tuple[FloatArray, IntArray]:
    """Returns a tensor's scales and as many zero points; a NetworkError says if they are missing or out of range."""
    if tensor.scales.size == 0:
        raise NetworkError(f"{tensor} has no quantization; only full-integer models are supported")
    usable = np.isfinite(tensor.scales) & (tensor.scales >= SCALE_MIN) & (tensor.scales <= SCALE_MAX)
    if not usable.all():
        bad = int(np.flatnonzero(~usable)[0])
        raise NetworkError(
            f"{tensor} has scale {tensor.scales[bad]} at {bad}; scales are finite, {SCALE_MIN:.0e} to {SCALE_MAX:.0e}"
        )
    zero_points = tensor.zero_points if tensor.zero_points.size else np.zeros_like(tensor.scales, dtype=np.int64)
    if zero_points.size != tensor.scales.size:
        raise NetworkError(f"{tensor} has {tensor.scales.size} scales and {zero_points.size} zero points")
    return tensor.scales, zero_points


def constant(tensor: RawTensor, type_name: str) -> IntArray:
    """Returns the values, int64, of a tensor that has to be a constant of this type whose bytes fit its shape."""
    if tensor.type_name != type_name:
        raise NetworkError(f"{tensor} is {tensor.type_name}; {type_name} is needed here")
    if tensor.data is None:
        raise NetworkError(f"{tensor} is not a constant; it has to be here")
    if tensor.sparse:
        raise NetworkError(f"{tensor} is sparse; only dense constants are supported")
    dtype = np.dtype(_NUMPY_TYPES[type_name]).newbyteorder("<")
    size = math.prod(tensor.shape) if all(d >= 0 for d in tensor.shape) else -1
    if tensor.data.size != size * dtype.itemsize:
        raise NetworkError(f"{tensor} has {tensor.data.size} bytes, which do not fit its shape {list(tensor.shape)}")
    return tensor.data.view(dtype).astype(np.int64).reshape(tensor.shape)


_KINDS = {"DEQUANTIZE+QUANTIZE": "requantize", "DEPTHWISE_CONV_2D": "depthwise", "FULLY_CONNECTED": "fc"}


def kind_of(operator: RawOperator) -> str:
    """Returns the kind by which profiles and names of operators call the file's operator."""
    return kind_name(operator.kind)


def kind_name(kind: str) -> str:
    """Returns what profiles and names of operators call the schema's kind of operator."""
    return _KINDS.get(kind, kind.lower().removesuffix("_2d"))


def placed(operator: RawOperator, inputs: int = 1) -> dict[str, Any]:
    """Returns the fields that every operator has, with the first tensors that the file's operator reads."""
    name = f"{kind_of(operator)}_{operator.index}"
    return {"name": name, "inputs": operator.inputs[:inputs], "output": operator.outputs[0]}


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Returns a read-only, contiguous copy."""
    array = np.array(array, order="C")
    array.flags.writeable = False
    return array


def check_shape(operator: RawOperator, got: tuple[int, ...], result: TensorSpec) -> None:
    """Raises a NetworkError if an operator computes another shape than the file states for its output."""
    if got != result.shape:
        raise NetworkError(f"{operator} makes shape {list(got)}; the file says {list(result.shape)} (without batch)")


def check_work(operator: RawOperator, result: TensorSpec, products: int) -> None:
    """Raises a NetworkError if an operator needs minutes for one sample, at this many products per output element."""
    total = math.prod(result.shape) * products
    if total > PRODUCTS_MAX:
        raise NetworkError(f"{operator} takes {total} products per sample; at most {PRODUCTS_MAX} are supported")


def reduced_axes(builder: Builder, raw: RawOperator, source: TensorSpec) -> tuple[int, ...]:
    """Returns the axes of a sample's shape, from 0, that an operator's second input states."""
    rank = len(source.shape) + 1
    stated = constant(builder.input(raw, 1), "INT32").reshape(-1).tolist()
    if not stated or not all(-rank <= axis < rank for axis in stated) or any(axis % rank == 0 for axis in stated):
        raise NetworkError(f"{raw} is over axes {stated}; use axes 1 to {rank - 1} (0 is the batch)")
    return tuple(sorted({axis % rank - 1 for axis in stated}))


def check_same_quantization(operator: RawOperator, specs: list[TensorSpec]) -> None:
    """Raises a NetworkError if the scales or zero points of an operator that only moves integers differ."""
    pairs = {(spec.scale, spec.zero_point, spec.bits) for spec in specs}
    if len(pairs) > 1:
        raise NetworkError(
            f"{operator} only moves integers, but its scales, zero points or widths differ: {sorted(pairs)}"
        )
