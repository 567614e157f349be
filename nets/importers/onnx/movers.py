"""Converters of the nodes that only move integers."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from nets.errors import NetworkError
from nets.importers.limits import ELEMENTS_MAX
from nets.importers.onnx.builder import (
    Activation,
    Builder,
    Pending,
    Quantization,
    Shape,
    Value,
    from_stored,
    stored,
    stored_axes,
    to_stored,
)
from nets.importers.onnx.elementwise import requantized
from nets.importers.onnx.graph import AnyArray, RawNode
from nets.network import Concatenation, Pad, Rearrangement, Reshape, Transpose

_MISFITS = (ValueError, IndexError, TypeError, OverflowError)  # what numpy raises on arguments that do not fit


def _moving(builder: Builder, node: RawNode) -> tuple[int, bool]:
    """Returns the tensor that is moved, and whether its real numbers are."""
    source = builder.activation(node)
    value = builder.value(node, 0)
    return source, isinstance(value, Activation) and value.real


def same(builder: Builder, node: RawNode) -> Value:
    """Converts Identity and Dropout, which do nothing."""
    return builder.value(node, 0)


def reshape(builder: Builder, node: RawNode) -> Value:
    """Converts Reshape."""
    target = list(builder.integers(node, 1))
    if len(target) > 8 or target.count(-1) > 1 or any(size < -1 for size in target):
        raise NetworkError(f"{node}: target shape {target[:8]} is no shape")
    before = (builder.batch, *builder.shape(builder.activation(node)))
    if not node.integer("allowzero", 0):
        target = [before[at] if size == 0 and at < len(before) else size for at, size in enumerate(target)]
    known = math.prod(size for size in target if size != -1)
    if -1 in target and known > 0:
        target[target.index(-1)] = math.prod(before) // known
    return _reshaped(builder, node, tuple(target))


def flatten(builder: Builder, node: RawNode) -> Value:
    """Converts Flatten behind the batch."""
    shape = builder.shape(builder.activation(node))
    axis = node.integer("axis", 1)
    if axis not in (1, -len(shape)):
        raise NetworkError(f"{node}: axis {axis} is not supported; 1, behind the batch, is")
    return _reshaped(builder, node, (builder.batch, math.prod(shape)))


def squeeze(builder: Builder, node: RawNode) -> Value:
    """Converts Squeeze and Unsqueeze of dimensions other than the batch."""
    before = (builder.batch, *builder.shape(builder.activation(node)))
    stated = builder.integers(node, 1) if node.has(1) else node.integers("axes", ())
    after = squeezed(node, before, stated)
    return _reshaped(builder, node, after)


def squeezed(node: RawNode, before: Shape, stated: tuple[int, ...]) -> Shape:
    """Returns the sizes after Squeeze or Unsqueeze."""
    if node.kind == "Unsqueeze":
        rank = len(before) + len(stated)
        places = {axis % rank for axis in stated if -rank <= axis < rank}
        if len(places) != len(stated):
            raise NetworkError(f"{node}: axes {list(stated)} do not fit {list(before)}")
        rest = iter(before)
        return tuple(1 if at in places else next(rest) for at in range(rank))
    rank = len(before)
    if not all(-rank <= axis < rank for axis in stated):
        raise NetworkError(f"{node}: axes {list(stated)} do not fit {list(before)}")
    drop = {axis % rank for axis in stated} if stated else {at for at, size in enumerate(before) if at and size == 1}
    if any(before[at] != 1 for at in drop):
        raise NetworkError(f"{node} drops axes {sorted(drop)} of {list(before)}, which are not all 1")
    return tuple(size for at, size in enumerate(before) if at not in drop)


def _reshaped(builder: Builder, node: RawNode, after: Shape) -> Value:
    """Gives a tensor another shape in ONNX's order: by way of that order, if the network stores another one."""
    source, real = _moving(builder, node)
    before = builder.shape(source)
    if after[:1] != (builder.batch,) or math.prod(after[1:]) != math.prod(before):
        raise NetworkError(f"{node}: {[builder.batch, *before]} cannot become {list(after)}; the batch has to stay")
    shape = after[1:]
    quantization = builder.quantizations[source]
    name = "" if real else node.outputs[0]
    if _moves_nothing(before) and _moves_nothing(shape):
        output = builder.tensor(node, name, shape, quantization)
        builder.add(Reshape, f"reshape_{node.index}", (source,), output)
        return Activation(output, real)
    straight = source if _moves_nothing(before) else _in_file_order(builder, node, source)
    if _moves_nothing(shape):
        output = builder.tensor(node, name, shape, quantization)
        builder.add(Reshape, f"reshape_{node.index}", (straight,), output)
        return Activation(output, real)
    flat = _as_stored(builder, node, shape, quantization)
    builder.add(Reshape, f"reshape_{node.index}", (straight,), flat)
    output = builder.tensor(node, name, shape, quantization)
    builder.add(Transpose, f"transpose_{node.index}_last", (flat,), output, permutation=(1, 2, 0))
    return Activation(output, real)


