"""From a .tflite file to a QuantizedNetwork."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from nets.errors import NetworkError
from nets.importers.ends import Cut, DroppedEnd
from nets.importers.tflite import (
    elementwise,
    functions,
    interpolation,
    matrices,
    movers,
    partitions,
    rearrangements,
    recurrent,
    reductions,
    selection,
    weighted,
)
from nets.importers.tflite.blocks import dilated
from nets.importers.tflite.builder import Builder
from nets.importers.tflite.extent import (
    FUNCTIONS_AT_THE_END,
    Extent,
    downstream,
    extent_of,
    what_a_cut_loses,
)
from nets.importers.tflite.folding import THROUGH_FLOAT, folded, joined
from nets.importers.tflite.graph import RawGraph, RawOperator, read_file, read_graph
from nets.importers.tflite.unsigned import signed
from nets.importers.tflite.words import kinds_of, tensors_of
from nets.network import Operator, Profile, QuantizedNetwork, profile_named

# An operator with several outputs becomes one for each of them.
Converter = Callable[[Builder, RawOperator], Operator | list[Operator]]

CONVERTERS: dict[str, Converter] = {
    "ABS": functions.function,
    "ADD": elementwise.add_or_subtract,
    "AVERAGE_POOL_2D": reductions.pool,
    "BATCH_MATMUL": matrices.matrix_product,
    "BROADCAST_TO": rearrangements.broadcast_to,
    "CONCATENATION": movers.concatenation,
    "CONV_2D": weighted.convolution,
    "DEPTHWISE_CONV_2D": weighted.depthwise,
    "DEPTH_TO_SPACE": rearrangements.depth_to_space,
    THROUGH_FLOAT: functions.through_float,
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
    "NEG": functions.negated,
    "PACK": movers.pack,
    "PAD": movers.pad,
    "PADV2": movers.pad,
    "PRELU": elementwise.parametric_relu,
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
    "SELECT": selection.select,
    "SELECT_V2": selection.select,
    "SLICE": rearrangements.slice_,
    "SOFTMAX": functions.softmax,
    "SPACE_TO_DEPTH": rearrangements.space_to_depth,
    "SPLIT": partitions.split,
    "SPLIT_V": partitions.split_v,
    "SQRT": functions.function,
    "SQUARED_DIFFERENCE": elementwise.squared_difference,
    "SQUEEZE": movers.reshape,
    "STRIDED_SLICE": rearrangements.strided_slice,
    "SVDF": recurrent.svdf,
    "SUB": elementwise.add_or_subtract,
    "SUM": reductions.total,
    "TANH": functions.function,
    "TILE": rearrangements.tile,
    "TRANSPOSE": movers.transpose,
    "TRANSPOSE_CONV": weighted.transposed_convolution,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": recurrent.lstm,
    "UNPACK": partitions.unpack,
}

# Kinds that are not known of int16; LiteRT itself runs only the first two and SUM.
_OF_INT8 = ("NEG", THROUGH_FLOAT, "RELU_0_TO_1", "RELU_N1_TO_1", "SQUARED_DIFFERENCE", "SUM")


def load_tflite(path: str | Path, *, contract: str = "half_up", cut: Cut = ()) -> QuantizedNetwork:
    """Imports a full-int8 .tflite model.

    Operators are named ``<kind>_<index in the file>``; a SOFTMAX, LOG_SOFTMAX, LOGISTIC or DEQUANTIZE at the end is
    dropped, so that the outputs are the logits, and so is a QUANTIZE that translates a float input. Post-processing
    that is no arithmetic of int8 (ARG_MAX, custom operators, float operators without weights) is left out with a
    warning.

    Args:
        path: the file.
        contract: the name of a contract, or of a profile (``litert_ref``, ``litert_xnnpack``), for all rescalers.
        cut: names or indices of the file's tensors at which the network ends; by default it ends at the logits.

    Raises:
        NetworkError: the file is damaged, not a full-int8 model, or uses operators that are not supported.
    """
    path = Path(path)
    return network_from_bytes(read_file(path), path.name, contract=contract, cut=cut)


def end_of_tflite(path: Path) -> DroppedEnd | None:
    """Returns the function behind the logits that the network of a file is read without, or None.

    Raises:
        NetworkError: as :func:`load_tflite`.
    """
    graph = read_graph(read_file(path), path.name)
    try:
        graph = dilated(joined(folded(signed(graph))))
        extent = extent_of(graph)
    except NetworkError as error:
        raise NetworkError(f"{path.name}: {error}") from error
    for operator in extent.left_out:
        if operator.kind in FUNCTIONS_AT_THE_END:
            is_int8 = graph.tensors[operator.outputs[0]].type_name == "INT8"
            return DroppedEnd(operator.kind, extent.outputs[0], operator.outputs[0] if is_int8 else None)
    return None


def network_from_bytes(content: bytes, name: str, *, contract: str = "half_up", cut: Cut = ()) -> QuantizedNetwork:
    """Imports a model from a file's bytes; see :func:`load_tflite`."""
    profile = profile_named(contract)
    graph = read_graph(content, name)
    try:
        return _network(graph, name, profile, cut)
    except NetworkError as error:
        raise NetworkError(f"{name}: {error}") from error


