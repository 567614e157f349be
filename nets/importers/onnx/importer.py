"""From an .onnx file to a QuantizedNetwork."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nets.errors import NetworkError
from nets.importers.ends import Cut, DroppedEnd, named_tensors
from nets.importers.onnx import elementwise, folding, movers, pooling, weighted
from nets.importers.onnx.builder import Activation, Builder, ConstantReal, Pending, Quantization, Value
from nets.importers.onnx.graph import AnyArray, RawGraph, RawInput, RawNode, read_graph, shown
from nets.importers.tflite.graph import read_file
from nets.network import ONNX_PROFILES, Operator, Profile, QuantizedNetwork, profile_named

Converter = Callable[[Builder, RawNode], Value | None]  # None if it defined its outputs itself

CONVERTERS: dict[str, Converter] = {
    "Add": elementwise.pair,
    "AveragePool": pooling.average_pool,
    "Clip": elementwise.clamp,
    "Concat": movers.concat,
    "Constant": folding.constant,
    "Conv": weighted.conv,
    "DepthToSpace": movers.depth_to_space,
    "Dropout": movers.same,
    "Elu": elementwise.curve,
    "Flatten": movers.flatten,
    "Gather": movers.gather,
    "Gemm": weighted.gemm,
    "GlobalAveragePool": pooling.global_average_pool,
    "HardSigmoid": elementwise.curve,
    "HardSwish": elementwise.curve,
    "Identity": movers.same,
    "LeakyRelu": elementwise.curve,
    "MatMul": weighted.matmul,
    "MaxPool": pooling.max_pool,
    "Mul": elementwise.pair,
    "Pad": movers.pad,
    "QGemm": weighted.qgemm,
    "QLinearAdd": elementwise.qlinear_pair,
    "QLinearAveragePool": pooling.qlinear_average_pool,
    "QLinearConcat": movers.qlinear_concat,
    "QLinearConv": weighted.qlinear_conv,
    "QLinearGlobalAveragePool": pooling.qlinear_global_average_pool,
    "QLinearLeakyRelu": elementwise.qlinear_curve,
    "QLinearMatMul": weighted.qlinear_matmul,
    "QLinearMul": elementwise.qlinear_pair,
    "QLinearSigmoid": elementwise.qlinear_curve,
    "ReduceMean": pooling.reduce_mean,
    "Relu": elementwise.clamp,
    "Reshape": movers.reshape,
    "Resize": movers.resize,
    "Shape": folding.shape,
    "Sigmoid": elementwise.curve,
    "Slice": movers.slice_,
    "SpaceToDepth": movers.depth_to_space,
    "Split": movers.split,
    "Squeeze": movers.squeeze,
    "Sub": elementwise.pair,
    "Tanh": elementwise.curve,
    "Transpose": movers.transpose,
    "Unsqueeze": movers.squeeze,
    "Upsample": movers.resize,
}
_AT_THE_END = ("Softmax", "LogSoftmax", "Sigmoid", "QLinearSoftmax", "QLinearSigmoid")  # networks are scored on logits
_BORDERS = ("QuantizeLinear", "DequantizeLinear")
_OF_CONSTANTS = ("Cast", "Div")  # known of constants only
# Nodes that only move or choose numbers: before a QuantizeLinear, they move its integers as well.
_MOVING = ("Flatten", "MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_BITS = {np.dtype(np.int8): 8, np.dtype(np.uint8): 8, np.dtype(np.int32): 32}
_OUTPUT_TYPES = {0: np.uint8, 2: np.uint8, 3: np.int8}  # of a QuantizeLinear without a zero point


def operator_node(operator: Operator) -> int:
    """Returns the index in its file of the node that an imported operator is of: the first number of its name."""
    return int(next(part for part in operator.name.split("_") if part.isdigit()))


@dataclass(frozen=True, eq=False, slots=True)
class ImportedOnnx:
    """A network and its places in the file.

    Attributes:
        names: the names that its tensors have in the file as integers, by their ``file_index``.
        outputs: for each output of the file, the network's tensor of which it is the integers or real numbers; None
            for one behind a Softmax that was dropped.
    """

    network: QuantizedNetwork
    names: tuple[str, ...]
    outputs: tuple[int | None, ...]


def load_onnx(path: str | Path, *, contract: str = "half_up", cut: Cut = ()) -> QuantizedNetwork:
    """Imports an int8 or uint8 .onnx model: QuantizeLinear and DequantizeLinear around its operators, or QLinear ones.

    uint8 activations become int8 with zero points less by 128. Images are stored with their channels last. Operators
    are named ``<kind>_<index of the node>``; a Softmax or Sigmoid at the end is dropped, so that the outputs are the
    logits, and so are the borders to real inputs and outputs.

    Args:
        path: the file; data that it keeps in other files are not read.
        contract: the name of a contract, or of the profile ``onnxruntime``, for all rescalers.
        cut: names of the file's values at which the network ends; none: at its logits.

    Raises:
        NetworkError: the file is damaged, not fully quantized, or uses operators that are not supported; or the onnx
            package is not installed.
    """
    path = Path(path)
    return onnx_from_bytes(read_file(path), path.name, contract=contract, cut=cut).network


def end_of_onnx(path: Path) -> DroppedEnd | None:
    """Returns the function behind the logits that the network of a file is read without, or None.

    Raises:
        NetworkError: as :func:`load_onnx`.
    """
    graph = read_graph(read_file(path), path.name)
    try:
        producers = _producers(graph)
    except NetworkError as error:
        raise NetworkError(f"{path.name}: {error}") from error
    for output in graph.outputs:
        logits = _logits(producers, output)
        for node in graph.nodes:
            if node.kind in _AT_THE_END and logits != output and node.has(0) and node.inputs[0] == logits:
                return DroppedEnd(node.kind, logits)
    return None


def onnx_from_bytes(content: bytes, name: str, *, contract: str = "half_up", cut: Cut = ()) -> ImportedOnnx:
    """Imports a model from a file's bytes; see :func:`load_onnx`."""
    profile = profile_named(contract)
    if profile.runtime is not None and contract not in ONNX_PROFILES:
        raise NetworkError(
            f"{name}: {contract!r} is a profile of another runtime; use a contract, or {', '.join(ONNX_PROFILES)}"
        )
    graph = read_graph(content, name)
    try:
        return _network(graph, name.rsplit(".", 1)[0], profile, cut)
    except NetworkError as error:
        raise NetworkError(f"{name}: {error}") from error


