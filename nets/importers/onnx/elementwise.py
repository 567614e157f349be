"""Converters of sums, products, clamps and functions of one value, and of changes of quantization."""

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from nets.errors import NetworkError
from nets.importers.onnx.builder import (
    Activation,
    Builder,
    ConstantReal,
    Pending,
    Quantization,
    Shape,
    Value,
    bounds,
    stored,
    to_stored,
)
from nets.importers.onnx.graph import RawNode, shown
from nets.network import (
    SUM_LEFT_SHIFT,
    Curve,
    ElementwiseKind,
    ElementwiseProduct,
    ElementwiseSum,
    FloatLookup,
    PairKind,
    PairLookup,
    Requantize,
    TensorSpec,
    curve_table,
    pair_table,
    product_scale,
    sum_scales,
)

_OPEN = (-math.inf, math.inf)
_KINDS = {
    "Add": "add",
    "QLinearAdd": "add",
    "Sub": "sub",
    "Mul": "mul",
    "QLinearMul": "mul",
}
_PAIRS = {"add": PairKind.FUSED_SUM, "sub": PairKind.DIFFERENCE, "mul": PairKind.FUSED_PRODUCT}
# Curve and its parameters by name in the file, with their default values.
_CURVES: dict[str, tuple[Curve, dict[str, float]]] = {
    "Elu": (Curve.ELU, {"alpha": 1.0}),
    "HardSigmoid": (Curve.HARD_SIGMOID, {"alpha": 0.2, "beta": 0.5}),
    "HardSwish": (Curve.HARD_SWISH, {}),
    "LeakyRelu": (Curve.LEAKY_RELU, {"alpha": 0.01}),
    "QLinearLeakyRelu": (Curve.LEAKY_RELU, {"alpha": 0.01}),
    "QLinearSigmoid": (Curve.SIGMOID, {}),
    "Sigmoid": (Curve.SIGMOID, {}),
    "Tanh": (Curve.TANH, {}),
}


def pair(builder: Builder, node: RawNode) -> Value:
    """Converts Add, Sub and Mul between DequantizeLinear and QuantizeLinear."""
    if all(isinstance(builder.value(node, position), np.ndarray) for position in (0, 1)):
        raise NetworkError(f"{node} reads constants alone; an activation is expected")
    operands = tuple(_operand(builder, node, builder.value(node, position), position) for position in (0, 1))
    return Pending(node, partial(_combined, builder, node, (operands[0], operands[1])))


def qlinear_pair(builder: Builder, node: RawNode) -> Value:
    """Converts QLinearAdd and QLinearMul of ONNX Runtime."""
    operands = tuple(_qlinear_operand(builder, node, position) for position in (0, 3))
    target = builder.quantization(node, 6, 7)
    made = _combined(builder, node, (operands[0], operands[1]), node.outputs[0], target, _OPEN)
    return Activation(made, real=False)


def clamp(builder: Builder, node: RawNode) -> Value:
    """Converts Relu and Clip: joined with the operator before them, or as an operator of their own."""
    low, high = _limits(builder, node)
    value = builder.value(node, 0)
    if isinstance(value, Pending):
        if value.low != -math.inf or value.high != math.inf:
            raise NetworkError(f"{node} follows another clamp; one is supported")
        return replace(value, low=low, high=high)
    return Pending(node, partial(_curve, builder, node, builder.activation(node), Curve.CLIP, ()), low, high)


def _limits(builder: Builder, node: RawNode) -> tuple[float, float]:
    if node.kind == "Relu":
        return 0.0, math.inf
    low = builder.number(node, 1) if node.has(1) else node.attributes.get("min", -math.inf)
    high = builder.number(node, 2) if node.has(2) else node.attributes.get("max", math.inf)
    if not isinstance(low, float) or not isinstance(high, float) or not low <= high:
        raise NetworkError(f"{node}: clips to {low!r} to {high!r}, which is no range")
    return low, high


def curve(builder: Builder, node: RawNode) -> Value:
    """Converts a function of one value between DequantizeLinear and QuantizeLinear."""
    kind, parameters = _parameters(node)
    return Pending(node, partial(_curve, builder, node, builder.activation(node), kind, parameters))


