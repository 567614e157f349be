"""What the nodes of a traced network are, and what their arguments and attributes say."""

import operator as python_operator

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from nets.errors import NetworkError
from nets.importers.pytorch.tracing import Trace
from nets.network import FloatArray

_ADDITIONS = (python_operator.add, torch.add, "add")
_RELUS = (functional.relu, torch.relu, "relu")
_IDENTITIES = (nn.Identity, nn.Dropout)
_ADDENDS = 2
_WINDOW_MAX = 2**16  # elements whose int8 sum is exact in float32
_RELU, _RELU6 = (0.0, float("inf")), (0.0, 6.0)


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


def is_addition(node: fx.Node) -> bool:
    """Returns whether a node adds two tensors."""
    return node.target in _ADDITIONS


def addends(node: fx.Node) -> tuple[fx.Node, fx.Node]:
    """Returns the two nodes that an addition reads, which may be the same.

    Raises:
        NetworkError: one of them is a number, or the sum is a scaled one.
    """
    known = {key: value for key, value in node.kwargs.items() if (key, value) != ("alpha", 1)}
    given = [each for each in (*node.args, known.pop("input", None), known.pop("other", None)) if each is not None]
    if known:
        raise NetworkError(f"addition {node.name!r} has {', '.join(f'{k} = {v}' for k, v in known.items())}; use x + y")
    tensors = [each for each in given if isinstance(each, fx.Node)]
    if not len(given) == len(tensors) == _ADDENDS:
        raise NetworkError(f"addition {node.name!r} needs two tensors")
    return tensors[0], tensors[1]


def activation(node: fx.Node, trace: Trace) -> tuple[float, float] | None:
    """Returns the real bounds of a ReLU or ReLU6, or None for other nodes."""
    module = trace.module_of(node)
    if isinstance(module, nn.ReLU6) or node.target is functional.relu6:
        return _RELU6
    return _RELU if isinstance(module, nn.ReLU) or node.target in _RELUS else None


def is_flatten(node: fx.Node, trace: Trace) -> bool:
    """Returns whether a node flattens everything but the batch.

    Raises:
        NetworkError: it flattens other dimensions.
    """
    module = trace.module_of(node)
    if isinstance(module, nn.Flatten):
        start, end = module.start_dim, module.end_dim
    elif node.target in (torch.flatten, "flatten"):
        given = dict(zip(("start_dim", "end_dim"), node.args[1:], strict=False)) | node.kwargs
        start, end = (int(str(given.get(key, default))) for key, default in (("start_dim", 0), ("end_dim", -1)))
    else:
        return False
    last = len(trace.shapes[source(node)])
    if start != 1 or end not in (-1, last):
        raise NetworkError(
            f"{node.name!r} flattens dimensions {start} to {end}; 1 to -1, all but the batch, is supported"
        )
    return True


def is_identity(node: fx.Node, trace: Trace) -> bool:
    """Returns whether a node's result is its input: identities, dropout, and a flatten of what is flat."""
    if isinstance(trace.module_of(node), _IDENTITIES):
        return True
    return is_flatten(node, trace) and trace.shapes[node] == trace.shapes[source(node)]


def only_linear_layers_read(node: fx.Node, trace: Trace) -> bool:
    """Returns whether every reader of a node, through identities, is a fully connected layer."""
    return all(
        isinstance(trace.module_of(user), nn.Linear)
        or (user in trace.shapes and is_identity(user, trace) and only_linear_layers_read(user, trace))
        for user in node.users
    )


Window = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def window(
    node: fx.Node, module: nn.AvgPool2d | nn.AdaptiveAvgPool2d | nn.MaxPool2d, spatial: tuple[int, ...]
) -> Window:
    """Returns kernel, stride and padding of a pool, each (vertical, horizontal).

    Args:
        node: the pool's node, named in errors.
        module: the pool.
        spatial: (height, width) of its input.

    Raises:
        NetworkError: the pool has an option that is not supported.
    """
    found = _whole(node, module, spatial) if isinstance(module, nn.AdaptiveAvgPool2d) else _sliding(node, module)
    if not isinstance(module, nn.MaxPool2d) and int(np.prod(found[0])) > _WINDOW_MAX:
        raise NetworkError(f"pool {node.name!r} averages {found[0]}; at most {_WINDOW_MAX} elements are supported")
    return found


def _whole(node: fx.Node, module: nn.AdaptiveAvgPool2d, spatial: tuple[int, ...]) -> Window:
    if module.output_size not in (1, (1, 1)):
        raise NetworkError(f"pool {node.name!r}: only AdaptiveAvgPool2d(1) is supported, got {module.output_size}")
    whole = (spatial[0], spatial[1])
    return whole, whole, (0, 0)


def _sliding(node: fx.Node, module: nn.AvgPool2d | nn.MaxPool2d) -> Window:
    padding = pair(module.padding)
    if module.ceil_mode or (isinstance(module, nn.AvgPool2d) and module.count_include_pad and padding != (0, 0)):
        raise NetworkError(f"pool {node.name!r}: ceil_mode and padding that counts are not supported")
    if isinstance(module, nn.AvgPool2d) and module.divisor_override is not None:
        raise NetworkError(f"pool {node.name!r}: divisor_override = {module.divisor_override} is not supported")
    if isinstance(module, nn.MaxPool2d) and pair(module.dilation) != (1, 1):
        raise NetworkError(f"pool {node.name!r}: dilation is not supported")
    return pair(module.kernel_size), pair(module.stride or module.kernel_size), padding


def array(parameter: Tensor) -> FloatArray:
    """Returns a parameter's values."""
    return parameter.detach().numpy().astype(np.float64)


def bias(module: nn.Conv2d | nn.Linear) -> FloatArray:
    """Returns a layer's bias, zeros if it has none."""
    return np.zeros(module.weight.shape[0]) if module.bias is None else array(module.bias)


def pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    """Returns a pair of what torch takes for both directions or for each."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])
