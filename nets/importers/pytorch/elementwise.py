"""Converters of sums, products, clamps and functions of one value."""

import math

import numpy as np
from torch import Tensor, fx, nn

from nets.errors import NetworkError
from nets.importers.pytorch import nodes
from nets.importers.pytorch.builder import IMAGE_RANK, Builder
from nets.importers.pytorch.nodes import Elementwise, Operand
from nets.network import (
    SUM_LEFT_SHIFT,
    ElementwiseKind,
    ElementwiseProduct,
    ElementwiseSum,
    FloatArray,
    Function,
    Lookup,
    Requantize,
    TensorSpec,
    lookup_table,
    product_scale,
    sum_scales,
)

_FUNCTIONS: dict[type[nn.Module], Function] = {
    nn.ELU: Function.ELU,
    nn.Hardswish: Function.HARD_SWISH,
    nn.LeakyReLU: Function.LEAKY_RELU,
    nn.Sigmoid: Function.LOGISTIC,
    nn.Tanh: Function.TANH,
}
# Scale and zero point of outputs that TFLite's kernels demand.
_OUTPUTS = {Function.LOGISTIC: (1 / 256, -128), Function.TANH: (1 / 128, 0)}


def elementwise(builder: Builder, node: fx.Node, operation: Elementwise) -> None:
    """Converts a sum, difference or product of tensors, of which one may be a constant."""
    rank = len(builder.trace.shapes[node])
    inputs = [_operand(builder, node, operand, rank) for operand in (operation.left, operation.right)]
    if operation.kind == "mul":
        _product(builder, node, *inputs)
        return
    first, second = (builder.spec_at(index).scale for index in inputs)
    target, common = builder.rescaled(node, operation.kind, *inputs)
    left, right, final = map(builder.rescaler, sum_scales(first, second, target.scale, SUM_LEFT_SHIFT))
    builder.append(
        ElementwiseSum(
            **common,
            kind=ElementwiseKind(operation.kind),
            left_shift=SUM_LEFT_SHIFT,
            input_rescalers=(left, right),
            rescaler=final,
        )
    )


def _product(builder: Builder, node: fx.Node, left: int, right: int) -> None:
    target, common = builder.rescaled(node, "mul", left, right)
    scale = product_scale(builder.spec_at(left).scale, builder.spec_at(right).scale, target.scale)
    builder.append(ElementwiseProduct(**common, rescaler=builder.rescaler(scale)))


def _operand(builder: Builder, node: fx.Node, operand: Operand, rank: int) -> int:
    """Returns an operand's tensor, which has as many dimensions as the result."""
    if not isinstance(operand, fx.Node):
        return builder.constant(f"{node.name}_constant", _constant(node, operand, rank))
    if len(builder.spec(operand).shape) != rank:
        raise NetworkError(f"operation {node.name!r} needs two tensors of as many dimensions")
    return builder.index(operand)


def _constant(node: fx.Node, operand: float | Tensor, rank: int) -> FloatArray:
    """Returns a constant operand without the batch, channels last."""
    values = nodes.array(operand) if isinstance(operand, Tensor) else np.array(operand, np.float64)
    if values.ndim > rank + 1 or (values.ndim == rank + 1 and values.shape[0] != 1) or not np.isfinite(values).all():
        raise NetworkError(
            f"operation {node.name!r} reads a parameter of shape {list(values.shape)}; finite ones of at most {rank} "
            "dimensions besides a batch of 1 are supported"
        )
    values = values.reshape((1,) * (rank + 1 - values.ndim) + values.shape)[0]
    return np.ascontiguousarray(np.moveaxis(values, 0, -1) if rank == IMAGE_RANK else values)


def clamp(builder: Builder, node: fx.Node, bounds: tuple[float, float]) -> None:
    """Converts an activation that no operator before it could take up."""
    source = nodes.source(node)
    target, fields = builder.rescaled(node, "relu", builder.index(source), fused=(node, bounds))
    scale = float(np.float32(builder.spec(source).scale) / np.float32(target.scale))  # as TFLite's RELU computes it
    builder.append(Requantize(**fields, rescaler=builder.rescaler(scale)))


def function(builder: Builder, node: fx.Node, module: nn.Module) -> bool:
    """Converts a function of one value to its table; returns whether the module is one."""
    kind = _FUNCTIONS.get(type(module))
    if kind is None or (isinstance(module, nn.ELU) and module.alpha != 1):
        return False
    source, chosen = builder.spec(nodes.source(node)), builder.chosen(node)
    like = _fixed(chosen, kind) if kind in _OUTPUTS else None
    output = builder.tensor(node, like)
    alpha = float(module.negative_slope) if isinstance(module, nn.LeakyReLU) else 0.0
    _lookup(builder, kind, alpha, builder.index(nodes.source(node)), output, source)
    return True


def swish(builder: Builder, node: fx.Node) -> None:
    """Converts ``x * sigmoid(x)``, a table and a product."""
    source = builder.spec(nodes.source(node))
    gate = builder.add(_fixed(builder.chosen(node), Function.LOGISTIC, f"{node.name}_gate"))
    _lookup(builder, Function.LOGISTIC, 0.0, builder.index(nodes.source(node)), gate, source)
    _product(builder, node, builder.index(nodes.source(node)), gate)


def _fixed(spec: TensorSpec, kind: Function, name: str = "") -> TensorSpec:
    scale, zero_point = _OUTPUTS[kind]
    return TensorSpec(name or spec.name, spec.shape, scale, zero_point)


def _lookup(builder: Builder, kind: Function, alpha: float, index: int, output: int, source: TensorSpec) -> None:
    if not math.isfinite(alpha):
        raise NetworkError(f"slope {alpha} of a leaky ReLU has to be finite")
    alpha = float(np.float32(alpha))
    table = lookup_table(kind, alpha, source, builder.spec_at(output), xnnpack=False)
    builder.append(
        Lookup(**builder.placed(kind.value, output, index), function=kind, alpha=alpha, xnnpack=False, table=table)
    )