def qlinear_curve(builder: Builder, node: RawNode) -> Value:
    """Converts QLinearSigmoid and QLinearLeakyRelu of ONNX Runtime."""
    kind, parameters = _parameters(node)
    source = builder.activation(node)
    if builder.quantization(node, 1, 2) != builder.quantizations[source]:
        raise NetworkError(f"{node} states another scale or zero point for its input than its producer")
    target = builder.quantization(node, 3, 4)
    made = _curve(builder, node, source, kind, parameters, node.outputs[0], target, _OPEN)
    return Activation(made, real=False)


def _parameters(node: RawNode) -> tuple[Curve, tuple[float, ...]]:
    kind, named = _CURVES[node.kind]
    return kind, tuple(float(np.float32(node.real(name, default))) for name, default in named.items())


def _curve(
    builder: Builder,
    node: RawNode,
    source: int,
    kind: Curve,
    parameters: tuple[float, ...],
    name: str,
    target: Quantization,
    limits: tuple[float, float],
) -> int:
    """Adds a table; a clip has a rescaler instead, unless ONNX Runtime's own integers are asked for."""
    if kind is Curve.CLIP:
        return requantized(builder, node, source, name, target, limits)
    output = builder.tensor(node, name, builder.shape(source), target)
    if bounds(target, limits, node) != (-128, 127):
        raise NetworkError(f"{node}: a clamp behind a function is not supported")
    table = curve_table(kind, parameters, builder.tensors[source], builder.tensors[output])
    return builder.add(
        FloatLookup, f"{kind}_{node.index}", (source,), output, curve=kind, parameters=parameters, table=table
    )


def requantized(
    builder: Builder, node: RawNode, source: int, name: str, target: Quantization, limits: tuple[float, float]
) -> int:
    """Adds a change of quantization with a clamp; returns its output."""
    output = builder.tensor(node, name, builder.shape(source), target)
    low, high = bounds(target, limits, node)
    spec = builder.tensors[source]
    place = (f"requantize_{node.index}_{len(builder.operators)}", (source,), output)
    if builder.profile.float_forms:
        limits = _OPEN if node.kind == "Clip" and _is_dropped(limits, target) else limits
        table = curve_table(Curve.CLIP, limits, spec, builder.tensors[output])
        return builder.add(FloatLookup, *place, curve=Curve.CLIP, parameters=limits, table=table)
    rescaler = builder.rescaler(spec.scale / target.scale, builder.profile.contract("quantize"))
    return builder.add(Requantize, *place, rescaler=rescaler, q_min=low, q_max=high)


def _is_dropped(limits: tuple[float, float], target: Quantization) -> bool:
    """Returns whether ONNX Runtime takes a Clip for one that the quantized range implies: to within float32's epsilon.

    A range of less than that, as of a tensor that was always 0 when scales were chosen, loses its Clip.
    """
    low, high = ((end - target.zero_point) * target.scale for end in (-128, 127))
    epsilon = float(np.finfo(np.float32).eps)
    return limits[0] - low <= epsilon and high - limits[1] <= epsilon


def _operand(builder: Builder, node: RawNode, value: Value, position: int) -> int:
    if isinstance(value, ConstantReal):
        return _constant(builder, node, value)
    if isinstance(value, np.ndarray):
        raise NetworkError(f"{node}: constant {shown(node.inputs[position])} is not quantized")
    return builder.activation(node, position)


def _qlinear_operand(builder: Builder, node: RawNode, position: int) -> int:
    value = builder.value(node, position)
    if isinstance(value, np.ndarray):
        if value.dtype not in (np.int8, np.uint8):
            raise NetworkError(f"{node}: constant {shown(node.inputs[position])} is {value.dtype}; int8 is needed")
        scales, zeros, offset = builder.scales(node, position + 1, position + 2, value.dtype.type)
        return _constant(builder, node, ConstantReal(value.astype(np.int64) - offset, scales, zeros, 0, offset, 8))
    index = builder.activation(node, position)
    if builder.quantization(node, position + 1, position + 2) != builder.quantizations[index]:
        raise NetworkError(f"{node} states another scale or zero point for an input than its producer")
    return index


def _constant(builder: Builder, node: RawNode, value: ConstantReal) -> int:
    """Adds a constant operand; its shape grows to the other operand's rank when they are joined."""
    if value.bits != 8 or value.scales.size != 1 or value.values.size == 0:
        raise NetworkError(f"{node}: a constant operand has to be int8 with one scale")
    quantization = Quantization(float(value.scales[0]), int(value.zero_points[0]), value.offset)
    name = f"constant_{node.index}"
    spec = TensorSpec(name, value.values.shape, quantization.scale, quantization.zero_point)
    builder.tensors.append(spec)
    builder.quantizations.append(quantization)
    builder.constants[len(builder.tensors) - 1] = value.values.astype(np.int8)
    return len(builder.tensors) - 1