def needed_nodes(graph: RawGraph, cut: Cut = ()) -> tuple[list[RawNode], list[str]]:
    """Returns the nodes that a network is made of, in the file's order, and the values at which it ends."""
    producers = _producers(graph)
    outputs = named_tensors(cut, producers, (*graph.constants, *(raw.name for raw in graph.inputs)))
    outputs = outputs or [_logits(producers, output) for output in graph.outputs]
    if not outputs:
        raise NetworkError("the graph has no outputs")
    return _needed(graph, producers, outputs), outputs


def is_known(node: RawNode) -> bool:
    """Returns whether a node is of a kind that is imported."""
    return node.kind in (*CONVERTERS, *_BORDERS, *_OF_CONSTANTS)


def _network(graph: RawGraph, name: str, profile: Profile, cut: Cut) -> ImportedOnnx:
    needed, outputs = needed_nodes(graph, cut)
    _check_known(needed)
    builder = Builder(graph, profile, _batch(graph), dict(graph.constants))
    inputs: dict[str, int] = {}
    for position, raw in enumerate(graph.inputs):
        if raw.type_name == "FLOAT":
            builder.values[raw.name] = _real_input(builder, raw, position, inputs)
    for node in needed:
        _enter(builder, node, inputs)
        _convert(builder, node)
    results = [_result(builder, output) for output in outputs]
    if unused := [raw.name for raw in graph.inputs if raw.name not in inputs]:
        raise NetworkError(f"input {shown(unused[0])} is used by no operator as integers")
    ordered = [inputs[raw.name] for raw in graph.inputs]
    kept = [builder.values.get(output) for output in graph.outputs]
    whole = [value.index if isinstance(value, Activation) else None for value in kept]
    network, new = _compact(builder, name, ordered, results)
    return ImportedOnnx(network, tuple(builder.file_names), tuple(None if at is None else new[at] for at in whole))


def _producers(graph: RawGraph) -> dict[str, RawNode]:
    producers: dict[str, RawNode] = {}
    given = {raw.name for raw in graph.inputs} | set(graph.constants)
    for node in graph.nodes:
        for name in filter(None, node.outputs):
            if name in producers or name in given:
                raise NetworkError(f"{node} writes {shown(name)}, which already has a value")
            producers[name] = node
    return producers