def _moves_nothing(shape: Shape) -> bool:
    """Returns whether a tensor's elements lie in ONNX's order as the network stores them."""
    return len(shape) != 3 or shape[0] == 1 or shape[1] * shape[2] == 1


def _as_stored(builder: Builder, node: RawNode, shape: Shape, quantization: Quantization) -> int:
    """Adds a tensor that is stored with these sizes."""
    in_file = (shape[-1], *shape[:-1]) if len(shape) == 3 else shape
    return builder.tensor(node, "", in_file, quantization)


def _in_file_order(builder: Builder, node: RawNode, source: int) -> int:
    output = _as_stored(builder, node, builder.shape(source), builder.quantizations[source])
    return builder.add(Transpose, f"transpose_{node.index}_first", (source,), output, permutation=(2, 0, 1))


def transpose(builder: Builder, node: RawNode) -> Value:
    """Converts Transpose that keeps the batch first."""
    source, real = _moving(builder, node)
    shape = builder.shape(source)
    rank = len(shape) + 1
    axes = node.integers("perm", tuple(reversed(range(rank))))
    if axes[:1] != (0,) or sorted(axes) != list(range(rank)):
        raise NetworkError(f"{node}: {list(axes)} does not permute {rank} dimensions with the batch first")
    moved = [axis - 1 for axis in axes[1:]]
    order = stored_axes(len(shape))
    output = builder.tensor(
        node, "" if real else node.outputs[0], tuple(shape[axis] for axis in moved), builder.quantizations[source]
    )
    permutation = tuple(order.index(moved[axis]) for axis in order)
    builder.add(Transpose, f"transpose_{node.index}", (source,), output, permutation=permutation)
    return Activation(output, real)


def concat(builder: Builder, node: RawNode) -> Value:
    """Converts Concat between DequantizeLinear and QuantizeLinear, or of integers of one quantization."""
    sources = [builder.activation(node, position) for position in range(len(node.inputs))]
    reals = {isinstance(value, Activation) and value.real for value in map(builder.values.get, node.inputs)}
    axis = _axis(node, node.integer("axis", 1), len(builder.shape(sources[0])))
    if reals == {True}:
        return Pending(node, lambda name, target, limits: _joined(builder, node, sources, axis, name, target, limits))
    if len({builder.quantizations[source] for source in sources}) > 1:
        raise NetworkError(f"{node} joins integers of different scales or zero points")
    target = builder.quantizations[sources[0]]
    return Activation(_joined(builder, node, sources, axis, node.outputs[0], target, (-math.inf, math.inf)), real=False)


def qlinear_concat(builder: Builder, node: RawNode) -> Value:
    """Converts QLinearConcat of ONNX Runtime: scale and zero point, then three inputs for each tensor."""
    target = builder.quantization(node, 0, 1)
    places = range(2, len(node.inputs), 3)
    sources = []
    for place in places:
        sources.append(builder.activation(node, place))
        if builder.quantization(node, place + 1, place + 2) != builder.quantizations[sources[-1]]:
            raise NetworkError(f"{node} states another scale or zero point for input {place} than its producer")
    if not sources:
        raise NetworkError(f"{node} has no inputs")
    axis = _axis(node, node.integer("axis", 1), len(builder.shape(sources[0])))
    made = _joined(builder, node, sources, axis, node.outputs[0], target, (-math.inf, math.inf))
    return Activation(made, real=False)


def _axis(node: RawNode, axis: int, rank: int) -> int:
    """Returns an axis without the batch, in ONNX's order."""
    if not -(rank + 1) <= axis <= rank or axis % (rank + 1) == 0:
        raise NetworkError(f"{node}: axis {axis} is out of range; use 1 to {rank} (0 is the batch)")
    return axis % (rank + 1) - 1


