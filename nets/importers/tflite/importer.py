"""From a .tflite file to a QuantizedNetwork."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from nets.errors import NetworkError
from nets.importers.tflite import (
    elementwise,
    functions,
    interpolation,
    movers,
    partitions,
    rearrangements,
    reductions,
    weighted,
)
from nets.importers.tflite.builder import Builder
from nets.importers.tflite.folding import folded
from nets.importers.tflite.graph import RawGraph, RawOperator, read_file, read_graph
from nets.network import Operator, Profile, QuantizedNetwork, profile_named

# An operator with several outputs becomes one for each of them.
Converter = Callable[[Builder, RawOperator], Operator | list[Operator]]

CONVERTERS: dict[str, Converter] = {
    "ABS": functions.function,
    "ADD": elementwise.add_or_subtract,
    "AVERAGE_POOL_2D": reductions.pool,
    "BROADCAST_TO": rearrangements.broadcast_to,
    "CONCATENATION": movers.concatenation,
    "CONV_2D": weighted.convolution,
    "DEPTHWISE_CONV_2D": weighted.depthwise,
    "DEPTH_TO_SPACE": rearrangements.depth_to_space,
    "ELU": functions.function,
    "EXP": functions.function,
    "EXPAND_DIMS": movers.reshape,
    "FULLY_CONNECTED": weighted.fully_connected,
    "GATHER": rearrangements.gather,
    "GELU": functions.function,
    "HARD_SWISH": functions.function,
    "LEAKY_RELU": functions.function,
    "LOG": functions.function,
    "LOGISTIC": functions.function,
    "MAXIMUM": elementwise.extremum,
    "MAX_POOL_2D": reductions.pool,
    "MEAN": reductions.mean,
    "MINIMUM": elementwise.extremum,
    "MIRROR_PAD": rearrangements.mirror_pad,
    "MUL": elementwise.multiply,
    "PACK": movers.pack,
    "PAD": movers.pad,
    "PADV2": movers.pad,
    "QUANTIZE": elementwise.requantize,
    "REDUCE_MAX": reductions.extremum,
    "REDUCE_MIN": reductions.extremum,
    "RELU": elementwise.clamp,
    "RELU6": elementwise.clamp,
    "RELU_0_TO_1": elementwise.clamp,
    "RELU_N1_TO_1": elementwise.clamp,
    "RESHAPE": movers.reshape,
    "RESIZE_BILINEAR": interpolation.resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": rearrangements.resize_nearest,
    "REVERSE_V2": rearrangements.reverse,
    "RSQRT": functions.function,
    "SLICE": rearrangements.slice_,
    "SOFTMAX": functions.softmax,
    "SPACE_TO_DEPTH": rearrangements.space_to_depth,
    "SPLIT": partitions.split,
    "SPLIT_V": partitions.split_v,
    "SQRT": functions.function,
    "SQUEEZE": movers.reshape,
    "STRIDED_SLICE": rearrangements.strided_slice,
    "SUB": elementwise.add_or_subtract,
    "SUM": reductions.total,
    "TANH": functions.function,
    "TILE": rearrangements.tile,
    "TRANSPOSE": movers.transpose,
    "UNPACK": partitions.unpack,
}
AT_THE_END = (
    "SOFTMAX",
    "LOG_SOFTMAX",
    "LOGISTIC",
    "DEQUANTIZE",
)  # dropped at the end: networks are scored on their logits
BORDER_TYPES = ("FLOAT32", "UINT8")  # of inputs and outputs that QUANTIZE and DEQUANTIZE translate


def load_tflite(path: str | Path, *, contract: str = "half_up") -> QuantizedNetwork:
    """Imports a full-int8 .tflite model.

    Operators are named ``<kind>_<index in the file>``; a SOFTMAX, LOG_SOFTMAX, LOGISTIC or DEQUANTIZE at the end is
    dropped, so that the outputs are the logits, and so is a QUANTIZE that translates a float input.

    Args:
        path: the file.
        contract: the name of a contract, or of a profile (``litert_ref``, ``litert_xnnpack``), for all rescalers.

    Raises:
        NetworkError: the file is damaged, not a full-int8 model, or uses operators that are not supported.
    """
    path = Path(path)
    return network_from_bytes(read_file(path), path.name, contract=contract)


def network_from_bytes(content: bytes, name: str, *, contract: str = "half_up") -> QuantizedNetwork:
    """Imports a model from a file's bytes; see :func:`load_tflite`."""
    profile = profile_named(contract)
    graph = read_graph(content, name)
    try:
        return network_from_graph(graph, name.removesuffix(".tflite"), profile)
    except NetworkError as error:
        raise NetworkError(f"{name}: {error}") from error


def network_from_graph(graph: RawGraph, name: str, profile: Profile) -> QuantizedNetwork:
    """Converts every operator of a decoded file that the logits may depend on."""
    graph = folded(graph)
    outputs, dropped = _logits(graph)
    inputs, entries = _entries(graph)
    remaining = [operator for operator in graph.operators if operator.index not in dropped | entries]
    _check_known(remaining)
    builder = Builder(graph, profile, batch=_batch(graph, inputs))
    for index in inputs:
        builder.spec(graph.tensor(index, "the graph"))
    for operator in remaining:
        made = CONVERTERS[operator.kind](builder, operator)
        builder.operators += made if isinstance(made, list) else [made]
    for index in outputs:
        builder.spec(graph.tensor(index, "the graph"))
    return _compact(builder, name, inputs, outputs)


