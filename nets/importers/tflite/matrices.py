"""Converter of BATCH_MATMUL, the product of two activations, or of one and a constant."""

import numpy as np
import tflite

from nets.errors import NetworkError
from nets.importers.tflite import xnnpack
from nets.importers.tflite.builder import Builder, check_shape, check_work, full_rescaler, is_wide, placed
from nets.importers.tflite.graph import RawOperator
from nets.network import MatrixProduct, Operator, matrix_scale


def matrix_product(builder: Builder, raw: RawOperator) -> Operator:
    """Converts BATCH_MATMUL."""
    options, result = raw.options(tflite.BatchMatMulOptions), builder.result(raw)
    left, right = (builder.operand(raw, position, len(result.shape)) for position in range(2))
    if set(raw.inputs[:2]) <= builder.constants.keys():
        raise NetworkError(f"{raw} reads constants alone; an activation is expected")
    if not 2 <= len(left.shape) == len(right.shape):
        raise NetworkError(f"{raw} takes matrices of as many dimensions, not {list(left.shape)}, {list(right.shape)}")
    transposed = (bool(options.AdjX()), bool(options.AdjY()))
    (*outer, rows, depth), (*others, inner, columns) = (
        (*spec.shape[:-2], *(spec.shape[:-3:-1] if swapped else spec.shape[-2:]))
        for spec, swapped in zip((left, right), transposed, strict=True)
    )
    try:
        repeated = np.broadcast_shapes(tuple(outer), tuple(others))
    except ValueError as error:
        raise NetworkError(f"{raw}: shapes {list(left.shape)} and {list(right.shape)} do not fit together") from error
    if depth != inner:
        raise NetworkError(f"{raw} sums {depth} products of {inner}; shapes {list(left.shape)}, {list(right.shape)}")
    check_shape(raw, (*repeated, rows, columns), result)
    check_work(raw, result, depth)
    if left.bits != right.bits or left.bits != result.bits:
        raise NetworkError(f"{raw} has tensors of {[left.bits, right.bits, result.bits]} bits; they have to be equal")
    contract = builder.contract("batch_matmul", wide=is_wide(left), xnnpack=xnnpack.takes_matrices(right))
    rescaler = full_rescaler(matrix_scale(left.scale, right.scale, result.scale, contract), contract)
    return MatrixProduct(
        **placed(raw, 2), transposed=transposed, rescaler=rescaler, q_min=result.q_min, q_max=result.q_max
    )