def _joined(
    builder: Builder,
    node: RawNode,
    sources: list[int],
    axis: int,
    name: str,
    target: Quantization,
    limits: tuple[float, float],
) -> int:
    """Joins tensors; those of another quantization, or under a clamp, are converted first."""
    shapes = [builder.shape(source) for source in sources]
    rests = {(shape[:axis], shape[axis + 1 :]) for shape in shapes}
    if len(rests) > 1:
        raise NetworkError(f"{node}: shapes {[list(shape) for shape in shapes]} do not join along axis {axis + 1}")
    open_ended = limits == (-math.inf, math.inf)
    converted = [
        source
        if open_ended and builder.quantizations[source] == target
        else requantized(builder, node, source, "", target, limits)
        for source in sources
    ]
    total = sum(shape[axis] for shape in shapes)
    output = builder.tensor(node, name, (*shapes[0][:axis], total, *shapes[0][axis + 1 :]), target)
    place = stored_axes(len(shapes[0])).index(axis)
    return builder.add(Concatenation, f"concat_{node.index}", tuple(converted), output, axis=place)


def pad(builder: Builder, node: RawNode) -> Value:
    """Converts Pad with real 0."""
    source, real = _moving(builder, node)
    shape = builder.shape(source)
    if node.text("mode", "constant") != "constant" or node.has(3):
        raise NetworkError(f"{node}: only constant padding of all axes is supported")
    amounts = builder.integers(node, 1) if node.has(1) else node.integers("pads", ())
    rank = len(shape) + 1
    if len(amounts) != 2 * rank or min(amounts) < 0 or amounts[0] or amounts[rank]:
        raise NetworkError(f"{node}: pads {list(amounts)[:16]} are not numbers from 0, 0 for the batch")
    _check_fill(builder, node, source, real=real)
    pairs = tuple(zip(amounts[1:rank], amounts[rank + 1 :], strict=True))
    sizes = tuple(size + before + after for size, (before, after) in zip(shape, pairs, strict=True))
    output = builder.tensor(node, "" if real else node.outputs[0], sizes, builder.quantizations[source])
    order = stored_axes(len(shape))
    builder.add(Pad, f"pad_{node.index}", (source,), output, padding=tuple(pairs[axis] for axis in order))
    return Activation(output, real)


def _check_fill(builder: Builder, node: RawNode, source: int, *, real: bool) -> None:
    own = builder.quantizations[source]
    fill = 0 if real else own.zero_point + own.offset  # as the file counts
    if not node.has(2):
        stated: float = 0.0
    else:
        value = builder.value(node, 2)
        if hasattr(value, "values") and hasattr(value, "zero_points"):
            stated = float((value.values - value.zero_points).reshape(-1)[0])
        else:
            stated = float(builder.array(node, 2).reshape(-1)[0])
    if stated != fill:
        raise NetworkError(f"{node} fills with {stated}; only real 0, the zero point, is supported")


def _rearranged(builder: Builder, node: RawNode, arrange: Callable[[AnyArray], AnyArray], at: int = 0) -> None:
    """Adds the operator of a function that rearranges arrays ``[1, *shape]`` in ONNX's order, as a batch of one."""
    source, real = _moving(builder, node)
    shape = builder.shape(source)
    builder.spend(node, math.prod(shape))
    positions = from_stored(np.arange(math.prod(shape), dtype=np.int64).reshape(stored(shape)))
    try:
        arranged = arrange(positions[None])
    except _MISFITS as error:
        raise NetworkError(f"{node}: its arguments do not fit {list(shape)} ({error})") from error
    if arranged.shape[:1] != (1,) or arranged.size > ELEMENTS_MAX:
        raise NetworkError(f"{node} changes the batch, which has to stay, or makes too many elements")
    builder.spend(node, arranged.size)
    name = "" if real else node.outputs[at]
    output = builder.tensor(node, name, arranged.shape[1:], builder.quantizations[source])
    label = f"{node.kind.lower()}_{node.index}" + (f"_{at}" if at else "")
    builder.add(Rearrangement, label, (source,), output, positions=to_stored(arranged[0]))
    builder.define(node, Activation(output, real), at)


def slice_(builder: Builder, node: RawNode) -> None:
    """Converts Slice of dimensions other than the batch."""
    shape = builder.shape(builder.activation(node))
    starts, ends = builder.integers(node, 1), builder.integers(node, 2)
    axes = builder.integers(node, 3) if node.has(3) else tuple(range(len(starts)))
    steps = builder.integers(node, 4) if node.has(4) else (1,) * len(starts)
    rank = len(shape) + 1
    if not len(starts) == len(ends) == len(axes) == len(steps) or not all(
        -rank <= axis < rank and axis % rank and step for axis, step in zip(axes, steps, strict=True)
    ):
        raise NetworkError(f"{node}: its starts, ends, axes and steps do not fit [batch, {list(shape)}]")
    index = [slice(None)] * rank
    for first, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = shape[axis % rank - 1]
        before_first = step < 0 and end < -size  # numpy would count such an end from the last element
        index[axis % rank] = slice(first, None if before_first else end, step)
    _rearranged(builder, node, lambda x: x[tuple(index)])