def _fit(builder: Builder, node: RawNode, index: int, rank: int) -> None:
    """Gives a constant operand the rank of the activation that it is joined with, the batch left out."""
    values = builder.constants[index]
    extra = values.ndim - rank
    if extra > 1 or (extra == 1 and values.shape[0] != 1):
        raise NetworkError(f"{node}: a constant of shape {list(values.shape)} does not fit {rank} dimensions")
    values = to_stored(values.reshape(*(1,) * -extra, *values.shape[max(extra, 0) :]))
    builder.constants[index] = values
    builder.tensors[index] = replace(builder.tensors[index], shape=values.shape)


def _combined(
    builder: Builder,
    node: RawNode,
    operands: tuple[int, int],
    name: str,
    target: Quantization,
    limits: tuple[float, float],
) -> int:
    active = [index for index in operands if index not in builder.constants]
    if not active:
        raise NetworkError(f"{node} reads constants alone; an activation is expected")
    rank = len(builder.shape(active[0]))
    for index in set(operands) - set(active):
        _fit(builder, node, index, rank)
    left, right = (builder.tensors[index] for index in operands)
    if len(left.shape) != len(right.shape):
        raise NetworkError(f"{node} takes inputs of as many dimensions, not {left.shape} and {right.shape}")
    try:
        made = np.broadcast_shapes(left.shape, right.shape)
    except ValueError as error:
        raise NetworkError(f"{node}: shapes {left.shape} and {right.shape} do not fit together") from error
    shape: Shape = (made[-1], *made[:-1]) if len(made) == 3 else tuple(made)
    assert stored(shape) == tuple(made)  # noqa: S101 -- the inverse of logical()
    output = builder.tensor(node, name, shape, target)
    kind = _KINDS[node.kind]
    place = (f"{kind}_{node.index}", operands, output)
    specs = (left, right, builder.tensors[output])
    if builder.profile.float_forms:
        return _by_table(builder, node, place, specs, limits)
    return _by_rescaler(builder, kind, place, specs, bounds(target, limits, node))


def _by_table(
    builder: Builder,
    node: RawNode,
    place: tuple[str, tuple[int, int], int],
    specs: tuple[TensorSpec, TensorSpec, TensorSpec],
    limits: tuple[float, float],
) -> int:
    first, second = place[1]
    low, high = bounds(builder.quantizations[place[2]], limits, node)
    offsets = (*(builder.quantizations[index].offset for index in (first, second, place[2])),)
    kind, swapped = _PAIRS[_KINDS[node.kind]], _repeats_first(specs)
    table = pair_table(kind, (offsets[0], offsets[1], offsets[2]), specs, swapped=swapped)
    if (low, high) != (-128, 127):
        raise NetworkError(f"{node}: ONNX Runtime does not join a clamp with {node.kind}; import under a contract")
    return builder.add(PairLookup, *place, kind=kind, offsets=offsets, swapped=swapped, table=table)


def _repeats_first(specs: tuple[TensorSpec, TensorSpec, TensorSpec]) -> bool:
    """Returns whether one element of the first operand meets all of the second's innermost axes, in ONNX's order."""
    first, second = specs[0].shape, specs[1].shape
    if len(first) == 3:
        return first[:2] == (1, 1) != second[:2]
    return first[-1:] == (1,) != second[-1:]


def _by_rescaler(
    builder: Builder,
    kind: str,
    place: tuple[str, tuple[int, int], int],
    specs: tuple[TensorSpec, TensorSpec, TensorSpec],
    clamped: tuple[int, int],
) -> int:
    scales = (specs[0].scale, specs[1].scale, specs[2].scale)
    contract = builder.profile.contract(kind)
    own: dict[str, Any] = {"q_min": clamped[0], "q_max": clamped[1]}
    if kind == "mul":
        return builder.add(
            ElementwiseProduct, *place, rescaler=builder.rescaler(product_scale(*scales), contract), **own
        )
    first, second, final = (builder.rescaler(each, contract) for each in sum_scales(*scales, SUM_LEFT_SHIFT))
    return builder.add(
        ElementwiseSum,
        *place,
        kind=ElementwiseKind(kind),
        left_shift=SUM_LEFT_SHIFT,
        input_rescalers=(first, second),
        rescaler=final,
        **own,
    )
