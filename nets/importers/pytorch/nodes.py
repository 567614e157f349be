"""What the nodes of a traced network are, and what their arguments say."""

import math
import operator as python_operator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from nets.errors import NetworkError
from nets.importers.pytorch.calls import arguments
from nets.importers.pytorch.tracing import Trace
from nets.network import FloatArray

_ELEMENTWISE = {
    target: kind
    for kind, targets in {
        "add": (python_operator.add, python_operator.iadd, torch.add, "add", "add_"),
        "sub": (python_operator.sub, python_operator.isub, torch.sub, torch.subtract, "sub", "sub_"),
        "mul": (python_operator.mul, python_operator.imul, torch.mul, torch.multiply, "mul", "mul_"),
        "div": (python_operator.truediv, python_operator.itruediv, torch.div, torch.true_divide, "div", "div_"),
    }.items()
    for target in targets
}
_CONCATENATIONS = (torch.cat, torch.concat, torch.concatenate)
_MEANS = (torch.mean, "mean")
_CLAMPS = (torch.clamp, torch.clip, "clamp", "clamp_", "clip")
_FLATTENS = (torch.flatten, "flatten")
_RESHAPES = (torch.reshape, "view", "reshape")
_IDENTITIES = (nn.Identity, nn.Dropout, nn.Dropout2d)
# Of the evaluation mode; torchvision's is known by its name, for it may not be installed.
_IDENTITY_FUNCTIONS = (functional.dropout, functional.dropout2d)
_STOCHASTIC_DEPTH = "stochastic_depth"
_OPERANDS = 2

Operand = fx.Node | float | Tensor  # a tensor of the network, a number, or a parameter


def source(node: fx.Node) -> fx.Node:
    """Returns the node whose tensor a node reads first."""
    return node.all_input_nodes[0]


def results(node: fx.Node, name: str) -> tuple[fx.Node, ...]:
    """Returns what the network ``name`` returns: a tensor, or several in a tuple or list."""
    returned = node.args[0]
    several = tuple(returned) if isinstance(returned, tuple | list) else (returned,)
    nodes = tuple(each for each in several if isinstance(each, fx.Node))
    if len(nodes) < len(several) or not nodes:
        raise NetworkError(f"{name!r} returns {returned}; a tensor, or a tuple or list of tensors, is supported")
    return nodes


@dataclass(frozen=True, eq=False, slots=True)
class Elementwise:
    """A sum, difference or product of two operands."""

    kind: str
    left: Operand
    right: Operand


def elementwise(node: fx.Node, trace: Trace) -> Elementwise | None:
    """Returns a sum, difference or product, a quotient as the product with the reciprocal; None for other nodes.

    Raises:
        NetworkError: no operand is a tensor of the network, a divisor is one, or the operation is scaled or rounded.
    """
    if node.op not in ("call_function", "call_method") or node.target not in _ELEMENTWISE:
        return None
    kind = _ELEMENTWISE[node.target]
    known = {key: value for key, value in node.kwargs.items() if (key, value) != ("alpha", 1)}
    given = [each for each in (*node.args, known.pop("input", None), known.pop("other", None)) if each is not None]
    if known:
        options = ", ".join(f"{key} = {value}" for key, value in known.items())
        raise NetworkError(f"operation {node.name!r} has {options}, which is not supported")
    operands = [_operand(each, trace) for each in given]
    if len(operands) != _OPERANDS or not any(isinstance(each, fx.Node) for each in operands):
        raise NetworkError(f"operation {node.name!r} needs two tensors, or a tensor and a number")
    left, right = operands
    if kind != "div":
        return Elementwise(kind, left, right)
    if isinstance(right, fx.Node):
        raise NetworkError(f"operation {node.name!r} divides by a tensor; only division by constants is supported")
    return Elementwise("mul", left, 1 / right)


def _operand(given: object, trace: Trace) -> Operand:
    value = trace.constants.get(given, given) if isinstance(given, fx.Node) else given
    if isinstance(value, fx.Node | Tensor):
        return value
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    raise NetworkError(f"operand {given} is neither a tensor nor a finite number")


