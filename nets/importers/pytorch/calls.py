"""Functions and methods of torch as the modules that compute the same."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn
from torch.fx.node import Argument
from torch.nn import functional

_Entry = tuple[type[nn.Module], tuple[str, ...]]

# The module, and the names of its parameters in the order of the function's arguments after the first.
_MODULES: dict[object, _Entry] = {}
for _module, _names, _targets in (
    (nn.AdaptiveAvgPool2d, ("output_size",), (functional.adaptive_avg_pool2d,)),
    (
        nn.AvgPool2d,
        ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
        (functional.avg_pool2d,),
    ),
    (
        nn.MaxPool2d,
        ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
        (functional.max_pool2d, torch.max_pool2d),
    ),
    (nn.ELU, ("alpha", "inplace"), (functional.elu,)),
    (nn.Hardsigmoid, ("inplace",), (functional.hardsigmoid,)),
    (nn.Hardswish, ("inplace",), (functional.hardswish,)),
    (nn.Hardtanh, ("min_val", "max_val", "inplace"), (functional.hardtanh,)),
    (nn.LeakyReLU, ("negative_slope", "inplace"), (functional.leaky_relu,)),
    (nn.ReLU, ("inplace",), (functional.relu, torch.relu, torch.relu_, "relu", "relu_")),
    (nn.ReLU6, ("inplace",), (functional.relu6,)),
    (nn.SiLU, ("inplace",), (functional.silu,)),
    (nn.Sigmoid, (), (functional.sigmoid, torch.sigmoid, "sigmoid", "sigmoid_")),
    (nn.Tanh, (), (functional.tanh, torch.tanh, "tanh", "tanh_")),
):
    _MODULES |= dict.fromkeys(_targets, (_module, _names))


def module_of_call(node: fx.Node, constants: Mapping[fx.Node, object]) -> nn.Module | None:
    """Returns a module that computes what a called function or method does, or None if there is none.

    Args:
        node: a node that calls a function or a method.
        constants: the numbers that its arguments may be, by their nodes.
    """
    if node.target not in _MODULES:
        return None
    module, names = _MODULES[node.target]
    given = arguments(node, names)
    if given is None or (known := with_constants(given, constants)) is None:
        return None
    try:
        return module(**known)
    except (TypeError, ValueError):
        return None


def with_constants(given: Mapping[str, Argument], constants: Mapping[fx.Node, object]) -> dict[str, Any] | None:
    """Returns arguments with the numbers that nodes among them give, or None if one gives none."""
    unknown: list[fx.Node] = []

    def known(node: fx.Node) -> Any:  # noqa: ANN401 -- whatever a node gives
        unknown.extend([] if node in constants else [node])
        return constants.get(node)

    found = dict(fx.map_arg(dict(given), known))
    return None if unknown else found


def arguments(node: fx.Node, names: tuple[str, ...]) -> dict[str, Argument] | None:
    """Returns the arguments of a call after its first, by name, or None if there are others than these.

    Args:
        node: the call.
        names: of its arguments after the first, in order.
    """
    named = {name: value for name, value in node.kwargs.items() if name != "input"}
    if len(node.args) - 1 > len(names) or not named.keys() <= set(names):
        return None
    return dict(zip(names, node.args[1:], strict=False)) | named