def _logits(producers: dict[str, RawNode], output: str) -> str:
    """Returns the value before the last Softmax or Sigmoid, if nothing but borders follows it."""
    at, logits, seen = output, output, set()
    while (node := producers.get(at)) is not None and node.index not in seen and node.has(0):
        if node.kind not in (*_BORDERS, *_AT_THE_END):
            break
        seen.add(node.index)
        at = node.inputs[0]
        if node.kind in _AT_THE_END:
            logits = at
    return logits


def _needed(graph: RawGraph, producers: dict[str, RawNode], outputs: list[str]) -> list[RawNode]:
    """Returns the nodes that the outputs depend on, in the file's order."""
    wanted, reached = list(outputs), set()
    while wanted:
        node = producers.get(wanted.pop())
        if node is not None and node.index not in reached:
            reached.add(node.index)
            wanted += filter(None, node.inputs)
    return [node for node in graph.nodes if node.index in reached]


def _check_known(nodes: list[RawNode]) -> None:
    unknown = Counter(node.kind for node in nodes if not is_known(node))
    if unknown:
        first = next(node for node in nodes if node.kind in unknown)
        counts = ", ".join(f"{count} {kind}" for kind, count in unknown.most_common(20))
        raise NetworkError(
            f"unsupported operators: {counts}; the first is {first}; supported are {', '.join(CONVERTERS)}"
        )


def _batch(graph: RawGraph) -> int:
    if not graph.inputs:
        raise NetworkError("the graph has no inputs")
    for raw in graph.inputs:
        if not raw.shape or min(raw.shape) < 0 or 0 in raw.shape[1:]:
            raise NetworkError(
                f"input {shown(raw.name)} has shape {list(raw.shape)} (0: left open); only the first size, the batch, "
                "may be open"
            )
    batches = {raw.shape[0] for raw in graph.inputs}
    if len(batches) > 1:
        raise NetworkError(f"inputs have batches of {sorted(batches)}; one is supported")
    return batches.pop() or 1


def _real_input(builder: Builder, raw: RawInput, position: int, inputs: dict[str, int]) -> Pending:
    """Returns an input of real numbers, whose integers the first QuantizeLinear states."""
    node = RawNode(position, "Input", (), (raw.name,), {})

    def finish(name: str, target: Quantization, limits: tuple[float, float]) -> int:
        if limits != (-math.inf, math.inf):
            raise NetworkError(f"input {shown(raw.name)} is clamped before it is quantized, which is not supported")
        if raw.name not in inputs:
            inputs[raw.name] = builder.tensor(node, name, raw.shape[1:], target)
        elif builder.quantizations[inputs[raw.name]] != target:
            raise NetworkError(f"input {shown(raw.name)} is quantized in two ways; one is supported")
        return inputs[raw.name]

    return Pending(node, finish)


def _enter(builder: Builder, node: RawNode, inputs: dict[str, int]) -> None:
    """Gives an input of integers its quantization when the first node that states it is reached."""
    for position, name in enumerate(node.inputs):
        raw = next((each for each in builder.graph.inputs if each.name == name), None)
        if raw is None or raw.type_name == "FLOAT" or name in inputs:
            continue
        if raw.type_name not in ("INT8", "UINT8") or not node.kind.startswith(("Dequantize", "Q")):
            raise NetworkError(f"{node} reads input {shown(name)} of {raw.type_name}, whose scale it does not state")
        absent = np.uint8 if raw.type_name == "UINT8" else np.int8
        quantization = builder.quantization(node, position + 1, position + 2, absent)
        inputs[name] = builder.tensor(node, name, raw.shape[1:], quantization)
        builder.values[name] = Activation(inputs[name], real=False)


def _convert(builder: Builder, node: RawNode) -> None:
    if node.kind == "QuantizeLinear":
        builder.define(node, _quantized(builder, node))
        return
    if node.kind == "DequantizeLinear":
        builder.define(node, _dequantized(builder, node))
        return
    if (array := folding.folded(builder, node)) is not None:
        builder.define(node, array)
        return
    if node.kind in _OF_CONSTANTS:
        raise NetworkError(f"{node} of an activation is not supported")
    value = _converted(builder, node)
    if value is not None:
        builder.define(node, value)