def activation(node: fx.Node, trace: Trace) -> tuple[float, float] | None:
    """Returns the real bounds of a clamp, such as ReLU and ReLU6, or None for other nodes."""
    module = trace.module_of(node)
    if isinstance(module, nn.Hardtanh):  # ReLU6 is one
        return float(module.min_val), float(module.max_val)
    if isinstance(module, nn.ReLU):
        return 0.0, math.inf
    if node.target not in _CLAMPS:
        return None
    given = arguments(node, ("min", "max")) or {}
    low, high = given.get("min"), given.get("max")
    if not all(each is None or isinstance(each, int | float) for each in (low, high)):
        return None
    bounds = (-math.inf if low is None else float(str(low)), math.inf if high is None else float(str(high)))
    return bounds if bounds[0] <= bounds[1] else None


def is_concatenation(node: fx.Node) -> bool:
    """Returns whether a node joins tensors."""
    return node.target in _CONCATENATIONS


def concatenated(node: fx.Node) -> tuple[list[fx.Node], int]:
    """Returns the nodes that a concatenation joins, and the dimension.

    Raises:
        NetworkError: it joins other things than tensors.
    """
    given = arguments(node, ("dim", "axis", "out"))
    joined = node.args[0] if node.args else None
    dim = (given or {}).get("dim", (given or {}).get("axis", 0))
    if not isinstance(joined, tuple | list) or not all(isinstance(each, fx.Node) for each in joined):
        raise NetworkError(f"operation {node.name!r} joins {joined}; a list of tensors is supported")
    return [each for each in joined if isinstance(each, fx.Node)], int(str(dim))


def is_mean(node: fx.Node) -> bool:
    """Returns whether a node averages over dimensions."""
    return node.target in _MEANS


def mean(node: fx.Node, rank: int) -> tuple[tuple[int, ...], bool]:
    """Returns the dimensions of a mean, from 1, and whether they are kept with size 1.

    Args:
        node: the node.
        rank: number of dimensions that it reads, with the batch.

    Raises:
        NetworkError: it averages over the batch, or has options.
    """
    given = arguments(node, ("dim", "keepdim"))
    stated = (given or {}).get("dim")
    dims = tuple(stated) if isinstance(stated, tuple | list) else (stated,)
    if given is None or not all(isinstance(dim, int) and dim % rank for dim in dims):
        raise NetworkError(
            f"operation {node.name!r} averages over {stated}; dimensions other than the batch are needed"
        )
    return tuple(sorted({int(str(dim)) % rank for dim in dims})), bool(given.get("keepdim", False))


def is_flatten(node: fx.Node, trace: Trace) -> bool:
    """Returns whether a node flattens everything but the batch."""
    read = node.all_input_nodes
    if not read or node not in trace.shapes or read[0] not in trace.shapes:
        return False
    if not isinstance(trace.module_of(node), nn.Flatten) and node.target not in (*_FLATTENS, *_RESHAPES):
        return False
    return trace.shapes[node] == (int(np.prod(trace.shapes[read[0]])),)


def is_identity(node: fx.Node, trace: Trace) -> bool:
    """Returns whether a node's result is its input: identities, dropout, and a flatten of what is flat."""
    if isinstance(trace.module_of(node), _IDENTITIES) or node.target in _IDENTITY_FUNCTIONS:
        return True
    if node.op == "call_function" and getattr(node.target, "__name__", "") == _STOCHASTIC_DEPTH:
        return True
    return is_flatten(node, trace) and trace.shapes[node] == trace.shapes[source(node)]


def only_linear_layers_read(node: fx.Node, trace: Trace) -> bool:
    """Returns whether every reader of a node, through identities, is a fully connected layer."""
    return all(
        isinstance(trace.module_of(user), nn.Linear)
        or (user in trace.shapes and is_identity(user, trace) and only_linear_layers_read(user, trace))
        for user in node.users
    )


def array(parameter: Tensor) -> FloatArray:
    """Returns a parameter's values."""
    return parameter.detach().numpy().astype(np.float64)


def bias(module: nn.Conv2d | nn.Linear) -> FloatArray:
    """Returns a layer's bias, zeros if it has none."""
    return np.zeros(module.weight.shape[0]) if module.bias is None else array(module.bias)


def pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    """Returns a pair of what torch takes for both directions or for each."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])
