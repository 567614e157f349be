"""Converters of pools, means, concatenation, padding and moves."""

import numpy as np
from torch import fx, nn
from torch.nn import functional

from nets.errors import NetworkError
from nets.importers.pytorch import nodes
from nets.importers.pytorch.builder import IMAGE_RANK, Builder, axis_of
from nets.importers.pytorch.calls import arguments
from nets.importers.pytorch.movement import moved
from nets.importers.pytorch.pooling import window
from nets.importers.tflite import mean_rescaler
from nets.network import AveragePool, Concatenation, MaxPool, Mean, Pad, Requantize, Reshape, TensorSpec

_COUNT_MAX = 2**16  # elements whose int8 sum is exact in float32
Pads = tuple[tuple[int, int], tuple[int, int]]


def pool(builder: Builder, node: fx.Node, module: nn.AvgPool2d | nn.AdaptiveAvgPool2d | nn.MaxPool2d) -> None:
    """Converts a pool; padding that counts in averages becomes an operator of its own."""
    source = nodes.source(node)
    builder.check_rank(node, IMAGE_RANK)
    spec, index = builder.spec(source), builder.index(source)
    found = window(node, module, spec.shape[:2])
    if found.counted != ((0, 0), (0, 0)):
        index = _padded(builder, node.name, index, (*found.counted, (0, 0)))
    make, kind = (MaxPool, "max_pool") if isinstance(module, nn.MaxPool2d) else (AveragePool, "average_pool")
    output = builder.tensor(node, like=spec)
    builder.append(
        make(
            **builder.placed(kind, output, index),
            kernel=found.kernel,
            stride=found.stride,
            padding=found.padding,
            q_min=spec.q_min,
            q_max=spec.q_max,
        )
    )


def _padded(builder: Builder, name: str, index: int, padding: tuple[tuple[int, int], ...]) -> int:
    """Adds a tensor with zeros around it."""
    spec = builder.spec_at(index)
    shape = tuple(size + sum(pair) for size, pair in zip(spec.shape, padding, strict=True))
    output = builder.add(TensorSpec(f"{name}_padded", shape, spec.scale, spec.zero_point))
    builder.append(Pad(**builder.placed("pad", output, index), padding=padding))
    return output


def zero_padding(node: fx.Node, module: nn.Module | None) -> Pads | None:
    """Returns (top, bottom), (left, right) of an image's padding with zeros, or None for other nodes."""
    sizes: object = None
    if isinstance(module, nn.ZeroPad2d) or (isinstance(module, nn.ConstantPad2d) and module.value == 0):
        sizes = module.padding
    elif node.target is functional.pad:
        given = arguments(node, ("pad", "mode", "value")) or {}
        zeros = given.get("mode", "constant") == "constant" and not given.get("value")
        sizes = given.get("pad") if zeros else None
    if not isinstance(sizes, tuple | list) or len(sizes) not in (2, 4):
        return None
    left, right, top, bottom = (*(int(str(size)) for size in sizes), 0, 0)[:4]
    return ((top, bottom), (left, right)) if min(left, right, top, bottom) >= 0 else None


def pad(builder: Builder, node: fx.Node, padding: Pads) -> None:
    """Converts padding of an image with zeros."""
    builder.check_rank(node, IMAGE_RANK)
    index = builder.index(nodes.source(node))
    output = builder.tensor(node, like=builder.spec_at(index))
    builder.append(Pad(**builder.placed("pad", output, index), padding=(*padding, (0, 0))))


def mean(builder: Builder, node: fx.Node) -> None:
    """Converts a mean over dimensions other than the batch."""
    source, rank = nodes.source(node), len(builder.trace.shapes[nodes.source(node)])
    dims, kept = nodes.mean(node, rank + 1)
    if rank == IMAGE_RANK and not kept and set(dims) not in ({2, 3}, {1}, {1, 2, 3}):
        raise NetworkError(
            f"operation {node.name!r} averages over {list(dims)}; keep them, or average over [2, 3] or 1"
        )
    spec, axes = builder.spec(source), tuple(sorted(axis_of(dim, rank) for dim in dims))
    count = int(np.prod([spec.shape[axis] for axis in axes]))
    if count > _COUNT_MAX:
        raise NetworkError(f"operation {node.name!r} averages {count} elements; at most {_COUNT_MAX} are supported")
    target, fields = builder.rescaled(node, "mean", builder.index(source))
    rescaler = mean_rescaler(spec.scale, target.scale, count, builder.contract)
    builder.append(Mean(**fields, axes=axes, count=count, rescaler=rescaler))


def concatenation(builder: Builder, node: fx.Node) -> None:
    """Converts a concatenation; a tensor of another quantization, which a runtime fixes, is requantized first."""
    joined, dim = nodes.concatenated(node)
    rank = len(builder.trace.shapes[node])
    if dim % (rank + 1) == 0:
        raise NetworkError(f"operation {node.name!r} joins samples; dimensions other than the batch are supported")
    target = builder.chosen(node)
    inputs = [_requantized(builder, node, builder.index(each), target) for each in joined]
    output = builder.tensor(node)
    axis = axis_of(dim % (rank + 1), rank)
    builder.append(Concatenation(**builder.placed("concatenation", output, *inputs), axis=axis))


def _requantized(builder: Builder, node: fx.Node, index: int, target: TensorSpec) -> int:
    spec = builder.spec_at(index)
    if (spec.scale, spec.zero_point) == (target.scale, target.zero_point):
        return index
    output = builder.add(TensorSpec(f"{spec.name}_for_{node.name}", spec.shape, target.scale, target.zero_point))
    fields = builder.placed("quantize", output, index)
    rescaler = builder.rescaler(spec.scale / target.scale)
    builder.append(Requantize(**fields, rescaler=rescaler, q_min=spec.q_min, q_max=spec.q_max))
    return output


def movement(builder: Builder, node: fx.Node, module: nn.Module | None) -> None:
    """Follows what moves elements; one operator is made of several moves when something reads the result."""
    source = builder.movable(nodes.source(node))
    builder.move(node, moved(node, module, source, builder.trace.constants))


def flatten(builder: Builder, node: fx.Node) -> bool:
    """Flattens an image in the order of channels last; returns whether fully connected layers alone read it."""
    source, shape = nodes.source(node), builder.trace.shapes[nodes.source(node)]
    if len(shape) != IMAGE_RANK or not nodes.only_linear_layers_read(node, builder.trace):
        return False
    index = builder.index(source)
    output = builder.tensor(node, like=builder.spec(source))
    if shape[0] > 1 and shape[1] * shape[2] > 1:
        builder.flattened[output] = shape
    builder.append(Reshape(**builder.placed("reshape", output, index)))
    return True
