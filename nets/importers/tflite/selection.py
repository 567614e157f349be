"""Converters of SELECT and SELECT_V2 whose condition is a constant: each element comes from one of two tensors."""

import math

import numpy as np

from nets.errors import NetworkError
from nets.importers.tflite.builder import Builder, check_same_quantization, constant, frozen, kind_of, placed
from nets.importers.tflite.graph import RawOperator
from nets.network import Concatenation, IntArray, Operator, Rearrangement, Reshape, TensorSpec

_FALSE = 2  # the input that is taken if the condition is false; the one before it is taken if it is true


def select(builder: Builder, raw: RawOperator) -> list[Operator]:
    """Converts SELECT, whose tensors have one shape, and SELECT_V2, which repeats them.

    Returns:
        Both operands as vectors, what joins them, and the fixed order in which elements are taken.
    """
    result = builder.result(raw)
    operands = [builder.operand(raw, position, len(result.shape)) for position in (1, _FALSE)]
    if set(raw.inputs[1 : _FALSE + 1]) <= builder.constants.keys():
        raise NetworkError(f"{raw} reads constants alone; an activation is expected")
    check_same_quantization(raw, [*operands, result])
    positions = _positions(builder, raw, operands, result)
    sizes = [math.prod(spec.shape) for spec in operands]
    builder.spend(raw, 2 * sum(sizes) + positions.size)
    quantized = (result.scale, result.zero_point, result.bits)
    flat = [builder.inner(f"{raw.kind} operand {at}", (size,), *quantized) for at, size in enumerate(sizes)]
    joined = builder.inner(f"{raw.kind} operands", (sum(sizes),), *quantized)
    return [
        *(
            Reshape(name=f"{kind_of(raw)}_operand{at}_{raw.index}", inputs=(raw.inputs[1 + at],), output=output)
            for at, output in enumerate(flat)
        ),
        Concatenation(name=f"{kind_of(raw)}_operands_{raw.index}", inputs=tuple(flat), output=joined, axis=0),
        Rearrangement(**placed(raw) | {"inputs": (joined,)}, positions=frozen(positions)),
    ]


def _positions(builder: Builder, raw: RawOperator, operands: list[TensorSpec], result: TensorSpec) -> IntArray:
    """Returns where each element of the output lies in the joined operands, ``[*result.shape]``."""
    condition = constant(builder.input(raw, 0), "BOOL") != 0
    whole = (builder.batch, *result.shape)
    shapes = [condition.shape, *((builder.batch, *spec.shape) for spec in operands)]
    if raw.kind == "SELECT" and set(shapes) != {whole}:
        raise NetworkError(f"{raw} chooses between shapes {[list(shape) for shape in shapes]}; one is needed")
    first, second = (math.prod(spec.shape) for spec in operands)
    indices = np.arange(first).reshape(operands[0].shape), first + np.arange(second).reshape(operands[1].shape)
    ranks = {len(spec.shape) for spec in (*operands, result)}
    try:
        chosen = np.broadcast_to(condition, whole)
        left, right = (np.broadcast_to(each, result.shape) for each in indices)
    except ValueError as error:
        raise NetworkError(f"{raw} makes {list(whole)} of shapes {[list(shape) for shape in shapes]}") from error
    if len(ranks) > 1 or (chosen != chosen[:1]).any():
        raise NetworkError(f"{raw}: shapes or conditions differ between samples of the batch")
    made: IntArray = np.where(chosen[0], left, right).astype(np.int64)
    return made