def split(builder: Builder, node: RawNode) -> None:
    """Converts Split of a dimension other than the batch, one operator for each part."""
    shape = builder.shape(builder.activation(node))
    axis = _axis(node, node.integer("axis", 0), len(shape))
    count = len(node.outputs)
    parts = builder.integers(node, 1) if node.has(1) else node.integers("split", ())
    each = -(-shape[axis] // max(count, 1))
    sizes = parts or (*(each,) * (count - 1), shape[axis] - each * (count - 1))
    if len(sizes) != count or min(sizes) < 1 or sum(sizes) != shape[axis]:
        raise NetworkError(f"{node}: parts of {list(sizes)[:16]} do not make {shape[axis]}")
    first = 0
    for at, size in enumerate(sizes):
        _rearranged(builder, node, partial(np.take, indices=np.arange(first, first + size), axis=axis + 1), at)
        first += size


def gather(builder: Builder, node: RawNode) -> None:
    """Converts Gather of constant positions along a dimension other than the batch."""
    axis = _axis(node, node.integer("axis", 0), len(builder.shape(builder.activation(node)))) + 1
    positions = builder.array(node, 1)
    if positions.dtype not in (np.int32, np.int64):
        raise NetworkError(f"{node}: positions are {positions.dtype}; integers are needed")
    _rearranged(builder, node, lambda x: np.take(x, positions, axis=axis))


def depth_to_space(builder: Builder, node: RawNode) -> None:
    """Converts DepthToSpace in both orders, and SpaceToDepth."""
    _, (channels, height, width) = builder.image(node)
    size, mode = node.integer("blocksize", 0), node.text("mode", "DCR")
    if size < 1 or mode not in ("DCR", "CRD"):
        raise NetworkError(f"{node}: blocks of {size} in order {mode!r} are not supported")

    def spread(x: AnyArray) -> AnyArray:
        if mode == "DCR":
            blocks = x.reshape(1, size, size, -1, height, width).transpose(0, 3, 4, 1, 5, 2)
        else:
            blocks = x.reshape(1, -1, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
        return blocks.reshape(1, -1, height * size, width * size)

    def gathered(x: AnyArray) -> AnyArray:
        blocks = x.reshape(1, channels, height // size, size, width // size, size).transpose(0, 3, 5, 1, 2, 4)
        return blocks.reshape(1, -1, height // size, width // size)

    _rearranged(builder, node, spread if node.kind == "DepthToSpace" else gathered)


def resize(builder: Builder, node: RawNode) -> None:
    """Converts Resize and Upsample by whole factors to the nearest neighbour."""
    _, (_, height, width) = builder.image(node)
    rows, columns = _factors(builder, node, (height, width))
    mode, coordinates = node.text("mode", "nearest"), node.text("coordinate_transformation_mode", "half_pixel")
    rounding = node.text("nearest_mode", "round_prefer_floor")
    floors = coordinates == "asymmetric" and (rounding == "floor" or node.kind == "Upsample")
    centred = coordinates == "half_pixel" and rounding.startswith("round_prefer")
    if mode != "nearest" or not (floors or centred or node.kind == "Upsample"):
        raise NetworkError(
            f"{node}: mode {mode}, {coordinates}, {rounding} is not supported; nearest with asymmetric and floor, or "
            "with half_pixel and round_prefer_floor, is"
        )
    _rearranged(builder, node, lambda x: x.repeat(rows, axis=2).repeat(columns, axis=3))


def _factors(builder: Builder, node: RawNode, sizes: tuple[int, int]) -> tuple[int, int]:
    scales_at = 1 if node.kind == "Upsample" else 2
    if node.has(3):
        wanted = builder.integers(node, 3)
        factors = [new / old for new, old in zip(wanted[2:], sizes, strict=False)]
        kept = len(wanted) == 4 and wanted[1] == builder.image(node)[1][0] and wanted[0] == builder.batch
    else:
        scales = builder.array(node, scales_at)
        factors = [float(each) for each in scales.reshape(-1)[2:]]
        kept = scales.size == 4 and scales.dtype == np.float32 and (scales.reshape(-1)[:2] == 1).all()
    if not kept or not all(1 <= f <= 2**10 and f == int(f) for f in factors):
        raise NetworkError(f"{node} enlarges by {factors[:4]}; whole numbers, of height and width only, are supported")
    return int(factors[0]), int(factors[1])
