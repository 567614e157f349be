"""From a .tosa file to a QuantizedNetwork of the integers that it states."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from nets.errors import NetworkError
from nets.importers.ends import Cut, named_tensors
from nets.importers.tflite.builder import frozen
from nets.importers.tflite.graph import read_file
from nets.importers.tosa import accumulators, movers, rescales
from nets.importers.tosa.builder import Builder
from nets.importers.tosa.cropping import without_crops
from nets.importers.tosa.fully_connected import with_fully_connected
from nets.importers.tosa.graph import RawGraph, RawOperator, read_graph, shown
from nets.importers.tosa.scales import tensor_scales
from nets.importers.tosa.schema import Op
from nets.network import (
    SHARING_QUANTIZATION,
    Contract,
    Mean,
    Operator,
    QuantizedNetwork,
    RescaledOperator,
    TensorSpec,
    Weighted,
    contract_named,
    rescaler_from_scale,
)

Converter = Callable[[Builder, RawOperator], None]

CONVERTERS: dict[Op, Converter] = {
    Op.ADD: accumulators.add_or_subtract,
    Op.AVG_POOL2D: movers.pool,
    Op.CLAMP: rescales.clamp,
    Op.CONCAT: movers.concatenation,
    Op.CONV2D: accumulators.convolution,
    Op.DEPTHWISE_CONV2D: accumulators.depthwise,
    Op.GATHER: movers.gather,
    Op.IDENTITY: movers.identity,
    Op.MATMUL: accumulators.matmul,
    Op.MAXIMUM: accumulators.extremum,
    Op.MAX_POOL2D: movers.pool,
    Op.MINIMUM: accumulators.extremum,
    Op.MUL: accumulators.multiply,
    Op.PAD: movers.pad,
    Op.REDUCE_SUM: accumulators.reduce_sum,
    Op.RESCALE: rescales.rescale,
    Op.RESHAPE: movers.reshape,
    Op.REVERSE: movers.reverse,
    Op.SLICE: movers.slice_,
    Op.SUB: accumulators.add_or_subtract,
    Op.TABLE: movers.table,
    Op.TILE: movers.tile,
    Op.TRANSPOSE: movers.transpose,
}
_CONSTANTS = (Op.CONST, Op.CONST_SHAPE)
AS_STATED = "tosa"  # names the rounding that a file states, in the place of a contract
_SMALLEST = 2.0**-80  # scale of a channel that a file multiplies by 0


def load_tosa(path: str | Path, *, contract: str = AS_STATED, cut: Cut = ()) -> QuantizedNetwork:
    """Imports an int8 network from a TOSA 1.0 file, with the integers that the file states.

    TOSA knows no scales: those of the tensors follow from the rescalers, up to a factor for each set of tied tensors.

    Args:
        path: the file.
        contract: the name of a contract for all rescalers, or ``tosa`` for the rounding that the file states.
        cut: names of the file's int8 tensors at which the network ends; none: at the file's outputs.

    Raises:
        NetworkError: the file is damaged, no int8 network, or uses operators that are not supported.
    """
    path = Path(path)
    return tosa_network(read_file(path), path.name, contract=contract, cut=cut)


def tosa_network(content: bytes, name: str, *, contract: str = AS_STATED, cut: Cut = ()) -> QuantizedNetwork:
    """Imports a network from a file's bytes; see :func:`load_tosa`."""
    try:
        rounding = None if contract == AS_STATED else contract_named(contract)
        network = _network(cut_at(read_graph(content), cut), Path(name).stem)
        return network if rounding is None else _under(network, rounding)
    except NetworkError as error:
        raise NetworkError(f"{name}: {error}") from error


def cut_at(graph: RawGraph, cut: Cut) -> RawGraph:
    """Returns the part of a graph that some of its tensors depend on; all of it for none."""
    if not cut:
        return graph
    producers = {name: raw for raw in graph.operators for name in raw.outputs if raw.op not in _CONSTANTS}
    outputs = named_tensors(cut, producers, graph.tensors.keys() - producers.keys())
    waiting, reached = list(outputs), set[int]()
    while waiting:
        raw = producers.get(waiting.pop())
        if raw is not None and raw.index not in reached:
            reached.add(raw.index)
            waiting += raw.inputs
    kept = (raw for raw in graph.operators if raw.index in reached or raw.op in _CONSTANTS)
    return replace(graph, operators=tuple(kept), outputs=tuple(dict.fromkeys(outputs)))


