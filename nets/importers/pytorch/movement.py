"""Operations that only move the elements of one tensor: what they do to positions says what they do to values."""

import operator as python_operator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from nets.errors import NetworkError
from nets.network import IntArray

_SAMPLES = 2  # shows whether samples are mixed

_FUNCTIONS = {
    python_operator.getitem, torch.chunk, torch.flatten, torch.flip, torch.movedim, torch.narrow, torch.permute,
    torch.reshape, torch.roll, torch.select, torch.split, torch.squeeze, torch.swapaxes, torch.tensor_split,
    torch.transpose, torch.unbind, torch.unsqueeze, functional.channel_shuffle, functional.pixel_shuffle,
    functional.pixel_unshuffle,
}  # fmt: skip
_METHODS = {
    "chunk", "clone", "contiguous", "detach", "expand", "flatten", "flip", "movedim", "narrow", "permute", "repeat",
    "reshape", "roll", "select", "split", "squeeze", "swapaxes", "tensor_split", "transpose", "unbind", "unflatten",
    "unsqueeze", "view",
}  # fmt: skip
_MODULES = (
    nn.Flatten, nn.Unflatten, nn.ChannelShuffle, nn.PixelShuffle, nn.PixelUnshuffle, nn.ReflectionPad2d,
    nn.ReplicationPad2d,
)  # fmt: skip


@dataclass(frozen=True, eq=False, slots=True)
class Moved:
    """What moves make of one tensor, or of several that a later one takes one of.

    Attributes:
        source: the node whose tensor is moved.
        positions: float64 ``[2 samples, ...]`` in torch's layout: places in the source, the second sample behind the
            first.
    """

    source: fx.Node
    positions: Tensor | tuple[Tensor, ...]


def is_movement(node: fx.Node, module: nn.Module | None) -> bool:
    """Returns whether a node only moves elements."""
    if module is not None:
        return isinstance(module, _MODULES) or (isinstance(module, nn.Upsample) and module.mode == "nearest")
    if node.target is functional.interpolate:
        return node.kwargs.get("mode", "nearest") == "nearest"
    return node.target in _FUNCTIONS or (node.op == "call_method" and node.target in _METHODS)


def unmoved(node: fx.Node, shape: tuple[int, ...]) -> Moved:
    """Returns a tensor in its own order."""
    positions = torch.arange(_SAMPLES * int(np.prod(shape)), dtype=torch.float64).reshape(_SAMPLES, *shape)
    return Moved(node, positions)


def moved(node: fx.Node, module: nn.Module | None, source: Moved, values: dict[fx.Node, object]) -> Moved:
    """Returns what a node makes of what it reads.

    Args:
        node: a node that moves elements.
        module: the module that it calls, if any.
        source: what it reads.
        values: sizes and other numbers of the graph, for two samples.

    Raises:
        NetworkError: it does not apply to two samples.
    """
    read = node.all_input_nodes[0]
    known = {**values, read: source.positions}
    if missing := [other.name for other in node.all_input_nodes if other not in known]:
        raise NetworkError(f"operation {node.name!r} reads {', '.join(missing)} besides the tensor that it moves")

    def value(each: fx.Node) -> Any:  # noqa: ANN401 -- a tensor, several, or a number
        return known[each]

    args, kwargs = fx.map_arg((node.args, node.kwargs), value)
    try:
        if module is not None:
            made = module(*args, **kwargs)
        elif node.op == "call_method":
            made = getattr(args[0], str(node.target))(*args[1:], **kwargs)
        else:
            assert callable(node.target)  # noqa: S101 -- fx says so of the other nodes
            made = node.target(*args, **kwargs)
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        raise NetworkError(f"operation {node.name!r} does not take {_SAMPLES} samples ({_line(error)})") from error
    return Moved(source.source, made)


def order(node: fx.Node, moves: Moved, shape: tuple[int, ...]) -> IntArray:
    """Returns the place of every element in one sample of the source, in torch's layout, int64, the result's shape.

    Args:
        node: the result, named in errors.
        moves: what became of the source.
        shape: the source's.

    Raises:
        NetworkError: samples are mixed.
    """
    positions, size = moves.positions, int(np.prod(shape))
    if isinstance(positions, Tensor) and positions.ndim > 1 and len(positions) == _SAMPLES:
        first, second = positions.to(torch.int64)
        if torch.equal(second - size, first) and 0 <= int(first.min()) <= int(first.max()) < size:
            taken: IntArray = first.contiguous().numpy()
            return taken
    raise NetworkError(f"operation {node.name!r} mixes samples, or makes no tensor; the first dimension is the batch")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