def _network(graph: RawGraph, name: str, profile: Profile, cut: Cut) -> QuantizedNetwork:
    """Converts every operator of a decoded file that the logits depend on."""
    graph = dilated(joined(folded(signed(graph))))
    extent = extent_of(graph, cut)
    _check_known(graph, extent)
    if extent.loses and not cut:
        warnings.warn(
            f"{name}: the network ends at {tensors_of(graph, list(extent.outputs))}; what lies behind is left out: "
            f"{kinds_of(extent.left_out)}",
            stacklevel=2,
        )
    builder = builder_of(graph, profile, extent)
    for operator in extent.operators:
        builder.operators += converted(builder, operator)
    for index in extent.outputs:
        builder.spec(graph.tensor(index, "the graph"))
    return _compact(builder, name.removesuffix(".tflite"), extent)


def converted(builder: Builder, operator: RawOperator) -> list[Operator]:
    """Returns what an operator of a known kind becomes, less those that its converter gives the builder itself."""
    _check_width(builder.graph, operator)
    made = CONVERTERS[operator.kind](builder, operator)
    return made if isinstance(made, list) else [made]


def builder_of(graph: RawGraph, profile: Profile, extent: Extent) -> Builder:
    """Returns a builder that has seen the network's inputs."""
    builder = Builder(graph, profile, batch=_batch(graph, extent.inputs))
    for index in extent.inputs:
        builder.spec(graph.tensor(index, "the graph"))
    return builder


def operator_index(operator: Operator) -> int:
    """Returns the index in its file of an imported operator, which ends its name."""
    return int(operator.name.rsplit("_", 1)[1])


def _check_known(graph: RawGraph, extent: Extent) -> None:
    unknown = [operator for operator in extent.operators if operator.kind not in CONVERTERS]
    if unknown:
        first = unknown[0]
        made = f" (the first, {first}, makes {tensors_of(graph, list(first.outputs[:1]))})" if first.outputs else ""
        kept = replace(graph, operators=extent.operators, outputs=extent.outputs)
        raise NetworkError(
            f"unsupported operators: {kinds_of(unknown)}{made}; {what_a_cut_loses(kept, downstream(kept, unknown))}"
        )


def _check_width(graph: RawGraph, operator: RawOperator) -> None:
    """Raises a NetworkError if an operator that is known of int8 alone takes or makes int16."""
    tensors = (graph.tensor(index, str(operator)) for index in (*operator.inputs, *operator.outputs) if index >= 0)
    if operator.kind in _OF_INT8 and any(tensor.type_name == "INT16" for tensor in tensors):
        raise NetworkError(f"{operator} has tensors of INT16; it is supported of INT8 alone")


def _batch(graph: RawGraph, inputs: tuple[int, ...]) -> int:
    tensor = graph.tensor(inputs[0], "the graph")
    if not tensor.shape or tensor.shape[0] < 1:
        raise NetworkError(
            f"{tensor}, the input, has shape {list(tensor.shape)}; the first size is the batch, at least 1"
        )
    return tensor.shape[0]


AnyOperator = TypeVar("AnyOperator", bound=Operator)


def _renumbered(operator: AnyOperator, new: dict[int, int]) -> AnyOperator:
    """Returns an operator and its parts with the new indices of their tensors."""
    whole = operator.with_parts([_renumbered(part, new) for part in operator.parts])
    return replace(whole, inputs=tuple(new[i] for i in operator.inputs), output=new[operator.output])


def _compact(builder: Builder, name: str, extent: Extent) -> QuantizedNetwork:
    """Renumbers the tensors: activations and constant operands only, in the file's order."""
    files = sorted(builder.specs)
    new = {old: at for at, old in enumerate(files)}
    return QuantizedNetwork(
        name=name,
        tensors=tuple(builder.specs[old] for old in files),
        operators=tuple(_renumbered(operator, new) for operator in builder.operators),
        inputs=tuple(new[i] for i in extent.inputs),
        outputs=tuple(new[i] for i in extent.outputs),
        constants={new[index]: values for index, values in builder.constants.items()},
    )
