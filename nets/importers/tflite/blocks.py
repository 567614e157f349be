"""Dilated convolutions stated as convolutions of blocks: SPACE_TO_BATCH_ND, convolution, BATCH_TO_SPACE_ND.

Between the two, the batch holds every ``dilation``-th row and column of the image.
"""

from dataclasses import replace

import numpy as np

from nets.errors import NetworkError
from nets.importers.tflite.builder import constant
from nets.importers.tflite.graph import Blocks, RawGraph, RawOperator, RawTensor
from nets.network import IntArray

TO_BATCH, FROM_BATCH = "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_LARGEST = 2**16  # limit of blocks and of padding


def dilated(graph: RawGraph) -> RawGraph:
    """Returns the graph with each such convolution as one operator, which keeps its index.

    Raises:
        NetworkError: blocks, padding or quantization around a convolution do not fit.
    """
    producers = {index: operator for operator in graph.operators for index in operator.outputs}
    readers = [index for operator in graph.operators for index in operator.inputs] + list(graph.outputs)
    merged: dict[int, RawOperator] = {}
    gone: set[int] = set()
    for last in graph.operators:
        convolution = producers.get(last.inputs[0]) if last.kind == FROM_BATCH and last.inputs else None
        if convolution is None or convolution.kind not in _CONVOLUTIONS or not convolution.inputs:
            continue
        first = producers.get(convolution.inputs[0])
        between = (convolution.inputs[0], last.inputs[0])
        if first is None or first.kind != TO_BATCH or any(readers.count(index) != 1 for index in between):
            continue
        merged[convolution.index] = _merged(graph, first, convolution, last)
        gone |= {first.index, last.index}
    operators = (merged.get(operator.index, operator) for operator in graph.operators if operator.index not in gone)
    return replace(graph, operators=tuple(operators)) if merged else graph


def _merged(graph: RawGraph, first: RawOperator, convolution: RawOperator, last: RawOperator) -> RawOperator:
    (block, padding), (same, crops) = _arguments(graph, first), _arguments(graph, last)
    if block != same:
        raise NetworkError(f"{last} has blocks of {list(same)}; {first}, before the convolution, of {list(block)}")
    for operator in (first, last):
        source, result = (graph.tensor(index, str(operator)) for index in (operator.inputs[0], operator.outputs[0]))
        if not _alike(source, result):
            raise NetworkError(f"{operator} only moves integers, but its scales or zero points differ")
    (top, bottom), (left, right) = (
        (int(added[0] - cut[0]), int(added[1] - cut[1])) for added, cut in zip(padding, crops, strict=True)
    )
    if min(top, bottom, left, right) < 0:
        raise NetworkError(f"{last} crops {crops.tolist()}, more than the {padding.tolist()} that {first} adds")
    around = Blocks(block, ((top, bottom), (left, right)))
    return replace(convolution, inputs=(first.inputs[0], *convolution.inputs[1:]), outputs=last.outputs, blocks=around)


def _arguments(graph: RawGraph, operator: RawOperator) -> tuple[tuple[int, int], IntArray]:
    """Returns the size of a block, and what is added or cropped, ``[2, 2]``."""
    if len(operator.inputs) != 3 or len(operator.outputs) != 1:
        raise NetworkError(f"{operator} has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs")
    block, amounts = (constant(graph.tensor(index, str(operator)), "INT32") for index in operator.inputs[1:])
    fits = block.shape == (2,) and amounts.shape == (2, 2) and block.min() >= 1 and amounts.min() >= 0
    if not fits or max(block.max(), amounts.max()) > _LARGEST:
        raise NetworkError(f"{operator}: blocks {block.tolist()} and {amounts.tolist()} are not those of an image")
    return (int(block[0]), int(block[1])), amounts


def _alike(one: RawTensor, other: RawTensor) -> bool:
    return np.array_equal(one.scales, other.scales) and np.array_equal(one.zero_points, other.zero_points)