def _network(graph: RawGraph, name: str) -> QuantizedNetwork:
    builder = Builder(graph, _batch(graph), _uses(graph))
    inputs = tuple(builder.input(each) for each in graph.inputs)
    for raw in graph.operators:
        if raw.op not in _CONSTANTS:
            CONVERTERS[raw.op](builder, raw)
    outputs = tuple(dict.fromkeys(_output(builder, each) for each in graph.outputs))
    if not outputs:
        raise NetworkError("the graph has no outputs")
    zeros = _zero_points(builder)
    operators = [_counted(operator, builder) for operator in builder.operators]
    scales = tensor_scales(operators, builder.ties, len(builder.shapes))
    specs = tuple(
        TensorSpec(name, shape, scale, zero)
        for name, shape, scale, zero in zip(builder.names, builder.shapes, scales, zeros, strict=True)
    )
    network = QuantizedNetwork(
        name=name,
        tensors=specs,
        operators=tuple(_with_weight_scale(operator, specs) for operator in operators),
        inputs=inputs,
        outputs=outputs,
        constants=builder.constants,
    )
    return _compact(without_crops(with_fully_connected(network)))


def _batch(graph: RawGraph) -> int:
    if not graph.inputs:
        raise NetworkError("the graph has no inputs")
    tensor = graph.tensors.get(graph.inputs[0])
    if tensor is None or not tensor.shape or tensor.shape[0] < 1:
        raise NetworkError(f"the graph's input {shown(graph.inputs[0])} has no shape whose first size is the batch")
    return tensor.shape[0]


def _uses(graph: RawGraph) -> Counter[str]:
    return Counter(name for raw in graph.operators for name in raw.inputs)


def _output(builder: Builder, name: str) -> int:
    if name not in builder.indices:
        what = "an accumulator" if name in builder.wide else "made by no operator"
        raise NetworkError(f"the graph's output {shown(name)} is {what}; only int8 networks are supported")
    return builder.indices[name]


def _zero_points(builder: Builder) -> list[int]:
    """Returns every tensor's zero point: what the file states for it or a tensor that it shares it with, or 0."""
    group = list(range(len(builder.shapes)))

    def root(index: int) -> int:
        while group[index] != index:
            group[index] = group[group[index]]
            index = group[index]
        return index

    pairs = list(builder.ties)
    for operator in builder.operators:
        if isinstance(operator, SHARING_QUANTIZATION):
            pairs += [(index, operator.output) for index in operator.inputs]
    for left, right in pairs:
        group[root(right)] = root(left)
    zeros: dict[int, tuple[int, str]] = {}
    for index, (zero, by) in builder.zeros.items():
        known, before = zeros.setdefault(root(index), (zero, by))
        if known != zero:
            raise NetworkError(
                f"{before} states zero point {known} and {by} {zero} for tensors between which integers are only moved"
            )
    return [zeros.get(root(index), (0, ""))[0] for index in range(len(builder.shapes))]


def _counted(operator: Operator, builder: Builder) -> Operator:
    """Returns a mean with the number of its elements."""
    if not isinstance(operator, Mean):
        return operator
    shape = builder.shapes[operator.inputs[0]]
    count = int(np.prod([shape[axis] for axis in operator.axes], dtype=np.int64))
    if count > accumulators.COUNT_MAX:
        raise NetworkError(f"{operator.name} sums {count} elements; at most {accumulators.COUNT_MAX} are supported")
    return replace(operator, count=count)


def _with_weight_scale(operator: Operator, specs: tuple[TensorSpec, ...]) -> Operator:
    if not isinstance(operator, Weighted):
        return operator
    ratio = specs[operator.output].scale / specs[operator.inputs[0]].scale
    return replace(operator, weight_scale=frozen(np.maximum(operator.rescaler.scale, _SMALLEST) * ratio))


def _under(network: QuantizedNetwork, contract: Contract) -> QuantizedNetwork:
    """Returns the network with the same multipliers and shifts under another contract."""

    def rounded(operator: RescaledOperator) -> RescaledOperator:
        return operator.with_rescalers(
            [
                rescaler_from_scale(np.maximum(each.scale, _SMALLEST), each.multiplier_bits, contract)
                for each in operator.rescalers
            ]
        )

    return network.with_operators(
        {each.name: rounded(each) for each in network.operators if isinstance(each, RescaledOperator)}
    )


def _compact(network: QuantizedNetwork) -> QuantizedNetwork:
    """Renumbers the tensors: those that fused operators no longer make are left out."""
    made = {operator.output for operator in network.operators}
    kept = sorted(made.union(network.inputs, network.constants))
    new: Mapping[int, int] = {old: at for at, old in enumerate(kept)}
    return replace(
        network,
        tensors=tuple(network.tensors[old] for old in kept),
        operators=tuple(
            replace(each, inputs=tuple(new[i] for i in each.inputs), output=new[each.output])
            for each in network.operators
        ),
        inputs=tuple(new[index] for index in network.inputs),
        outputs=tuple(new[index] for index in network.outputs),
        constants={new[index]: values for index, values in network.constants.items()},
    )