def _converted(builder: Builder, node: RawNode) -> Value | None:
    """Converts a node; one that moves a result without quantization waits for the QuantizeLinear that follows."""
    convert = CONVERTERS[node.kind]
    before = builder.value(node, 0) if node.kind in _MOVING else None
    if not isinstance(before, Pending):
        return convert(builder, node)

    def finish(name: str, target: Quantization, limits: tuple[float, float]) -> int:
        low, high = max(before.low, limits[0]), min(before.high, limits[1])
        builder.values[node.inputs[0]] = Activation(before.finish("", target, (low, high)), real=True)
        moved = convert(builder, node)
        builder.values[node.inputs[0]] = before  # real numbers for its other readers
        assert isinstance(moved, Activation)  # noqa: S101 -- every node of _MOVING gives one
        builder.name_in_file(moved.index, name)
        return moved.index

    return Pending(node, finish)


def _stated(builder: Builder, node: RawNode) -> Quantization:
    """Returns the quantization of a QuantizeLinear."""
    kind = node.integer("output_dtype", 0)
    if kind not in _OUTPUT_TYPES:
        raise NetworkError(f"{node} makes type {kind}; int8 and uint8 are supported")
    return builder.quantization(node, 1, 2, _OUTPUT_TYPES[kind])


def _quantized(builder: Builder, node: RawNode) -> Value:
    value, target = builder.value(node, 0), _stated(builder, node)
    if isinstance(value, Pending):
        return Activation(value.finish(node.outputs[0], target, (value.low, value.high)), real=False)
    if not isinstance(value, Activation) or not value.real:
        raise NetworkError(f"{node} quantizes a constant, or integers; only activations are supported")
    if builder.quantizations[value.index] == target:
        builder.name_in_file(value.index, node.outputs[0])
        return Activation(value.index, real=False)
    open_ended = (-math.inf, math.inf)
    return Activation(
        elementwise.requantized(builder, node, value.index, node.outputs[0], target, open_ended), real=False
    )


def _dequantized(builder: Builder, node: RawNode) -> Value:
    value = builder.value(node, 0)
    if isinstance(value, np.ndarray):
        return _constant(builder, node, value)
    if not isinstance(value, Activation) or value.real:
        raise NetworkError(f"{node} reads no integers")
    own = builder.quantizations[value.index]
    if builder.quantization(node, 1, 2, np.uint8 if own.offset else np.int8) != own:
        raise NetworkError(f"{node} has another scale or zero point than the tensor that it reads")
    return Activation(value.index, real=True)


def _constant(builder: Builder, node: RawNode, values: AnyArray) -> ConstantReal:
    if values.dtype not in _BITS or node.integer("block_size", 0):
        raise NetworkError(f"{node} reads a constant of {values.dtype}; int8, uint8 and int32 are supported")
    scales, zeros, offset = builder.scales(node, 1, 2, values.dtype.type)
    if (values.dtype == np.uint8) != bool(offset):
        raise NetworkError(f"{node}: constant and zero point differ in type")
    axis = node.integer("axis", 1)
    if scales.size > 1 and not -values.ndim <= axis < values.ndim:
        raise NetworkError(f"{node}: axis {axis} does not fit a constant of {values.ndim} dimensions")
    at = axis % values.ndim if scales.size > 1 else 0
    return ConstantReal(values.astype(np.int64) - offset, scales, zeros, at, offset, _BITS[values.dtype])


def _result(builder: Builder, name: str) -> int:
    value = builder.values.get(name)
    if isinstance(value, Activation):
        return value.index
    made = f"made by {value.node}" if isinstance(value, Pending) else "no activation"
    raise NetworkError(f"output {shown(name)} is {made} and not quantized; only fully quantized models are supported")


def _compact(
    builder: Builder, name: str, inputs: list[int], outputs: list[int]
) -> tuple[QuantizedNetwork, dict[int, int]]:
    """Keeps the tensors that operators read or write; returns their new indices, too."""
    read = {index for operator in builder.operators for index in (*operator.inputs, operator.output)}
    kept = sorted(read.union(inputs, outputs))
    new = {old: at for at, old in enumerate(kept)}
    network = QuantizedNetwork(
        name=name,
        tensors=tuple(builder.tensors[old] for old in kept),
        operators=tuple(
            replace(op, inputs=tuple(new[i] for i in op.inputs), output=new[op.output]) for op in builder.operators
        ),
        inputs=tuple(new[i] for i in inputs),
        outputs=tuple(dict.fromkeys(new[i] for i in outputs)),
        constants={new[index]: values for index, values in builder.constants.items() if index in new},
    )
    return network, new