def operator_index(operator: Operator) -> int:
    """Returns the index in its file of an imported operator, which ends its name."""
    return int(operator.name.rsplit("_", 1)[1])


def _producers(graph: RawGraph) -> dict[int, RawOperator]:
    producers: dict[int, RawOperator] = {}
    for operator in graph.operators:
        for index in operator.outputs:
            tensor = graph.tensor(index, str(operator))
            if index in producers or index in graph.inputs or tensor.data is not None:
                raise NetworkError(f"{operator} writes {tensor}, which already has a value")
            producers[index] = operator
    return producers


def _logits(graph: RawGraph) -> tuple[list[int], set[int]]:
    """Returns the logits of the graph's outputs, and the indices of the operators behind them, which are dropped."""
    if not graph.outputs:
        raise NetworkError("the graph has no outputs")
    producers, readers = _producers(graph), _readers(graph)
    dropped: dict[int, int] = {}  # the input of the operator that makes a tensor, by tensor
    indices = set()
    for operator in reversed(graph.operators):
        read = {reader for index in operator.outputs for reader in readers.get(index, ())}
        if read <= indices and _ends_the_network(graph, operator, producers):
            indices.add(operator.index)
            dropped |= dict.fromkeys(operator.outputs, operator.inputs[0])
    outputs = []
    for index in graph.outputs:
        at = index
        while at in dropped:
            at = dropped[at]
        outputs.append(at)
    return list(dict.fromkeys(outputs)), indices


def _readers(graph: RawGraph) -> dict[int, list[int]]:
    """Returns the indices of the operators that read each tensor."""
    readers: dict[int, list[int]] = {}
    for operator in graph.operators:
        for index in operator.inputs:
            readers.setdefault(index, []).append(operator.index)
    return readers


def _ends_the_network(graph: RawGraph, operator: RawOperator, producers: dict[int, RawOperator]) -> bool:
    """Returns whether an operator is dropped if none that stays reads it; a RESHAPE behind such a one is, too."""
    passed: set[int] = set()  # a damaged file may have cycles
    current: RawOperator | None = operator
    while current is not None and current.kind == "RESHAPE" and current.inputs and current.index not in passed:
        passed.add(current.index)
        current = producers.get(current.inputs[0])
    if current is None or not current.inputs or not current.outputs:
        return False
    to_border = current.kind == "QUANTIZE" and graph.tensor(current.outputs[0], str(current)).type_name == "UINT8"
    return current.kind in AT_THE_END or to_border


def _entries(graph: RawGraph) -> tuple[list[int], set[int]]:
    """Returns the int8 inputs of the network, and the indices of QUANTIZE operators that translate to them."""
    borders = {i for i in graph.inputs if graph.tensor(i, "the graph").type_name in BORDER_TYPES}
    quantizers = [op for op in graph.operators if op.kind == "QUANTIZE" and set(op.inputs) & borders]
    inputs: list[int] = []
    for index in graph.inputs:
        translated = [output for op in quantizers if index in op.inputs for output in op.outputs]
        inputs += translated if index in borders and translated else [index]
    if not inputs:
        raise NetworkError("the graph has no inputs")
    if len(set(inputs)) != len(inputs):
        raise NetworkError(f"the graph's inputs {inputs} are not distinct")
    return inputs, {op.index for op in quantizers}


def _check_known(operators: list[RawOperator]) -> None:
    unknown = [f"{op.index} {op.kind}" for op in operators if op.kind not in CONVERTERS]
    if unknown:
        shown = ", ".join(unknown[:20]) + (f" and {len(unknown) - 20} more" if len(unknown) > 20 else "")
        raise NetworkError(f"unsupported operators (index and name): {shown}; supported are {', '.join(CONVERTERS)}")


def _batch(graph: RawGraph, inputs: list[int]) -> int:
    tensor = graph.tensor(inputs[0], "the graph")
    if not tensor.shape or tensor.shape[0] < 1:
        raise NetworkError(
            f"{tensor}, the input, has shape {list(tensor.shape)}; the first size is the batch, at least 1"
        )
    return tensor.shape[0]


def _compact(builder: Builder, name: str, inputs: list[int], outputs: list[int]) -> QuantizedNetwork:
    """Renumbers the tensors: activations and constant operands only, in the file's order."""
    files = sorted(builder.specs)
    new = {old: at for at, old in enumerate(files)}
    return QuantizedNetwork(
        name=name,
        tensors=tuple(builder.specs[old] for old in files),
        operators=tuple(
            replace(op, inputs=tuple(new[i] for i in op.inputs), output=new[op.output]) for op in builder.operators
        ),
        inputs=tuple(new[i] for i in inputs),
        outputs=tuple(new[i] for i in outputs),
        constants={new[index]: values for index, values in builder.constants.items()},
    )
